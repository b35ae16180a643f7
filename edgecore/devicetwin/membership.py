"""Which devices the node has (contract 6.6; P6): what a membership message asks, in an order that no device is lost by. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgecore.devicetwin.merge import Change
from edgecore.devicetwin.shadow import Shadow
from edgecore.devicetwin.sync import Synced, merge_sync, missing_from
from viaduct.device import Attribute, Device, attribute_json


@dataclass(frozen=True, slots=True)
class Joined:
    """``shadow`` is the device as it is now. ``known``: it was here before (then no ``membership/updated`` is said)."""

    shadow: Shadow
    known: bool
    attributes: Mapping[str, dict[str, Any] | None]
    synced: Synced


def is_superseded(shadow: Shadow, device: Device, version: str) -> bool:
    """The message is about an older version of the same Device object than the one we hold (D2: compared as numbers)."""
    if not shadow.uid or shadow.uid != device.uid or not version.isdigit() or not shadow.version.isdigit():
        return False
    return int(version) < int(shadow.version)


def is_another(shadow: Shadow, device: Device) -> bool:
    """Same name, other Device object: the old one goes first (D2)."""
    return bool(shadow.uid and device.uid and shadow.uid != device.uid)


def join(shadow: Shadow | None, device: Device, *, version: str, now_ms: int, ledger: bool) -> Joined:
    """The device after the cloud said ``device``; in ledger mode it becomes equal to it, twins and all."""
    before = shadow or Shadow(device.id)
    listed = device.twins or {}
    synced = merge_sync(before.twins, listed, now_ms=now_ms, ledger=ledger)
    if ledger and shadow is not None:
        synced = replace(synced, changes={**synced.changes, **missing_from(before.twins, listed)})
    attributes = {name: _as_kept(attribute) for name, attribute in (device.attributes or {}).items()}
    after = replace(
        before,
        name=device.name or before.name or device.id,
        description=device.description or before.description,
        state=before.state or device.state,
        uid=device.uid or before.uid,
        version=version or before.version,
        attributes=attributes,
        twins=with_changes(before, synced.changes),
    )
    return Joined(after, shadow is not None, attribute_changes(before.attributes, attributes), synced)


def with_changes(shadow: Shadow, changes: Mapping[str, Change]) -> dict[str, Any]:
    return {**shadow.twins, **{name: change.current for name, change in changes.items()}}


def attribute_changes(old: Mapping[str, Attribute], wanted: Mapping[str, Attribute]) -> dict[str, dict[str, Any] | None]:
    """Attributes that are new or differ, and null for those that are not named any more."""
    changed: dict[str, dict[str, Any] | None] = {
        name: attribute_json(attribute) for name, attribute in wanted.items() if old.get(name) != attribute
    }
    changed.update({name: None for name in old if name not in wanted})
    return changed


def with_attributes(shadow: Shadow, update: Mapping[str, Attribute | None]) -> tuple[Shadow, dict[str, dict[str, Any] | None]]:
    """The device with ``update`` on top of its attributes, and what that changes."""
    wanted = {**shadow.attributes, **{name: _as_kept(attribute) for name, attribute in update.items() if attribute is not None}}
    for name, attribute in update.items():
        if attribute is None:
            wanted.pop(name, None)
    return replace(shadow, attributes=wanted), attribute_changes(shadow.attributes, wanted)


def _as_kept(attribute: Attribute) -> Attribute:
    """As it is after a restart: the store does not tell absent from false or from an empty type."""
    return Attribute(attribute.value, bool(attribute.optional), attribute.type or None)


def not_listed(held: Mapping[str, Shadow], listed: tuple[Device, ...]) -> tuple[str, ...]:
    """``membership/detail`` names every device: the others are to be removed."""
    names = {device.id for device in listed}
    return tuple(name for name in held if name not in names)
