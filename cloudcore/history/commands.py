"""``cloudcore history``: samples of a property, read from the file beside the running process."""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloudcore.errors import HistoryError, IdentityError
from cloudcore.history.sample import Query
from cloudcore.history.store import read
from cloudcore.pki.signing import check_node_name
from cloudcore.pki.table import table
from cloudcore.pki.tokens import parse_ttl
from viaduct.device import is_device_id, is_key

_MOST = 10_000_000
_LATEST = 2**62


def add_history_parser(subparsers: Any) -> None:
    """Add ``history`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.look`` and ``args.file_of``."""
    parser = subparsers.add_parser("history", help="print samples of a device's property")
    parser.add_argument("device", type=_device, metavar="NODE/DEVICE")
    parser.add_argument("property", type=_property, metavar="PROPERTY")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="not older than: 30m, 1h, 7d or 2026-01-31T12:00:00Z (default 1h)")
    parser.add_argument("--until", type=_moment, default=_LATEST, metavar="TIME", help="not newer than (default now)")
    parser.add_argument("--limit", type=_limit, default=10_000, metavar="N", help="the newest N (default 10000)")
    parser.add_argument("-o", dest="output", choices=("table", "json", "csv"), default="table", help="how (default table)")
    parser.add_argument("--file", metavar="FILE", help="the file of samples (default: the one in CloudCore's config)")
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="CloudCore's config")
    parser.set_defaults(look=look, file_of=lambda config: config.history_file)


def look(args: argparse.Namespace, file: Path) -> str:
    """The text to print, oldest sample first; ``file`` is the one in the config.

    Raises:
        HistoryError: there is no file, it cannot be read, or it knows no such property.
    """
    node, device = args.device
    since = _moment("1h") if args.since is None else args.since
    if args.until < since:
        raise HistoryError("--until is before --since")
    query = Query(node, device, args.property, since, args.until, args.limit)
    found = read(file if args.file is None else Path(args.file), query)
    return {"table": as_table, "json": as_json, "csv": as_csv}[args.output](found)


def as_table(samples: Sequence[tuple[int, str]]) -> str:
    return table(("TIME", "VALUE"), [(_stamp(moment), value) for moment, value in samples])


def as_json(samples: Sequence[tuple[int, str]]) -> str:
    """A list, a sample a line."""
    lines = (json.dumps({"time": _stamp(moment), "value": value}, ensure_ascii=False) for moment, value in samples)
    return "[\n" + ",\n".join(lines) + "\n]" if samples else "[]"


def as_csv(samples: Sequence[tuple[int, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "value"))
    writer.writerows((_stamp(moment), value) for moment, value in samples)
    return text.getvalue().removesuffix("\n")


def _stamp(moment_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(moment_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03}Z"
    except (ValueError, OverflowError, OSError):
        return str(moment_ms)


def _device(text: str) -> tuple[str, str]:
    node, slash, device = text.partition("/")
    if not slash or not is_device_id(device):
        raise argparse.ArgumentTypeError(f"expected NODE/DEVICE, got {text[:100]!r}")
    try:
        check_node_name(node, of="expected a node")
    except IdentityError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return node, device


def _property(text: str) -> str:
    if not is_key(text):
        raise argparse.ArgumentTypeError(f"expected the name of a property, got {text[:100]!r}")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 0 < int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {_MOST}, got {text[:32]!r}")
    return int(text)


def _moment(text: str) -> int:
    """Milliseconds since the epoch."""
    try:
        return int((time.time() - parse_ttl(text)) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected a time such as 30m, 1h, 7d or 2026-01-31T12:00:00Z, got {text[:40]!r}") from None
