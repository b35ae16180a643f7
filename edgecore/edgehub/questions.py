"""Questions that are with the cloud, each with its time limit. No clock of its own."""

from __future__ import annotations

from viaduct.message import Message


class Questions:
    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._asked: dict[str, tuple[Message, float]] = {}

    def add(self, question: Message, now: float) -> None:
        self._asked[question.id] = (question, now + self._timeout)

    def settle(self, msg_id: str) -> Message | None:
        """The question ``msg_id`` where somebody still waits for its answer; from now on nobody does."""
        asked = self._asked.pop(msg_id, None)
        return asked[0] if asked else None

    def all(self) -> list[Message]:
        return [question for question, _ in self._asked.values()]

    def expired(self, now: float) -> list[Message]:
        return [question for question, deadline in self._asked.values() if deadline <= now]

    def next_time(self) -> float | None:
        return min((deadline for _, deadline in self._asked.values()), default=None)
