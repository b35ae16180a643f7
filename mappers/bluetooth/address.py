"""``protocol_config`` of ``bluetooth`` (contract 5.2): which device, and through which adapter. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Device

PROTOCOL = "bluetooth"

DEFAULT_ADAPTER = "hci0"

_MAC = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_ADAPTER = re.compile(r"hci[0-9]{1,3}")
_MAX_NAME = 248
"""Bytes of a Bluetooth name."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The device with this address or, where there is none, the one that calls itself ``name``."""

    adapter: str
    mac: str
    name: str

    @property
    def label(self) -> str:
        return self.mac or repr(self.name)

    def is_met(self, mac: str, name: str) -> bool:
        """Whether a device that was heard with this address and this name is the one. ``-`` and space are one in names (contract 11.2)."""
        if self.mac:
            return mac.upper() == self.mac
        return bool(name) and _plain(name) == _plain(self.name)


def peer_of(device: Device) -> Peer:
    """By ``macAddress``, else by ``name``, else by the device's own name. Raises ProfileError naming the field."""
    config, path = device.config, device.path
    mac = fields.text(config, "macAddress", path).strip().upper().replace("-", ":")
    if mac and not _MAC.fullmatch(mac):
        raise ProfileError(f"{path}.macAddress", f"expected six pairs of 0-9 a-f such as AA:BB:CC:DD:EE:FF, got {mac[:40]!r}")
    adapter = fields.text(config, "adapter", path) or DEFAULT_ADAPTER
    if not _ADAPTER.fullmatch(adapter):
        raise ProfileError(f"{path}.adapter", f"expected hci0, hci1 and so on, got {adapter[:40]!r}")
    name = fields.text(config, "name", path) or device.id
    if len(name.encode()) > _MAX_NAME:
        raise ProfileError(f"{path}.name", f"longer than {_MAX_NAME} bytes")
    return Peer(adapter, mac, name)


def _plain(name: str) -> str:
    return name.replace("-", " ")
