"""What cloudstub is told to do."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudstub.errors import ConfigError

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Config:
    """``port`` 0 lets the system choose. ``sans`` are further names and addresses for the server certificate.

    ``kubeconfig`` None writes it into the data directory only.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 6443
    kubeconfig: Path | None = None
    sans: tuple[str, ...] = ()
    keep_changes: int = 10_000
    keep_seconds: float = 300.0
    runs_controllers: bool = True
    kubelet_ca: Path | None = None
    """The CA (PEM) of kubelets' certificates; None: they are not checked."""
    version: Mapping[str, str] = field(default_factory=dict)


def parse_listen(text: str) -> tuple[str, int]:
    """``ADDR:PORT`` or ``[V6]:PORT``.

    Raises:
        ConfigError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535
    if not colon or not _is_name(host) or not is_port:
        raise ConfigError(f"--listen: expected ADDR:PORT with a port from 0 to 65535, got {text[:_SHOWN]!r}")
    return host, int(port)


def parse_san(text: str) -> str:
    """A name or address that the server's certificate can carry.

    Raises:
        ConfigError: it can not.
    """
    if not _is_name(text.removeprefix("*.")):
        raise ConfigError(f"--san: expected a DNS name or an address, got {text[:_SHOWN]!r}")
    return text


def certificate_names(config: Config) -> list[str]:
    """The names under which clients may reach the server."""
    fixed = ["127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    own = [socket.gethostname()] if _is_hostname(socket.gethostname()) else []
    listening = [] if _is_wildcard(config.host) else [config.host]
    return list(dict.fromkeys([*fixed, *own, *listening, *config.sans]))


def reachable_host(host: str) -> str:
    """The address under which this machine itself reaches the server."""
    if _is_wildcard(host):
        return "127.0.0.1" if ":" not in host else "[::1]"
    return f"[{host}]" if ":" in host else host


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_name(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _is_hostname(text)
    return True


def _is_hostname(name: str) -> bool:
    return 0 < len(name) <= 253 and name.isascii() and all(c.isalnum() or c in "-." for c in name)
