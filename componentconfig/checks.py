"""Checks for text fields of configs. Each gives a phrase for what was expected, or None when the value is well."""

from __future__ import annotations

import ipaddress
import re

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})/?")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")


def absolute_path(value: str) -> str | None:
    """``/var/lib/x``."""
    return None if value.startswith("/") else "an absolute path"


def address(value: str) -> str | None:
    """An IP address, version 4 or 6."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "an IP address"
    return None


def optional_address(value: str) -> str | None:
    """An IP address or nothing."""
    return address(value) if value else None


def addresses(values: tuple[str, ...]) -> str | None:
    """A list of IP addresses."""
    return "a list of IP addresses" if any(address(value) for value in values) else None


def host_names(values: tuple[str, ...]) -> str | None:
    """A list of DNS names."""
    return None if all(_HOST.fullmatch(value) for value in values) else "a list of DNS names"


def host_port(value: str) -> str | None:
    """``cloud.example:10000``, ``192.0.2.1:10000`` or ``[2001:db8::1]:10000``."""
    return None if _splits("tcp://" + value) and "/" not in value else "HOST:PORT"


def optional_node_name(value: str) -> str | None:
    """A Kubernetes node name (lower case DNS subdomain) or nothing."""
    fits = not value or (len(value) <= 253 and _NODE_NAME.fullmatch(value))
    return None if fits else "a node name (lower case letters, digits, '-' and '.', at most 253)"


def broker_url(value: str) -> str | None:
    """``tcp://127.0.0.1:1883``; also ssl://, tls://, mqtt:// and mqtts://."""
    known = value.partition("://")[0].lower() in ("tcp", "ssl", "tls", "mqtt", "mqtts")
    return None if known and _splits(value) else "a broker's address such as tcp://127.0.0.1:1883"


def https_url(value: str) -> str | None:
    """``https://cloud.example:10002``."""
    return None if value.startswith("https://") and _splits(value) else "an address such as https://192.0.2.1:10002"


def optional_unix_socket(value: str) -> str | None:
    """``unix:///run/x.sock`` or nothing."""
    return None if not value or value.startswith("unix:///") else "a socket's address such as unix:///run/podman/podman.sock"


def _splits(url: str) -> bool:
    """``scheme://host:port`` and nothing else, the port in range."""
    found = _URL.fullmatch(url)
    return found is not None and 0 < int(found["port"]) <= 65535
