"""Turns that go round; promise I1."""

from __future__ import annotations

import threading
import time

from mappers.sdk.turns import Turns
from tests.unit.mappers.test_worker import eventually


def test_who_waited_longest_is_next_also_when_the_one_before_wants_again() -> None:
    turns, order = Turns(), []
    assert turns.take(1.0)

    def use(name: str) -> None:
        assert turns.take(5.0)
        order.append(name)
        turns.give()

    waiting = []
    for name in ("a", "b"):
        waiting.append(threading.Thread(target=use, args=(name,)))
        waiting[-1].start()
        eventually(lambda: len(turns._waiting) == len(waiting))
    turns.give()
    use("greedy")
    for thread in waiting:
        thread.join(5.0)
    assert order == ["a", "b", "greedy"]


def test_who_waits_too_long_gives_up_and_leaves_the_queue() -> None:
    turns = Turns()
    assert turns.take(1.0)
    started = time.monotonic()
    assert not turns.take(0.05) and time.monotonic() - started < 1.0
    turns.give()
    assert turns.take(0.05)
