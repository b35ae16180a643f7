"""Devices as EdgeCore tells them over MQTT (P6.16), in any order of start."""

from __future__ import annotations

import json

import pytest

from edgecore.devicetwin.documents import profiles
from mappers.sdk.profiletold import ASK_LIMIT, SURE_SECONDS, UNANSWERED, ProfileTold
from viaduct import topics
from viaduct.errors import MalformedPayload
from viaduct.profile import digest_of

ONE, OTHER = {"default": '{"a":1}'}, {"default": '{"a":2}', "plant": "{}"}


class Bench:
    """The source, what it publishes, and a clock that the test moves."""

    def __init__(self, node: str = "") -> None:
        self.now = 100.0
        self.has_broker = True
        self.asked: list[tuple[str, str]] = []
        self.told = ProfileTold(self._publish, node, clock=lambda: self.now)

    def _publish(self, topic: str, payload: str) -> bool:
        if self.has_broker:
            self.asked.append((topic, json.loads(payload)["have"]))
        return self.has_broker

    def look(self) -> dict[str, str]:
        return {namespace: text.decode() for namespace, text in self.told.look().items()}

    def hear(self, found: dict[str, str], *, node: str = "edge1", have: str = "", asked: bool = True) -> bool:
        topic = topics.profile_get_result(node) if asked else topics.profile_updated(node)
        return self.told.take(topic, profiles("e", found, 1, have=have).encode())

    def wait(self, seconds: float) -> int:
        """How often is asked meanwhile."""
        before, end = len(self.asked), self.now + seconds
        while self.now < end:
            self.now += 0.5
            self.told.look()
        return len(self.asked) - before


def test_edgecore_is_asked_until_it_answers_further_and_further_apart() -> None:
    bench = Bench()
    assert bench.look() == {}
    assert bench.asked == [("$hw/events/node/_/profile/get", "")]
    assert 4 <= bench.wait(15) <= 6
    assert bench.wait(10 * ASK_LIMIT) <= 11
    bench.hear(ONE)
    assert bench.look() == ONE


def test_without_a_broker_nothing_is_asked_and_with_one_at_once() -> None:
    bench = Bench()
    bench.has_broker = False
    bench.wait(600)
    bench.has_broker = True
    bench.look()
    assert len(bench.asked) == 1


def test_a_change_is_followed_without_a_question() -> None:
    bench = Bench()
    bench.hear(ONE)
    bench.hear(OTHER, asked=False)
    assert bench.look() == OTHER
    bench.hear({}, asked=False)
    assert bench.look() == {}


def test_now_and_then_it_is_asked_whether_that_still_holds_and_the_answer_is_short() -> None:
    bench = Bench()
    bench.hear(ONE)
    assert bench.wait(SURE_SECONDS - 1) == 0
    assert bench.wait(1) == 1
    assert bench.asked[-1][1] == digest_of(ONE)
    bench.hear(ONE, have=digest_of(ONE))
    assert bench.wait(SURE_SECONDS - 1) == 0
    assert bench.look() == ONE


def test_a_short_answer_to_another_mapper_that_knows_more_makes_us_ask() -> None:
    bench = Bench()
    bench.hear(ONE)
    bench.hear(OTHER, have=digest_of(OTHER))
    assert bench.look() == ONE
    assert bench.asked[-1][1] == digest_of(ONE)


def test_what_was_told_holds_while_edgecore_is_away_and_a_new_connection_asks_at_once() -> None:
    bench = Bench()
    bench.hear(ONE)
    bench.wait(3600)
    assert bench.look() == ONE
    asked = len(bench.asked)
    bench.told.broker_back()
    bench.look()
    assert len(bench.asked) == asked + 1


def test_of_two_boards_at_one_broker_the_first_one_counts_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.hear(ONE)
    for _ in range(3):
        bench.hear(OTHER, node="edge2")
    assert bench.look() == ONE
    assert caplog.text.count("node edge2 is at this broker too") == 1


def test_a_board_that_has_another_name_now_is_listened_to_after_a_while() -> None:
    bench = Bench()
    bench.hear(ONE)
    while bench.told._unanswered < UNANSWERED:
        bench.wait(ASK_LIMIT)
    bench.hear(OTHER, node="renamed")
    assert bench.look() == OTHER


def test_a_node_that_is_named_is_asked_and_no_other_one_is_heard() -> None:
    bench = Bench("edge2")
    bench.wait(600)
    assert {topic for topic, _ in bench.asked} == {"$hw/events/node/edge2/profile/get"}
    bench.hear(ONE, node="edge1")
    assert bench.look() == {}
    bench.hear(OTHER, node="edge2")
    assert bench.look() == OTHER


def test_that_nobody_answers_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.wait(3600)
    assert caplog.text.count("EdgeCore does not tell its devices") == 1


def test_other_topics_are_not_for_it_and_garbage_changes_nothing() -> None:
    bench = Bench()
    bench.hear(ONE)
    assert not bench.told.take(topics.twin_get_result("d"), b"{}")
    for payload in (b"", b"{", b"[]", b'{"code": 400, "reason": "x"}'):
        with pytest.raises(MalformedPayload):
            bench.told.take(topics.profile_updated("edge1"), payload)
    assert bench.look() == ONE


def test_every_topic_of_it_is_one_that_it_listens_to() -> None:
    for topic in (topics.profile_get_result("n"), topics.profile_updated("n")):
        assert any(topics.filter_matches(pattern, topic) for pattern in topics.PROFILE_SUBSCRIPTIONS)
        assert topics.profile_teller(topic) == "n"
        assert topics.match(topic) is None
    matched = topics.match(topics.profile_get("n"))
    assert matched is not None and (matched.request, matched.subject) == (topics.Request.PROFILE_GET, "n")
    assert topics.profile_teller(topics.membership_get_result("n")) == ""
