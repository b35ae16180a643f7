"""``cloudcore history``: samples of a property, read from the file beside the running process."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloudcore import lookup
from cloudcore.errors import HistoryError
from cloudcore.history.sample import Query
from cloudcore.history.store import read
from cloudcore.pki.table import table
from viaduct.device import is_device_id, is_key

_MOST = 10_000_000
_LATEST = 2**62
_FIELDS = ("time", "value")


def add_history_parser(subparsers: Any) -> None:
    """Add ``history`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.look`` and ``args.file_of``."""
    parser = subparsers.add_parser("history", help="print samples of a device's property")
    parser.add_argument("device", type=_device, metavar="NODE/DEVICE")
    parser.add_argument("property", type=_property, metavar="PROPERTY")
    parser.add_argument(
        "--since", type=lookup.moment, metavar="TIME", help="not older than: 30m, 1h, 7d or 2026-01-31T12:00:00Z (default 1h)"
    )
    parser.add_argument("--until", type=lookup.moment, default=_LATEST, metavar="TIME", help="not newer than (default now)")
    parser.add_argument("--limit", type=lookup.limit(_MOST), default=10_000, metavar="N", help="the newest N (default 10000)")
    lookup.add_output_flags(parser, "samples")
    parser.set_defaults(look=look, file_of=lambda config: config.history_file)


def look(args: argparse.Namespace, file: Path) -> str:
    """The text to print, oldest sample first; ``file`` is the one in the config.

    Raises:
        HistoryError: there is no file, it cannot be read, or it knows no such property.
    """
    node, device = args.device
    since = lookup.moment("1h") if args.since is None else args.since
    if args.until < since:
        raise HistoryError("--until is before --since")
    query = Query(node, device, args.property, since, args.until, args.limit)
    found = read(file if args.file is None else Path(args.file), query)
    return {"table": as_table, "json": as_json, "csv": as_csv}[args.output](found)


def as_table(samples: Sequence[tuple[int, str]]) -> str:
    return table(("TIME", "VALUE"), _rows(samples))


def as_json(samples: Sequence[tuple[int, str]]) -> str:
    return lookup.as_json(_FIELDS, _rows(samples))


def as_csv(samples: Sequence[tuple[int, str]]) -> str:
    return lookup.as_csv(_FIELDS, _rows(samples))


def _rows(samples: Sequence[tuple[int, str]]) -> list[tuple[str, str]]:
    return [(lookup.stamp(moment), value) for moment, value in samples]


def _device(text: str) -> tuple[str, str]:
    node, slash, device = text.partition("/")
    if not slash or not is_device_id(device):
        raise argparse.ArgumentTypeError(f"expected NODE/DEVICE, got {text[:100]!r}")
    return lookup.node(node), device


def _property(text: str) -> str:
    if not is_key(text):
        raise argparse.ArgumentTypeError(f"expected the name of a property, got {text[:100]!r}")
    return text
