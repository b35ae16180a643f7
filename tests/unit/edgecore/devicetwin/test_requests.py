"""What mappers ask and what they are answered (contract 6.3, 11)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin import requests
from edgecore.devicetwin.forms import BOTH, NAMESPACED, PLAIN, Forms
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.turn import Turn
from viaduct import topics
from viaduct.device import Attribute, TwinValue, Version
from viaduct.faults import Fault
from viaduct.profile import digest_of

NOW = 1_700_000_000_000
TWINS = {
    "setpoint": Twin(TwinValue("5", 1), None, False, "int", Version(7, 0)),
    "temperature": Twin(None, TwinValue("20", 2), True, "int", None, Version(0, 4)),
    "old": Twin(None, None, True, "deleted", Version(6, 0)),
}


def _turn(**twins: Twin) -> Turn:
    shadow = Shadow("d1", "lamp", attributes={"room": Attribute("7", False)}, twins=twins or TWINS)
    return Turn({"d1": shadow}, "edge1", NOW)


def _ask(turn: Turn, topic: str, payload: Any) -> list[tuple[str, Any]]:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    matched = topics.match(topic)
    assert matched is not None
    requests.handle(matched, Arrived(topic, data), turn)
    return [(said.topic, json.loads(said.payload)) for said in turn.publishes]


def _update(turn: Turn, payload: Any, device: str = "d1") -> list[tuple[str, Any]]:
    return _ask(turn, topics.twin_update(device), payload)


def test_an_update_is_answered_by_result_then_document_then_delta() -> None:
    said = _update(_turn(), {"event_id": "e1", "timestamp": 5, "twin": {"temperature": {"actual": {"value": "21"}}}})
    old, now = {"value": "20", "metadata": {"timestamp": 2}}, {"value": "21", "metadata": {"timestamp": NOW}}
    assert [topic for topic, _ in said] == [
        "$hw/events/device/d1/twin/update/result",
        "$hw/events/device/d1/twin/update/document",
        "$hw/events/device/d1/twin/update/delta",
    ]
    assert said[0][1] == {"event_id": "e1", "timestamp": NOW, "twin": {"temperature": {"actual": now, "metadata": {"type": "int"}}}}
    last = {"actual": old, "optional": True, "metadata": {"type": "int"}}
    assert said[1][1]["twin"] == {"temperature": {"last": last, "current": last | {"actual": now}}}
    delta = said[2][1]
    assert delta["delta"] == {"setpoint": "5"}
    assert delta["twin"] == {
        "setpoint": {"expected": {"value": "5", "metadata": {"timestamp": 1}}, "optional": False, "metadata": {"type": "int"}}
    }


def test_there_is_no_delta_once_everything_desired_is_reported() -> None:
    said = _update(_turn(), {"twin": {"setpoint": {"actual": {"value": "5"}}}})
    assert [topic.rsplit("/", 1)[1] for topic, _ in said] == ["result", "document"]


def test_deleting_a_twin_says_null_in_result_and_document() -> None:
    said = _update(_turn(), {"twin": {"temperature": None}})
    assert said[0][1]["twin"] == {"temperature": None}
    assert said[1][1]["twin"]["temperature"]["current"] is None


def test_a_twin_that_is_added_has_no_last_state() -> None:
    said = _update(_turn(), {"twin": {"new": {"actual": {"value": "x"}, "metadata": {"tyep": "int"}}}})
    assert said[0][1]["twin"]["new"] == {"actual": {"value": "x", "metadata": {"timestamp": NOW}}, "optional": True, "metadata": {}}
    assert said[1][1]["twin"]["new"]["last"] is None


def test_an_update_that_changes_nothing_succeeds_with_an_empty_result() -> None:
    said = _update(_turn(keep=Twin(actual=TwinValue("1", 1), optional=False)), {"event_id": "e", "twin": {"keep": None}})
    assert said == [("$hw/events/device/d1/twin/update/result", {"event_id": "e", "timestamp": NOW, "twin": {}})]


@pytest.mark.parametrize(
    ("payload", "device", "code", "reason", "event_id"),
    [
        (b"{", "d1", 400, "Unmarshal update request body failed, Please check the request", ""),
        (b"\x00\xff", "d1", 400, "Unmarshal update request body failed, Please check the request", ""),
        (b"[" * 5000, "d1", 400, "Unmarshal update request body failed, Please check the request", ""),
        ({"event_id": "e"}, "d1", 400, "Update twin error, the update request body not have key:twin", "e"),
        ({"event_id": "e", "twin": {}}, "nobody", 404, "Update rejected due to the device is not existed", "e"),
        ({"event_id": "e", "twin": {"temperature": {"actual": {"value": "warm"}}}}, "d1", 400, "the value is not int", "e"),
        ({"event_id": "e", "twin": {"nix": None}}, "d1", 400, "The request body is wrong", "e"),
        (
            {"event_id": "e", "twin": {"n": {"actual": {"value": "1"}, "metadata": {"type": "Updated"}}}},
            "d1",
            400,
            "the value type is not allowed",
            "e",
        ),
    ],
)
def test_a_refused_update_is_answered_on_the_devices_own_topic_and_changes_nothing(
    payload: Any, device: str, code: int, reason: str, event_id: str
) -> None:
    turn = _turn()
    said = _update(turn, payload, device)
    error = {"event_id": event_id, "timestamp": NOW, "code": code, "reason": reason}
    assert said == [(f"$hw/events/device/{device}/twin/update/result", error)]
    assert not turn.writes and turn.shadows["d1"].twins == TWINS


def test_a_value_that_is_missing_is_refused_by_the_name_of_its_field() -> None:
    ((_, error),) = _update(_turn(), {"event_id": "e", "twin": {"temperature": {"actual": {}}}})
    assert (error["event_id"], error["code"]) == ("e", 400)
    assert "twin.temperature.actual.value" in error["reason"]


def test_get_returns_every_twin_without_versions_and_without_the_deleted() -> None:
    ((topic, result),) = _ask(_turn(), topics.twin_get("d1"), {"event_id": "g", "timestamp": 1, "twin": {"whatever": 1}})
    assert topic == "$hw/events/device/d1/twin/get/result"
    assert result == {
        "event_id": "g",
        "timestamp": NOW,
        "twin": {
            "setpoint": {"expected": {"value": "5", "metadata": {"timestamp": 1}}, "optional": False, "metadata": {"type": "int"}},
            "temperature": {"actual": {"value": "20", "metadata": {"timestamp": 2}}, "optional": True, "metadata": {"type": "int"}},
        },
    }


@pytest.mark.parametrize(
    ("device", "payload", "code", "reason"),
    [("lost", b"{}", 404, "Device lost not found while getting twin"), ("d1", b"nothing", 400, "payload: not JSON")],
)
def test_a_get_that_fails_says_why(device: str, payload: bytes, code: int, reason: str) -> None:
    ((_, error),) = _ask(_turn(), topics.twin_get(device), payload)
    assert error["code"] == code and error["reason"].startswith(reason)


@pytest.mark.parametrize("identity", ["hw", "device", "twin", "e", "get"])
def test_a_device_may_be_called_like_a_part_of_the_topic(identity: str) -> None:
    turn = Turn({identity: Shadow(identity, twins=TWINS)}, "edge1", NOW)
    assert _update(turn, {"twin": {"temperature": {"actual": {"value": "1"}}}}, identity)[0][0] == topics.twin_update_result(identity)


def test_membership_get_lists_devices_with_attributes_and_without_twins() -> None:
    ((topic, result),) = _ask(_turn(), topics.membership_get("edge1"), {"event_id": "m"})
    assert topic == "$hw/events/node/edge1/membership/get/result"
    assert result == {
        "event_id": "m",
        "timestamp": NOW,
        "devices": [{"id": "d1", "name": "lamp", "attributes": {"room": {"value": "7", "optional": False}}}],
    }
    turn = Turn({}, "edge1", NOW)
    assert _ask(turn, topics.membership_get("edge1"), {})[0][1]["devices"] == []


def test_state_online_is_kept_answered_and_owed_to_the_cloud() -> None:
    turn = _turn()
    ((topic, result),) = _ask(turn, topics.state_update("d1"), {"event_id": "s", "state": "online"})
    assert topic == "$hw/events/device/d1/state/update/result"
    assert result["device"] == {"name": "lamp", "state": "online", "last_online": "2023-11-14 22:13:20"}
    assert turn.owes and turn.shadows["d1"].state == "online"


def test_last_online_moves_only_when_the_device_is_online() -> None:
    turn = _turn()
    ((_, result),) = _ask(turn, topics.state_update("d1"), {"state": "offline"})
    assert result["device"] == {"name": "lamp", "state": "offline"}


@pytest.mark.parametrize(
    ("device", "payload"),
    [("d1", {"state": "asleep"}), ("d1", {"state": "Online"}), ("d1", {}), ("nobody", {"state": "online"}), ("d1", b"}"), ("d1", [1])],
)
def test_any_other_state_is_ignored_without_an_answer(device: str, payload: Any) -> None:
    turn = _turn()
    assert _ask(turn, topics.state_update(device), payload) == []
    assert not turn.writes


@pytest.mark.parametrize(
    ("word", "state", "codes"),
    [("ok", "online", []), ("unhealthy", "online", ["Unhealthy"]), ("OK", "online", ["Timeout"]), ("DISCONNECTED", "offline", ["Timeout"])],
)
def test_the_words_of_later_mappers_are_understood(word: str, state: str, codes: list[str]) -> None:
    turn = _turn()
    turn.shadows["d1"] = replace(turn.shadows["d1"], faults=(Fault("", "Timeout", "no answer"),))
    ((_, result),) = _ask(turn, topics.state_update("d1"), {"event_id": "", "timestamp": 5, "state": word, "attributes": None})
    assert result["device"]["state"] == state
    assert [fault.code for fault in turn.shadows["d1"].faults] == codes


def test_a_state_that_is_said_each_second_is_written_once_a_minute() -> None:
    shadows, written = dict(_turn().shadows), []
    for second in range(121):
        turn = _turn()
        turn.shadows, turn.now_ms = shadows, NOW + 1000 * second
        assert _ask(turn, topics.state_update("d1"), {"state": "OK"})
        if turn.writes:
            written.append(second)
    assert written == [0, 60, 120]


@pytest.mark.parametrize("version", [{}, {"expected_version": {"cloud": 99, "edge": 99}, "actual_version": {"cloud": 99, "edge": 99}}])
def test_a_mapper_that_speaks_for_the_cloud_changes_nothing(version: dict[str, Any]) -> None:
    turn = _turn()
    entry = {"actual": {"value": "1"}, "expected": {"value": "1"}, "metadata": {"type": "Updated"}} | version
    assert _ask(turn, topics.twin_cloud_updated("d1"), {"event_id": "", "timestamp": 0, "twin": {"setpoint": entry}}) == []
    assert not turn.writes and turn.shadows["d1"].twins == TWINS


def test_updates_that_follow_each_other_are_answered_one_by_one_and_the_last_value_stays() -> None:
    turn = _turn()
    for number in range(50):
        said = _update(turn, {"event_id": str(number), "twin": {"temperature": {"actual": {"value": str(number)}}}})
    results = [payload["event_id"] for topic, payload in said if topic.endswith("/result")]
    assert results == [str(number) for number in range(50)]
    twin = turn.shadows["d1"].twins["temperature"]
    assert twin.actual == TwinValue("49", NOW) and twin.actual_version == Version(0, 54)


def test_what_could_not_be_saved_is_answered_with_500() -> None:
    turn = _turn()
    topic = topics.twin_update("d1")
    matched = topics.match(topic)
    assert matched is not None
    requests.refuse_unsaved(matched, Arrived(topic, b'{"event_id":"e","twin":{}}'), turn)
    requests.refuse_unsaved(matched, Arrived(topic, b"}"), turn)
    answers = [json.loads(said.payload) for said in turn.publishes]
    assert [(answer["event_id"], answer["code"]) for answer in answers] == [("e", 500), ("", 500)]


_REPORT = {"event_id": "e", "twin": {"temperature": {"actual": {"value": "21"}}}}
_OURS = "$hw/events/device/d1/twin/update"
_THEIRS = "$hw/events/device/farm/d1/twin/update"


@pytest.mark.parametrize(
    ("form", "topic", "answers"),
    [
        pytest.param(PLAIN, _OURS, [f"{_OURS}/result", f"{_OURS}/document", f"{_OURS}/delta"], id="plain"),
        pytest.param(BOTH, _OURS, [f"{_OURS}/result", f"{_OURS}/document", f"{_OURS}/delta"], id="a plain mapper is not answered twice"),
        pytest.param(NAMESPACED, _THEIRS, [f"{_THEIRS}/result", f"{_THEIRS}/document", f"{_THEIRS}/delta"], id="namespaced"),
        pytest.param(
            BOTH,
            _THEIRS,
            [f"{_THEIRS}/result", f"{_OURS}/document", f"{_THEIRS}/document", f"{_OURS}/delta", f"{_THEIRS}/delta"],
            id="the answer in the form of the question, what concerns all in both",
        ),
    ],
)
def test_topics_have_the_form_that_is_due(form: str, topic: str, answers: list[str]) -> None:
    turn = _turn()
    turn.forms = Forms(form)
    assert [said for said, _ in _ask(turn, topic, _REPORT)] == answers


def test_before_a_mapper_has_spoken_a_delta_goes_in_both_forms() -> None:
    turn = _turn()
    turn.forms = Forms(BOTH, "default")
    requests.say_delta(turn.shadows["d1"], turn)
    assert [said.topic for said in turn.publishes] == [f"{_OURS}/delta", "$hw/events/device/default/d1/twin/update/delta"]


def test_a_refusal_goes_where_the_question_came_from() -> None:
    turn = _turn()
    turn.forms = Forms(BOTH)
    assert [topic for topic, _ in _ask(turn, _THEIRS, {})] == [f"{_THEIRS}/result"]
    assert [topic for topic, _ in _ask(_turn(), "$hw/events/device/farm/d9/twin/get", {})] == ["$hw/events/device/farm/d9/twin/get/result"]


def test_an_unknown_device_is_not_remembered() -> None:
    turn = _turn()
    turn.forms = Forms(BOTH, "default")
    _ask(turn, "$hw/events/device/farm/d9/twin/get", {})
    assert turn.forms.addresses("d9") == ("d9", "default/d9")


PROFILES = {"default": '{"deviceInstances":[]}', "plant": "{}"}


def _profile_turn() -> Turn:
    return Turn({}, "edge1", NOW, profiles=lambda: PROFILES)


@pytest.mark.parametrize("node", ["edge1", "_"])
def test_a_mapper_without_a_file_is_told_the_devices_of_this_node(node: str) -> None:
    ((topic, answer),) = _ask(_profile_turn(), topics.profile_get(node), {"event_id": "e"})
    assert topic == "$hw/events/node/edge1/profile/get/result"
    assert answer == {"event_id": "e", "timestamp": NOW, "digest": digest_of(PROFILES), "profiles": PROFILES}


def test_a_mapper_that_has_them_hears_no_more_than_that() -> None:
    ((_, answer),) = _ask(_profile_turn(), topics.profile_get("edge1"), {"event_id": "e", "have": digest_of(PROFILES)})
    assert answer == {"event_id": "e", "timestamp": NOW, "digest": digest_of(PROFILES)}


def test_the_devices_of_another_node_are_not_for_us_to_tell() -> None:
    assert _ask(_profile_turn(), topics.profile_get("edge2"), {}) == []


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"have": 5}'])
def test_a_question_for_devices_that_cannot_be_read_is_answered_with_400(payload: bytes) -> None:
    ((_, answer),) = _ask(_profile_turn(), topics.profile_get("_"), payload)
    assert answer["code"] == 400


FAULTS = [{"code": "DeviceAway", "reason": "no answer"}, {"property": "setpoint", "code": "OutOfRange", "reason": "too much"}]


def test_what_is_wrong_comes_with_the_state_and_goes_on_to_who_asked_and_to_the_cloud() -> None:
    turn = _turn()
    ((_, result),) = _ask(turn, topics.state_update("d1"), {"state": "offline", "faults": FAULTS})
    assert result["device"] == {"name": "lamp", "state": "offline", "faults": FAULTS}
    assert json.loads(turn._states["d1"])["device"]["faults"] == FAULTS
    assert turn.shadows["d1"].faults == (Fault("", "DeviceAway", "no answer"), Fault("setpoint", "OutOfRange", "too much"))


def test_a_state_that_says_nothing_of_faults_leaves_them_and_an_empty_list_says_that_all_is_well() -> None:
    turn = _turn()
    _ask(turn, topics.state_update("d1"), {"state": "offline", "faults": FAULTS})
    _ask(turn, topics.state_update("d1"), {"state": "online"})
    assert turn.shadows["d1"].faults
    said = _ask(turn, topics.state_update("d1"), {"state": "online", "faults": []})
    assert said[-1][1]["device"]["faults"] == [] and turn.shadows["d1"].faults == ()


def test_a_mapper_that_never_spoke_of_faults_is_answered_as_kubeedge_does() -> None:
    ((_, result),) = _ask(_turn(), topics.state_update("d1"), {"state": "unknown"})
    assert result["device"] == {"name": "lamp", "state": "unknown"}


def test_faults_that_cannot_be_read_change_nothing() -> None:
    turn = _turn()
    assert _ask(turn, topics.state_update("d1"), {"state": "online", "faults": [{"code": "no code"}]}) == []
    assert "faults[0].code" in turn.warnings[0] and turn.shadows["d1"].state == ""


def test_a_reported_value_leaves_what_is_wrong_as_it_is() -> None:
    turn = _turn()
    _ask(turn, topics.state_update("d1"), {"state": "online", "faults": FAULTS})
    _update(turn, {"twin": {"temperature": {"actual": {"value": "21"}}}})
    assert turn.shadows["d1"].faults is not None and len(turn.shadows["d1"].faults) == 2
