"""``edgecore doctor``: what is wrong with this board, why it matters and how to mend it.

Exit codes: 0 nothing is wrong (warnings there may be), 1 something is, 2 a wrong flag.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence

from edgecore.config import DEFAULT_FILE
from edgecore.doctor import report
from edgecore.doctor.board import Board
from edgecore.doctor.case import Case, config_file
from edgecore.doctor.catalog import CHECKS
from edgecore.doctor.check import Check
from edgecore.doctor.examine import examine, fix
from edgecore.doctor.verdict import Outcome
from edgecore.errors import ConfigError

EXIT_WELL, EXIT_WRONG, EXIT_USAGE = 0, 1, 2
_WIDEST = 120


def run(arguments: Sequence[str]) -> int:
    args = parser().parse_args(arguments[1:])
    logging.disable(logging.CRITICAL)  # what the doors would log is in the verdicts
    try:
        if args.list:
            print(report.listing(_chosen(args.ids), width=_width()), flush=True)
            return EXIT_WELL
        return _examine(args)
    except ConfigError as exc:
        print(f"edgecore doctor: {exc}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_WELL
    except KeyboardInterrupt:
        return 130
    finally:
        logging.disable(logging.NOTSET)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="edgecore doctor",
        description="What is wrong with this board, why it matters, how to mend it. EdgeCore may run, be stopped or not be set up.",
    )
    found.add_argument("ids", nargs="*", metavar="ID", help="only these checks, such as cgroup-memory")
    found.add_argument("--list", action="store_true", help="print the checks and end")
    found.add_argument("--fix", action="store_true", help="mend what is safe to mend, and look again")
    found.add_argument("-v", "--verbose", action="store_true", help="print also what is well and what does not apply")
    found.add_argument("-o", "--output", choices=("json",), default="", help="print everything as JSON")
    found.add_argument("--config", default="", metavar="FILE", help=f"EdgeCore's config (default {DEFAULT_FILE})")
    return found


def _examine(args: argparse.Namespace) -> int:
    checks = _chosen(args.ids)
    case = Case(Board(), config_file(args.config))
    results = examine(checks, case)
    if args.fix:
        results = fix(results, case)
    if args.output == "json":
        print(json.dumps(report.as_json(results), indent=2, ensure_ascii=False), flush=True)
    else:
        print(report.as_text(results, verbose=args.verbose or bool(args.ids), width=_width(), colour=sys.stdout.isatty()), flush=True)
    return EXIT_WRONG if any(result.verdict.outcome is Outcome.WRONG for result in results) else EXIT_WELL


def _chosen(ids: Sequence[str]) -> list[Check]:
    """In the order of the catalog. Raises ConfigError."""
    known = {check.id for check in CHECKS}
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise ConfigError(f"no such check: {unknown[0][:60]!r}; edgecore doctor --list prints them")
    return [check for check in CHECKS if not ids or check.id in ids]


def _width() -> int:
    return min(_WIDEST, max(50, shutil.get_terminal_size().columns))
