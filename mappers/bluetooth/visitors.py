"""``visitorConfig`` of ``bluetooth`` (contract 5.1) to where a property is. Pure.

``characteristicUUID`` names a characteristic, or what a device broadcasts: ``service-data:<uuid>``, ``manufacturer-data:<company>``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mappers.bluetooth.converter import Converter, converter_of
from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.fields import JsonObject
from mappers.sdk.profile import Property

SERVICE_DATA = "service-data:"
MANUFACTURER_DATA = "manufacturer-data:"

_BASE = "0000{}-0000-1000-8000-00805f9b34fb"
_SHORT = re.compile(r"(0x)?([0-9a-f]{4})")
_MIDDLE = re.compile(r"(0x)?([0-9a-f]{8})")
_LONG = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_COMPANY = re.compile(r"(0x)?([0-9a-f]{4})")
_MAX_BYTES = 512
"""Of a characteristic's value, by the Bluetooth core specification."""


@dataclass(frozen=True, slots=True)
class Characteristic:
    """A value that a connected device holds."""

    uuid: str


@dataclass(frozen=True, slots=True)
class ServiceData:
    """What a device broadcasts for a service."""

    uuid: str


@dataclass(frozen=True, slots=True)
class ManufacturerData:
    """What a device broadcasts under a company's number, which is not part of the bytes."""

    company: int


Broadcast = ServiceData | ManufacturerData


@dataclass(frozen=True, slots=True)
class Visitor:
    """``writes``: bytes by the value that they stand for."""

    source: Characteristic | Broadcast
    writes: Mapping[str, bytes] = field(default_factory=dict)
    converter: Converter = field(default_factory=Converter)


def visitor_of(wanted: Property) -> Visitor:
    """Raises ProfileError naming the part of ``visitorConfig`` at fault."""
    config, path = wanted.visitor, wanted.path
    source = _source(fields.required_text(config, "characteristicUUID", path), f"{path}.characteristicUUID")
    writes = _writes(fields.part(config, "dataWrite", path), f"{path}.dataWrite")
    if wanted.writable and not isinstance(source, Characteristic):
        raise ProfileError(f"{path}.characteristicUUID", f"{wanted.name} is ReadWrite, but what is broadcast can only be read")
    return Visitor(source, writes, converter_of(fields.part(config, "dataConverter", path), f"{path}.dataConverter"))


def full_uuid(text: str) -> str | None:
    """The 128-bit form, in lower case, of a 16, 32 or 128-bit UUID; None when it is none."""
    lower = text.strip().lower()
    if found := _SHORT.fullmatch(lower):
        return _BASE.format(found[2])
    if found := _MIDDLE.fullmatch(lower):
        return _BASE.replace("0000{}", "{}").format(found[2])
    # KubeEdge's Bluetooth library took 128-bit UUIDs without dashes.
    if re.fullmatch(r"[0-9a-f]{32}", lower):
        lower = "-".join((lower[:8], lower[8:12], lower[12:16], lower[16:20], lower[20:]))
    return lower if _LONG.fullmatch(lower) else None


def _source(text: str, path: str) -> Characteristic | Broadcast:
    if text.startswith(MANUFACTURER_DATA):
        found = _COMPANY.fullmatch(text.removeprefix(MANUFACTURER_DATA).strip().lower())
        if found is None:
            raise ProfileError(path, f"expected {MANUFACTURER_DATA} and a company's number of four hexadecimal digits, got {text[:60]!r}")
        return ManufacturerData(int(found[2], 16))
    uuid = full_uuid(text.removeprefix(SERVICE_DATA))
    if uuid is None:
        raise ProfileError(path, f"expected a UUID of 4, 8 or 32 hexadecimal digits, got {text[:60]!r}")
    return ServiceData(uuid) if text.startswith(SERVICE_DATA) else Characteristic(uuid)


def _writes(entries: JsonObject, path: str) -> dict[str, bytes]:
    return {name: _bytes(value, f"{path}.{name[:64]}") for name, value in entries.items()}


def _bytes(value: object, path: str) -> bytes:
    """Base64 text, as CloudCore writes it, or a list of byte values, as people do."""
    if isinstance(value, list) and all(type(byte) is int and 0 <= byte <= 255 for byte in value):
        found = bytes(value)
    elif isinstance(value, str):
        try:
            found = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ProfileError(path, "expected base64 text or a list of byte values") from None
    else:
        raise ProfileError(path, f"expected base64 text or a list of byte values, got {fields.kind(value)}")
    if not 1 <= len(found) <= _MAX_BYTES:
        raise ProfileError(path, f"expected 1 to {_MAX_BYTES} bytes, got {len(found)}")
    return found
