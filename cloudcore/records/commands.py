"""``cloudcore records``: what boards have uploaded, read from the file beside the running process."""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cloudcore.errors import IdentityError
from cloudcore.pki.signing import check_node_name
from cloudcore.pki.table import date, table
from cloudcore.pki.tokens import parse_ttl
from cloudcore.records.record import MAX_TOPIC, Query, Record, is_topic
from cloudcore.records.store import read

_SHOWN = 100
_MOST = 1_000_000
_FIELDS = ("node", "topic", "id", "sent", "stored", "content")


def add_records_parser(subparsers: Any) -> None:
    """Add ``records`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.look`` and ``args.file_of``."""
    parser = subparsers.add_parser("records", help="print what boards have uploaded over MQTT")
    parser.add_argument("--node", type=_node, metavar="N", help="of this node only")
    parser.add_argument("--topic", type=_topic, metavar="T", help="on this topic only, e.g. SYS/dis/upload_records")
    parser.add_argument("--since", type=_since, default=0, metavar="TIME", help="stored since then: 30m, 1h, 7d or 2026-01-31T12:00:00Z")
    parser.add_argument("--limit", type=_limit, default=100, metavar="N", help="the newest N (default 100)")
    parser.add_argument("-o", dest="output", choices=("table", "json", "csv"), default="table", help="how (default table, which shortens)")
    parser.add_argument("--file", metavar="FILE", help="the file of records (default: the one in CloudCore's config)")
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="CloudCore's config")
    parser.set_defaults(look=look, file_of=lambda config: config.records_file)


def look(args: argparse.Namespace, file: Path) -> str:
    """The text to print, oldest record first; ``file`` is the one in the config.

    Raises:
        RecordsError: there is no file, or it cannot be read.
    """
    found = read(file if args.file is None else Path(args.file), Query(args.node or "", args.topic or "", args.since, args.limit))
    return {"table": as_table, "json": as_json, "csv": as_csv}[args.output](found)


def as_table(records: Sequence[Record]) -> str:
    """For a person: long contents are shortened, and nothing that a board sent can move the cursor."""
    rows = [(date(each.stored_ms / 1000), each.node, _visible(each.topic), _visible(each.content)) for each in records]
    return table(("STORED", "NODE", "TOPIC", "CONTENT"), rows)


def as_json(records: Sequence[Record]) -> str:
    """A list, a record a line."""
    if not records:
        return "[]"
    lines = (json.dumps(dict(zip(_FIELDS, _values(each), strict=True)), ensure_ascii=False) for each in records)
    return "[\n" + ",\n".join(lines) + "\n]"


def as_csv(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FIELDS)
    writer.writerows(_values(each) for each in records)
    return text.getvalue().removesuffix("\n")


def _values(record: Record) -> tuple[str, ...]:
    sent, stored = (f"{date(ms // 1000)[:-1]}.{ms % 1000:03}Z" for ms in (record.sent_ms, record.stored_ms))
    return record.node, record.topic, record.msg_id, sent, stored, record.content


def _visible(text: str) -> str:
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:_SHOWN])
    return f"{shown}…" if len(text) > _SHOWN else shown


def _node(text: str) -> str:
    try:
        check_node_name(text, of="expected a node")
    except IdentityError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return text


def _topic(text: str) -> str:
    if not is_topic(text):
        raise argparse.ArgumentTypeError(f"expected an MQTT topic of at most {MAX_TOPIC} characters, got {text[:100]!r}")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _MOST and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {_MOST}, got {text[:32]!r}")
    return int(text)


def _since(text: str) -> int:
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
