"""What a node may touch (X2): its own Node, and what the pods bound to it name. Which pods and devices are bound to it, the controllers
know and check themselves."""

from __future__ import annotations

from collections.abc import Callable

from cloudcore.errors import Refused
from viaduct.message import Message
from viaduct.resource import ResourcePath, parse_resource
from viaduct.vocabulary import Operation, ResourceType, Source

MayRead = Callable[[str, str], bool]
"""``may_read(node, "default/secret/db")``: whether a pod of ``node`` names it."""

_OWN_NAME = frozenset({ResourceType.NODE, ResourceType.NODESTATUS})
_PUBLIC = frozenset({ResourceType.SERVICE, ResourceType.ENDPOINTS, ResourceType.SERVICELIST, ResourceType.ENDPOINTSLIST})
_REPORTS = {
    ResourceType.NODESTATUS: frozenset({Operation.INSERT, Operation.UPDATE}),
    ResourceType.PODSTATUS: frozenset({Operation.UPDATE}),
    ResourceType.NODE: frozenset({Operation.UPDATE, Operation.QUERY}),
    ResourceType.EVENT: frozenset({Operation.INSERT, Operation.UPDATE}),
}


def check(node: str, message: Message, may_read: MayRead) -> None:
    """Returns where ``node`` may say ``message`` (of which ``routing.target_of`` approved).

    Raises:
        Refused: with code 403 and the reason.
    """
    if message.route.source == Source.TWIN:
        return
    path = parse_resource(message.route.resource)
    if path.type in _OWN_NAME and path.name != node:
        raise Refused(f"node {node!r} may not touch {message.route.resource!r}: it is another node's", code=403)
    if path.type in _REPORTS:
        _check_operation(message, path)
    elif message.route.operation != Operation.QUERY:
        raise Refused(f"a node may only query {path.type}, not {message.route.operation!r}", code=403)
    elif path.type not in _PUBLIC and not may_read(node, message.route.resource):
        raise Refused(f"node {node!r} may not read {message.route.resource!r}: no pod bound to it names it", code=403)


def _check_operation(message: Message, path: ResourcePath) -> None:
    allowed = _REPORTS[ResourceType(path.type)]
    if message.route.operation not in allowed:
        raise Refused(f"a node may not {message.route.operation!r} {path.type}", code=403)
