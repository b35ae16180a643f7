"""The states of a device: KubeEdge's three, and what the words of its later mappers mean (contract 6.3, 6.8, 11.4; P6.18). Pure."""

from __future__ import annotations

from typing import Any

from viaduct.faults import Fault

ONLINE, OFFLINE, UNKNOWN = "online", "offline", "unknown"
STATES = (ONLINE, OFFLINE, UNKNOWN)

UNHEALTHY = Fault("", "Unhealthy", "its mapper says that it is unhealthy")

_OTHERS: dict[str, tuple[str, tuple[Fault, ...] | None]] = {
    "ok": (ONLINE, ()),
    "unhealthy": (ONLINE, (UNHEALTHY,)),
    "OK": (ONLINE, None),
    "DISCONNECTED": (OFFLINE, None),
}
"""The first two are of KubeEdge 1.23, the last two of mappers-go, which says nothing of health."""


def understood(state: Any, faults: tuple[Fault, ...] | None) -> tuple[str, tuple[Fault, ...] | None] | None:
    """The state, and what is wrong with the device, of what somebody says of both; None where it is no state."""
    if not isinstance(state, str):
        return None
    if state in STATES:
        return state, faults
    found = _OTHERS.get(state)
    return None if found is None else (found[0], found[1] if faults is None else faults)
