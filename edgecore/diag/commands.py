"""``edgecore diag``: one file for whoever is to help, without secrets. Exit codes: 0, 1 it could not be written, 2 a wrong flag."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edgecore.config import DEFAULT_FILE
from edgecore.diag import bundle
from edgecore.diag.known import known_secrets
from edgecore.diag.masking import Masks
from edgecore.diag.parts import PARTS, log_file
from edgecore.doctor.board import Board
from edgecore.doctor.case import Case, config_file
from edgecore.errors import ConfigError, EdgeCoreError

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_LONGEST_NAME = 200


def run(arguments: Sequence[str]) -> int:
    args = parser().parse_args(arguments[1:])
    logging.disable(logging.CRITICAL)  # what the doors would log is in the bundle
    try:
        return _pack(args)
    except ConfigError as exc:
        print(f"edgecore diag: {exc}", file=sys.stderr)
        return EXIT_USAGE
    except EdgeCoreError as exc:
        print(f"edgecore diag: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
    finally:
        logging.disable(logging.NOTSET)


def _pack(args: argparse.Namespace) -> int:
    """Raises: ConfigError: a wrong flag; EdgeCoreError: the file cannot be written."""
    case = Case(Board(), config_file(args.config))
    now = time.time()
    name = f"edgecore-diag-{case.board.host_name()}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    target = Path(args.output or f"{name}.tar.gz")
    if len(target.name) > _LONGEST_NAME or os.path.isdir(target) or not os.path.isdir(target.parent):
        raise EdgeCoreError(f"--output: expected the name of a file in a folder that is there, got {args.output[:200]!r}")
    parts = [*PARTS, *([log_file(_log(args.log))] if args.log else [])]
    made = bundle.make(parts, case, Masks(known_secrets(case)))
    size = bundle.write(made.files, target, name, now)
    if made.missing:
        print(f"edgecore diag: not in it: {', '.join(made.missing)}; its missing.txt says why", file=sys.stderr)
    print(f"{target}: {len(made.files)} files, {size // 1024} kB, without secrets; look through logs/ before you pass it on")
    return EXIT_OK


def _log(given: str) -> str:
    path = Path(given).absolute()
    if not os.path.isfile(path):
        raise ConfigError(f"--log: {given[:200]}: no such file")
    return str(path)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="edgecore diag",
        description="Pack what is needed to find a fault into one file, without keys, Secrets, passwords and tokens.",
    )
    found.add_argument("-o", "--output", default="", metavar="FILE", help="the file to write (default edgecore-diag-HOST-TIME.tar.gz here)")
    found.add_argument("--log", default="", metavar="FILE", help="a file with EdgeCore's log, where it is not in the journal")
    found.add_argument("--config", default="", metavar="FILE", help=f"EdgeCore's config (default {DEFAULT_FILE})")
    return found
