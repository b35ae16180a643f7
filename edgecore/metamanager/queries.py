"""Questions of Edged that went to the cloud: who asked, and until when. No clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from viaduct.message import Header, Message, new_message


@dataclass(frozen=True, slots=True)
class Asked:
    original: Message
    deadline: float


class Queries:
    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._asked: dict[str, Asked] = {}

    def forward(self, original: Message, content: Any, *, now: float, now_ms: int) -> Message:
        """The question under an id of its own (contract 1.2, UpdateID), with ``content``, ready for EdgeHub."""
        copy = new_message(
            source=original.route.source,
            group=original.route.group,
            operation=original.route.operation,
            resource=original.route.resource,
            now_ms=now_ms,
            content=content,
            sync=True,
        )
        self._asked[copy.id] = Asked(original, now + self._timeout)
        return copy

    def take(self, parent: str) -> Message | None:
        """The original whose copy had the id ``parent``; it is answered now."""
        asked = self._asked.pop(parent, None)
        return asked.original if asked else None

    def expired(self, now: float) -> list[Message]:
        late = [msg_id for msg_id, asked in self._asked.items() if asked.deadline <= now]
        return [self._asked.pop(msg_id).original for msg_id in late]

    def next_time(self) -> float | None:
        return min((asked.deadline for asked in self._asked.values()), default=None)


def under_parent(answer: Message, original: Message) -> Message:
    """``answer`` as the answer to ``original``."""
    header = Header(answer.id, answer.header.timestamp, original.id, answer.header.resource_version)
    return replace(answer, header=header)
