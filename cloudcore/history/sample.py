"""Samples of devices as they came from a board (P5.12), and which make room for others. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloudcore.errors import Refused
from viaduct.errors import MalformedPayload
from viaduct.message import Message
from viaduct.samples import Series, parse_content

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one message brought. ``node`` by its certificate."""

    node: str
    series: Sequence[Series]
    number: int = field(default=0)


@dataclass(frozen=True, slots=True)
class Caps:
    """``max_age`` in seconds, of the time that a sample says."""

    max_bytes: int
    max_age: int


@dataclass(frozen=True, slots=True)
class Query:
    """The newest ``limit`` samples of this time (epoch ms, both ends included), oldest first."""

    node: str
    device: str
    property: str
    since_ms: int = 0
    until_ms: int = 2**62
    limit: int = 10_000


def batch_of(node: str, message: Message) -> Batch:
    """What ``node`` says.

    Raises:
        Refused: the text names the field.
    """
    try:
        series = parse_content(message.content)
    except MalformedPayload as exc:
        raise Refused(str(exc)) from exc
    return Batch(node, series, sum(len(one.times) for one in series))


def number_of(text: str) -> float | None:
    """A value as a number: true is 1, false 0. v1alpha1 calls whatever is not whole a string, so the text tells, not the type."""
    if text in ("true", "false"):
        return 1.0 if text == "true" else 0.0
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None
