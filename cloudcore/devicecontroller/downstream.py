"""Devices down: what changed in the API becomes owed to the node that serves the device (contract 5.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from cloudcore.cluster import Clock, Informer
from cloudcore.devicecontroller import translate
from cloudcore.devicecontroller.bindings import Bindings, Handover, Place
from cloudcore.devicecontroller.translate import MalformedDevice
from cloudcore.objects import epoch_ms, identity, uid_of, version_of
from cloudcore.ports import Downlink, Holding, JsonObject, Notice, Owed

logger = logging.getLogger(__name__)

Complain = Callable[[JsonObject, str, str], None]
"""``(device, reason, text)``: tell the owner of the device."""


class Downstream:
    """Follows the devices; answers what a node should serve.

    A device is owed at the version at which its wish last changed: reported values, which its own node sends, do not go down again.
    """

    def __init__(self, *, devices: Informer, downlink: Downlink, now: Clock, noticed: Notice, complain: Complain) -> None:
        self.bindings = Bindings()
        self._devices = devices
        self._downlink = downlink
        self._now = now
        self._noticed = noticed
        self._complain = complain
        self._wishes: dict[Place, tuple[str, str]] = {}

    def wish_of(self, place: Place) -> tuple[str, str]:
        """(version, digest) of what is owed of the device; ("", "") for an unknown one."""
        return self._wishes.get(place, ("", ""))

    def holdings(self, node: str) -> Iterator[Holding]:
        for place in self.bindings.served_by(node):
            device = self._devices.get(*place)
            if device is not None:
                yield translate.device_key(place[1]), uid_of(device), self._version(place, device)

    def owed(self, node: str) -> Iterator[Owed]:
        for place in self.bindings.served_by(node):
            device = self._devices.get(*place)
            if device is not None:
                yield self._membership(place, device)

    def holding(self, node: str, key: str) -> Holding | None:
        """The one under ``key``; cheap."""
        place = self.bindings.named(node, key.removeprefix(translate.KEY_PREFIX)) if key.startswith(translate.KEY_PREFIX) else None
        device = self._devices.get(*place) if place is not None else None
        return (key, uid_of(device), self._version(place, device)) if place is not None and device is not None else None

    def owed_one(self, node: str, key: str) -> Owed | None:
        place = self.bindings.named(node, key.removeprefix(translate.KEY_PREFIX))
        device = self._devices.get(*place) if place is not None and key.startswith(translate.KEY_PREFIX) else None
        return self._membership(place, device) if place is not None and device is not None else None

    def removal(self, key: str, uid: str) -> Owed | None:
        if not key.startswith(translate.KEY_PREFIX):
            return None
        return translate.no_membership_by_name(key.removeprefix(translate.KEY_PREFIX), uid, now_ms=self._now_ms())

    def device_event(self, old: JsonObject | None, new: JsonObject | None) -> bool:
        """Take a change; True where the wish changed and an annotation of an older wish has to be put right."""
        if new is None:
            self._gone(old or {})
            return False
        place = identity(new)
        digest, known = translate.digest(new), self._wishes.get(place)
        is_new_wish = known is not None and known[1] != digest
        if known is None:
            self._wishes[place] = (translate.wish_version(new), digest)
        elif is_new_wish:
            self._wishes[place] = (version_of(new), digest)
        handovers = self.bindings.place(place, self._node_of(new), str((new.get("metadata") or {}).get("creationTimestamp") or ""))
        for handover in handovers:
            self._hand_over(handover, new)
        node = self.bindings.node_of(place)
        if not handovers and is_new_wish and self.bindings.serves(node, place):
            self._offer(node, self._membership(place, new))
        if node and not self.bindings.serves(node, place):
            self._refuse_double(node, new)
        return is_new_wish and translate.is_marked(new)

    def _gone(self, device: JsonObject) -> None:
        place = identity(device)
        self._wishes.pop(place, None)
        for handover in self.bindings.place(place, "", ""):
            self._hand_over(handover, device)

    def _node_of(self, device: JsonObject) -> str:
        try:
            return translate.node_of(device)
        except MalformedDevice as exc:
            self._complain(device, "MalformedNodeSelector", str(exc))
            return ""

    def _hand_over(self, handover: Handover, subject: JsonObject) -> None:
        if handover.after is not None:
            device = subject if handover.after == identity(subject) else self._devices.get(*handover.after)
            if device is not None:
                self._offer(handover.node, self._membership(handover.after, device))
        elif handover.before is not None:
            self._offer(handover.node, translate.no_membership(subject, now_ms=self._now_ms()))

    def _refuse_double(self, node: str, device: JsonObject) -> None:
        name = identity(device)[1]
        other = self.bindings.named(node, name)
        text = f"node {node} serves a device {name} of namespace {other[0] if other else '?'} already; names are unique on a node"
        self._complain(device, "NameTaken", text)

    def _membership(self, place: Place, device: JsonObject) -> Owed:
        return translate.membership(device, version=self._version(place, device), now_ms=self._now_ms())

    def _version(self, place: Place, device: JsonObject) -> str:
        return self._wishes.get(place, (version_of(device), ""))[0]

    def _offer(self, node: str, owed: Owed) -> None:
        self._noticed(node, owed.key)
        if self._downlink.offer(node, owed):
            logger.debug("%s %s down to %s, version %s", "removal of" if owed.removal else "membership of", owed.key, node, owed.version)

    def _now_ms(self) -> int:
        return epoch_ms(self._now())
