"""Where a message goes that came from the cloud, and what a message is that a module wants sent (contract 1.5, P4). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from viaduct import acknowledgements
from viaduct.message import Message, is_acknowledgement
from viaduct.vocabulary import WIRE_GROUP_TO_EDGE_GROUP, Group, Operation, ResourceType


class Outgoing(Enum):
    """What a message from a module is to EdgeHub."""

    ANSWER = auto()
    """An acknowledgement or error about something of the cloud's: worth sending on this connection only; the cloud will ask again."""
    STATE = auto()
    """Node status: the newest one is sent, now or after the next connect."""
    QUESTION = auto()
    """Somebody waits for the answer, so it is answered here when the link is away."""
    PASSING = auto()
    """Sent if the link is there, else dropped."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the cloud said in an ``error`` (P4.5). ``retry``: it may be said again later."""

    code: int
    reason: str
    retry: bool


def classify(message: Message) -> Outgoing:
    if message.route.operation in (Operation.RESPONSE, Operation.ERROR):
        return Outgoing.ANSWER
    if message.header.sync or message.route.operation == Operation.QUERY:
        return Outgoing.QUESTION
    if message.route.operation == Operation.UPDATE and _type(message.route.resource) == ResourceType.NODESTATUS:
        return Outgoing.STATE
    return Outgoing.PASSING


def edge_group(message: Message) -> str | None:
    """The edge group that receives a message of the cloud; None: no such group, it is refused."""
    return WIRE_GROUP_TO_EDGE_GROUP.get(Group(message.route.group)) if message.route.group in Group.__members__.values() else None


def is_answer(message: Message) -> bool:
    """Whether EdgeHub must look whose wait it ends before any module sees it."""
    return is_acknowledgement(message) or acknowledgements.names_many(message)


def refusal(message: Message) -> Refusal | None:
    """What an ``error`` says; None for anything else. An error in a shape that we do not know is final: repeating it changes nothing."""
    if message.route.operation != Operation.ERROR:
        return None
    content = message.content
    if not isinstance(content, dict):
        return Refusal(0, str(content)[:500], retry=False)
    code = content.get("code")
    return Refusal(
        code if isinstance(code, int) and not isinstance(code, bool) else 0,
        str(content.get("reason", ""))[:500],
        retry=content.get("retry") is True,
    )


def _type(resource: str) -> str:
    parts = resource.split("/")
    return parts[1] if len(parts) in (2, 3) else ""
