"""``configData`` of a ``serial`` Device: which port, how it is set, and how the device talks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Device
from mappers.sdk.strictly import Strictly

PROTOCOL = "serial"

DEFAULT_TIMEOUT = 1.0
DEFAULT_SILENCE = 10.0

_PARITIES = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}
_FLOW_CONTROLS = {"none": (False, False), "software": (True, False), "hardware": (False, True)}
_NMEA = {"lines": False, "nmea": True}
_ENCODINGS = {"utf-8": "utf-8", "ascii": "ascii", "latin-1": "latin-1"}
_MAX_PATH = 4096
_MAX_ENDING = 4
_NMEA_BAUD_RATE = 4800
"""By NMEA 0183; most receivers of today use 9600, and say so on their label."""


@dataclass(frozen=True, slots=True)
class PortSettings:
    """``parity``: ``N``, ``E``, ``O``, ``M`` or ``S``. ``ending``: what ends each line, both ways."""

    path: str
    baud_rate: int = 9600
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1
    is_xonxoff: bool = False
    is_rtscts: bool = False
    ending: bytes = b"\n"


@dataclass(frozen=True, slots=True)
class Instrument:
    """``timeout``: seconds for an answer. ``silence``: seconds after which a device that talks by itself is away."""

    port: PortSettings
    is_nmea: bool = False
    timeout: float = DEFAULT_TIMEOUT
    silence: float = DEFAULT_SILENCE
    encoding: str = "utf-8"


def instrument_of(device: Device) -> Instrument:
    """Raises ProfileError naming the field at fault."""
    config = Strictly(device.config, device.path)
    is_nmea = config.choice("format", _NMEA, "lines")
    found = Instrument(
        _port(config, is_nmea),
        is_nmea,
        config.number("timeout", DEFAULT_TIMEOUT, least=0.05, most=5),
        config.number("silence", DEFAULT_SILENCE, least=0.5, most=3600),
        config.choice("encoding", _ENCODINGS, "utf-8"),
    )
    if is_nmea:
        config.only_with(("encoding", "lineEnding"), "for format lines")
    config.end()
    return found


def _port(config: Strictly, is_nmea: bool) -> PortSettings:
    path = config.text("serialPort", longest=_MAX_PATH)
    if not path.startswith("/") or not path.isprintable():
        raise config.refused("serialPort", f"expected a path such as /dev/ttyUSB0, got {path[:60]!r}")
    baud_rate = config.integer("baudRate", _NMEA_BAUD_RATE if is_nmea else None, least=50, most=4_000_000)
    data_bits = config.integer("dataBits", 8, least=5, most=8)
    parity = config.choice("parity", _PARITIES, "none")
    stop_bits = config.integer("stopBits", 1, least=1, most=2)
    return PortSettings(
        path, baud_rate, data_bits, parity, stop_bits, *config.choice("flowControl", _FLOW_CONTROLS, "none"), _ending(config)
    )


def _ending(config: Strictly) -> bytes:
    text = config.text("lineEnding", "\n")
    if not 1 <= len(text) <= _MAX_ENDING or not text.isascii():
        raise _not_an_ending(config, text)
    return text.encode("ascii")


def _not_an_ending(config: Strictly, text: str) -> ProfileError:
    return config.refused("lineEnding", f'expected 1 to {_MAX_ENDING} ASCII characters such as "\\r\\n", got {text[:20]!r}')
