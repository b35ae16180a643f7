"""The environment variables by which a container finds the Services of its namespace, as Kubernetes names them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgecore.edgemesh.serving import HEADLESS


def links(services: Iterable[Mapping[str, Any]], namespace: str) -> dict[str, str]:
    """``WEB_SERVICE_HOST``, ``WEB_SERVICE_PORT`` and their kin, of every Service of ``namespace`` that has a cluster address."""
    found: dict[str, str] = {}
    for service in services:
        metadata, spec = _part(service, "metadata"), _part(service, "spec")
        asked = spec.get("ports")
        address, ports = (
            str(spec.get("clusterIP") or ""),
            [port for port in asked if isinstance(port, dict)] if isinstance(asked, list) else [],
        )
        if metadata.get("namespace") == namespace and address not in ("", HEADLESS) and ports:
            found |= _of_one(str(metadata.get("name")), address, ports)
    return found


def _of_one(name: str, address: str, ports: list[dict[str, Any]]) -> dict[str, str]:
    word = _word(name)
    first = ports[0]
    found = {f"{word}_SERVICE_HOST": address, f"{word}_SERVICE_PORT": str(first.get("port")), f"{word}_PORT": _url(address, first)}
    for port in ports:
        protocol = str(port.get("protocol") or "TCP")
        prefix = f"{word}_PORT_{port.get('port')}_{protocol}"
        if port.get("name"):
            found[f"{word}_SERVICE_PORT_{_word(str(port['name']))}"] = str(port.get("port"))
        found |= {
            prefix: _url(address, port),
            f"{prefix}_PROTO": protocol.lower(),
            f"{prefix}_PORT": str(port.get("port")),
            f"{prefix}_ADDR": address,
        }
    return found


def _part(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _url(address: str, port: dict[str, Any]) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{str(port.get('protocol') or 'TCP').lower()}://{host}:{port.get('port')}"


def _word(name: str) -> str:
    return name.upper().replace("-", "_").replace(".", "_")
