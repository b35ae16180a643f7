"""Settings of a mapper: a flag wins over the environment, that over the settings file, that over the default. Pure.

=====================  ========================  ====================  ======================================================
flag                   environment               key in the file       meaning
=====================  ========================  ====================  ======================================================
``--broker``           BRAMBLE_BROKER            broker.url            tcp://HOST:PORT or ssl://HOST:PORT
``--username``         BRAMBLE_BROKER_USERNAME   broker.username       for a broker that asks
.                      BRAMBLE_BROKER_PASSWORD
``--password-file``                              broker.passwordFile   file with the password, first line
``--ca-file``          BRAMBLE_BROKER_CA_FILE    broker.caFile         authority of an ssl:// broker
``--profile``          BRAMBLE_PROFILE           profile               deviceProfile.json; without it EdgeCore is asked over MQTT
``--node``             BRAMBLE_NODE              node                  whose devices, where several boards share a broker
``--poll``             BRAMBLE_POLL              poll                  seconds between two looks at a property
``--refresh``          BRAMBLE_REFRESH           refresh               seconds after which an unchanged value is told again
``--deadband``         BRAMBLE_DEADBAND          deadband              smallest change of a number that is told
``--metrics-address``  BRAMBLE_METRICS_ADDRESS   metricsAddress        HOST:PORT for Prometheus; nothing listens without it
``--log-level``        BRAMBLE_LOG_LEVEL         logLevel              debug, info, warning or error
=====================  ========================  ====================  ======================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mappers.sdk.bus import parse_url
from mappers.sdk.errors import SettingError
from supervision.logs import LEVELS


@dataclass(frozen=True, slots=True)
class Setting:
    """``read`` takes the text, or the file's value, and raises ValueError saying what was expected."""

    flag: str
    variable: str
    key: str
    metavar: str
    help: str
    default: Any
    read: Callable[[Any], Any]

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds in ``poll`` and ``refresh``."""

    broker: str
    username: str
    password_file: str
    ca_file: str
    profile: str
    node: str
    poll: float
    refresh: float
    deadband: float
    metrics_address: str
    log_level: str
    password: str = field(default="", repr=False)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 4096:
        raise ValueError("expected text of one line")
    return value


def _url(value: Any) -> str:
    parse_url(_text(value))
    return str(value)


def _number(least: float, most: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not least <= number <= most:
            raise ValueError(f"expected a number of {least:g} to {most:g}, got {str(value)[:80]!r}")
        return number

    return read


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of ``127.0.0.1:9100``, ``[::1]:9100`` or ``9100``, which is on loopback. Raises ValueError saying what was expected."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT or PORT, got {text[:80]!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _address(value: Any) -> str:
    text = _text(str(value) if type(value) is int else value)
    if text:
        parse_address(text)
    return text


NODE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _node(value: Any) -> str:
    text = _text(value)
    if text and not NODE.fullmatch(text):
        raise ValueError(f"expected the name of a node, got {text[:80]!r}")
    return text


def _level(value: Any) -> str:
    if value not in LEVELS:
        raise ValueError(f"expected {', '.join(LEVELS)}, got {str(value)[:80]!r}")
    return str(value)


SETTINGS = (
    Setting("--broker", "BRAMBLE_BROKER", "broker.url", "URL", "tcp://HOST:PORT or ssl://HOST:PORT", "tcp://127.0.0.1:1883", _url),
    Setting("--username", "BRAMBLE_BROKER_USERNAME", "broker.username", "NAME", "for a broker that asks", "", _text),
    Setting("--password-file", "", "broker.passwordFile", "FILE", "its first line is the broker's password", "", _text),
    Setting("--ca-file", "BRAMBLE_BROKER_CA_FILE", "broker.caFile", "FILE", "authority of an ssl:// broker", "", _text),
    Setting("--profile", "BRAMBLE_PROFILE", "profile", "FILE", "deviceProfile.json; without it EdgeCore is asked over MQTT", "", _text),
    Setting("--node", "BRAMBLE_NODE", "node", "NAME", "whose devices, where several boards share a broker and there is no file", "", _node),
    Setting("--poll", "BRAMBLE_POLL", "poll", "SECONDS", "between two looks at a property", 1.0, _number(0.05, 86_400)),
    Setting(
        "--refresh", "BRAMBLE_REFRESH", "refresh", "SECONDS", "after which an unchanged value is told again", 600.0, _number(1, 31_536_000)
    ),
    Setting("--deadband", "BRAMBLE_DEADBAND", "deadband", "NUMBER", "smallest change of a number that is told", 0.0, _number(0, 1e18)),
    Setting(
        "--metrics-address",
        "BRAMBLE_METRICS_ADDRESS",
        "metricsAddress",
        "HOST:PORT",
        "numbers for Prometheus; a port alone is on loopback; nothing listens without it",
        "",
        _address,
    ),
    Setting("--log-level", "BRAMBLE_LOG_LEVEL", "logLevel", "LEVEL", ", ".join(LEVELS), "info", _level),
)

PASSWORD_VARIABLE = "BRAMBLE_BROKER_PASSWORD"


def settle(flags: Mapping[str, str | None], environment: Mapping[str, str], file: Any) -> Settings:
    """``flags`` by ``Setting.name``; ``file`` is the parsed settings file, None where there is none.

    Raises:
        SettingError: naming the flag, the variable or the key of the file.
    """
    kept = _flat(file)
    unknown = kept.keys() - {setting.key for setting in SETTINGS}
    if unknown:
        raise SettingError(ascii(min(unknown))[1:-1][:80], "there is no such setting")
    found = {setting.name: _settled(setting, flags, environment, kept) for setting in SETTINGS}
    return Settings(**found, password=environment.get(PASSWORD_VARIABLE, ""))


def _settled(setting: Setting, flags: Mapping[str, str | None], environment: Mapping[str, str], kept: Mapping[str, Any]) -> Any:
    flag = flags.get(setting.name)
    if flag is not None:
        return _read(setting, setting.flag, flag)
    if setting.variable and environment.get(setting.variable):
        return _read(setting, setting.variable, environment[setting.variable])
    if setting.key in kept:
        return _read(setting, setting.key, kept[setting.key])
    return setting.default


def _read(setting: Setting, source: str, value: Any) -> Any:
    try:
        return setting.read(value)
    except ValueError as exc:
        raise SettingError(source, str(exc)) from exc


def _flat(file: Any) -> dict[str, Any]:
    """``{"broker": {"url": …}}`` to ``{"broker.url": …}``."""
    if file is None:
        return {}
    if not isinstance(file, dict):
        raise SettingError("the settings file", "expected keys and values")
    flat: dict[str, Any] = {}
    for key, value in file.items():
        if key == "broker" and isinstance(value, dict):
            flat |= {f"broker.{name}": inner for name, inner in value.items()}
        else:
            flat[str(key)] = value
    return flat
