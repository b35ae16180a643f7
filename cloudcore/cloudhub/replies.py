"""What a node is told about what it said, by mode (P4): in ledger mode everything is answered, a KubeEdge edge expects little."""

from __future__ import annotations

import json
from typing import Any

from viaduct.codec import MAX_NAME
from viaduct.handshake import Mode
from viaduct.message import Message, acknowledge, new_message
from viaduct.vocabulary import Group, Operation, Source

_SALVAGE_BYTES = 256 * 1024


def accepted(mode: Mode, request: Message, answer: Message | None, *, now_ms: int) -> list[Message]:
    """After the effect: the ``answer`` to a question; in ledger mode the acknowledgement as well, unless the answer is one."""
    said = [answer] if answer is not None else []
    answered = answer is not None and answer.header.parent_msg_id == request.id
    if mode is Mode.LEDGER and not answered:
        said.append(acknowledge(request, now_ms=now_ms))
    return said


def declined(mode: Mode, request: Message, *, code: int, reason: str, retry: bool, now_ms: int) -> list[Message]:
    """An ``error`` that ends the node's wait. In plain mode only questions are waited for (their silence is bug C10)."""
    if mode is Mode.PLAIN:
        if request.route.operation != Operation.QUERY:
            return []
        return [_error(request.id, request.route.resource, reason, now_ms)]
    content = {"code": code, "reason": reason, "retry": retry}
    return [_error(request.id, request.route.resource, content, now_ms)]


def malformed(mode: Mode, frame: str | bytes, reason: str, *, now_ms: int) -> list[Message]:
    """The ``error`` about a frame that is no message, where its id could be read at all."""
    msg_id = _salvaged_id(frame)
    if not msg_id:
        return []
    content: Any = reason if mode is Mode.PLAIN else {"code": 400, "reason": reason, "retry": False}
    return [_error(msg_id, "", content, now_ms)]


def _error(parent: str, resource: str, content: Any, now_ms: int) -> Message:
    return new_message(
        source=Source.CLOUDHUB,
        group=Group.RESOURCE,
        operation=Operation.ERROR,
        resource=resource,
        now_ms=now_ms,
        content=content,
        parent_msg_id=parent,
    )


def _salvaged_id(frame: str | bytes) -> str:
    if len(frame) > _SALVAGE_BYTES:
        return ""
    try:
        value = json.loads(frame)
        msg_id = value["header"]["msg_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return msg_id if isinstance(msg_id, str) and len(msg_id) <= MAX_NAME else ""
