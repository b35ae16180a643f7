"""What a node's message is and which controller takes it (contract 2.6, 4.2, 5.4)."""

from __future__ import annotations

from enum import Enum

from cloudcore.errors import Refused
from viaduct.errors import MalformedResource
from viaduct.message import Message
from viaduct.resource import MEMBERSHIP_DETAIL, SAMPLES_RESOURCE, parse_device_resource, parse_resource
from viaduct.vocabulary import Group, Operation, ResourceType, Source


class Target(Enum):
    """Who takes what nodes say."""

    EDGE = "edgecontroller"
    DEVICE = "devicecontroller"
    RECORDS = "records"
    HISTORY = "history"
    UPGRADE = "upgradecontroller"
    ROUTER = "router"


class Kind(Enum):
    """What the hub itself sees in a frame before anyone else does."""

    KEEPALIVE = "keepalive"
    ACKNOWLEDGEMENT = "acknowledgement"
    REFUSAL = "refusal"
    INVENTORY = "inventory"
    REPORT = "report"


_BY_OPERATION = {
    Operation.KEEPALIVE: Kind.KEEPALIVE,
    Operation.RESPONSE: Kind.ACKNOWLEDGEMENT,
    Operation.INVENTORY: Kind.INVENTORY,
}


def kind_of(message: Message) -> Kind:
    """By operation. Every ``response`` is an acknowledgement, also one that nobody waits for (contract 2.6 step 4)."""
    if message.route.operation == Operation.ERROR:
        return Kind.REFUSAL
    return _BY_OPERATION.get(message.route.operation, Kind.REPORT)  # type: ignore[call-overload,no-any-return]


def target_of(message: Message) -> Target:
    """Who takes a report, question or upload.

    Raises:
        Refused: the resource is outside the grammar of its controller, or nobody takes such messages.
    """
    if message.route.group == Group.USER and message.route.source == Source.SERVICEBUS:
        return Target.ROUTER
    if not message.route.operation:
        raise Refused("route.operation: is empty")
    if message.route.group == Group.USER:
        if message.route.operation == Operation.UPLOAD:
            return Target.RECORDS
        raise Refused("route.group: of the group 'user' this cloud takes uploads and HTTP only", code=501)
    try:
        if message.route.source == Source.TWIN:
            if message.route.resource == SAMPLES_RESOURCE:
                return Target.HISTORY
            if message.route.resource != MEMBERSHIP_DETAIL:
                parse_device_resource(message.route.resource)
            return Target.DEVICE
        path = parse_resource(message.route.resource)
    except MalformedResource as exc:
        raise Refused(f"route.resource: {exc}") from exc
    return Target.UPGRADE if path.type == ResourceType.NODEUPGRADEJOBSTATUS else Target.EDGE


def lane_of(message: Message) -> str:
    """What must stay in order: one device, or one resource (D3). No application waits for another one's answer."""
    if message.route.source == Source.SERVICEBUS:
        return f"servicebus/{message.id}"
    if message.route.source == Source.TWIN:
        return "/".join(message.route.resource.split("/", 2)[:2])
    return message.route.resource
