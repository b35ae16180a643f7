"""Tables for entry, routing, admission, difference, plain and replies."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.cloudhub import admission, plain, replies, routing
from cloudcore.cloudhub.difference import Comparison, Difference, Held, Lack, held_from
from cloudcore.cloudhub.entry import TurnedAway, visitor_of
from cloudcore.cloudhub.routing import Kind, Target
from cloudcore.cloudhub.sparing import Sparing
from cloudcore.errors import Denied, Refused
from cloudcore.ports import Holding, Owed
from viaduct.errors import MalformedPayload
from viaduct.handshake import Mode
from viaduct.message import Message, new_message


def message(resource: str = "default/podstatus/web", operation: str = "update", source: str = "edged", **more: Any) -> Message:
    return new_message(source=source, group=more.pop("group", "meta"), operation=operation, resource=resource, now_ms=1, **more)


def certificate(name: str = "system:node:edge1", organization: str = "system:nodes") -> dict[str, Any]:
    return {
        "subject": ((("organizationName", organization),), (("commonName", name),)),
        "serialNumber": "0A",
        "notBefore": "Jan  1 00:00:00 2026 GMT",
        "notAfter": "Jan  1 00:00:00 2027 GMT",
    }


IN_DATE = 1_790_000_000.0


HEADERS = {"node_id": "edge1", "ConnectionUse": "msg"}


def test_the_certificate_names_the_visitor_and_the_header_the_mode() -> None:
    visitor = visitor_of(certificate(), {"Node_id": "edge1", "connectionuse": "msg", "bramble-delivery": "ledger, plain"}, now=IN_DATE)
    assert (visitor.node, visitor.serial, visitor.mode) == ("edge1", 10, Mode.LEDGER)
    assert visitor_of(certificate(), HEADERS, now=IN_DATE).mode is Mode.PLAIN


@pytest.mark.parametrize(
    ("shown", "headers", "status"),
    [
        (None, HEADERS, 401),
        ({}, HEADERS, 401),
        (certificate("edge1"), HEADERS, 403),
        (certificate("system:node:"), HEADERS, 403),
        (certificate(organization="system:masters"), HEADERS, 403),
        (certificate(), {"ConnectionUse": "msg"}, 403),
        (certificate(), HEADERS | {"node_id": "Edge1"}, 403),
        (certificate(), {"node_id": "edge1"}, 400),
    ],
)
def test_who_is_turned_away(shown: dict[str, Any] | None, headers: dict[str, str], status: int) -> None:
    with pytest.raises(TurnedAway) as turned:
        visitor_of(shown, headers, now=IN_DATE)
    assert turned.value.status == status


@pytest.mark.parametrize(
    ("now", "word"),
    [(0, "not yet"), (1_767_225_599, "not yet"), (1_798_761_600, "ran out on Jan  1"), (2_500_000_000, "ran out")],
)
def test_a_certificate_out_of_date_is_told_apart_by_401(now: float, word: str) -> None:
    with pytest.raises(TurnedAway, match=word) as turned:
        visitor_of(certificate(), HEADERS, now=now)
    assert turned.value.status == 401


@pytest.mark.parametrize("dates", [{"notAfter": ""}, {"notBefore": "yesterday"}, {"notAfter": None}])
def test_a_certificate_whose_dates_cannot_be_read_is_none(dates: dict[str, Any]) -> None:
    shown = {name: value for name, value in (certificate() | dates).items() if value is not None}
    with pytest.raises(TurnedAway, match="dates cannot be read"):
        visitor_of(shown, HEADERS, now=IN_DATE)


@pytest.mark.parametrize(
    ("said", "target"),
    [
        (message("default/podstatus/web"), Target.EDGE),
        (message("default/podstatus"), Target.EDGE),
        (message("node/podstatus/node"), Target.EDGE),
        (message("device/t/twin/edge_updated", source="twin"), Target.DEVICE),
        (message("device/t/state", source="twin"), Target.DEVICE),
        (message("membership/detail", operation="get", source="twin"), Target.DEVICE),
    ],
)
def test_who_takes_it(said: Message, target: Target) -> None:
    assert routing.target_of(said) is target


@pytest.mark.parametrize(
    "said",
    [
        message("device/t/twin/edge_updated"),
        message("default/podstatus/web", source="twin"),
        message("default/podstatus/web/more"),
        message("default/podstatus/"),
        message(operation=""),
        message("a/b", group="user"),
    ],
)
def test_what_nobody_takes_is_refused(said: Message) -> None:
    with pytest.raises(Refused):
        routing.target_of(said)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("keepalive", Kind.KEEPALIVE),
        ("response", Kind.ACKNOWLEDGEMENT),
        ("error", Kind.REFUSAL),
        ("inventory", Kind.INVENTORY),
        ("update", Kind.REPORT),
        ("query", Kind.REPORT),
        ("", Kind.REPORT),
        ("POST", Kind.REPORT),
    ],
)
def test_what_kind_a_message_is(operation: str, kind: Kind) -> None:
    assert routing.kind_of(message(operation=operation)) is kind


def test_all_that_a_device_says_shares_a_lane() -> None:
    lanes = {routing.lane_of(message(resource, source="twin")) for resource in ("device/t/state", "device/t/twin/edge_updated")}
    assert lanes == {"device/t"}
    assert routing.lane_of(message("default/podstatus/web")) == "default/podstatus/web"


@pytest.mark.parametrize(
    ("resource", "operation", "allowed"),
    [
        ("default/podstatus/web", "update", True),
        ("default/podstatus", "update", True),
        ("default/nodestatus/edge1", "insert", True),
        ("default/nodestatus/edge1", "update", True),
        ("default/nodestatus/edge10", "update", False),
        ("default/nodestatus", "update", False),
        ("default/node/edge1", "query", True),
        ("default/node/edge2", "query", False),
        ("default/configmap/mine", "query", True),
        ("default/configmap/other", "query", False),
        ("default/configmap/mine", "update", False),
        ("default/secret", "query", False),
        ("default/service/web", "query", False),
        ("default/pod/web", "delete", False),
    ],
)
def test_what_a_node_may_say(resource: str, operation: str, allowed: bool) -> None:
    def judged() -> bool:
        try:
            admission.check("edge1", message(resource, operation), lambda node, asked: asked == "default/configmap/mine")
        except Refused as exc:
            assert exc.code == 403
            return False
        return True

    assert judged() is allowed


@pytest.mark.parametrize(
    ("resource", "operation", "allowed"),
    [
        ("device/t/twin/edge_updated", "update", True),
        ("device/t/state", "update", True),
        ("membership/detail", "get", True),
        ("device/t/twin/cloud_updated", "update", False),
        ("device/t/twin/edge_updated", "delete", False),
        ("membership/detail", "delete", False),
    ],
)
def test_of_devices_a_node_reports_values_and_states_and_asks_for_its_own(resource: str, operation: str, allowed: bool) -> None:
    said = message(resource, operation, source="twin")
    if allowed:
        admission.check("edge1", said, lambda node, asked: False)
        return
    with pytest.raises(Denied) as denied:
        admission.check("edge1", said, lambda node, asked: False)
    assert (denied.value.code, denied.value.why) == (403, "operation")


def test_of_many_denials_the_first_is_told_and_then_how_many_there_were() -> None:
    sparing = Sparing(period_s=60.0, subjects=2)
    assert [sparing.tell("a", now) for now in (0.0, 1.0, 59.0, 60.0, 61.0)] == [0, None, None, 2, None]
    assert sparing.tell("b", 61.0) == sparing.tell("c", 61.0) == 0
    assert sparing.tell("a", 62.0) == 0


def owed(key: str, version: str, uid: str = "u1") -> Owed:
    return Owed(key, uid, version, message(key, "insert", resource_version=version))


def difference(owed: list[Holding], held: dict[str, Held]) -> Difference:
    comparison = Comparison(held)
    for holding in owed:
        comparison.take(holding)
    return comparison.found()


@pytest.mark.parametrize(
    ("wanted", "held", "send", "remove", "same"),
    [
        ([], {}, [], [], []),
        ([("a", "u1", "5")], {}, ["a"], [], []),
        ([("a", "u1", "5")], {"a": ("u1", "5")}, [], [], ["a"]),
        ([("a", "u1", "10")], {"a": ("u1", "9")}, ["a"], [], []),
        ([("a", "u1", "9")], {"a": ("u1", "10")}, [], [], ["a"]),
        ([("a", "u1", "9")], {"a": ("u2", "10")}, ["a"], [("a", "u2")], []),
        ([("a", "u1", "9")], {"a": ("", "10")}, [], [], ["a"]),
        ([("a", "u1", "9")], {"a": ("u1", "")}, ["a"], [], []),
        ([("a", "u1", "9")], {"a": ("u1", "nonsense")}, ["a"], [], []),
        ([], {"b": ("u1", "5")}, [], [("b", "u1")], []),
    ],
)
def test_what_a_node_misses_and_what_it_must_drop(
    wanted: list[Holding], held: dict[str, tuple[str, str]], send: list[str], remove: list[tuple[str, str]], same: list[str]
) -> None:
    found = difference(wanted, held)
    assert [lack.key for lack in found.lacks if lack.send] == send
    assert [(lack.key, lack.remove_uid) for lack in found.lacks if lack.remove_uid is not None] == remove
    assert [key for key, _, _ in found.same] == same


def test_what_nobody_owes_goes_before_anything_else_is_sent() -> None:
    found = difference([("a", "u1", "5"), ("b", "u2", "5")], {"z": ("u9", "1"), "b": ("u2", "4")})
    assert found.lacks == (Lack("z", "u9"), Lack("a", send=True), Lack("b", send=True, known=True))


def test_an_empty_inventory_is_read_in_both_ways_of_writing_it() -> None:
    assert held_from({"objects": []}) == held_from({"objects": None}) == {}
    assert held_from({"objects": [{"key": "a", "uid": "u", "version": "1"}]}) == {"a": ("u", "1")}


@pytest.mark.parametrize("content", [None, [], "x", {}, {"objects": "x"}, {"objects": [{}]}, {"objects": [{"key": ""}]}])
def test_what_is_no_inventory_is_refused(content: Any) -> None:
    with pytest.raises(MalformedPayload):
        held_from(content)


@pytest.mark.parametrize(
    ("said", "once"),
    [
        (message("default/podlist/web", source="edgecontroller"), True),
        (message("namespace/servicelist/service", source="edgecontroller"), True),
        (message("membership", source="devicecontroller", group="twin"), True),
        (message("device/t/twin/cloud_updated", source="devicecontroller", group="twin"), True),
        (message("default/node/edge1", "response", source="edgecontroller", content="OK"), True),
        (message("default/node/edge1", source="edgecontroller"), True),
        (message("default/pod/membership-x", source="edgecontroller"), False),
        (message("default/pod/podlist", source="edgecontroller"), False),
        (message("default/configmap/web", source="edgecontroller"), False),
    ],
)
def test_what_kubeedge_does_not_acknowledge(said: Message, once: bool) -> None:
    assert plain.is_sent_once(said) is once


def test_only_an_insert_becomes_an_update() -> None:
    assert plain.as_update(owed("default/pod/web", "5")).message.route.operation == "update"
    delete = Owed("a", "u", "1", message("a", "delete"))
    assert plain.as_update(delete) is delete


@pytest.mark.parametrize(
    ("mode", "operation", "answers"),
    [(Mode.LEDGER, "update", 1), (Mode.LEDGER, "query", 1), (Mode.PLAIN, "update", 0), (Mode.PLAIN, "query", 1)],
)
def test_who_is_told_of_a_refusal(mode: Mode, operation: str, answers: int) -> None:
    said = message(operation=operation)
    told = replies.declined(mode, said, code=400, reason="no", retry=False, now_ms=1)
    assert len(told) == answers
    assert all(answer.header.parent_msg_id == said.id for answer in told)


@pytest.mark.parametrize(
    "frame", ["", "[1]", '{"header":1}', '{"header":{"msg_id":5}}', b"\xff", '{"header":{"msg_id":"' + "x" * 600 + '"}}']
)
def test_a_frame_without_an_id_that_can_be_read_gets_no_answer(frame: str | bytes) -> None:
    assert replies.malformed(Mode.LEDGER, frame, "why", now_ms=1) == []
