"""Samples of device properties as the board keeps them and as they travel (P5.12): zlib over JSON, in base64 on the wire. Pure.

    [["thermometer", "temperature", "float", [1581066000000, 1000, 1000], ["21.5", "21.5", "21.6"]], …]

Of the times the first is in milliseconds since the epoch, each other one the distance to the one before it.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from viaduct.device import MAX_VALUE, is_device_id, is_key
from viaduct.errors import MalformedPayload
from viaduct.jsontext import read_json

MAX_PACKED = 256 * 1024
MAX_UNPACKED = 4 * 1024 * 1024
MAX_SAMPLES = 20_000
TYPES = ("string", "int", "float", "boolean", "json")
_FIELDS = 5
_LATEST = 2**53
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one property. ``times`` in milliseconds since the epoch, one for each of ``values``, which are text as in a twin."""

    device: str
    property: str
    type: str
    times: Sequence[int]
    values: Sequence[str]


def pack(series: Iterable[Series]) -> bytes:
    """What the board keeps, and sends without making it anew."""
    rows = [[one.device, one.property, one.type, list(_distances(one.times)), list(one.values)] for one in series]
    return zlib.compress(json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode(), _LEVEL)


def unpack(packed: bytes) -> list[Series]:
    """Raises MalformedPayload, which names the field, where ``packed`` is not what ``pack`` makes, or exceeds the caps (X4)."""
    rows = _rows(packed)
    found = [_series(row, f"samples[{index}]") for index, row in enumerate(rows)]
    number = sum(len(one.times) for one in found)
    if number > MAX_SAMPLES:
        raise MalformedPayload("samples", f"{number} samples, the limit is {MAX_SAMPLES}")
    return found


def content_of(packed: bytes, count: int) -> dict[str, Any]:
    """The content of the message; ``count`` is for people who look on."""
    return {"count": count, "packed": base64.b64encode(packed).decode("ascii")}


def parse_content(content: Any) -> list[Series]:
    """Raises MalformedPayload."""
    packed = content.get("packed") if isinstance(content, dict) else None
    if not isinstance(packed, str):
        raise MalformedPayload("content.packed", "expected base64 as text")
    if len(packed) > MAX_PACKED * 4 // 3 + 4:
        raise MalformedPayload("content.packed", f"more than {MAX_PACKED} bytes")
    try:
        raw = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MalformedPayload("content.packed", f"not base64: {exc}") from exc
    return unpack(raw)


def _distances(times: Sequence[int]) -> Iterator[int]:
    before = 0
    for time in times:
        yield time - before
        before = time


def _rows(packed: bytes) -> list[Any]:
    if len(packed) > MAX_PACKED:
        raise MalformedPayload("samples", f"{len(packed)} bytes, the limit is {MAX_PACKED}")
    try:
        reader = zlib.decompressobj()
        text = reader.decompress(packed, MAX_UNPACKED)
        if not reader.eof:
            reason = f"more than {MAX_UNPACKED} bytes" if len(text) >= MAX_UNPACKED else "cut off"
            raise MalformedPayload("samples", reason)
        rows = read_json(text.decode())
    except (zlib.error, UnicodeDecodeError, ValueError) as exc:
        raise MalformedPayload("samples", f"not JSON under zlib: {exc}") from exc
    if not isinstance(rows, list):
        raise MalformedPayload("samples", "expected an array")
    return rows


def _series(row: Any, where: str) -> Series:
    if not isinstance(row, list) or len(row) != _FIELDS:
        raise MalformedPayload(where, "expected [device, property, type, times, values]")
    device, name, kind, distances, values = row
    if not isinstance(device, str) or not is_device_id(device):
        raise MalformedPayload(f"{where}[0]", "expected the id of a device")
    if not isinstance(name, str) or not is_key(name):
        raise MalformedPayload(f"{where}[1]", "expected the name of a property")
    if kind not in TYPES:
        raise MalformedPayload(f"{where}[2]", f"expected one of {', '.join(TYPES)}")
    if not isinstance(values, list) or not all(isinstance(value, str) and len(value) <= MAX_VALUE for value in values):
        raise MalformedPayload(f"{where}[4]", f"expected texts of at most {MAX_VALUE} characters")
    times = _times(distances, f"{where}[3]")
    if len(times) != len(values):
        raise MalformedPayload(where, f"{len(times)} times for {len(values)} values")
    return Series(device, name, kind, times, tuple(values))


def _times(distances: Any, where: str) -> tuple[int, ...]:
    times, now = [], 0
    for distance in distances if isinstance(distances, list) else [None]:
        if type(distance) is not int:
            raise MalformedPayload(where, "expected whole numbers")
        now += distance
        if not 0 <= now < _LATEST:
            raise MalformedPayload(where, "a time outside what milliseconds since the epoch can be")
        times.append(now)
    return tuple(times)
