"""What cloudstub is told to do."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudstub.errors import ConfigError


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
    version: Mapping[str, str] = field(default_factory=dict)


def parse_listen(text: str) -> tuple[str, int]:
    """``ADDR:PORT`` or ``[V6]:PORT``.

    Raises:
        ConfigError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ConfigError(f"--listen: expected ADDR:PORT with a port from 0 to 65535, got {text!r}")
    return host, int(port)


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


def _is_hostname(name: str) -> bool:
    return bool(name) and name.isascii() and all(c.isalnum() or c in "-." for c in name)
