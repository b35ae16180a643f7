"""When a device is visited and when it counts as there."""

from __future__ import annotations

import pytest

from mappers.sdk.availability import OFFLINE, ONLINE, Availability
from mappers.sdk.schedule import Backoff, next_tick, wait_until


@pytest.mark.parametrize(
    ("due", "now", "next_due"), [(10.0, 10.0, 11.0), (10.0, 10.4, 11.0), (10.0, 10.999, 11.0), (10.0, 14.5, 15.0), (10.0, 9.0, 11.0)]
)
def test_polls_keep_their_beat_and_missed_ones_are_not_made_up_for(due: float, now: float, next_due: float) -> None:
    assert next_tick(due, now, 1.0) == next_due


@pytest.mark.parametrize(("due", "wait"), [(5.0, 0.0), (12.0, 2.0), (999.0, 60.0), (float("inf"), 60.0)])
def test_a_wait_is_never_negative_nor_endless(due: float, wait: float) -> None:
    assert wait_until(due, 10.0, 60.0) == wait


def test_a_backoff_doubles_up_to_its_limit_and_begins_anew() -> None:
    backoff = Backoff(1.0, 5.0)
    assert [backoff.after_failure(0.0) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.after_failure(100.0) == 101.0


@pytest.mark.parametrize(
    ("visits", "state"),
    [
        ("", ""),
        ("y", ONLINE),
        ("n", OFFLINE),
        ("yn", ONLINE),
        ("ynn", ONLINE),
        ("ynnn", OFFLINE),
        ("ynnynn", ONLINE),
        ("ny", OFFLINE),
        ("nyy", ONLINE),
        ("nyny", OFFLINE),
        ("ynnnyn", OFFLINE),
    ],
)
def test_a_state_needs_more_than_one_visit_to_change(visits: str, state: str) -> None:
    availability = Availability(Backoff(1.0, 10.0))
    for visit in visits:
        availability.succeeded() if visit == "y" else availability.failed()
    assert availability.state == state


def test_only_a_change_of_state_is_news() -> None:
    availability = Availability(Backoff(1.0, 10.0))
    assert [availability.succeeded(), availability.succeeded(), availability.failed()] == [True, False, False]
    assert [availability.failed(), availability.failed(), availability.failed()] == [False, True, False]


def test_a_device_that_is_away_is_visited_further_and_further_apart_and_one_that_answers_on_the_beat() -> None:
    availability = Availability(Backoff(1.0, 4.0))
    visits = []
    for _ in range(4):
        availability.failed()
        visits.append(availability.next_visit(100.0, 101.0))
    assert visits == [101.0, 102.0, 104.0, 104.0]
    availability.succeeded()
    assert availability.next_visit(100.0, 101.0) == 101.0
