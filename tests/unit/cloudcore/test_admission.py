"""What CloudCore's webhooks answer: reviews in, verdicts out (contract 10.4)."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.admission.judgement import BOTH, NEITHER, Judgement, judge_device, judge_model, judge_rule
from cloudcore.admission.reviews import Malformed, answer_admission, answer_conversion

Object = dict[str, Any]
SPEC: Object = {
    "deviceModelRef": {"name": "m"},
    "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": ["edge1"]}]}]},
}
DEVICE: Object = {"apiVersion": "devices.kubeedge.io/v1alpha1", "kind": "Device", "metadata": {"name": "d"}, "spec": SPEC}


def conversion(*objects: Any, to: str = "devices.kubeedge.io/v1beta1") -> Object:
    request = {"uid": "u1", "desiredAPIVersion": to, "objects": list(objects)}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def admission(obj: Any) -> Object:
    request = {"uid": "u1", "operation": "CREATE", "namespace": "default", "object": obj}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def model(*properties: Object, version: str = "v1alpha1", **spec: Any) -> Object:
    head = {"apiVersion": f"devices.kubeedge.io/{version}", "kind": "DeviceModel", "metadata": {"name": "m"}}
    return head | {"spec": {"properties": list(properties), **spec}}


def test_all_objects_of_a_review_are_converted_in_their_order() -> None:
    other = DEVICE | {"metadata": {"name": "e"}}
    response = answer_conversion(conversion(DEVICE, other))["response"]
    assert (response["uid"], response["result"]["status"]) == ("u1", "Success")
    assert [(one["metadata"]["name"], one["apiVersion"], one["spec"]["nodeName"]) for one in response["convertedObjects"]] == [
        ("d", "devices.kubeedge.io/v1beta1", "edge1"),
        ("e", "devices.kubeedge.io/v1beta1", "edge1"),
    ]


@pytest.mark.parametrize(
    ("review", "said"),
    [
        (conversion(DEVICE, DEVICE | {"kind": "Rule"}), "request.objects[1]: kind 'Rule' cannot be converted"),
        (conversion(DEVICE | {"apiVersion": "devices.kubeedge.io/v1alpha2"}), "request.objects[0]: apiVersion: expected"),
        (conversion(DEVICE, to="devices.kubeedge.io/v9"), "request.objects[0]: kind 'Device' cannot be converted to 'v9'"),
        (conversion(DEVICE, to="apps/v1"), "request.desiredAPIVersion: expected a version of devices.kubeedge.io"),
    ],
)
def test_what_cannot_be_converted_is_named_and_nothing_of_the_review_is(review: Object, said: str) -> None:
    response = answer_conversion(review)["response"]
    assert response["result"]["status"] == "Failed"
    assert response["result"]["message"].startswith(said)
    assert response["convertedObjects"] == []


@pytest.mark.parametrize(
    ("review", "field"),
    [
        (7, "expected a ConversionReview"),
        ({}, "kind:"),
        ({**conversion(), "apiVersion": "apiextensions.k8s.io/v1beta1"}, "apiVersion:"),
        ({**conversion(), "request": None}, "request:"),
        ({**conversion(), "request": {"uid": ""}}, "request.uid:"),
        ({**conversion(), "request": {"uid": "u", "desiredAPIVersion": 7}}, "request.desiredAPIVersion:"),
        ({**conversion(), "request": {"uid": "u", "desiredAPIVersion": "a/b", "objects": [7]}}, "request.objects:"),
    ],
)
def test_what_is_no_review_is_refused_by_the_field(review: Any, field: str) -> None:
    with pytest.raises(Malformed, match=f"^{field}"):
        answer_conversion(review)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [({}, NEITHER), ({"int": {"accessMode": "ReadOnly"}, "string": {"accessMode": "ReadOnly"}}, BOTH)],
)
def test_a_property_needs_exactly_one_type_in_kubeedges_words(kinds: Object, said: str) -> None:
    answer = answer_admission(admission(model({"name": "a", "type": kinds})), judge_model)["response"]
    assert answer["allowed"] is False
    assert answer["status"]["message"] == f"spec.properties[0].type: {said}"


INT = {"name": "a", "type": {"int": {"accessMode": "ReadOnly"}}}


@pytest.mark.parametrize(
    ("obj", "warned"),
    [
        (model(INT), []),
        (model(INT, INT), ["spec.properties: 'a' is there 2 times; the last one counts"]),
        (model({"name": "a", "type": {"int": {"minimum": 5, "maximum": 2}}}), ["property a: the minimum 5 is more than the maximum 2"]),
        (
            model(INT, propertyVisitors=[{"propertyName": "b"}]),
            ["spec.propertyVisitors[0].propertyName: the model has no property 'b'"],
        ),
        (
            model({"name": "a", "type": "INT", "maximum": "2.5"}, version="v1beta1"),
            ["property a: maximum '2.5' is no number that fits INT; it is left out"],
        ),
        (model({"name": "a", "type": "STRING", "minimum": "1"}, version="v1beta1"), ["property a: minimum means nothing for a string"]),
        (model({"name": "a", "type": "FLOAT", "minimum": "0.5", "maximum": "1e3"}, version="v1beta1"), []),
    ],
)
def test_what_a_model_says_oddly_is_warned_of_and_passes(obj: Object, warned: list[str]) -> None:
    assert judge_model(obj, "default") == Judgement(warnings=tuple(warned))


@pytest.mark.parametrize(
    ("obj", "begins"),
    [
        (DEVICE, []),
        (
            DEVICE | {"spec": {**DEVICE["spec"], "deviceModelRef": {"name": "other"}}},
            ["spec.deviceModelRef.name: there is no DeviceModel 'other'"],
        ),  # type: ignore[dict-item]
        (DEVICE | {"spec": {"deviceModelRef": {"name": "m"}}}, ["spec.nodeSelector.nodeSelectorTerms[0]"]),
        (
            DEVICE
            | {
                "spec": {
                    **DEVICE["spec"],
                    "data": {
                        "dataProperties": [
                            {"propertyName": "t", "metadata": {"collectCycle": "1s"}},
                            {"propertyName": "u", "metadata": {"collectCycle": "500", "reportToCloud": "no"}},
                            {"propertyName": "v"},
                        ]
                    },
                }
            },
            [
                "spec.data.dataProperties[0].metadata.collectCycle: expected",
                "spec.data.dataProperties[1].metadata.reportToCloud: ",
            ],
        ),  # type: ignore[dict-item]
        (
            {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": {}, "spec": {}},
            ["spec.deviceModelRef.name: it names no model", "spec.nodeName: it names no node"],
        ),
    ],
)
def test_what_a_device_lacks_is_warned_of_and_passes(obj: Object, begins: list[str]) -> None:
    judged = judge_device(obj, "default", lambda namespace, name: name == "m")
    assert judged.faults == ()
    assert len(judged.warnings) == len(begins)
    assert all(said.startswith(begin) for said, begin in zip(judged.warnings, begins, strict=True))


def test_a_deletion_is_nothing_to_judge() -> None:
    assert answer_admission(admission(None), judge_model)["response"] == {"uid": "u1", "allowed": True}


def rule(**spec: Any) -> Object:
    action = {"device": "fan", "property": "power", "value": "on"}
    given = {"nodeName": "edge1", "when": "sensor.temperature > 30", "then": [action]} | spec
    return {"apiVersion": "rules.devices.bramble.io/v1alpha1", "kind": "DeviceRule", "metadata": {"name": "r"}, "spec": given}


def test_a_rule_whose_condition_does_not_parse_is_refused_with_its_place() -> None:
    response = answer_admission(admission(rule(when="sensor.temperature > 30 andd door.open")), judge_rule)["response"]
    assert response["allowed"] is False
    assert response["status"]["message"] == ("spec.when: line 1, column 25: expected 'and', 'or', a comparison or the end, got 'andd'")


def test_a_rule_that_names_no_node_is_warned_of_and_one_that_is_well_passes_in_silence() -> None:
    assert judge_rule(rule(), "default") == Judgement()
    assert judge_rule(rule(nodeName=None), "default").warnings == ("spec.nodeName: it names no node, so it runs nowhere",)
