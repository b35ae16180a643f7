"""Reviews between an API server and webhooks with junk in any place, on both sides; and annotations that somebody else wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudcore.admission.judgement import judge_device, judge_model
from cloudcore.admission.reviews import Malformed, answer_admission, answer_conversion
from cloudcore.devicecontroller.profile import profile_text
from cloudcore.devices.conversion import KEPT, Unconvertible, converted
from cloudstub.kinds import conversion as stub
from cloudstub.webhooks import review
from cloudstub.webhooks.caller import parsed
from tests.fuzz.hostile import each_spoilt, encoded, fuzzed, refuses_well, spoilt
from viaduct.jsontext import read_json

Object = dict[str, Any]
VALUE = {"value": "1", "metadata": {"type": "int"}}
MODBUS = {"protocolName": "modbus", "configData": {"register": "HoldingRegister", "offset": 1, "limit": 1, "scale": 0.1}}
DEVICE: Object = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "d", "namespace": "default", "annotations": {"a": "b"}},
    "spec": {
        "deviceModelRef": {"name": "m"},
        "nodeName": "edge1",
        "protocol": {"protocolName": "modbus-tcp", "configData": {"ip": "127.0.0.1", "port": 5020, "slaveID": 1}},
        "properties": [{"name": "t", "desired": VALUE, "visitors": MODBUS, "collectCycle": 1000}],
        "methods": [{"name": "x", "propertyNames": ["t"]}],
    },
    "status": {"twins": [{"propertyName": "t", "reported": VALUE}], "state": "online", "lastOnlineTime": "2026-01-01T00:00:00Z"},
}
MODEL: Object = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "m", "namespace": "default"},
    "spec": {"properties": [{"name": "t", "type": "FLOAT", "accessMode": "ReadOnly", "maximum": "9.5", "visitors": MODBUS}]},
}
OLD_DEVICE, OLD_MODEL = converted(DEVICE, "v1alpha1"), converted(MODEL, "v1alpha1")


def conversion_review(obj: Object, version: str) -> Object:
    request = {"uid": "u", "desiredAPIVersion": f"devices.kubeedge.io/{version}", "objects": [obj]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def admission_review(obj: Object) -> Object:
    request = {"uid": "u", "operation": "CREATE", "namespace": "default", "object": obj, "oldObject": None}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


CONVERSIONS = [conversion_review(DEVICE, "v1alpha1"), conversion_review(OLD_DEVICE, "v1beta1"), conversion_review(OLD_MODEL, "v1beta1")]
ADMISSIONS = [admission_review(obj) for obj in (DEVICE, MODEL, OLD_DEVICE, OLD_MODEL)]


def answers_conversion(bad: Any) -> None:
    answer = refuses_well(lambda: answer_conversion(read_json(encoded(bad))), Malformed, ValueError)
    json.dumps(answer)


def answers_admission(bad: Any) -> None:
    for judge in (judge_model, lambda obj, namespace: judge_device(obj, namespace, lambda ns, name: False)):
        answer = refuses_well(lambda judge=judge: answer_admission(read_json(encoded(bad)), judge), Malformed, ValueError)
        json.dumps(answer)


@pytest.mark.parametrize("good", CONVERSIONS)
def test_a_conversion_review_with_junk_in_any_place_is_answered_or_refused_with_the_field(good: Object) -> None:
    for bad in each_spoilt(good):
        answers_conversion(bad)


@pytest.mark.parametrize("good", ADMISSIONS)
def test_an_admission_review_with_junk_in_any_place_is_answered_or_refused_with_the_field(good: Object) -> None:
    for bad in each_spoilt(good):
        answers_admission(bad)


@pytest.mark.parametrize("good", CONVERSIONS)
@fuzzed
@given(data=st.data())
def test_a_spoilt_review_is_answered_or_refused(good: Object, data: st.DataObject) -> None:
    answers_conversion(data.draw(spoilt(good)))


@pytest.mark.parametrize("obj", [OLD_DEVICE, OLD_MODEL])
def test_an_annotation_with_junk_in_any_place_spoils_neither_conversion_nor_profile(obj: Object) -> None:
    kept = json.loads(obj["metadata"]["annotations"][KEPT["v1beta1"]])
    for bad in each_spoilt(kept):
        spoilt_one = obj | {"metadata": obj["metadata"] | {"annotations": {KEPT["v1beta1"]: encoded(bad)}}}
        shown = refuses_well(lambda one=spoilt_one: converted(one, "v1beta1"), Unconvertible)
        assert shown["metadata"]["name"] == obj["metadata"]["name"]
        devices, models = ([spoilt_one], [OLD_MODEL]) if obj is OLD_DEVICE else ([OLD_DEVICE], [spoilt_one])
        profile_text(devices, models)


def taken(bad: Any) -> Any:
    return parsed(encoded(bad).encode())


@pytest.mark.parametrize("good", [answer_conversion(conversion_review(DEVICE, "v1alpha1"))])
def test_a_webhooks_conversion_with_junk_in_any_place_is_taken_or_refused(good: Object) -> None:
    for bad in each_spoilt(good):
        refuses_well(
            lambda bad=bad: stub.converted(taken(bad), "u", [DEVICE], "devices.kubeedge.io/v1alpha1"), stub.Unconverted, ValueError
        )


def test_a_webhooks_verdict_with_junk_in_any_place_is_taken_or_refused() -> None:
    response = {"uid": "u", "allowed": True, "patchType": "JSONPatch", "patch": "W10=", "warnings": ["w"]}
    response |= {"status": {"code": 422, "message": "m", "reason": "Invalid"}}
    for bad in each_spoilt({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}):
        refuses_well(lambda bad=bad: review.verdict(taken(bad), "u", may_patch=True), review.Unreadable, ValueError)
