"""How a request over MQTT changes the twins of a device (contract 6.4, 6.5; P6). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgecore.devicetwin.shadow import Twin
from viaduct.device import DELETED, MsgTwin, TwinValue, Version

WRONG_BODY = "The request body is wrong"
TYPE_NOT_ALLOWED = "the value type is not allowed"

_INT64 = 2**63


class TwinRefused(Exception):
    """An entry cannot be accepted; the whole request is refused with code 400 and this text."""


@dataclass(frozen=True, slots=True)
class Change:
    """``last`` is None for a twin that is new or was a tombstone. ``touched`` holds the changed sides, for the result."""

    last: Twin | None
    current: Twin
    touched: MsgTwin | None


def merge_update(twins: Mapping[str, Twin], update: Mapping[str, MsgTwin | None], *, now_ms: int) -> dict[str, Change]:
    """The twins that ``update`` changes, by name. ``twins`` is left as it is.

    Raises:
        TwinRefused: one entry is at fault; nothing of the request counts.
    """
    changes: dict[str, Change] = {}
    for name, entry in update.items():
        twin = twins.get(name)
        if entry is None:
            change = _delete(twin)
        elif twin is None or twin.gone:
            change = _add(twin, entry, now_ms)
        else:
            change = _change(twin, entry, now_ms)
        if change is not None:
            changes[name] = change
    return changes


def check_value(declared: str, value: str) -> None:
    """Raises TwinRefused, with the contract's words, where ``value`` is not of the ``declared`` type."""
    if declared in ("", "string", DELETED):
        return
    if declared == "int":
        if not _is_int64(value):
            raise TwinRefused("the value is not int")
    elif declared == "float":
        if not _is_float(value):
            raise TwinRefused("the value is not float")
    elif declared == "boolean":
        if value not in ("true", "false"):
            raise TwinRefused("the bool value must be true or false")
    elif declared == "json":
        if not _is_json(value):
            raise TwinRefused("the value is not json")
    else:
        raise TwinRefused(TYPE_NOT_ALLOWED)


def is_type(declared: str) -> bool:
    return declared in ("", "string", "int", "float", "boolean", "json")


def tombstone(twin: Twin) -> Twin:
    """What stays of a deleted twin: its versions."""
    return Twin(None, None, twin.optional, DELETED, twin.expected_version, twin.actual_version)


def _delete(twin: Twin | None) -> Change | None:
    if twin is None:
        raise TwinRefused(WRONG_BODY)
    if twin.gone or not twin.optional:
        return None
    bumped = replace(twin, expected_version=_bump_known(twin.expected_version), actual_version=_bump_known(twin.actual_version))
    return Change(twin, tombstone(bumped), None)


def _add(grave: Twin | None, entry: MsgTwin, now_ms: int) -> Change | None:
    declared = "string" if entry.type is None else entry.type
    if not is_type(declared):
        raise TwinRefused(TYPE_NOT_ALLOWED)
    for value in (entry.expected, entry.actual):
        if value is not None:
            check_value(declared, value.value)
    before = grave or Twin()
    optional = before.optional if grave is not None else True
    if entry.optional is not None:
        optional = entry.optional and optional
    current = Twin(
        _stamped(entry.expected, now_ms),
        _stamped(entry.actual, now_ms),
        optional,
        declared,
        _bump(before.expected_version) if entry.expected is not None else before.expected_version,
        _bump(before.actual_version) if entry.actual is not None else before.actual_version,
    )
    return Change(None, current, MsgTwin(current.expected, current.actual, optional, declared))


def _change(twin: Twin, entry: MsgTwin, now_ms: int) -> Change | None:
    expected, actual, optional = twin.expected, twin.actual, twin.optional
    expected_version, actual_version = twin.expected_version, twin.actual_version
    if entry.expected is not None:
        if expected is not None:
            check_value(twin.type, entry.expected.value)
        expected, expected_version = TwinValue(entry.expected.value, now_ms), _bump(expected_version)
    if entry.actual is not None:
        if actual is not None:
            check_value(twin.type, entry.actual.value)
        actual, actual_version = TwinValue(entry.actual.value, now_ms), _bump(actual_version)
    if entry.optional is False and optional:
        optional = False
    elif entry.expected is None and entry.actual is None:
        return None
    touched = MsgTwin(
        expected if entry.expected is not None else None,
        actual if entry.actual is not None else None,
        optional if optional != twin.optional else None,
        twin.type,
    )
    return Change(twin, Twin(expected, actual, optional, twin.type, expected_version, actual_version), touched)


def _stamped(value: TwinValue | None, now_ms: int) -> TwinValue | None:
    return None if value is None else TwinValue(value.value, now_ms)


def _bump(version: Version | None) -> Version:
    return Version(0, 1) if version is None else Version(version.cloud, version.edge + 1)


def _bump_known(version: Version | None) -> Version | None:
    return None if version is None else _bump(version)


def _is_int64(value: str) -> bool:
    digits = value[1:] if value[:1] in ("+", "-") else value
    return len(digits) <= 40 and digits.isascii() and digits.isdigit() and -_INT64 <= int(value) < _INT64


def _is_float(value: str) -> bool:
    if value != value.strip() or "_" in value or not value.isascii():
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_json(value: str) -> bool:
    """As RFC 8259 has it: NaN and Infinity are Python's own."""
    try:
        json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(name)
