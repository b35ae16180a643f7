from __future__ import annotations

import json
from typing import Any

import pytest

from cloudcore.devicecontroller import translate
from cloudcore.devicecontroller.reports import Report, lost, merged, state_report, twin_report, written
from cloudcore.errors import Refused
from tests.unit.cloudcore.devicecontroller.devices import device, twin


def content(**twins: Any) -> dict[str, Any]:
    return {"event_id": "e", "timestamp": 1, "twin": twins}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"actual": {"value": "21", "metadata": {"timestamp": 55}}, "metadata": {"type": "int"}},
         {"value": "21", "metadata": {"timestamp": "55", "type": "int"}}),
        ({"actual": {"value": "21"}}, {"value": "21", "metadata": {}}),
        ({"actual": {"value": ""}, "metadata": {}}, {"value": "", "metadata": {}}),
        ({"expected": {"value": "3"}}, None),
        ({"actual": {}}, None),
        ({"actual": None}, None),
        (None, None),
        ({"actual": {"value": "21"}, "metadata": {"type": "deleted"}}, None),
    ],
)  # fmt: skip
def test_what_is_reported_is_the_actual_value(entry: Any, expected: Any) -> None:
    assert twin_report(content(t=entry)).twins == ({"t": expected} if expected else {})


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "content"),
        ("{half", "content: not JSON"),
        ({"twin": []}, "content.twin"),
        ({}, "content.twin"),
        (content(t=5), "content.twin.t"),
        (content(t={"actual": 5}), "content.twin.t.actual"),
        (content(t={"actual": {"value": 5}}), "content.twin.t.actual.value"),
        (content(t={"actual": {"value": "x" * 5000}}), "content.twin.t.actual.value"),
        (content(t={"actual": {"value": "1"}, "metadata": 3}), "content.twin.t.metadata"),
        (content(**{f"p{n}": None for n in range(1001)}), "content.twin"),
    ],
)
def test_garbage_for_a_twin_is_refused_by_field(value: Any, named: str) -> None:
    with pytest.raises(Refused) as refused:
        twin_report(value)
    assert refused.value.reason.startswith(named)


def test_a_state_comes_as_text_that_holds_json() -> None:
    text = json.dumps({"event_id": "", "timestamp": 1, "device": {"name": "d", "state": "online", "last_online": "2020-01-01 10:00:00"}})
    assert state_report(text, said_ms=5000) == Report({}, "online", 5000)
    assert state_report(text.replace('"online"', '"offline"'), said_ms=5000) == Report({}, "offline", 0)


@pytest.mark.parametrize(
    ("word", "report"), [("ok", Report({}, "online", 5, faults=(), said=5)), ("DISCONNECTED", Report({}, "offline", 0))]
)
def test_the_words_of_later_boards_are_understood(word: str, report: Report) -> None:
    assert state_report({"device": {"name": "d", "state": word}}, said_ms=5) == report


@pytest.mark.parametrize("value", [{}, {"device": {"state": "asleep"}}, {"device": {"state": "online", "last_online": 5}}, "[]", "x"])
def test_garbage_for_a_state_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match=r"^content"):
        state_report(value)


def test_the_later_value_of_a_property_wins() -> None:
    first = Report({"a": {"value": "1"}, "b": {"value": "1"}}, "online", 1)
    assert first.then(Report({"a": {"value": "2"}})) == Report({"a": {"value": "2"}, "b": {"value": "1"}}, "online", 1)
    assert first.then(Report({}, "offline")).state == "offline"


def test_reported_values_never_touch_what_the_user_wishes() -> None:
    subject = device(twins=[twin("a", "20", "int", reported="19"), twin("b", "x")])
    result = merged(subject, Report({"a": {"value": "21", "metadata": {}}}), frozenset())
    assert result["status"]["twins"] == [twin("a", "20", "int", reported="21"), twin("b", "x")]
    assert subject["status"]["twins"][0]["reported"]["value"] == "19"


def test_a_property_of_the_model_is_added_and_a_stranger_is_not() -> None:
    report = Report({"known": {"value": "1", "metadata": {}}, "stranger": {"value": "2", "metadata": {}}})
    result = merged(device(), report, frozenset({"known"}))
    assert result["status"]["twins"] == [{"propertyName": "known", "reported": {"value": "1", "metadata": {}}}]


def test_a_state_is_kept_beside_the_twins() -> None:
    status = merged(device(twins=[twin("a")]), Report({}, "online", 5000), frozenset())["status"]
    assert status == {"twins": [twin("a")], "state": "online", "lastOnlineTime": "1970-01-01T00:00:05Z"}


def test_when_a_device_was_seen_goes_along_with_its_values_and_never_back() -> None:
    def seen(report: Report, **status: Any) -> Any:
        subject = device(twins=[twin("a")])
        return merged(subject | {"status": subject["status"] | status}, report, frozenset())["status"].get("lastOnlineTime")

    value = {"a": {"value": "1", "metadata": {}}}
    assert seen(Report(value, seen=5000)) == "1970-01-01T00:00:05Z"
    assert seen(Report(value, seen=5000), lastOnlineTime="1970-01-01T00:00:09Z") == "1970-01-01T00:00:09Z"
    assert seen(Report(value, seen=5000), lastOnlineTime="long ago") == "1970-01-01T00:00:05Z"
    assert seen(Report({"stranger": value["a"]}, seen=5000)) is None
    assert Report(value, seen=9000).then(Report(value, seen=5000)).seen == 9000


def test_what_is_written_says_since_when_the_wish_stands() -> None:
    subject = device(twins=[twin("a", "20")], resourceVersion="77")
    report = Report({"a": {"value": "1", "metadata": {}}})
    digest = translate.digest(subject)
    first = written(subject, report, frozenset(), wish=("41", digest))
    assert first is not None
    assert first["metadata"]["annotations"][translate.DESIRED_ANNOTATION] == f"41:{digest}"
    assert written(first, report, frozenset(), wish=("41", digest)) is None
    newer = written(subject, report, frozenset(), wish=("41", "other"))
    assert newer is not None
    assert newer["metadata"]["annotations"][translate.DESIRED_ANNOTATION] == f"77:{digest}"


def test_a_listed_property_is_told_from_one_that_was_only_reported() -> None:
    report = Report({"listed": {"value": "1"}, "unlisted": {"value": "2"}})
    result = merged(device(twins=[{"propertyName": "listed"}]), report, frozenset({"listed", "unlisted"}))
    assert translate.wish(result)["desired"] == {"listed": {"value": "", "type": "string"}}
    assert translate.digest(result) == translate.digest(device(twins=[{"propertyName": "listed"}]))


@pytest.mark.parametrize(
    ("after", "restored"),
    [
        ([twin("a", "2")], {"a", "only"}),
        ([twin("a", "2"), {"propertyName": "only", "desired": {"value": "x"}}], {"a", "only"}),
        ([twin("a", "2", reported="9")], {"only"}),
        ([], {"only"}),
        ([twin("a", "1", reported="5"), twin("b", "1", reported="6"), {"propertyName": "only", "reported": {"value": "7"}}], set()),
    ],
)
def test_reported_values_that_a_users_patch_dropped_are_known(after: list[dict[str, Any]], restored: set[str]) -> None:
    before = [twin("a", "1", reported="5"), twin("b", "1", reported="6"), {"propertyName": "only", "reported": {"value": "7"}}]
    assert set(lost(device(twins=before), device(twins=after)).restored) == restored


def test_a_restored_value_never_replaces_what_a_node_said_since() -> None:
    old = {"value": "19", "metadata": {}}
    report = Report(restored={"a": old, "b": old})
    result = merged(device(twins=[twin("a", "1", reported="20"), twin("b", "1")]), report, frozenset())
    assert [entry["reported"]["value"] for entry in result["status"]["twins"]] == ["20", "19"]
    both = Report({"b": {"value": "21", "metadata": {}}}).then(report)
    assert both.values_for(device(twins=[twin("b", "1")]))["b"]["value"] == "21"
