"""One acknowledgement that names many messages (P4.9, ledger): after a group commit, or when many writes to the API end together."""

from __future__ import annotations

from collections.abc import Iterable

from viaduct.codec import MAX_NAME
from viaduct.errors import MalformedPayload
from viaduct.message import Message, new_message
from viaduct.resource import ACKNOWLEDGEMENTS_RESOURCE
from viaduct.vocabulary import DELIVERED, Group, Operation

MOST = 500
"""Names in one message."""


def names_many(message: Message) -> bool:
    return message.route.operation == Operation.RESPONSE and message.route.resource == ACKNOWLEDGEMENTS_RESOURCE


def named_in(message: Message) -> list[str]:
    """The ids that ``message`` (of which ``names_many`` is true) acknowledges.

    Raises:
        MalformedPayload: not ``{"acknowledged": [id, …]}`` with at most ``MOST`` ids.
    """
    ids = message.content.get("acknowledged") if isinstance(message.content, dict) else None
    if not isinstance(ids, list):
        raise MalformedPayload("content.acknowledged", "expected an array")
    if len(ids) > MOST:
        raise MalformedPayload("content.acknowledged", f"{len(ids)} entries, the limit is {MOST}")
    for index, msg_id in enumerate(ids):
        if not isinstance(msg_id, str) or not 0 < len(msg_id) <= MAX_NAME:
            raise MalformedPayload(f"content.acknowledged[{index}]", f"expected a string of at most {MAX_NAME} characters")
    return ids


def gathered(messages: Iterable[Message], *, source: str, now_ms: int) -> list[Message]:
    """``messages`` with their acknowledgements made into few, which come last. One that is alone stays as it is."""
    others: list[Message] = []
    alone: list[Message] = []
    for message in messages:
        (alone if _acknowledges(message) else others).append(message)
    if len(alone) < 2:
        return [*others, *alone]
    ids = [message.header.parent_msg_id for message in alone]
    return [*others, *(_of_many(ids[start : start + MOST], source, now_ms) for start in range(0, len(ids), MOST))]


def _acknowledges(message: Message) -> bool:
    return message.route.operation == Operation.RESPONSE and message.content == DELIVERED and bool(message.header.parent_msg_id)


def _of_many(ids: list[str], source: str, now_ms: int) -> Message:
    return new_message(
        source=source,
        group=Group.RESOURCE,
        operation=Operation.RESPONSE,
        resource=ACKNOWLEDGEMENTS_RESOURCE,
        now_ms=now_ms,
        content={"acknowledged": ids},
    )
