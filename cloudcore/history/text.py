"""Samples as JSON, for webhooks and for MQTT. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from cloudcore.history.sample import Batch

_PLAIN = ".,:@_-"
"""Characters that a level of a topic keeps, as in the readable tree (P6.9)."""


def webhook_body(batches: Sequence[Batch]) -> tuple[bytes, int]:
    """``{"samples": [{"node", "device", "property", "type", "points": [[ms, "value"], …]}, …]}``"""
    found = [
        {"node": batch.node, "device": one.device, "property": one.property, "type": one.type, "points": _points(one.times, one.values)}
        for batch in batches
        for one in batch.series
    ]
    return _json({"samples": found}).encode(), 0


def mqtt_messages(batches: Iterable[Batch], prefix: str) -> Iterator[tuple[str, str]]:
    """(topic, payload) for each property of each batch."""
    for batch in batches:
        for one in batch.series:
            levels = "/".join(quote(level, safe=_PLAIN) for level in (batch.node, one.device, one.property))
            yield f"{prefix}/{levels}", _json({"type": one.type, "samples": _points(one.times, one.values)})


def _points(times: Iterable[int], values: Iterable[str]) -> list[tuple[int, str]]:
    return list(zip(times, values, strict=True))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
