"""The text that a person copies to a board, and the address that goes with it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from edgecore.errors import IdentityError

_PIN = re.compile(r"[0-9a-fA-F]{64}")
_BEARER = re.compile(r"[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+")
_ENDPOINT = re.compile(r"(\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))(:(?P<port>[0-9]{1,5}))?")
_TOKEN_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class JoinToken:
    """``pin`` is the SHA-256 (hexadecimal) of the CA's certificate; ``bearer`` is shown to the cloud (contract 2.8)."""

    pin: str
    bearer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host (name or address, without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_token(text: str) -> JoinToken:
    """Four parts joined by dots: the hash of the CA and a bearer of three.

    Raises:
        IdentityError: another shape; the text is not repeated, it may be a secret.
    """
    pin, _, bearer = text.strip().partition(".")
    if len(text) > _TOKEN_LIMIT or not _PIN.fullmatch(pin) or not _BEARER.fullmatch(bearer):
        raise IdentityError("--token: expected four parts joined by dots, the first of 64 hexadecimal digits; was it copied whole?")
    return JoinToken(pin.lower(), bearer)


def parse_endpoint(text: str, default_port: int, flag: str) -> Endpoint:
    """``cloud.example``, ``192.0.2.1:10002``, ``2001:db8::1`` or ``[2001:db8::1]:10002``.

    Raises:
        IdentityError: with the name of the flag.
    """
    if _is_address(text):
        return Endpoint(text, default_port)
    found = _ENDPOINT.fullmatch(text)
    port = int(found["port"] or default_port) if found else 0
    host = (found["address"] or found["host"]) if found else ""
    if not 0 < port <= 65535 or (found and found["address"] and not _is_address(host)):
        raise IdentityError(f"{flag}: expected HOST or HOST:PORT, got {text[:80]!r}")
    return Endpoint(host, port)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
