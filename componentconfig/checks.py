"""Checks for text fields of configs. Each gives a phrase for what was expected, or None when the value is well."""

from __future__ import annotations

import ipaddress
import re

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})/?")
_HTTP = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[!-~]*)?")
_MAX_URL = 400
_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")


def absolute_path(value: str) -> str | None:
    """``/var/lib/x``."""
    return None if value.startswith("/") else "an absolute path"


def optional_path(value: str) -> str | None:
    """``/var/lib/x`` or nothing."""
    return None if not value or value.startswith("/") else "an absolute path, or nothing"


def address(value: str) -> str | None:
    """An IP address, version 4 or 6."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "an IP address"
    return None


def loopback_address(value: str) -> str | None:
    """Where nobody but this machine comes in."""
    return (
        None if address(value) is None and ipaddress.ip_address(value).is_loopback else "an address of this machine alone, e.g. 127.0.0.1"
    )


def optional_address(value: str) -> str | None:
    """An IP address or nothing."""
    return address(value) if value else None


def addresses(values: tuple[str, ...]) -> str | None:
    """A list of IP addresses."""
    return "a list of IP addresses" if any(address(value) for value in values) else None


def devices(values: tuple[str, ...]) -> str | None:
    """Each ``bramble.io/ttyUSB0=/dev/ttyUSB0``, or several paths with commas between."""
    names = [value.partition("=")[0].strip() for value in values]
    fits = len(set(names)) == len(names) and all(map(_is_device, values))
    return None if fits else "NAME=PATH[,PATH...], such as bramble.io/ttyUSB0=/dev/ttyUSB0, each name once"


def _is_device(value: str) -> bool:
    name, _, paths = value.partition("=")
    domain, _, _ = name.strip().partition("/")
    has_name = _RESOURCE.fullmatch(name.strip()) is not None and not domain.endswith("kubernetes.io")
    return has_name and all(path.strip().startswith("/dev/") and ".." not in path for path in paths.split(","))


def host_names(values: tuple[str, ...]) -> str | None:
    """A list of DNS names."""
    return None if all(_HOST.fullmatch(value) for value in values) else "a list of DNS names"


def optional_namespaced_name(value: str) -> str | None:
    """``kubeedge/cloudcore`` or nothing."""
    parts = value.split("/")
    is_named = len(parts) == 2 and all(len(part) <= 63 and _NODE_NAME.fullmatch(part) and "." not in part for part in parts)
    return None if not value or is_named else "NAMESPACE/NAME, or nothing"


def host_name(value: str) -> str | None:
    """A DNS name."""
    return None if len(value) <= 253 and _HOST.fullmatch(value) else "a DNS name"


def host_port(value: str) -> str | None:
    """``cloud.example:10000``, ``192.0.2.1:10000`` or ``[2001:db8::1]:10000``."""
    return None if _splits("tcp://" + value) and "/" not in value else "HOST:PORT"


def optional_listen_address(value: str) -> str | None:
    """``127.0.0.1:9091``, ``[::1]:9091`` or nothing; port 0 takes a free one."""
    if not value:
        return None
    host, port = split_listen_address(value)
    return None if address(host) is None and 0 <= port <= 65535 else "IP:PORT, or nothing"


def split_listen_address(value: str) -> tuple[str, int]:
    """(IP, port); the port is -1 where there is none."""
    host, _, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1


def optional_node_name(value: str) -> str | None:
    """A Kubernetes node name (lower case DNS subdomain) or nothing."""
    fits = not value or (len(value) <= 253 and _NODE_NAME.fullmatch(value))
    return None if fits else "a node name (lower case letters, digits, '-' and '.', at most 253)"


def broker_url(value: str) -> str | None:
    """``tcp://127.0.0.1:1883``; also ssl://, tls://, mqtt:// and mqtts://."""
    known = value.partition("://")[0].lower() in ("tcp", "ssl", "tls", "mqtt", "mqtts")
    return None if known and _splits(value) else "a broker's address such as tcp://127.0.0.1:1883"


def optional_broker_url(value: str) -> str | None:
    """A broker's address or nothing."""
    return broker_url(value) if value else None


def optional_http_url(value: str) -> str | None:
    """``http://192.0.2.1:9090/api/v1/write`` or nothing."""
    return None if not value or _HTTP.fullmatch(value) else "an address such as http://192.0.2.1:9090/path, or nothing"


def http_urls(values: tuple[str, ...]) -> str | None:
    """A list of ``http://192.0.2.1:8080/path``."""
    fits = all(_HTTP.fullmatch(value) and len(value) <= _MAX_URL and not set("?#") & set(value) for value in values)
    return None if fits else f"a list of addresses such as http://192.0.2.1:8080/path, of at most {_MAX_URL} characters, without a query"


def word(value: str) -> str | None:
    """Letters, digits, ``_``, ``-``, ``.`` and ``:``."""
    return None if re.fullmatch(r"[A-Za-z0-9_.:-]{1,200}", value) else "a name of letters, digits and _ - . :"


def optional_https_url(value: str) -> str | None:
    """``https://cloud.example:10002`` or nothing."""
    fits = not value or (value.startswith("https://") and _splits(value))
    return None if fits else "an address such as https://192.0.2.1:10002"


def optional_unix_socket(value: str) -> str | None:
    """``unix:///run/x.sock`` or nothing."""
    return None if not value or value.startswith("unix:///") else "a socket's address such as unix:///run/podman/podman.sock"


def topic_level(value: str) -> str | None:
    """One level of an MQTT topic."""
    return None if value and len(value) <= 253 and not set(value) & set("/+#\0") else "one level of an MQTT topic, without / + #"


def topic_levels(value: str) -> str | None:
    """One level of an MQTT topic or several."""
    fits = len(value) <= 253 and all(topic_level(level) is None for level in value.split("/"))
    return None if fits else "levels of an MQTT topic such as homeassistant, without + #"


def _splits(url: str) -> bool:
    """``scheme://host:port`` and nothing else, the port in range."""
    found = _URL.fullmatch(url)
    return found is not None and 0 < int(found["port"]) <= 65535
