"""What silent slaves may cost the others on their line; promise I1, told on a bus whose clock the test moves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mappers.modbus.breaker import FLOOR, LONG_FIRST, LONG_SHARE, SHARE, Breaker
from mappers.sdk.schedule import next_tick

LIMIT = 1.0
CYCLE = 1.0
ANSWER = 0.012


def shared(*answers: tuple[int, float]) -> Breaker:
    breaker = Breaker(is_alone=False)
    for unit, took in answers:
        breaker.answered(unit, took)
    return breaker


def test_a_slave_that_nobody_knows_is_given_the_whole_limit() -> None:
    assert shared().patience(1, 0.0, limit=LIMIT) == LIMIT
    assert shared((2, 0.02)).patience(1, 0.0, limit=LIMIT) == LIMIT


def test_one_that_answers_is_given_somewhat_more_than_it_uses_to_need() -> None:
    assert shared(*[(1, 0.1)] * 50).patience(1, 0.0, limit=LIMIT) == pytest.approx(0.1 + FLOOR)
    assert shared((1, 0.001)).patience(1, 0.0, limit=LIMIT) == pytest.approx(0.001 + FLOOR)
    assert shared((1, 0.9)).patience(1, 0.0, limit=LIMIT) == LIMIT


def test_one_whose_answers_vary_is_given_more_and_one_slow_moment_is_soon_forgotten() -> None:
    even, uneven, slow_once = shared(*[(1, 0.1)] * 50), shared(*[(1, 0.02), (1, 0.18)] * 25), shared((1, 0.5), *[(1, 0.1)] * 40)
    assert uneven.patience(1, 0.0, limit=LIMIT) > 2 * even.patience(1, 0.0, limit=LIMIT)
    assert slow_once.patience(1, 0.0, limit=LIMIT) < 0.2


def test_what_the_bytes_take_on_a_slow_wire_is_on_top() -> None:
    breaker = Breaker(is_alone=False)
    breaker.answered(1, 0.3, wire=0.28)
    assert breaker.patience(1, 0.0, limit=LIMIT, wire=0.5) == pytest.approx(0.5 + 0.02 + FLOOR)


def test_a_silent_one_is_left_alone_and_asked_again_within_its_share() -> None:
    breaker = shared((1, ANSWER))
    assert breaker.wait(1, 10.0) == 0
    again_in = breaker.silent(1, 10.0, FLOOR)
    assert again_in == pytest.approx(FLOOR / SHARE)
    assert breaker.wait(1, 10.0 + again_in - 0.01) > 0 and breaker.wait(1, 10.0 + again_in) == 0


def test_an_answer_closes_the_breaker_at_once() -> None:
    breaker = shared((1, ANSWER))
    breaker.silent(1, 10.0, FLOOR)
    breaker.answered(1, ANSWER)
    assert breaker.wait(1, 10.0) == 0


def test_silent_ones_stand_in_a_row_each_in_its_own_place() -> None:
    breaker = shared(*((unit, ANSWER) for unit in range(4)))
    places = [breaker.silent(unit, 0.0, FLOOR) for unit in range(4)]
    assert places == pytest.approx([FLOOR / SHARE * place for place in (1, 2, 3, 4)])


def test_one_that_is_late_for_once_is_asked_a_second_time_and_given_longer_from_then_on() -> None:
    breaker = shared((1, ANSWER), (2, ANSWER))
    assert breaker.doubt(1)
    before = breaker.patience(1, 0.0, limit=LIMIT)
    breaker.answered(1, ANSWER)
    assert breaker.patience(1, 0.0, limit=LIMIT) > 1.2 * before and breaker.wait(1, 0.0) == 0
    assert breaker.doubt(1) and not breaker.doubt(1)
    breaker.silent(1, 1.0, FLOOR)
    assert not breaker.doubt(1)
    assert not breaker.doubt(3), "one that was never heard had its whole time"


def test_a_slave_alone_on_its_line_is_never_left_alone_and_given_the_whole_limit() -> None:
    breaker = Breaker(is_alone=True)
    breaker.answered(1, ANSWER)
    assert breaker.silent(1, 0.0, LIMIT) == 0 and breaker.wait(1, 0.0) == 0
    assert breaker.patience(1, 0.0, limit=LIMIT) == LIMIT


def test_one_that_became_slow_is_found_by_a_long_question_now_and_then() -> None:
    breaker = shared((1, ANSWER), (2, ANSWER))
    breaker.silent(1, 0.0, FLOOR)
    assert breaker.patience(1, LONG_FIRST - 1, limit=LIMIT) == pytest.approx(FLOOR + ANSWER)
    assert breaker.patience(1, LONG_FIRST, limit=LIMIT) == LIMIT
    breaker.answered(1, 0.4)
    assert breaker.patience(1, LONG_FIRST + 1, limit=LIMIT) > 0.4


def test_long_questions_grow_further_apart() -> None:
    breaker, now, asked = shared((1, ANSWER), (2, ANSWER)), 0.0, []
    breaker.silent(1, 0.0, FLOOR)
    while now < 1000:
        patience = breaker.patience(1, now, limit=LIMIT)
        if patience == LIMIT:
            asked.append(now)
        now += patience
        now += breaker.silent(1, now, patience)
    gaps = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert len(asked) >= 3 and all(later > sooner for sooner, later in itertools.pairwise(gaps))


# A whole bus: each slave is wanted once in a cycle, the line serves one at a time and who waited longest first.


@dataclass
class Bus:
    """``is_there(unit, now)``: whether the slave answers. Times of questions and of answers by unit."""

    units: int
    is_there: Callable[[int, float], bool]
    breaker: Breaker = field(default_factory=lambda: Breaker(is_alone=False))
    asked: dict[int, list[float]] = field(default_factory=dict)
    heard: dict[int, list[float]] = field(default_factory=dict)

    def run(self, seconds: float) -> Bus:
        wanted = [(unit * CYCLE / self.units, unit, unit * CYCLE / self.units) for unit in range(self.units)]
        heapq.heapify(wanted)
        free = 0.0
        while wanted:
            due, unit, beat = heapq.heappop(wanted)
            now = max(due, free)
            if now > seconds:
                continue
            again_in = self.breaker.wait(unit, now)
            if again_in == 0:
                free, answer = self._ask(unit, now)
                if answer is None:
                    heapq.heappush(wanted, (free, unit, beat))
                    continue
                again_in = answer
            beat = next_tick(beat, max(now, free), CYCLE)
            heapq.heappush(wanted, (max(beat, max(now, free) + again_in), unit, beat))
        return self

    def _ask(self, unit: int, now: float) -> tuple[float, float | None]:
        """When the line is free again, and in how many seconds the slave may be asked; None: at once, behind the others."""
        self.asked.setdefault(unit, []).append(now)
        patience = self.breaker.patience(unit, now, limit=LIMIT)
        if self.is_there(unit, now) and patience > ANSWER:
            self.breaker.answered(unit, ANSWER)
            self.heard.setdefault(unit, []).append(now)
            return now + ANSWER, 0.0
        if self.breaker.doubt(unit):
            return now + patience, None
        return now + patience, self.breaker.silent(unit, now + patience, patience)

    def periods(self, unit: int, since: float) -> list[float]:
        times = [at for at in self.asked[unit] if at >= since]
        return [later - sooner for sooner, later in itertools.pairwise(times)]


DEAD, FLAPPING = 3, 7
FLAP = 15.0
"""Seconds for which the flapping one is there, and then away."""


def flaps(unit: int, now: float) -> bool:
    return unit != DEAD and (unit != FLAPPING or int(now / FLAP) % 2 == 0)


def test_of_twenty_slaves_one_dead_and_one_flapping_the_others_keep_their_period() -> None:
    bus = Bus(20, flaps).run(59.0)
    for unit in set(range(20)) - {DEAD, FLAPPING}:
        periods = bus.periods(unit, since=3.0)
        assert len(periods) > 50
        assert all(0.9 * CYCLE <= period <= 1.1 * CYCLE for period in periods), (unit, min(periods), max(periods))


def test_one_that_comes_back_is_heard_within_two_cycles() -> None:
    bus = Bus(20, flaps).run(300.0)
    for returned in range(int(2 * FLAP), 299, int(2 * FLAP)):
        assert min(at for at in bus.heard[FLAPPING] if at >= returned) - returned <= 2 * CYCLE


@pytest.mark.parametrize("dead", [1, 5, 10, 19])
def test_all_dead_ones_together_take_no_more_than_their_share_of_the_line(dead: int) -> None:
    bus = Bus(20, lambda unit, now: unit >= dead).run(600.0)
    first_contact = dead * LIMIT
    short = sum(len(bus.asked[unit]) for unit in range(dead)) * (FLOOR + ANSWER)
    assert short <= SHARE * 600.0 + first_contact
    assert bus.breaker._long_free_at <= 600.0 + dead * LIMIT / LONG_SHARE
    for unit in range(dead, 20):
        assert len(bus.heard[unit]) >= 0.9 * 600.0 / CYCLE


def test_without_breakers_the_same_dead_slaves_would_take_the_line() -> None:
    """The claims above can fail: each dead one waited for as long as it may, at each cycle."""

    class None_(Breaker):
        def wait(self, unit: int, now: float) -> float:
            return 0.0

        def patience(self, unit: int, now: float, *, limit: float, wire: float = 0.0) -> float:
            return limit

        def doubt(self, unit: int) -> bool:
            return False

    bus = Bus(20, flaps, None_(is_alone=False)).run(59.0)
    assert max(max(bus.periods(unit, since=3.0)) for unit in range(8, 20)) > 1.5 * CYCLE
