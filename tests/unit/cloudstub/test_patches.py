"""JSON patch and merge patch: results, refusals, and the argument left as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloudstub.errors import ApiError, BadRequest, Invalid, TooLarge
from cloudstub.patches import json_patch, merge_patch

OBJ: dict[str, Any] = {"metadata": {"labels": {"a/b": "1", "c": "2"}}, "spec": {"list": [1, 2, 3], "on": True}}


@pytest.mark.parametrize(
    ("ops", "path", "expected"),
    [
        ([{"op": "add", "path": "/spec/list/-", "value": 4}], ("spec", "list"), [1, 2, 3, 4]),
        ([{"op": "add", "path": "/spec/list/0", "value": 0}], ("spec", "list"), [0, 1, 2, 3]),
        ([{"op": "remove", "path": "/metadata/labels/a~1b"}], ("metadata", "labels"), {"c": "2"}),
        ([{"op": "replace", "path": "/spec/on", "value": None}], ("spec", "on"), None),
        ([{"op": "move", "from": "/spec/list/0", "path": "/spec/first"}], ("spec", "first"), 1),
        ([{"op": "copy", "from": "/spec/list", "path": "/spec/other"}], ("spec", "other"), [1, 2, 3]),
        (
            [{"op": "test", "path": "/spec/on", "value": True}, {"op": "remove", "path": "/spec/on"}],
            ("spec",),
            {"list": [1, 2, 3]},
        ),
    ],
)
def test_a_json_patch_changes_what_it_names(ops: list[dict[str, Any]], path: tuple[str, ...], expected: Any) -> None:
    before = copy.deepcopy(OBJ)
    result: Any = json_patch.apply(OBJ, ops)
    for step in path:
        result = result[step]
    assert result == expected
    assert before == OBJ


@pytest.mark.parametrize(
    ("ops", "error", "names"),
    [
        ({}, BadRequest, "list of operations"),
        (["add"], BadRequest, "[0]"),
        ([{"op": "frob", "path": "/a"}], BadRequest, "[0].op"),
        ([{"op": ["add"], "path": "/a"}], BadRequest, "[0].op"),
        ([{"op": "add", "value": 1}], BadRequest, "[0].path"),
        ([{"op": "add", "path": "/a"}], BadRequest, "[0].value"),
        ([{"op": "add", "path": "a", "value": 1}], BadRequest, "[0].path"),
        ([{"op": "add", "path": 7, "value": 1}], BadRequest, "[0].path"),
        ([{"op": "copy", "path": "/a"}], BadRequest, "[0].from"),
        ([{"op": "remove", "path": "/nope"}], Invalid, "remove '/nope'"),
        ([{"op": "add", "path": "/spec/list/9", "value": 1}], Invalid, "add '/spec/list/9'"),
        ([{"op": "add", "path": "/spec/on/x", "value": 1}], Invalid, "add '/spec/on/x'"),
        ([{"op": "replace", "path": "/spec/list/x", "value": 1}], Invalid, "replace"),
        ([{"op": "move", "from": "/spec", "path": "/spec/list"}], Invalid, "move"),
        ([{"op": "test", "path": "/spec/on", "value": False}], Invalid, "the test failed"),
        ([{"op": "add", "path": "/a~7", "value": 1}], Invalid, "/a~7"),
        ([{"op": "test", "path": "", "value": 1}] * 10_001, TooLarge, "10000"),
    ],
)
def test_a_json_patch_that_cannot_be_is_refused_by_its_operation(ops: Any, error: type[ApiError], names: str) -> None:
    with pytest.raises(error, match=None) as caught:
        json_patch.apply(OBJ, ops)
    assert names in caught.value.message


def test_copies_that_double_the_object_again_and_again_are_stopped() -> None:
    ops = [{"op": "copy", "from": "", "path": f"/c{i}"} for i in range(200)]
    with pytest.raises(TooLarge):
        json_patch.apply({"text": "x" * 1000}, ops)


@pytest.mark.parametrize(
    ("obj", "patch", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": "text"}, {"a": {"b": {"c": None, "d": 1}}}, {"a": {"b": {"d": 1}}}),
        ({"a": {"b": 1}}, {"a": "text"}, {"a": "text"}),
        ({"a": 1}, {}, {"a": 1}),
        ({}, {"a": [{"b": None}]}, {"a": [{"b": None}]}),
    ],
)
def test_a_merge_patch_merges_objects_and_replaces_the_rest(obj: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy((obj, patch))
    assert merge_patch.apply(obj, patch) == expected
    assert (obj, patch) == before


@pytest.mark.parametrize("patch", [None, [], "text", 7])
def test_a_merge_patch_that_is_no_object_is_refused(patch: Any) -> None:
    with pytest.raises(BadRequest):
        merge_patch.apply({}, patch)


def test_a_merge_patch_nested_without_end_is_refused() -> None:
    patch: dict[str, Any] = {}
    for _ in range(5_000):
        patch = {"a": patch}
    with pytest.raises(BadRequest, match="too deep"):
        merge_patch.apply({}, patch)
