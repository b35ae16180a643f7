"""What a node may touch (X2): its own Node, the pods bound to it and what they name, the devices bound to it. Asked for every message of a
node, before anything is read or written for it.

Which pods and devices are bound to it, the controllers say; what depends on an object's newest state (a pod's uid) they check themselves,
and raise ``Denied`` as well.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from cloudcore.errors import Denied
from viaduct.message import Message
from viaduct.resource import MEMBERSHIP_DETAIL, SAMPLES_RESOURCE, ResourcePath, parse_device_resource, parse_resource
from viaduct.vocabulary import Group, Operation, ResourceType, Source

MayRead = Callable[[str, str], bool]
"""``may_read(node, "default/secret/db")``: whether it is the node's own, or a pod of it names it."""


class Why(StrEnum):
    """Reasons, as they are counted."""

    ANOTHER_NODE = "another_node"
    OPERATION = "operation"
    NOT_NAMED = "not_named"


_OWN_NAME = frozenset({ResourceType.NODE, ResourceType.NODESTATUS})
_REPORTS = {
    ResourceType.NODESTATUS: frozenset({Operation.INSERT, Operation.UPDATE}),
    ResourceType.PODSTATUS: frozenset({Operation.INSERT, Operation.UPDATE}),
    ResourceType.NODE: frozenset({Operation.UPDATE, Operation.QUERY}),
    ResourceType.EVENT: frozenset({Operation.UPDATE}),
    ResourceType.DEVICERULESTATUS: frozenset({Operation.UPDATE}),
    ResourceType.NODEUPGRADEJOBSTATUS: frozenset({Operation.UPDATE}),
}
_OF_A_DEVICE = {"twin/edge_updated": Operation.UPDATE, "state": Operation.UPDATE}


def check(node: str, message: Message, may_read: MayRead) -> None:
    """Returns where ``node`` may say ``message`` (of which ``routing.target_of`` approved).

    Raises:
        Denied: with the reason, and the reason in a word.
    """
    if message.route.group == Group.USER:
        return  # an upload: it is filed under the name in the certificate, so it is always the node's own
    if message.route.source == Source.TWIN:
        _check_device(message)
        return
    path = parse_resource(message.route.resource)
    if path.type in _OWN_NAME and path.name != node:
        raise Denied(f"node {node!r} may not touch {message.route.resource!r}: it is another node's", Why.ANOTHER_NODE)
    if path.type in _REPORTS:
        _check_operation(message, path)
    elif message.route.operation != Operation.QUERY:
        raise Denied(f"a node may only query {path.type}, not {message.route.operation!r}", Why.OPERATION)
    elif not may_read(node, message.route.resource):
        raise Denied(f"node {node!r} may not read {message.route.resource!r}: no pod bound to it names it", Why.NOT_NAMED)


def _check_operation(message: Message, path: ResourcePath) -> None:
    allowed = _REPORTS[ResourceType(path.type)]
    if message.route.operation not in allowed:
        raise Denied(f"a node may not {message.route.operation!r} {path.type}", Why.OPERATION)


def _check_device(message: Message) -> None:
    """A node reports values and states; wishes and memberships are the cloud's."""
    if message.route.resource == MEMBERSHIP_DETAIL:
        allowed = message.route.operation in (Operation.GET, Operation.QUERY)
    elif message.route.resource == SAMPLES_RESOURCE:
        # They are filed under the name in the certificate, so they are always the node's own.
        allowed = message.route.operation == Operation.UPLOAD
    else:
        allowed = _OF_A_DEVICE.get(parse_device_resource(message.route.resource)[1]) == message.route.operation
    if not allowed:
        raise Denied(f"a node may not {message.route.operation!r} {message.route.resource!r}", Why.OPERATION)
