"""Every keyword of a structural schema refuses what it should, with Kubernetes' path and words."""

from __future__ import annotations

from typing import Any

import pytest

from cloudstub.kinds.schema import validate

TCP: dict[str, Any] = {
    "type": "object",
    "properties": {"tcp": {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}},
}

REFUSED: list[tuple[str, dict[str, Any], Any, str]] = [
    ("type", {"type": "integer"}, "502", 'Invalid value: "string": v in body must be of type integer: "string"'),
    ("bool is no integer", {"type": "integer"}, True, 'Invalid value: "boolean": v in body must be of type integer: "boolean"'),
    ("fraction", {"type": "integer"}, 1.5, 'Invalid value: "number": v in body must be of type integer: "number"'),
    ("null", {"type": "string"}, None, 'Invalid value: "null": v in body must be of type string: "null"'),
    ("enum", {"type": "string", "enum": ["a", "b"]}, "x", 'Unsupported value: "x": supported values: "a", "b"'),
    ("enum of numbers", {"type": "integer", "enum": [1, 2]}, 3, 'Unsupported value: 3: supported values: "1", "2"'),
    ("minimum", {"type": "integer", "minimum": 1}, 0, "Invalid value: 0: v in body should be greater than or equal to 1"),
    (
        "exclusive maximum",
        {"type": "number", "maximum": 2, "exclusiveMaximum": True},
        2,
        "Invalid value: 2: v in body should be less than 2",
    ),
    ("multipleOf", {"type": "integer", "multipleOf": 5}, 7, "Invalid value: 7: v in body should be a multiple of 5"),
    ("maxLength", {"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
    ("minLength", {"type": "string", "minLength": 2}, "a", 'Invalid value: "a": v in body should be at least 2 chars long'),
    ("pattern", {"type": "string", "pattern": "^a$"}, "b", "Invalid value: \"b\": v in body should match '^a$'"),
    ("pattern ends at the end", {"type": "string", "pattern": "^a$"}, "a\n", "Invalid value: \"a\\n\": v in body should match '^a$'"),
    ("maxItems", {"type": "array", "items": {}, "maxItems": 1}, [1, 2], "Too many: 2: must have at most 1 items"),
    ("minItems", {"type": "array", "items": {}, "minItems": 1}, [], "Invalid value: 0: v in body should have at least 1 items"),
    ("uniqueItems", {"type": "array", "uniqueItems": True}, [1, 1], "Invalid value: [1, 1]: v in body shouldn't contain duplicates"),
    ("maxProperties", {"type": "object", "maxProperties": 0}, {"a": 1}, "Too many: 1: must have at most 0 items"),
    ("minProperties", {"type": "object", "minProperties": 1}, {}, "Invalid value: {}: v in body should have at least 1 properties"),
    (
        "format",
        {"type": "string", "format": "date-time"},
        "today",
        'Invalid value: "today": v in body must be of type date-time: "today"',
    ),
    (
        "int32",
        {"type": "integer", "format": "int32"},
        2**31,
        'Invalid value: 2147483648: v in body must be of type int32: "2147483648"',
    ),
    (
        "int or string",
        {"x-kubernetes-int-or-string": True},
        1.5,
        'Invalid value: "number": v in body must be of type integer,string: "number"',
    ),
    ("anyOf", {"anyOf": [{"enum": [1]}, {"enum": [2]}]}, 3, 'Invalid value: 3: "v" must validate at least one schema (anyOf)'),
    (
        "oneOf none",
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        'Invalid value: {}: "v" must validate one and only one schema (oneOf). Found none valid',
    ),
    (
        "oneOf two",
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"a": 1, "b": 1},
        'Invalid value: {"a": 1, "b": 1}: "v" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ),
    ("allOf", {"allOf": [{"minimum": 5}]}, 3, "Invalid value: 3: v in body should be greater than or equal to 5"),
    ("not", {"not": {"enum": [3]}}, 3, 'Invalid value: 3: "v" must not validate the schema (not)'),
]


@pytest.mark.parametrize(("schema", "value", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_value_against_its_schema_is_refused_in_kubernetes_words(schema: dict[str, Any], value: Any, message: str) -> None:
    assert [(error.path, error.message) for error in validate(schema, value, "v")] == [("v", message)]


ACCEPTED: list[tuple[dict[str, Any], Any]] = [
    ({"type": "integer"}, 3.0),
    ({"type": "number"}, 3),
    ({"type": "string", "nullable": True}, None),
    ({"x-kubernetes-preserve-unknown-fields": True}, None),
    ({"x-kubernetes-int-or-string": True}, "50%"),
    ({"type": "string", "enum": ["a"]}, "a"),
    ({"type": "string", "format": "date-time"}, "2020-06-01T10:00:00.123456789Z"),
    ({"type": "string", "format": "an-unknown-hint"}, "anything"),
    ({"type": "integer", "multipleOf": 3}, 10**400 * 3),
    ({"type": "number", "multipleOf": 0.5}, 2.5),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}),
    ({"type": "string", "pattern": "^[[:alpha:]_]+$"}, "a_B"),
]


@pytest.mark.parametrize(("schema", "value"), ACCEPTED)
def test_a_value_that_holds_to_its_schema_has_no_faults(schema: dict[str, Any], value: Any) -> None:
    assert validate(schema, value, "v") == []


def test_a_fault_deep_inside_is_named_by_its_whole_path() -> None:
    schema = {"type": "object", "properties": {"protocols": {"type": "array", "items": TCP}}}
    found = validate(schema, {"protocols": [{"tcp": {"port": 1}}, {"tcp": {"port": "x"}}, {"tcp": {}}]}, "spec")
    assert [(error.path, error.reason) for error in found] == [
        ("spec.protocols[1].tcp.port", "FieldValueTypeInvalid"),
        ("spec.protocols[2].tcp.port", "FieldValueRequired"),
    ]


def test_two_entries_of_a_list_map_with_one_key_are_a_duplicate() -> None:
    schema = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}},
    }
    found = validate(schema, [{"name": "a", "n": 1}, {"name": "b"}, {"name": "a", "n": 2}], "spec.list")
    assert [(error.path, error.message) for error in found] == [("spec.list[2]", 'Duplicate value: {"name": "a"}')]


def test_two_equal_entries_of_a_set_are_a_duplicate_but_one_and_true_are_not_equal() -> None:
    schema = {"type": "array", "x-kubernetes-list-type": "set", "items": {"x-kubernetes-preserve-unknown-fields": True}}
    assert [error.path for error in validate(schema, ["a", "b", "a"], "s")] == ["s[2]"]
    assert validate(schema, [1, True], "s") == []


def test_an_embedded_resource_needs_a_kind_and_an_api_version() -> None:
    schema = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    assert [error.path for error in validate(schema, {"kind": "Pod"}, "spec.template")] == ["spec.template.apiVersion"]


def test_a_million_bad_items_are_answered_with_a_hundred_faults() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert len(validate(schema, [1] * 1_000_000, "v")) == 100


def test_a_huge_refused_value_is_cut_in_the_message() -> None:
    found = validate({"type": "string", "enum": ["a"]}, "x" * 1_000_000, "v")
    assert len(found[0].message) < 1_000
