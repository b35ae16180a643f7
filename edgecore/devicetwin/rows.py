"""A device to its rows in the store and back (contract 6.7). Pure.

A side is there when its ``_meta`` column is not empty, so an empty text as a value and the time of a reported value survive a restart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.store.twins import AttrRow, DeviceRow, TwinRow
from viaduct import faults
from viaduct.device import Attribute, TwinValue, Version


def device_row(shadow: Shadow) -> DeviceRow:
    return DeviceRow(
        shadow.id,
        shadow.name,
        shadow.description,
        shadow.state,
        shadow.last_online,
        shadow.uid,
        shadow.version,
        faults.kept(shadow.faults),
    )


def twin_values(device: str, name: str, twin: Twin) -> tuple[str | int, ...]:
    """The fields of a TwinRow in order (the hot path makes no row object)."""
    expected, actual = twin.expected, twin.actual
    return (
        device,
        name,
        "",
        expected.value if expected is not None else "",
        actual.value if actual is not None else "",
        _meta(expected),
        _meta(actual),
        _version(twin.expected_version),
        _version(twin.actual_version),
        1 if twin.optional else 0,
        twin.type,
        "{}",
    )


def attribute_row(device: str, name: str, attribute: Attribute) -> AttrRow:
    return AttrRow(device, name, "", attribute.value, 1 if attribute.optional else 0, attribute.type or "", "{}")


def shadows(devices: Iterable[DeviceRow], attributes: Iterable[AttrRow], twins: Iterable[TwinRow]) -> dict[str, Shadow]:
    """Every device by id; rows of a device that is not there are left out."""
    named: dict[str, dict[str, Attribute]] = {}
    for attr in attributes:
        named.setdefault(attr.deviceid, {})[attr.name] = Attribute(attr.value, bool(attr.optional), attr.attr_type or None)
    sides: dict[str, dict[str, Twin]] = {}
    for twin in twins:
        sides.setdefault(twin.deviceid, {})[twin.name] = _twin(twin)
    return {
        row.id: Shadow(
            row.id,
            row.name,
            row.description,
            row.state,
            row.last_online,
            row.uid,
            row.version,
            named.get(row.id, {}),
            sides.get(row.id, {}),
            faults.from_kept(row.faults),
        )
        for row in devices
    }


def _twin(row: TwinRow) -> Twin:
    return Twin(
        _value(row.expected, row.expected_meta),
        _value(row.actual, row.actual_meta),
        bool(row.optional),
        row.attr_type,
        _read_version(row.expected_version),
        _read_version(row.actual_version),
    )


def _meta(value: TwinValue | None) -> str:
    if value is None:
        return ""
    return "{}" if value.timestamp is None else f'{{"timestamp":{value.timestamp}}}'


def _version(version: Version | None) -> str:
    return "" if version is None else f'{{"cloud":{version.cloud},"edge":{version.edge}}}'


def _value(text: str, meta: str) -> TwinValue | None:
    if not text and not meta:
        return None
    return TwinValue(text, _whole(_object(meta).get("timestamp")))


def _read_version(text: str) -> Version | None:
    found = _object(text)
    cloud, edge = _whole(found.get("cloud")), _whole(found.get("edge"))
    return None if cloud is None or edge is None else Version(cloud, edge)


def _object(text: str) -> dict[str, object]:
    """Empty for what this file did not write: one row that a failing card spoilt must not keep all devices away."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole(value: object) -> int | None:
    return value if type(value) is int else None
