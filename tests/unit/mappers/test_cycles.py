"""When each property of a device is read."""

from __future__ import annotations

from mappers.sdk.cycles import Cycles
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType


def prop(name: str, cycle: float = 0.0) -> Property:
    return Property(name, DataType.INT, writable=False, cycle=cycle)


def read_at(cycles: Cycles, now: float) -> list[str]:
    due = cycles.due(now)
    for one in due:
        cycles.was_read(one, now)
    return [one.name for one in due]


def test_a_property_without_a_cycle_goes_at_the_mappers_pace() -> None:
    cycles = Cycles([prop("a"), prop("b")], 1.0)
    assert cycles.visit == 1.0
    assert [read_at(cycles, now) for now in (0.0, 1.0, 2.0)] == [["a", "b"]] * 3


def test_a_device_is_visited_at_its_shortest_cycle_and_what_is_not_due_is_left_out() -> None:
    cycles = Cycles([prop("quick", 0.5), prop("slow", 2.0), prop("plain")], 1.0)
    assert cycles.visit == 0.5
    assert [read_at(cycles, now / 2) for now in range(5)] == [
        ["quick", "slow", "plain"],
        ["quick"],
        ["quick", "plain"],
        ["quick"],
        ["quick", "slow", "plain"],
    ]


def test_a_slow_property_alone_slows_the_visits_down() -> None:
    assert Cycles([prop("slow", 60.0)], 1.0).visit == 60.0


def test_what_could_not_be_read_stays_due() -> None:
    cycles = Cycles([prop("slow", 3600.0)], 1.0)
    assert cycles.due(0.0) == cycles.due(5.0) == (prop("slow", 3600.0),)


def test_missed_beats_are_not_made_up_for() -> None:
    cycles = Cycles([prop("a", 1.0)], 1.0)
    assert read_at(cycles, 0.0) == ["a"]
    assert read_at(cycles, 10.4) == ["a"]
    assert read_at(cycles, 10.5) == []
    assert read_at(cycles, 11.0) == ["a"]
