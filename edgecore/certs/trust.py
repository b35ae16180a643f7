"""Who is taken for the cloud (P2.9): what OpenSSL checks by itself, and what is decided here because a board's clock may be wrong."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from enum import Enum
from typing import Any

from viaduct.handshake import SERVER_NAME

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name."""


class Doubt(Enum):
    """Why a certificate that our CA signed for a server is not taken."""

    NAME = "not made out to the cloud"
    EARLY = "not valid yet"
    LATE = "expired"


def cloud_context() -> ssl.SSLContext:
    """TLS 1.2 or newer towards a server of the CA that is loaded into it. Names and dates are left to ``doubt``, after the handshake and
    before a word is said. OpenSSL takes no certificate that is made out for clients only, as those of nodes are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    return context


def doubt(certificate: Mapping[str, Any] | None, host: str, now: float) -> Doubt | None:
    """What speaks against a certificate (as ``ssl`` describes it) of who answered at ``host``, at ``now`` (epoch seconds)."""
    names = [(kind, value) for kind, value in (certificate or {}).get("subjectAltName", ())]
    if certificate is None or not (("DNS", SERVER_NAME) in names or any(_is_for(host, kind, value) for kind, value in names)):
        return Doubt.NAME
    if now < ssl.cert_time_to_seconds(certificate["notBefore"]):
        return Doubt.EARLY
    if now >= ssl.cert_time_to_seconds(certificate["notAfter"]):
        return Doubt.LATE
    return None


def _is_for(host: str, kind: str, value: str) -> bool:
    if kind == "IP Address":
        return _address(host) is not None and _address(host) == _address(value)
    if kind != "DNS" or _address(host) is not None:
        return False
    wanted, _, domain = host.lower().rstrip(".").partition(".")
    name, _, rest = value.lower().partition(".")
    return rest == domain and (name == wanted or (name == "*" and bool(domain)))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
