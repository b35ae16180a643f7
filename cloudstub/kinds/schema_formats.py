"""The ``format`` names that Kubernetes checks; a name that is not here is a hint and never refuses anything."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DURATION = re.compile(r"[+-]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_LABEL = re.compile(r"(?i)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAC = re.compile(r"(?i)([0-9a-f]{2}[:-]){5}[0-9a-f]{2}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_URI = re.compile(r"(?i)[a-z][a-z0-9+.-]*:\S+|/\S*")


def holds(name: str, value: Any) -> bool:
    """Whether ``value`` is of the format ``name``; a value of another JSON type is not the format's business."""
    if isinstance(value, str):
        check = _TEXTS.get(name)
        return check is None or check(value)
    bits = {"int32": 31, "int64": 63}.get(name)
    if bits is None or isinstance(value, bool) or not isinstance(value, int | float):
        return True
    bound: int = 1 << bits
    return -bound <= value < bound


def _date_time(text: str) -> bool:
    # Python's parser knows at most six digits of a second and only capital letters.
    return _DATE_TIME.fullmatch(text) is not None and _parses(lambda: datetime.fromisoformat(re.sub(r"\.\d+", "", text).upper()))


def _date(text: str) -> bool:
    return len(text) == 10 and _parses(lambda: date.fromisoformat(text))


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _hostname(text: str) -> bool:
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def _parses(parse: Callable[[], object]) -> bool:
    try:
        parse()
    except ValueError:
        return False
    return True


_TEXTS: dict[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": _date,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "ipv4": lambda text: _parses(lambda: ipaddress.IPv4Address(text)),
    "ipv6": lambda text: _parses(lambda: ipaddress.IPv6Address(text)),
    "cidr": lambda text: "/" in text and _parses(lambda: ipaddress.ip_network(text, strict=False)),
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "byte": _base64,
    "hostname": _hostname,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": lambda text: _URI.fullmatch(text) is not None,
}
