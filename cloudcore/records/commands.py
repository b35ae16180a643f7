"""``cloudcore records``: what boards have uploaded, read from the file beside the running process."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloudcore import lookup
from cloudcore.pki.table import date, table
from cloudcore.records.record import MAX_TOPIC, Query, Record, is_topic
from cloudcore.records.store import read

_SHOWN = 100
_MOST = 1_000_000
_FIELDS = ("node", "topic", "id", "sent", "stored", "content")


def add_records_parser(subparsers: Any) -> None:
    """Add ``records`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.look`` and ``args.file_of``."""
    parser = subparsers.add_parser("records", help="print what boards have uploaded over MQTT")
    parser.add_argument("--node", type=lookup.node, metavar="N", help="of this node only")
    parser.add_argument("--topic", type=_topic, metavar="T", help="on this topic only, e.g. SYS/dis/upload_records")
    parser.add_argument(
        "--since", type=lookup.moment, default=0, metavar="TIME", help="stored since then: 30m, 1h, 7d or 2026-01-31T12:00:00Z"
    )
    parser.add_argument("--limit", type=lookup.limit(_MOST), default=100, metavar="N", help="the newest N (default 100)")
    lookup.add_output_flags(parser, "records")
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
    return lookup.as_json(_FIELDS, _rows(records))


def as_csv(records: Sequence[Record]) -> str:
    return lookup.as_csv(_FIELDS, _rows(records))


def _rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    return [(one.node, one.topic, one.msg_id, lookup.stamp(one.sent_ms), lookup.stamp(one.stored_ms), one.content) for one in records]


def _visible(text: str) -> str:
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:_SHOWN])
    return f"{shown}…" if len(text) > _SHOWN else shown


def _topic(text: str) -> str:
    if not is_topic(text):
        raise argparse.ArgumentTypeError(f"expected an MQTT topic of at most {MAX_TOPIC} characters, got {text[:100]!r}")
    return text
