"""What a mapper says in its log while EdgeCore does not know a device."""

from __future__ import annotations

import logging

import pytest

from mappers.sdk.conversation import Conversation, Pace
from mappers.sdk.twin import Failed


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_device_that_edgecore_does_not_know_is_told_once_with_what_may_help(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    conversation = Conversation("oven", lambda topic, payload: True, Pace())
    for now in range(20):
        conversation.talk(now * 10.0)
        conversation.take_refusal(Failed("", 404, "Device oven not found"), now * 10.0)
    assert _said(caplog) == ["oven: EdgeCore does not know it: is there a Device of this name for this node? Asking until there is"]
    conversation.now_known()
    conversation.take_refusal(Failed("", 404, "Device oven not found"), 300.0)
    assert _said(caplog)[1:] == ["oven: EdgeCore knows it", "oven: EdgeCore does not know it any more; asking until it does"]


def test_that_no_edgecore_answers_is_told_once_and_that_no_broker_does_is_for_others_to_say(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with_broker, without = Conversation("oven", lambda *said: True, Pace()), Conversation("hob", lambda *said: False, Pace())
    for now in range(20):
        with_broker.talk(now * 10.0)
        without.talk(now * 10.0)
    assert _said(caplog) == ["oven: no EdgeCore answers at this broker; asking until one does"]
