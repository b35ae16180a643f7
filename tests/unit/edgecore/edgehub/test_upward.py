"""What goes up: one state of a key at a time, the newest one, in order within a lane; events in order."""

from __future__ import annotations

import pytest

from edgecore.edgehub.inventory import inventory_message
from edgecore.edgehub.questions import Questions
from edgecore.edgehub.routing import Outgoing, classify, edge_group, refusal
from edgecore.edgehub.upward import Upward
from edgecore.store.outbox import OwedRow
from viaduct.delivery import Timing
from viaduct.message import Message, new_message


def _row(number: int, key: str | None, lane: str = "lane") -> OwedRow:
    return OwedRow(number, lane, key, f"m{number}", f"text{number}")


def _message(
    operation: str, resource: str, *, group: str = "resource", sync: bool = False, content: object = None, parent: str = ""
) -> Message:
    return new_message(
        source="s", group=group, operation=operation, resource=resource, now_ms=1, content=content, sync=sync, parent_msg_id=parent
    )


def test_a_newer_state_takes_the_place_of_one_that_waits_but_not_of_one_in_flight() -> None:
    upward = Upward(Timing())
    upward.offer(0, _row(1, "k"))
    assert upward.due(0.0) == [("m1", "text1")]
    upward.offer(0, _row(2, "k"))
    upward.offer(0, _row(3, "k"))
    assert upward.due(0.1) == []
    assert upward.settle("m1", 0.2) == [1]
    assert upward.due(0.2) == [("m3", "text3")]
    assert upward.settle("m3", 0.3) == [3]
    assert upward.waiting(0) == 0


def test_keys_of_one_lane_go_one_after_the_other_and_lanes_side_by_side() -> None:
    upward = Upward(Timing())
    for row in (_row(1, "a", "d1"), _row(2, "b", "d1"), _row(3, "c", "d2")):
        upward.offer(0, row)
    assert [msg_id for msg_id, _ in upward.due(0.0)] == ["m1", "m3"]
    upward.settle("m1", 0.1)
    assert [msg_id for msg_id, _ in upward.due(0.1)] == ["m2"]


def test_a_rank_whose_window_is_full_holds_no_other() -> None:
    upward = Upward(Timing(window=2))
    for number in range(10):
        upward.offer(1, _row(number, f"twin{number}", f"device{number}"))
    assert len(upward.due(0.0)) == 2
    upward.offer(3, _row(20, None, "upload"))
    upward.offer(0, _row(21, "pod", "pod"))
    assert [msg_id for msg_id, _ in upward.due(0.0)] == ["m21", "m20"]
    assert (upward.waiting(1), upward.waiting(0), upward.waiting(3), upward.in_flight) == (8, 0, 0, 4)


def test_events_keep_their_order() -> None:
    upward = Upward(Timing())
    for number in range(1, 5):
        upward.offer(0, _row(number, None))
    sent = []
    while due := upward.due(0.0):
        sent += [msg_id for msg_id, _ in due]
        upward.settle(due[0][0], 0.0)
    assert sent == ["m1", "m2", "m3", "m4"]


def test_what_is_not_acknowledged_is_said_again_with_the_same_id() -> None:
    upward = Upward(Timing(first_retry=5.0))
    upward.offer(0, _row(1, "k"))
    upward.due(0.0)
    assert upward.due(4.9) == []
    assert upward.due(5.0) == [("m1", "text1")]


def test_patience_grows_with_each_refusal() -> None:
    upward = Upward(Timing())
    upward.offer(0, _row(1, "k"))
    upward.due(0.0)
    assert [upward.put_off("m1", 0.0) for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert upward.due(59.9) == []
    assert upward.due(60.0) == [("m1", "text1")]
    assert upward.put_off("unknown", 0.0) == 0.0


def test_an_acknowledgement_of_nothing_settles_nothing() -> None:
    assert Upward(Timing()).settle("m9", 0.0) == []


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (_message("response", "x"), Outgoing.ANSWER),
        (_message("error", "x", sync=True), Outgoing.ANSWER),
        (_message("update", "default/nodestatus/edge1"), Outgoing.STATE),
        (_message("insert", "default/nodestatus/edge1", sync=True), Outgoing.QUESTION),
        (_message("query", "default/secret/s"), Outgoing.QUESTION),
        (_message("get", "membership/detail"), Outgoing.PASSING),
        (_message("update", "default/podstatus"), Outgoing.PASSING),
    ],
)
def test_what_a_module_wants_sent(message: Message, kind: Outgoing) -> None:
    assert classify(message) is kind


@pytest.mark.parametrize(
    ("group", "target"),
    [
        ("resource", "meta"),
        ("func", "meta"),
        ("twin", "twin"),
        ("user", "bus"),
        ("meta", None),
        ("hub", None),
        ("", None),
        ("nobody", None),
    ],
)
def test_wire_groups(group: str, target: str | None) -> None:
    assert edge_group(_message("update", "x", group=group)) == target


@pytest.mark.parametrize(
    ("content", "code", "retry"),
    [
        ({"code": 404, "reason": "r", "retry": False}, 404, False),
        ({"code": 503, "retry": True}, 503, True),
        ({"code": "x", "retry": "yes"}, 0, False),
        ("text", 0, False),
        (None, 0, False),
        ([1], 0, False),
    ],
)
def test_what_an_error_means(content: object, code: int, retry: bool) -> None:
    found = refusal(_message("error", "x", content=content, parent="p"))
    assert found is not None
    assert (found.code, found.retry) == (code, retry)
    assert refusal(_message("response", "x", parent="p")) is None


def test_the_inventory_names_objects_and_devices() -> None:
    message = inventory_message([("default/pod/a", "u", "5")], [("d1", "du", "6")], now_ms=1)
    assert (message.route.source, message.route.group, message.route.operation, message.route.resource) == (
        "edgehub",
        "resource",
        "inventory",
        "inventory",
    )
    assert message.content == {
        "objects": [{"key": "default/pod/a", "uid": "u", "version": "5"}, {"key": "device/d1", "uid": "du", "version": "6"}]
    }


def test_a_question_ends_once_by_answer_or_by_time() -> None:
    questions = Questions(5.0)
    first, second = _message("query", "a"), _message("query", "b")
    questions.add(first, 0.0)
    questions.add(second, 1.0)
    assert questions.next_time() == 5.0
    assert questions.settle(first.id)
    assert not questions.settle(first.id)
    assert questions.expired(5.9) == []
    assert questions.expired(6.0) == [second]
