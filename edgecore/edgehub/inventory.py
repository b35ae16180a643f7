"""The first message of a connection in ledger mode: what this node holds (P3.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from viaduct.message import Message, new_message
from viaduct.resource import INVENTORY_RESOURCE
from viaduct.vocabulary import Group, Operation, Source

Held = tuple[str, str, str]
"""(key or device id, uid, version)."""


def inventory_message(objects: Iterable[Held], devices: Iterable[Held], *, now_ms: int) -> Message:
    """Objects by their resource string, devices as ``device/<id>``."""
    held = [*objects, *((f"device/{device}", uid, version) for device, uid, version in devices)]
    return new_message(
        source=Source.EDGEHUB,
        group=Group.RESOURCE,
        operation=Operation.INVENTORY,
        resource=INVENTORY_RESOURCE,
        now_ms=now_ms,
        content={"objects": [{"key": key, "uid": uid, "version": version} for key, uid, version in held]},
    )
