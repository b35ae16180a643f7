"""``protocol_config`` of ``modbus-tcp`` and ``modbus-rtu`` (contract 5.2): which line a device is on and its number there. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Device

TCP = "modbus-tcp"
RTU = "modbus-rtu"

_PARITIES = {"none": "N", "even": "E", "odd": "O"}
_MAX_UNIT = 255


@dataclass(frozen=True, slots=True)
class TcpLine:
    host: str
    port: int

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


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


Line = TcpLine | SerialLine


@dataclass(frozen=True, slots=True)
class Address:
    """``unit``: what KubeEdge calls slaveID."""

    line: Line
    unit: int


def address_of(device: Device) -> Address:
    """Raises ProfileError naming the part of ``protocol_config`` at fault."""
    line = _tcp(device) if device.protocol == TCP else _rtu(device)
    return Address(line, _unit(device))


def _tcp(device: Device) -> TcpLine:
    config, path = device.config, device.path
    return TcpLine(fields.required_text(config, "ip", path), fields.integer(config, "port", path, least=1, most=65535))


def _rtu(device: Device) -> SerialLine:
    config, path = device.config, device.path
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


def _unit(device: Device) -> int:
    """Text for TCP and a number for RTU, says the CRD; either is taken. 0 where it is missing, as zeros are omitted."""
    value = device.config.get("slaveID")
    if isinstance(value, str) and value.isascii() and value.isdigit() and int(value) <= _MAX_UNIT:
        return int(value)
    if isinstance(value, str) and value:
        raise ProfileError(f"{device.path}.slaveID", f"expected 0 to {_MAX_UNIT}, got {value[:40]!r}")
    return fields.integer({} if value == "" else device.config, "slaveID", device.path, least=0, most=_MAX_UNIT)
