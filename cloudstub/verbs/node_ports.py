"""Ports on every node for Services of type NodePort and LoadBalancer, from 30000 to 32767."""

from __future__ import annotations

from collections.abc import Iterable

from cloudstub.errors import FieldError, StorageFull
from cloudstub.kinds.faults import invalid
from cloudstub.store.records import Object

FIRST, LAST = 30000, 32767
OPEN_TO_NODES = ("NodePort", "LoadBalancer")

Taken = set[tuple[int, str]]
"""(port, protocol)"""


def taken_by(services: Iterable[Object]) -> Taken:
    return {pair for service in services for pair in _held(service)}


def settle(spec: Object, taken: Taken) -> list[FieldError]:
    """Give a port to each that lacks one; faults of those that the client chose.

    Raises:
        StorageFull: there is none.
    """
    ports = [port for port in spec.get("ports") or () if isinstance(port, dict)]
    if spec.get("type") not in OPEN_TO_NODES:
        for port in ports:
            port.pop("nodePort", None)
        return []
    if spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return []
    faults = [fault for i, port in enumerate(ports) for fault in _faults(port, f"spec.ports[{i}].nodePort", taken)]
    used = taken | {(port["nodePort"], str(port.get("protocol"))) for port in ports if port.get("nodePort")}
    for port in ports:
        if not port.get("nodePort"):
            port["nodePort"] = _free({number for number, _ in used})
            used.add((port["nodePort"], str(port.get("protocol"))))
    return faults


def keep(service: Object, old: Object) -> None:
    """Who does not name a port keeps the one it had; who is open to nodes no more gives it back. ``service`` is as the client sent it."""
    before = {_which(port): port.get("nodePort") for port in (old.get("spec") or {}).get("ports") or ()}
    spec = service.get("spec")
    ports = spec.get("ports") if isinstance(spec, dict) else None
    for port in ports if isinstance(ports, list) else ():
        had = before.get(_which(port)) if isinstance(port, dict) else None
        if had and isinstance(spec, dict) and spec.get("type") in OPEN_TO_NODES:
            port.setdefault("nodePort", had)
        elif had and port.get("nodePort") == had:
            del port["nodePort"]


def _which(port: Object) -> tuple[str, str]:
    return str(port.get("port")), str(port.get("protocol") or "TCP")


def _faults(port: Object, path: str, taken: Taken) -> list[FieldError]:
    number = port.get("nodePort")
    if not number:
        return []
    if not FIRST <= number <= LAST:
        return [invalid(path, number, f"provided port is not in the valid range. The range of valid ports is {FIRST}-{LAST}")]
    return [invalid(path, number, "provided port is already allocated")] if (number, str(port.get("protocol"))) in taken else []


def _held(service: Object) -> Iterable[tuple[int, str]]:
    for port in (service.get("spec") or {}).get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"], str(port.get("protocol") or "TCP")


def _free(used: set[int]) -> int:
    for number in range(FIRST, LAST + 1):
        if number not in used:
            return number
    raise StorageFull(f"no free node port from {FIRST} to {LAST}")
