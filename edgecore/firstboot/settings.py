"""``bramble.yaml``: what a person may say about a board before its first boot."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from typing import ClassVar

from componentconfig.reading import read
from componentconfig.setting import section, setting
from edgecore.certs.jointoken import parse_endpoint, parse_token
from edgecore.errors import IdentityError
from viaduct.handshake import HTTPS_PORT, HUB_PORT

MAPPERS = ("bluetooth", "gpio", "i2c", "modbus", "serial")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_PSK = re.compile(r"[0-9A-Fa-f]{64}")
_KEY = re.compile(r"(ssh-[a-z0-9]+|ecdsa-sha2-[a-z0-9]+|sk-[a-z0-9-]+@openssh\.com) ([A-Za-z0-9+/]+={0,2})( [^\x00-\x1f\x7f]*)?")
_SSID_LIMIT = 32
_KEYS_LIMIT = 64


def _name(value: str) -> str | None:
    return None if not value or _NAME.fullmatch(value) else "a name of at most 63 lower case letters, digits and '-'"


def _zone(value: str) -> str | None:
    return None if not value or (len(value) <= 64 and _ZONE.fullmatch(value)) else "a time zone such as Europe/Berlin"


def _country(value: str) -> str | None:
    return None if not value or re.fullmatch(r"[A-Z]{2}", value) else "a country of two capital letters such as DE"


def _ssid(value: str) -> str | None:
    return None if len(value.encode()) <= _SSID_LIMIT else f"a network's name of at most {_SSID_LIMIT} bytes"


def _passphrase(value: str) -> str | None:
    fits = not value or _PSK.fullmatch(value) or re.fullmatch(r"[ -~]{8,63}", value)
    return None if fits else "a passphrase of 8 to 63 characters of ASCII, or a key of 64 hexadecimal digits"


def _keys(values: tuple[str, ...]) -> str | None:
    fits = len(values) <= _KEYS_LIMIT and all(map(_is_key, values))
    return None if fits else "public keys, each whole on one line as in id_ed25519.pub, without options"


def _is_key(line: str) -> bool:
    """Whether what is encoded says the same kind as the line, so that a key cut short in copying is seen now, not at a login."""
    found = _KEY.fullmatch(line.strip())
    if found is None:
        return False
    try:
        data = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    kind = found[1].encode()
    return data[: 4 + len(kind)] == struct.pack(">I", len(kind)) + kind and _is_whole(data)


def _is_whole(data: bytes) -> bool:
    """A key is a row of fields, each with its length before it."""
    while data:
        if len(data) < 4:
            return False
        (length,) = struct.unpack(">I", data[:4])
        if len(data) < 4 + length:
            return False
        data = data[4 + length :]
    return True


def _address(value: str) -> str | None:
    try:
        if value:
            parse_endpoint(value, HTTPS_PORT, "cloud.address")
    except IdentityError:
        return "HOST or HOST:PORT"
    return None


def _token(value: str) -> str | None:
    try:
        if value:
            parse_token(value)
    except IdentityError:
        return "a join token: four parts joined by dots, the first of 64 hexadecimal digits; was it copied whole?"
    return None


def _mappers(values: tuple[str, ...]) -> str | None:
    fits = len(set(values)) == len(values) and set(values) <= set(MAPPERS)
    return None if fits else "a list of " + ", ".join(MAPPERS) + ", each once"


_QUOTED = "text (in quotes, if it looks like a number)"


@dataclass(frozen=True, slots=True)
class Ssh:
    authorized_keys: tuple[str, ...] = setting((), "Public keys that may log in as bramble. Without any there is no SSH.", check=_keys)


@dataclass(frozen=True, slots=True)
class Wifi:
    country: str = setting("", "The country that the board is in; it says which channels are allowed.", check=_country)
    hidden: bool = setting(False, "The network does not tell its name.")
    open: bool = setting(False, "The network has no passphrase.")
    passphrase: str = setting("", "Blanked after use.", check=_passphrase, expected=_QUOTED, secret=True)
    ssid: str = setting("", "The network's name.", check=_ssid, expected=_QUOTED)

    def problems(self) -> list[tuple[str, str]]:
        found = []
        if self.ssid and not self.country:
            found.append(("country", "expected the country that the board is in, such as DE; without it the radio stays off"))
        if not self.ssid and (self.passphrase or self.open or self.hidden):
            found.append(("ssid", "expected the network's name"))
        if self.open and self.passphrase:
            found.append(("open", "expected false, since there is a passphrase"))
        return found


@dataclass(frozen=True, slots=True)
class Cloud:
    address: str = setting("", f"HOST or HOST:PORT where boards join (default port {HTTPS_PORT}).", check=_address)
    hub_port: int = setting(HUB_PORT, "CloudHub's port.", expected="a port", minimum=1, maximum=65535)
    pairing: bool = setting(True, "Where there is no token: show a pairing code, and ask the address, or the sites on the network.")
    token: str = setting("", "From: cloudcore token create. Blanked after use.", check=_token, expected=_QUOTED, secret=True)

    def problems(self) -> list[tuple[str, str]]:
        return [("address", "expected the cloud's address, since there is a token")] if self.token and not self.address else []


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """What is empty is left as the board has it."""

    API_VERSION: ClassVar[str] = "firstboot.config.bramble.io/v1alpha1"
    KIND: ClassVar[str] = "FirstBoot"

    cloud: Cloud = section(Cloud, "The cloud that this board joins.")
    mappers: tuple[str, ...] = setting((), "Mappers that run on this board.", check=_mappers)
    name: str = setting("", "The board's name, on the network and as node.", check=_name, expected=_QUOTED)
    ssh: Ssh = section(Ssh, "Who may log in.")
    time_zone: str = setting("", "The time zone.", check=_zone)
    wifi: Wifi = section(Wifi, "A wireless network.")


def settings(mapping: object) -> FirstBoot:
    """What ``mapping`` (parsed YAML, None for an empty file) says.

    Raises:
        ConfigError: with every problem, each beginning with the full key; a secret is not repeated.
    """
    found, _ = read(mapping, FirstBoot)
    return found


def over(first: FirstBoot, second: FirstBoot) -> FirstBoot:
    """``first``, and from ``second`` what ``first`` leaves empty; a wireless network comes whole from the one or the other."""
    return FirstBoot(
        cloud=first.cloud if first.cloud.address or not first.cloud.pairing else second.cloud,
        mappers=first.mappers or second.mappers,
        name=first.name or second.name,
        ssh=first.ssh if first.ssh.authorized_keys else second.ssh,
        time_zone=first.time_zone or second.time_zone,
        wifi=first.wifi if first.wifi.ssid else second.wifi,
    )
