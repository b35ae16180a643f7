"""What a DeviceRule says, and every fault with its field (P8.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct.rules.duration import seconds
from viaduct.rules.rule import Action, MalformedRule, nodes_of, read_file_rule, read_rule

ON = [{"device": "fan", "property": "power", "value": "on"}]


def rule(**spec: Any) -> dict[str, Any]:
    return {"spec": {"when": "sensor.temperature > 30", "then": ON} | spec}


def test_a_whole_rule_is_read() -> None:
    off = [{"device": "fan", "property": "power", "value": False}, {"device": "fan", "property": "speed", "value": 20.5}]
    read = read_rule(rule(**{"for": "1m30s", "else": off, "cooldown": "500ms", "nodeName": "edge1"}))
    assert read.when.text == "sensor.temperature > 30" and read.when.places == (("sensor", "temperature"),)
    assert (read.hold, read.cooldown) == (90.0, 0.5)
    assert read.then == (Action("fan", "power", "on"),)
    assert read.otherwise == (Action("fan", "power", "false"), Action("fan", "speed", "20.5"))


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (None, "spec: expected an object with `when` and `then`"),
        ({"spec": []}, "spec: expected an object with `when` and `then`"),
        (rule(when=3), "spec.when: expected a condition as text, such as 'sensor.temperature > 30'"),
        (rule(when="sensor.t >"), 'spec.when: line 1, column 11: expected a value such as sensor.temperature, 30 or "on", got the end'),
        (rule(**{"for": 10}), "spec.for: expected a time of at most 31 days, such as 10s, 5m or 1h30m, got '10'"),
        (rule(**{"for": "745h"}), "spec.for: expected a time of at most 31 days, such as 10s, 5m or 1h30m, got '745h'"),
        (rule(then=[]), "spec.then: expected a list of {device, property, value}"),
        (rule(then=ON * 2), "spec.then[1]: fan.power is set twice"),
        (rule(then=[ON[0] | {"property": f"p{n}"} for n in range(17)]), "spec.then: 17 entries, the limit is 16"),
        (rule(then=["fan.power = on"]), "spec.then[0]: expected {device, property, value}"),
        (rule(then=[{"device": "fan", "property": "power"}]), "spec.then[0].value: expected a text, a number, true or false"),
        (rule(then=[ON[0] | {"value": "a\nb"}]), "spec.then[0].value: expected printable text of at most 512 characters"),
        (rule(then=[ON[0] | {"value": float("inf")}]), "spec.then[0].value: the number is too large"),
        (rule(then=[ON[0] | {"value": 2**63}]), "spec.then[0].value: the number is too large"),
        (rule(then=[ON[0] | {"device": ""}]), "spec.then[0].device: expected the name of a device"),
        (rule(then=[ON[0] | {"desired": 1}]), "spec.then[0]: unknown field 'desired'; it has device, property, value"),
        (rule(unless="x"), "spec: unknown field 'unless'; it has nodeName, nodeSelector, when, for, then, else, cooldown"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(obj: Any, text: str) -> None:
    with pytest.raises(MalformedRule) as caught:
        read_rule(obj)
    assert str(caught.value) == text


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(MalformedRule) as caught:
        read_rule(rule(when="", then=3, cooldown="soon"))
    assert [fault.path[:2] for fault in caught.value.faults] == [("spec", "when"), ("spec", "cooldown"), ("spec", "then")]


def test_a_document_of_a_file_says_what_it_is() -> None:
    document = {"apiVersion": "rules.devices.bramble.io/v1alpha1", "kind": "DeviceRule", "metadata": {"name": "cool"}} | rule()
    assert read_file_rule(document)[:2] == ("default", "cool")
    with pytest.raises(MalformedRule, match=r"kind: expected DeviceRule, got 'Pod'; metadata.name: expected a name"):
        read_file_rule(document | {"kind": "Pod", "metadata": None})


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, ()),
        ({"nodeName": "edge1"}, ("edge1",)),
        ({"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"values": ["edge1", "edge2", 3]}]}]}}, ("edge1", "edge2")),
        ({"nodeName": 3, "nodeSelector": {"nodeSelectorTerms": [3, {"matchExpressions": 4}]}}, ()),
    ],
)
def test_a_rule_names_its_nodes_as_devices_do(spec: dict[str, Any], wanted: tuple[str, ...]) -> None:
    assert nodes_of({"spec": spec}) == wanted


@pytest.mark.parametrize(("text", "wanted"), [("10s", 10), ("1h30m", 5400), ("1.5s", 1.5), ("", None), ("10", None), ("-1s", None)])
def test_a_time_is_read(text: str, wanted: float | None) -> None:
    assert seconds(text) == wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
FIELDS = ("when", "for", "then", "else", "cooldown", "nodeName", "nodeSelector", "device", "property", "value")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON), max_size=3)))
def test_whatever_a_spec_is_nothing_is_raised_but_its_own_error(spec: dict[str, Any]) -> None:
    nodes_of({"spec": spec})
    try:
        read_rule({"spec": spec})
    except MalformedRule as exc:
        assert exc.faults
