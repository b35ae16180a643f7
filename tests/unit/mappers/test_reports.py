"""What EdgeCore is told of a device's values, and when again."""

from __future__ import annotations

from mappers.sdk.reports import ANSWER_SECONDS, INSIST_SECONDS, Reports
from mappers.sdk.schedule import NEVER
from mappers.sdk.values import DataType

INT = DataType.INT


def reported(**values: int) -> Reports:
    """Reports of which EdgeCore has taken ``values`` at 0.0."""
    reports = Reports(600.0)
    for name, value in values.items():
        reports.observe(name, value, INT)
    reports.sent(reports.due(0.0), event_id="first", now=0.0)
    assert reports.accepted("first", 0.0)
    return reports


def test_a_value_is_told_once_and_then_when_it_changes() -> None:
    reports = reported(temperature=215)
    reports.observe("temperature", 215, INT)
    assert reports.due(1.0) == {}
    reports.observe("temperature", 216, INT)
    assert reports.due(2.0) == {"temperature": ("216", INT)}


def test_an_unchanged_value_is_told_again_now_and_then() -> None:
    reports = reported(temperature=215)
    assert reports.next_due() == 600.0
    assert reports.due(599.0) == {} and reports.due(600.0) == {"temperature": ("215", INT)}


def test_nothing_more_is_said_while_an_answer_is_awaited_and_then_the_newest_value() -> None:
    reports = reported(temperature=215)
    reports.observe("temperature", 216, INT)
    reports.sent(reports.due(1.0), event_id="e", now=1.0)
    for value in (217, 218):
        reports.observe("temperature", value, INT)
        assert reports.due(2.0) == {}
    assert reports.accepted("e", 2.0)
    assert reports.due(2.0) == {"temperature": ("218", INT)}


def test_a_report_that_is_not_answered_is_repeated_further_and_further_apart() -> None:
    reports = Reports(600.0)
    reports.observe("temperature", 215, INT)
    now, waits = 0.0, []
    for attempt in range(5):
        reports.sent(reports.due(now), event_id=str(attempt), now=now)
        assert not reports.give_up_waiting(reports.next_due() - 0.1)
        waits.append(reports.next_due() - now)
        now = reports.next_due()
        assert reports.give_up_waiting(now)
    assert waits == [ANSWER_SECONDS, 10.0, 20.0, 40.0, 60.0]


def test_a_value_that_went_back_while_the_answer_was_lost_is_told_again() -> None:
    reports = reported(temperature=215)
    reports.observe("temperature", 216, INT)
    reports.sent(reports.due(1.0), event_id="e", now=1.0)
    reports.observe("temperature", 215, INT)
    assert reports.give_up_waiting(1.0 + ANSWER_SECONDS)
    assert reports.due(7.0) == {"temperature": ("215", INT)}


def test_the_answer_to_somebody_elses_report_counts_for_nothing() -> None:
    reports = Reports(600.0)
    reports.observe("temperature", 215, INT)
    reports.sent(reports.due(0.0), event_id="mine", now=0.0)
    assert not reports.accepted("", 0.1) and not reports.accepted("other", 0.1) and reports.rejected("other", 0.1) == ()
    assert reports.next_due() == ANSWER_SECONDS


def test_one_value_that_edgecore_refuses_does_not_keep_the_others_back() -> None:
    reports = Reports(600.0)
    for name, value in (("a", 1), ("b", 2), ("c", 3)):
        reports.observe(name, value, INT)
    taken, guilty = [], []
    for attempt in range(10):
        due = reports.due(float(attempt))
        if not due:
            break
        event = str(attempt)
        reports.sent(due, event_id=event, now=float(attempt))
        if "b" in due:
            guilty += reports.rejected(event, float(attempt))
        else:
            taken += due
            assert reports.accepted(event, float(attempt))
    assert sorted(taken) == ["a", "c"] and guilty == ["b"]
    reports.observe("a", 11, INT)
    reports.observe("b", 22, INT)
    assert reports.due(20.0) == {"a": ("11", INT)}


def test_changes_inside_the_deadband_are_not_told_unless_edgecore_waits_for_them() -> None:
    reports = Reports(600.0, deadband=5.0)
    reports.observe("setpoint", 180, INT)
    reports.sent(reports.due(0.0), event_id="e", now=0.0)
    reports.accepted("e", 0.0)
    reports.observe("setpoint", 183, INT)
    assert reports.due(1.0) == {}
    reports.insist("setpoint", 1.0)
    assert reports.due(1.0) == {"setpoint": ("183", INT)}


def test_a_value_that_edgecore_has_is_insisted_on_only_now_and_then() -> None:
    reports = reported(setpoint=185)
    reports.insist("setpoint", 1.0)
    assert reports.due(1.0) == {}
    reports.insist("setpoint", INSIST_SECONDS)
    assert reports.due(INSIST_SECONDS) == {"setpoint": ("185", INT)}


def test_everything_is_told_again_to_an_edgecore_that_may_know_nothing() -> None:
    reports = reported(a=1, b=2)
    reports.forget()
    assert reports.due(1.0) == {"a": ("1", INT), "b": ("2", INT)} and reports.next_due() == 0.0


def test_nothing_is_due_of_a_device_that_was_never_read() -> None:
    assert Reports(600.0).due(0.0) == {} and Reports(600.0).next_due() == NEVER


def test_a_value_that_changes_all_the_time_is_told_once_in_its_cycle() -> None:
    """P6.15: what happens in between is the history's."""
    reports = Reports(600.0, cycles={"level": 60.0})
    told = []
    for second in range(300):
        reports.observe("level", second, INT)
        reports.observe("other", second // 100, INT)
        if due := reports.due(float(second)):
            told += [(second, name) for name in due]
            reports.sent(due, event_id=f"e{second}", now=float(second))
            reports.accepted(f"e{second}", float(second))
    assert [second for second, name in told if name == "level"] == [0, 60, 120, 180, 240]
    assert [second for second, name in told if name == "other"] == [0, 100, 200]
    assert reports.next_due() == 300.0, "a change waits"
