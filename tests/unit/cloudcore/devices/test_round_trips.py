"""Whatever the CRDs take comes back as it was from the other version, and an edit on the way counts."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cloudcore.devices.conversion import KEPT, converted
from cloudcore.devices.keepsake import remember, restore
from cloudstub.kinds.schema import validate
from tests.fakes.crds import schemas
from tests.unit.cloudcore.devices.described import objects

Object = dict[str, Any]
OTHER = {"v1alpha1": "v1beta1", "v1beta1": "v1alpha1"}
EVERY = [(kind, version) for kind in ("Device", "DeviceModel") for version in OTHER]
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([1.0, "", "a"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "twins", "properties"]), inner, max_size=3),
        st.lists(st.fixed_dictionaries({"name": st.sampled_from("xyz"), "propertyName": st.sampled_from("xyz"), "v": inner}), max_size=3),
    ),
    max_leaves=12,
)

patiently = settings(
    deadline=None,
    max_examples=min(25, settings.default.max_examples),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize(("kind", "version"), EVERY)
def test_there_and_back_loses_nothing(kind: str, version: str) -> None:
    @patiently
    @given(objects(kind, version))
    def holds(obj: Object) -> None:
        before = copy.deepcopy(obj)
        there = converted(obj, OTHER[version])
        assert obj == before
        assert _text(converted(there, version)) == _text(before)

    holds()


def test_visitors_of_no_property_come_back_in_their_order() -> None:
    visitors = [{"propertyName": name, "modbus": {"register": "CoilRegister", "offset": 0, "limit": 1}} for name in ("c", "b", "a")]
    model = {"apiVersion": "devices.kubeedge.io/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "d"}}
    model["spec"] = {"properties": [{"name": "c"}], "propertyVisitors": visitors}
    assert converted(converted(model, "v1beta1"), "v1alpha1")["spec"]["propertyVisitors"] == visitors


@pytest.mark.parametrize(("kind", "version"), EVERY)
def test_what_is_converted_holds_to_the_schema_of_the_other_version(kind: str, version: str) -> None:
    @patiently
    @given(objects(kind, version))
    def holds(obj: Object) -> None:
        assert validate(schemas(kind)[version], obj) == []
        faults = validate(schemas(kind)[OTHER[version]], converted(obj, OTHER[version]))
        # What v1alpha1 allows to be there twice is shown twice: a conversion loses nothing, and only who writes v1beta1 is refused.
        assert [fault for fault in faults if version == "v1beta1" or fault.reason != "FieldValueDuplicate"] == []

    holds()


@pytest.mark.parametrize(("kind", "version"), EVERY)
def test_metadata_stays_but_for_our_annotation(kind: str, version: str) -> None:
    @patiently
    @given(objects(kind, version))
    def holds(obj: Object) -> None:
        metadata = converted(obj, OTHER[version])["metadata"]
        metadata["annotations"].pop(KEPT[version], None)
        assert metadata == obj["metadata"]

    holds()


@patiently
@given(objects("Device", "v1beta1"), st.sampled_from(["temperature", "fan"]), st.text(max_size=5))
def test_a_value_that_is_reported_meanwhile_shows_in_both_and_takes_nothing_away(obj: Object, name: str, value: str) -> None:
    stored = converted(obj, "v1alpha1")
    twins = stored.get("status", {}).get("twins", [])
    assume(sum(twin["propertyName"] == name for twin in twins) == 1)
    assume(len({one["name"] for one in obj["spec"].get("properties", [])}) == len(obj["spec"].get("properties", [])))
    assume(len({one["propertyName"] for one in obj.get("status", {}).get("twins", [])}) == len(obj.get("status", {}).get("twins", [])))
    reported = {"value": value, "metadata": {"timestamp": "1"}}
    next(twin for twin in twins if twin["propertyName"] == name)["reported"] = reported
    shown = converted(stored, "v1beta1")
    assert [twin["reported"] for twin in shown["status"]["twins"] if twin["propertyName"] == name] == [reported]
    assert _text(shown["spec"]) == _text(obj["spec"])


@patiently
@given(objects("Device", "v1alpha1"), st.text(max_size=5))
def test_an_edit_in_the_other_version_counts_and_the_rest_stays(obj: Object, node: str) -> None:
    shown = converted(obj, "v1beta1")
    shown["spec"]["nodeName"] = f"n{node}"
    stored = converted(shown, "v1alpha1")
    assert converted(stored, "v1beta1")["spec"]["nodeName"] == f"n{node}"
    for field in ("deviceModelRef", "protocol"):
        assert _text(stored["spec"].get(field)) == _text(obj["spec"].get(field))
    assert _text(stored.get("status")) == _text(obj.get("status"))


@patiently
@given(_JSON, _JSON)
def test_what_was_remembered_restores_the_whole(whole: Any, base: Any) -> None:
    before = _text([whole, base])
    kept = remember({"a": whole}, {"a": base})
    assert _text(restore({"a": base}, json.loads(json.dumps(kept or {})))) == _text({"a": whole})
    assert _text([whole, base]) == before


@patiently
@given(_JSON, _JSON, _JSON)
def test_a_keepsake_of_something_else_spoils_nothing(whole: Any, base: Any, candidate: Any) -> None:
    restore(candidate, remember(whole, base))
    restore(candidate, candidate)


@pytest.mark.parametrize(
    "text", ["", "x", "7", "[]", "{", '{"in":7}', '{"in":{"metadata":{"is":7},"spec":{"was":1}}}', '{"is":7}', '{"each":{"a":{}}}']
)
def test_an_annotation_that_somebody_else_wrote_never_stops_a_conversion(text: str) -> None:
    metadata = {"name": "d", "annotations": {KEPT["v1beta1"]: text}}
    device = {"apiVersion": "devices.kubeedge.io/v1alpha1", "kind": "Device", "metadata": metadata, "spec": {"deviceModelRef": {}}}
    shown = converted(device, "v1beta1")
    assert shown["metadata"]["name"] == "d"
    assert shown["apiVersion"] == "devices.kubeedge.io/v1beta1"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
