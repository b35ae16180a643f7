"""The envelope (contract 1.1, 1.2): frozen values and the few ways to make one.

The caller gives the time: nothing in viaduct reads a clock. ``timestamp`` is int milliseconds since the epoch.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from viaduct.vocabulary import DELIVERED, Operation


@dataclass(frozen=True, slots=True)
class Header:
    msg_id: str
    timestamp: int
    parent_msg_id: str = ""
    resource_version: str = ""
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    source: str = ""
    group: str = ""
    operation: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One envelope. ``content`` is any JSON value; ``bytes`` (sent as base64) only on messages that we make."""

    header: Header
    route: Route
    content: Any = field(default=None)

    @property
    def id(self) -> str:
        return self.header.msg_id

    @property
    def version(self) -> int | None:
        """The resource version as a number, or None where there is none or it is not one (D2: never compared as text)."""
        text = self.header.resource_version
        return int(text) if text.isascii() and text.isdigit() else None

    def with_resource(self, resource: str) -> Message:
        return replace(self, route=replace(self.route, resource=resource))


def new_message(
    *,
    source: str,
    group: str,
    operation: str,
    resource: str,
    now_ms: int,
    content: Any = None,
    parent_msg_id: str = "",
    resource_version: str = "",
    sync: bool = False,
    msg_id: str | None = None,
) -> Message:
    """A message with a fresh uuid4 (or ``msg_id``, where the same message is said again)."""
    header = Header(
        msg_id=msg_id or str(uuid.uuid4()),
        timestamp=now_ms,
        parent_msg_id=parent_msg_id,
        resource_version=resource_version,
        sync=sync,
    )
    return Message(header, Route(source=source, group=group, operation=operation, resource=resource), content)


def reply_to(request: Message, content: Any, *, now_ms: int, resource_version: str = "") -> Message:
    """A ``response`` to ``request``: its route is kept, its id becomes the parent (contract 1.2)."""
    return new_message(
        source=request.route.source,
        group=request.route.group,
        operation=Operation.RESPONSE,
        resource=request.route.resource,
        now_ms=now_ms,
        content=content,
        parent_msg_id=request.id,
        resource_version=resource_version,
    )


def acknowledge(request: Message, *, now_ms: int) -> Message:
    """The acknowledgement of contract 3.5. Only sent after the effect of ``request`` is committed (D1)."""
    return reply_to(request, DELIVERED, now_ms=now_ms)


def error_to(request: Message, content: Any, *, source: str, now_ms: int) -> Message:
    """An ``error`` about ``request``. The parent is the request itself (KubeEdge 1.2 names the grandparent: bug E12)."""
    return new_message(
        source=source,
        group=request.route.group,
        operation=Operation.ERROR,
        resource=request.route.resource,
        now_ms=now_ms,
        content=content,
        parent_msg_id=request.id,
    )


def is_acknowledgement(message: Message) -> bool:
    """True for anything that ends a wait of the sender: a ``response`` or ``error`` that names its parent."""
    return bool(message.header.parent_msg_id) and message.route.operation in (Operation.RESPONSE, Operation.ERROR)
