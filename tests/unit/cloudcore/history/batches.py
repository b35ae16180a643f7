"""Batches of samples as boards send them."""

from __future__ import annotations

from cloudcore.history.sample import Batch
from viaduct.message import Message, new_message
from viaduct.samples import Series, content_of, pack

T0 = 1_581_066_000_000


def series(*values: str, device: str = "thermo", name: str = "t", first: int = T0, kind: str = "float") -> Series:
    return Series(device, name, kind, tuple(first + 1000 * n for n in range(len(values))), values)


def batch(*values: str, node: str = "edge1", device: str = "thermo", name: str = "t", first: int = T0) -> Batch:
    return Batch(node, [series(*values, device=device, name=name, first=first)], len(values))


def message(*found: Series, content: object = None) -> Message:
    body = content_of(pack(found), sum(len(one.times) for one in found)) if content is None else content
    return new_message(source="twin", group="resource", operation="upload", resource="samples", now_ms=T0, content=body)
