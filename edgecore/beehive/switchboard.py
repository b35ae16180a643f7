"""Addresses of modules, and the one way to ask and be answered.

``send`` is for loops and never waits. ``send_from_rim`` and ``ask`` are for rim threads and the command line; they wait with a time limit.
"""

from __future__ import annotations

import threading
from typing import Any

from edgecore.beehive.mailbox import CAPACITY, Mailbox
from edgecore.errors import Busy, NoAnswer
from viaduct.message import Message


class Switchboard:
    """Who has which mailbox. Mailboxes belong here and outlive a module that the keeper restarts."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._boxes: dict[str, Mailbox] = {}
        self._groups: dict[str, list[str]] = {}
        self._waiting: dict[str, _Answer] = {}
        self._lock = threading.Lock()

    def register(self, name: str, group: str) -> Mailbox:
        """The mailbox of module ``name``, made on first use."""
        with self._lock:
            box = self._boxes.get(name)
            if box is None:
                box = self._boxes[name] = Mailbox(self._capacity)
                self._groups.setdefault(group, []).append(name)
            return box

    def members(self, group: str) -> tuple[str, ...]:
        return tuple(self._groups.get(group, ()))

    def knows(self, name: str) -> bool:
        """Whether there is a module of this name (it is not switched off)."""
        return name in self._boxes

    def lengths(self) -> dict[str, int]:
        """Letters waiting, by module."""
        return {name: len(box) for name, box in self._boxes.items()}

    def send(self, name: str, letter: Any) -> bool:
        """Put ``letter`` into the mailbox of ``name``. False: no such module (it is switched off) or no room."""
        box = self._boxes.get(name)
        return box is not None and box.place(letter)

    def send_to_group(self, group: str, letter: Any) -> bool:
        """To every member of ``group``. False: nobody is there, or one of them had no room."""
        members = self.members(group)
        return bool(members) and all([self.send(name, letter) for name in members])

    def send_from_rim(self, name: str, letter: Any, *, timeout: float) -> None:
        """Raises Busy when there is no room within ``timeout`` seconds (or no such module)."""
        box = self._boxes.get(name)
        if box is None or not box.place_from_rim(letter, timeout):
            raise Busy(f"module {name} takes no more letters")

    def ask(self, name: str, question: Message, *, timeout: float) -> Message:
        """Send ``question`` and wait for the message whose parent it is.

        The wait is entered before the question is sent, so an instant answer is not lost (contract 1.4, quirk).

        Raises:
            Busy: the module takes no letters. NoAnswer: none came within ``timeout`` seconds.
        """
        answer = _Answer()
        with self._lock:
            self._waiting[question.id] = answer
        try:
            self.send_from_rim(name, question, timeout=timeout)
            return answer.wait(timeout, f"{question.route.operation} {question.route.resource}")
        finally:
            with self._lock:
                self._waiting.pop(question.id, None)

    def answer(self, message: Message) -> bool:
        """Give ``message`` to whoever asked its parent. False: nobody waits for it (any more)."""
        with self._lock:
            waiting = self._waiting.pop(message.header.parent_msg_id, None)
        if waiting is None:
            return False
        waiting.give(message)
        return True

    def close(self) -> None:
        for box in self._boxes.values():
            box.close()


class _Answer:
    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._message: Message | None = None

    def give(self, message: Message) -> None:
        self._message = message
        self._arrived.set()

    def wait(self, timeout: float, about: str) -> Message:
        if not self._arrived.wait(timeout) or self._message is None:
            raise NoAnswer(f"no answer to {about} within {timeout:g} s")
        return self._message
