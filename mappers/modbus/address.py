"""``protocol_config`` of ``modbus-tcp`` and ``modbus-rtu`` (contract 5.2): which line a device is on and its number there. Pure.

``framing`` (RTU frames over TCP, as serial device servers speak) and ``responseTimeout`` are ours (decision 0078).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Device

TCP = "modbus-tcp"
RTU = "modbus-rtu"

RESPONSE_SECONDS = 1.0
"""For a connection and for each answer, where nothing else is said."""

_PARITIES = {"none": "N", "even": "E", "odd": "O"}
_MAX_UNIT = 255
_LEAST_MS, _MOST_MS = 20, 5000


class Framing(StrEnum):
    """How requests are packed on a TCP connection."""

    TCP = "tcp"
    RTU = "rtu"


@dataclass(frozen=True, slots=True)
class TcpLine:
    host: str
    port: int
    framing: Framing = Framing.TCP

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.framing} framing"


@dataclass(frozen=True, slots=True)
class SerialLine:
    """``parity``: ``N``, ``E`` or ``O``."""

    port: str
    baud_rate: int
    data_bits: int
    parity: str
    stop_bits: int

    @property
    def name(self) -> str:
        return self.port

    def __str__(self) -> str:
        return f"{self.baud_rate} baud {self.data_bits}{self.parity}{self.stop_bits}"

    def wire_seconds(self, size: int) -> float:
        """What ``size`` bytes take on the wire."""
        return size * (1 + self.data_bits + (self.parity != "N") + self.stop_bits) / self.baud_rate


Line = TcpLine | SerialLine


@dataclass(frozen=True, slots=True)
class Address:
    """``unit``: what KubeEdge calls slaveID. ``limit``: seconds that an answer may take."""

    line: Line
    unit: int
    limit: float = RESPONSE_SECONDS


def address_of(device: Device) -> Address:
    """Raises ProfileError naming the part of ``protocol_config`` at fault."""
    line = _tcp(device) if device.protocol == TCP else _rtu(device)
    return Address(line, _unit(device), _response_limit(device))


def _tcp(device: Device) -> TcpLine:
    config, path = device.config, device.path
    return TcpLine(fields.required_text(config, "ip", path), fields.integer(config, "port", path, least=1, most=65535), _framing(device))


def _framing(device: Device) -> Framing:
    name = fields.text(device.config, "framing", device.path) or Framing.TCP
    if name not in tuple(Framing):
        raise ProfileError(f"{device.path}.framing", f"expected {' or '.join(Framing)}, got {name!r}")
    return Framing(name)


def _rtu(device: Device) -> SerialLine:
    config, path = device.config, device.path
    if config.get("framing") not in (None, "", Framing.RTU):
        raise ProfileError(f"{path}.framing", "a serial line speaks RTU; other framings are for modbus-tcp")
    parity = fields.text(config, "parity", path) or "none"
    if parity not in _PARITIES:
        raise ProfileError(f"{path}.parity", f"expected none, even or odd, got {parity!r}")
    return SerialLine(
        fields.required_text(config, "serialPort", path),
        fields.integer(config, "baudRate", path, least=50, most=4_000_000),
        # RTU is defined for 8 bits only; 7 is what ASCII devices use, and the CRD allows down to 5.
        fields.integer(config, "dataBits", path, least=5, most=8) if "dataBits" in config else 8,
        _PARITIES[parity],
        fields.integer(config, "stopBits", path, least=1, most=2) if "stopBits" in config else 1,
    )


def _response_limit(device: Device) -> float:
    if device.config.get("responseTimeout") in (None, 0):
        return RESPONSE_SECONDS
    return fields.integer(device.config, "responseTimeout", device.path, least=_LEAST_MS, most=_MOST_MS) / 1000


def _unit(device: Device) -> int:
    """Text for TCP and a number for RTU, says the CRD; either is taken. 0 where it is missing, as zeros are omitted."""
    value = device.config.get("slaveID")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3 and int(value) <= _MAX_UNIT:
        return int(value)
    if isinstance(value, str) and value:
        raise ProfileError(f"{device.path}.slaveID", f"expected 0 to {_MAX_UNIT}, got {value[:40]!r}")
    return fields.integer({} if value == "" else device.config, "slaveID", device.path, least=0, most=_MAX_UNIT)
