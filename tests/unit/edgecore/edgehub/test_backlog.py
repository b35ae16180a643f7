"""Events behind an outage: in their order, by turns, at a pace (P4.8)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edgecore.edgehub.backlog import Backlog, Pace


@dataclass(frozen=True)
class Event:
    lane: str
    text: str


def _backlog(*events: tuple[int, str, str], **pace: float) -> Backlog[Event]:
    backlog: Backlog[Event] = Backlog(Pace(**pace))  # type: ignore[arg-type]
    for rank, lane, text in events:
        backlog.add(rank, Event(lane, text))
    return backlog


def _texts(taken: list[Event]) -> list[str]:
    return [event.text for event in taken]


def test_one_of_a_lane_is_on_its_way_and_the_next_follows_its_answer() -> None:
    backlog = _backlog((3, "a", "1"), (3, "a", "2"), (3, "b", "3"))
    assert _texts(backlog.take(0.0)) == ["1", "3"]
    assert backlog.take(0.0) == []
    backlog.settled("a")
    assert _texts(backlog.take(0.0)) == ["2"]
    assert backlog.waiting(3) == 0


def test_a_dearer_rank_goes_first_and_lanes_of_a_rank_go_by_turns() -> None:
    backlog = _backlog((3, "a", "1"), (3, "a", "2"), (3, "b", "3"), (2, "c", "4"), in_flight=1)
    order = []
    for lane in ("c", "a", "b", "a"):
        order += _texts(backlog.take(0.0))
        backlog.settled(lane)
    assert order == ["4", "1", "3", "2"]


def test_no_more_go_in_a_second_than_the_pace_allows_and_it_says_when_the_next_may() -> None:
    backlog = _backlog(*((3, f"l{number}", str(number)) for number in range(100)), per_second=10.0, burst=5, in_flight=1000)
    assert len(backlog.take(0.0)) == 5
    assert backlog.next_time() == pytest.approx(0.1)
    assert len(backlog.take(0.05)) == 0
    assert len(backlog.take(1.0)) == 5
    assert len(backlog.take(1.3)) == 3


def test_large_events_go_one_at_a_time() -> None:
    backlog = _backlog((3, "a", "x" * 100), (3, "b", "x" * 100), bytes_in_flight=100)
    assert len(backlog.take(0.0)) == 1
    backlog.settled("a")
    assert len(backlog.take(0.0)) == 1


def test_a_lane_that_the_cloud_put_off_holds_no_other() -> None:
    backlog = _backlog((3, "a", "1"), (3, "a", "2"), (3, "b", "3"), in_flight=1)
    assert _texts(backlog.take(0.0)) == ["1"]
    backlog.put_off("a")
    assert _texts(backlog.take(0.0)) == ["3"]
    backlog.settled("b")
    assert backlog.take(0.0) == []
