"""Mailboxes, questions and the keeper (architecture section 5; I2)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from edgecore.beehive.backoff import Backoff
from edgecore.beehive.keeper import Keeper
from edgecore.beehive.mailbox import Mailbox
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import Busy, NoAnswer
from viaduct.message import Message, new_message, reply_to


def eventually(claim: Callable[[], bool], within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.002)


def question() -> Message:
    return new_message(source="t", group="meta", operation="query", resource="default/configmap/c", now_ms=0)


def test_a_loop_is_told_at_once_that_a_mailbox_is_full() -> None:
    box = Mailbox(2)
    assert [box.place(n) for n in range(3)] == [True, True, False]


def test_rim_threads_may_fill_only_half() -> None:
    box = Mailbox(4)
    assert box.place_from_rim(1, 0.0)
    assert box.place_from_rim(2, 0.0)
    assert not box.place_from_rim(3, 0.01)
    assert box.place(3)


def test_a_rim_thread_that_waits_for_room_gets_it() -> None:
    box = Mailbox(2)
    box.place_from_rim(1, 0.0)
    done: list[bool] = []
    waiter = threading.Thread(target=lambda: done.append(box.place_from_rim(2, 5.0)))
    waiter.start()
    assert box.take(1.0) == 1
    waiter.join(5.0)
    assert done == [True]
    assert box.take(1.0) == 2


def test_a_closed_mailbox_still_gives_what_it_has_and_wakes_who_waits() -> None:
    box = Mailbox()
    box.place("last")
    box.close()
    assert not box.place("late")
    assert box.take() == "last"
    assert box.take() is None


def test_letters_come_in_the_order_they_were_placed() -> None:
    box = Mailbox()
    for number in range(100):
        box.place(number)
    assert box.take_ready(60) + box.take_ready(60) == list(range(100))


def test_an_instant_answer_is_not_lost() -> None:
    board = Switchboard()
    box = board.register("metaManager", "meta")

    def answer_at_once() -> None:
        for _ in range(200):
            letter = box.take(5.0)
            assert isinstance(letter, Message)
            board.answer(reply_to(letter, "yes", now_ms=0))

    threading.Thread(target=answer_at_once, daemon=True).start()
    assert [board.ask("metaManager", question(), timeout=5.0).content for _ in range(200)] == ["yes"] * 200


def test_a_question_that_nobody_answers_ends_with_its_time_limit() -> None:
    board = Switchboard()
    board.register("metaManager", "meta")
    with pytest.raises(NoAnswer, match="query default/configmap/c"):
        board.ask("metaManager", question(), timeout=0.02)


def test_a_module_that_is_switched_off_takes_nothing() -> None:
    board = Switchboard()
    assert not board.send("servicebus", "x")
    assert not board.send_to_group("bus", "x")
    with pytest.raises(Busy):
        board.send_from_rim("servicebus", "x", timeout=0.01)


def test_an_answer_goes_only_to_who_asked() -> None:
    assert not Switchboard().answer(reply_to(question(), "late", now_ms=0))


class Recorder(Module):
    name, group = "recorder", "meta"

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def take(self, letter: Any) -> None:
        if letter == "bomb":
            raise RuntimeError("boom")
        self._seen.append(letter)


def test_a_module_that_raises_is_made_again_and_keeps_its_mailbox() -> None:
    board, seen = Switchboard(), []  # type: tuple[Switchboard, list[Any]]
    keeper = Keeper(board, first_delay=0.01)
    keeper.keep("recorder", "meta", lambda: Recorder(seen))
    keeper.start()
    for letter in ("one", "bomb", "two"):
        board.send("recorder", letter)
    eventually(lambda: seen == ["one", "two"])
    (kept,) = keeper.report()
    assert (kept.restarts, kept.last_error) == (1, "RuntimeError: boom")
    assert keeper.stop(5.0) == []


def test_one_failing_module_does_not_stop_another() -> None:
    board = Switchboard()
    good: list[Any] = []
    keeper = Keeper(board, first_delay=0.01)
    keeper.keep("bad", "x", lambda: Recorder([]))
    keeper.keep("good", "y", lambda: Recorder(good))
    keeper.start()
    for number in range(20):
        board.send("bad", "bomb")
        board.send("good", number)
    eventually(lambda: good == list(range(20)))
    assert keeper.stop(5.0) == []


class Ticking(Module):
    name, group = "ticking", "meta"

    def __init__(self, ticks: list[float]) -> None:
        self._ticks = ticks
        self._due = time.monotonic() + 0.01

    def take(self, letter: Any) -> None: ...

    def next_tick(self) -> float:
        return self._due

    def tick(self) -> None:
        self._ticks.append(time.monotonic())
        self._due = time.monotonic() + 0.01


def test_a_tick_comes_at_its_time_also_when_letters_keep_coming() -> None:
    board, ticks = Switchboard(), []  # type: tuple[Switchboard, list[float]]
    keeper = Keeper(board)
    keeper.keep("ticking", "meta", lambda: Ticking(ticks))
    keeper.start()

    def flooded() -> bool:
        board.send("ticking", "x")
        return len(ticks) >= 5

    eventually(flooded)
    assert keeper.stop(5.0) == []


def test_backoff_doubles_to_its_limit_with_jitter_and_starts_anew_after_success() -> None:
    backoff = Backoff(1.0, 8.0, jitter=0.2, spread=random.Random(1))
    delays = [backoff.next() for _ in range(6)]
    for delay, middle in zip(delays, [1, 2, 4, 8, 8, 8], strict=True):
        assert middle * 0.8 <= delay <= middle * 1.2
    backoff.reset()
    assert backoff.next() <= 1.2


def test_a_knock_brings_a_waiting_loop_back_without_a_letter() -> None:
    box = Mailbox()
    taken: list[Any] = []
    loop = threading.Thread(target=lambda: taken.append(box.take()))
    loop.start()
    box.knock()
    loop.join(5.0)
    assert taken == [None]
    assert box.answered


def test_a_knock_at_a_full_mailbox_takes_no_letter_away() -> None:
    box = Mailbox(1)
    box.place("letter")
    box.knock()
    assert not box.answered
    assert box.take() == "letter"
    assert box.answered


class Held(Module):
    """Stays in ``take`` until let go."""

    name = "held"
    group = "g"

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def take(self, letter: Any) -> None:
        self.let_go.wait(10.0)


def test_a_module_that_does_not_come_back_is_silent_and_one_that_waits_is_not() -> None:
    switchboard = Switchboard()
    keeper = Keeper(switchboard)
    held = Held()
    keeper.keep("held", "g", lambda: held)
    keeper.keep("free", "g", Held)
    keeper.start()
    eventually(lambda: keeper.silent() == [])
    switchboard.send("held", "letter")
    eventually(lambda: keeper.silent() == ["held"])
    held.let_go.set()
    eventually(lambda: keeper.silent() == [])
    assert keeper.stop() == []


def test_a_module_that_waits_for_its_next_start_is_not_silent() -> None:
    keeper = Keeper(Switchboard(), first_delay=30.0)

    def make() -> Module:
        raise RuntimeError("no")

    keeper.keep("failing", "g", make)
    keeper.start()
    eventually(lambda: keeper.report()[0].restarts == 1)
    keeper.silent()
    assert keeper.silent() == []
    assert keeper.stop() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_module_that_nobody_keeps_any_more_is_silent() -> None:
    keeper = Keeper(Switchboard())

    def make() -> Module:
        raise SystemExit

    keeper.keep("gone", "g", make)
    keeper.start()
    eventually(lambda: keeper.silent() == ["gone"])
