"""How a KubeEdge edge wants to be spoken to (contract 3.1, 5.3, 3.5)."""

from __future__ import annotations

from dataclasses import replace

from cloudcore.ports import Owed
from viaduct.message import Message
from viaduct.resource import MEMBERSHIP, MEMBERSHIP_DETAIL
from viaduct.vocabulary import DELIVERED, OURS, Group, Operation, ResourceType, Source

_LISTS = frozenset({ResourceType.PODLIST, ResourceType.SERVICELIST, ResourceType.ENDPOINTSLIST})


def is_sent_once(message: Message) -> bool:
    """Whether KubeEdge never acknowledges it. By whole segments, not substrings (bug C25)."""
    route = message.route
    if route.group == Group.TWIN or route.resource in (MEMBERSHIP, MEMBERSHIP_DETAIL):
        return True
    if route.operation == Operation.RESPONSE and message.content == DELIVERED:
        return True
    segments = route.resource.split("/")
    kind = segments[1] if len(segments) > 1 else ""
    return kind in _LISTS or (route.source == Source.EDGECONTROLLER and kind == ResourceType.NODE)


def is_known(key: str) -> bool:
    """Whether a KubeEdge edge is owed what lies under ``key``: Services, rules and upgrades are for Bramble's boards (P5.10,
    P8.3, P9.2)."""
    return key.partition("/")[2].partition("/")[0] not in OURS


def spoken(message: Message) -> Message:
    """``message`` as KubeEdge says it: twin messages have no version."""
    if message.route.group != Group.TWIN or not message.header.resource_version:
        return message
    return replace(message, header=replace(message.header, resource_version=""))


def as_update(owed: Owed) -> Owed:
    """An ``insert`` of what the edge has already would be ignored there and yet acknowledged (bug E7): ``update`` is not."""
    message = owed.message
    if message.route.operation != Operation.INSERT:
        return owed
    return replace(owed, message=replace(message, route=replace(message.route, operation=Operation.UPDATE.value)))
