"""What ``cloudcore records`` and ``cloudcore history`` share: the flags that choose, and how rows are printed for programs."""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cloudcore.errors import IdentityError
from cloudcore.pki.signing import check_node_name
from cloudcore.pki.tokens import parse_ttl


def add_output_flags(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-o", dest="output", choices=("table", "json", "csv"), default="table", help="how (default table)")
    parser.add_argument("--file", metavar="FILE", help=f"the file of {what} (default: the one in CloudCore's config)")
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="CloudCore's config")


def as_json(fields: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A list, a row a line."""
    lines = (json.dumps(dict(zip(fields, row, strict=True)), ensure_ascii=False) for row in rows)
    return "[\n" + ",\n".join(lines) + "\n]" if rows else "[]"


def as_csv(fields: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows(rows)
    return text.getvalue().removesuffix("\n")


def stamp(moment_ms: int) -> str:
    """``2026-01-31T12:00:00.000Z``; the number itself where it is beyond all calendars."""
    try:
        return f"{datetime.fromtimestamp(moment_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03}Z"
    except (ValueError, OverflowError, OSError):
        return str(moment_ms)


def node(text: str) -> str:
    """A flag's value: the name of a node."""
    try:
        check_node_name(text, of="expected a node")
    except IdentityError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return text


def limit(most: int) -> Callable[[str], int]:
    """A flag's value: a number of rows."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and 0 < int(text) <= most):
            raise argparse.ArgumentTypeError(f"expected a number from 1 to {most}, got {text[:32]!r}")
        return int(text)

    return parse


def moment(text: str) -> int:
    """A flag's value: a time or how long ago it was, in milliseconds since the epoch."""
    try:
        return int((time.time() - parse_ttl(text)) * 1000)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError
        return int(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected a time such as 30m, 1h, 7d or 2026-01-31T12:00:00Z, got {text[:40]!r}") from None
