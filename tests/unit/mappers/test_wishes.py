"""Desired values: which are written and when."""

from __future__ import annotations

from mappers.sdk.schedule import NEVER
from mappers.sdk.wishes import Wishes


def test_a_wish_is_due_at_once_and_gone_when_fulfilled() -> None:
    wishes = Wishes()
    wishes.ask({"setpoint": "185"})
    assert wishes.due(0.0) == [("setpoint", "185")] and wishes.next_due() == 0.0
    wishes.fulfilled("setpoint")
    assert wishes.due(0.0) == [] and wishes.next_due() == NEVER


def test_the_newest_wish_takes_the_place_of_the_one_before() -> None:
    wishes = Wishes()
    wishes.ask({"setpoint": "185"})
    wishes.ask({"setpoint": "190"})
    assert wishes.due(0.0) == [("setpoint", "190")]


def test_a_hopeless_wish_is_not_tried_again_until_another_value_is_desired() -> None:
    wishes = Wishes()
    wishes.ask({"setpoint": "999"})
    wishes.give_up("setpoint")
    wishes.ask({"setpoint": "999"})
    assert wishes.due(0.0) == []
    wishes.ask({"setpoint": "200"})
    assert wishes.due(0.0) == [("setpoint", "200")]


def test_a_wish_that_failed_is_in_doubt_until_it_is_said_again() -> None:
    wishes = Wishes()
    wishes.ask({"setpoint": "185"})
    assert wishes.try_later("setpoint", 10.0, "busy")
    assert wishes.due(99.0) == [] and wishes.next_due() == NEVER and wishes.ask_again_due() == 10.5
    wishes.ask({"setpoint": "185"})
    assert wishes.due(10.4) == [] and wishes.due(10.5) == [("setpoint", "185")] and wishes.ask_again_due() == NEVER


def test_what_was_withdrawn_while_the_device_was_away_is_never_written() -> None:
    wishes = Wishes()
    wishes.ask({"setpoint": "185", "fan": "1"})
    wishes.doubt()
    wishes.keep_only({"fan": "1"})
    wishes.ask({"fan": "1"})
    assert wishes.due(0.0) == [("fan", "1")]


def test_the_same_complaint_is_news_once() -> None:
    wishes = Wishes()
    wishes.ask({"setpoint": "185"})
    assert [wishes.try_later("setpoint", 0.0, text) for text in ("busy", "busy", "failed", "failed")] == [True, False, True, False]
