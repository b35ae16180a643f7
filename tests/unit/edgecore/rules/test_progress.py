"""How one rule goes on (P8.4): tables of what its condition says and when, and what it does."""

from __future__ import annotations

import pytest

from edgecore.rules.progress import ASK_AGAIN, MOST_RUNS, STOPPED_FOR, Progress, State, rest_of
from viaduct.rules.condition import Condition
from viaduct.rules.rule import Action, Rule

ON, OFF = Action("fan", "power", "on"), Action("fan", "power", "off")
T, F, U = True, False, None


def rule(*, hold: float = 0, cooldown: float = 0, otherwise: bool = False) -> Rule:
    return Rule(Condition("sensor.t > 30"), (ON,), (OFF,) if otherwise else (), hold, cooldown)


def played(progress: Progress, *steps: tuple[float, bool | None]) -> list[tuple[float, str]]:
    """What is set and when, where DeviceTwin takes everything. Between two steps time runs as the rule asks for it."""
    done: list[tuple[float, str]] = []

    def advance(now: float) -> None:
        for action in progress.advance(now):
            done.append((now, action.value))
            progress.taken(progress.run, action)

    for now, truth in steps:
        while (due := progress.next_time()) is not None and due < now:
            advance(due)
        progress.judge(truth, now)
        advance(now)
    return done


@pytest.mark.parametrize(
    ("made", "steps", "wanted"),
    [
        (rule(), [(0, U), (1, F), (2, T), (3, T), (4, F), (5, T)], [(2, "on"), (5, "on")]),
        (rule(), [(0, T), (1, U), (2, T)], [(0, "on")]),
        (rule(otherwise=True), [(0, T), (1, U), (2, F), (3, F), (4, T)], [(0, "on"), (2, "off"), (4, "on")]),
        (rule(otherwise=True), [(0, F), (1, F)], []),
        (rule(hold=10), [(0, T), (5, F), (6, T), (20, F)], [(16, "on")]),
        (rule(hold=10), [(0, T), (5, U), (6, T), (15, T), (15.9, F)], []),
        (rule(hold=10), [(0, T), (10, T), (11, T)], [(10, "on")]),
        (rule(cooldown=60), [(0, T), (1, F), (2, T), (30, F), (31, T), (100, T)], [(0, "on"), (60, "on")]),
        (rule(cooldown=60), [(0, T), (1, F), (2, T), (30, F), (100, F)], [(0, "on")]),
        (rule(cooldown=60, otherwise=True), [(0, T), (1, F), (2, T)], [(0, "on"), (1, "off")]),
        (rule(hold=10, cooldown=60), [(0, T), (11, F), (65, T), (80, T)], [(10, "on"), (75, "on")]),
    ],
)
def test_a_rule_acts(made: Rule, steps: list[tuple[float, bool | None]], wanted: list[tuple[float, str]]) -> None:
    assert played(Progress(made, now=0), *steps) == wanted


def test_what_has_fired_before_a_restart_fires_again_only_after_it_was_false() -> None:
    assert played(Progress(rule(otherwise=True), now=0, fired=True), (1, T), (2, U), (3, T)) == []
    assert played(Progress(rule(otherwise=True), now=0, fired=True), (1, F), (2, T)) == [(1, "off"), (2, "on")]


def test_a_cooldown_goes_on_after_a_restart() -> None:
    assert played(Progress(rule(), now=100, rest=40), (101, T), (150, T)) == [(140, "on")]
    assert rest_of(60, 0, 5000) == 0
    assert rest_of(60, 100_000, 120_000) == 40
    assert rest_of(60, 100_000, 900_000) == 0
    assert rest_of(60, 100_000, 0) == 60


def test_what_was_refused_is_asked_again_while_the_condition_stays() -> None:
    progress = Progress(rule(), now=0)
    progress.judge(True, 0)
    assert progress.advance(0) == (ON,) and progress.state is State.SETTING
    assert progress.advance(1) == ()
    assert progress.next_time() == ASK_AGAIN
    assert progress.advance(ASK_AGAIN) == (ON,)
    assert progress.taken(progress.run, ON) and progress.state is State.FIRED and progress.next_time() is None


def test_an_answer_to_an_earlier_run_says_nothing() -> None:
    progress = Progress(rule(otherwise=True), now=0)
    progress.judge(True, 0)
    progress.advance(0)
    earlier = progress.run
    progress.judge(False, 1)
    assert progress.advance(1) == (OFF,)
    assert not progress.taken(earlier, OFF)
    assert progress.owed == (OFF,)


def test_a_rule_that_feeds_itself_is_stopped_and_goes_on_later_from_what_is_then() -> None:
    progress = Progress(rule(otherwise=True), now=0)
    done = played(progress, *[(n * 0.1, n % 2 == 0) for n in range(100)])
    assert len(done) == MOST_RUNS
    assert progress.state is State.STOPPED
    resumed = progress.next_time()
    assert resumed is not None and STOPPED_FOR <= resumed < STOPPED_FOR + 3
    assert progress.fired is False
    progress.judge(True, 50)
    assert progress.advance(50) == ()
    assert progress.advance(resumed) == (ON,)
    assert progress.state is State.SETTING


def test_a_rule_that_acts_now_and_then_is_never_stopped() -> None:
    progress = Progress(rule(otherwise=True), now=0)
    assert len(played(progress, *[(n * 4.0, n % 2 == 0) for n in range(200)])) == 200
