"""Which schemas a CRD may carry, and how they shape objects."""

from __future__ import annotations

from typing import Any

import pytest

from cloudstub.kinds import schema_formats, schema_pattern
from cloudstub.kinds.schema import default, prune, structural_errors


def crd_schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


REFUSED: list[tuple[str, Any, str, str]] = [
    ("no schema", None, "openAPIV3Schema", "Required value: schemas are required"),
    (
        "root array",
        {"type": "array", "items": {"type": "string"}},
        "openAPIV3Schema.type",
        'Invalid value: "array": must be object at the root',
    ),
    (
        "no type",
        crd_schema(a={}),
        "openAPIV3Schema.properties[spec].properties[a].type",
        "Required value: must not be empty for specified object fields",
    ),
    ("unknown type", crd_schema(a={"type": "int"}), "openAPIV3Schema.properties[spec].properties[a].type", 'Unsupported value: "int"'),
    (
        "type with int-or-string",
        crd_schema(a={"type": "string", "x-kubernetes-int-or-string": True}),
        "openAPIV3Schema.properties[spec].properties[a].type",
        'Invalid value: "string": must be empty',
    ),
    (
        "array without items",
        crd_schema(a={"type": "array"}),
        "openAPIV3Schema.properties[spec].properties[a].items",
        "Required value: must be specified",
    ),
    (
        "items as a list",
        crd_schema(a={"type": "array", "items": []}),
        "openAPIV3Schema.properties[spec].properties[a].items",
        "Forbidden: items must be a schema object and not an array",
    ),
    (
        "uniqueItems",
        crd_schema(a={"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        "openAPIV3Schema.properties[spec].properties[a].uniqueItems",
        "Forbidden: uniqueItems cannot be set to true",
    ),
    (
        "additionalProperties false",
        crd_schema(a={"type": "object", "additionalProperties": False}),
        "openAPIV3Schema.properties[spec].properties[a].additionalProperties",
        "Forbidden: additionalProperties cannot be set to false",
    ),
    (
        "$ref",
        crd_schema(a={"type": "object", "$ref": "#/b"}),
        "openAPIV3Schema.properties[spec].properties[a].$ref",
        "Forbidden: $ref is not supported",
    ),
    (
        "preserve false",
        crd_schema(a={"type": "object", "x-kubernetes-preserve-unknown-fields": False}),
        "openAPIV3Schema.properties[spec].properties[a].x-kubernetes-preserve-unknown-fields",
        "Invalid value: false: must be true or undefined",
    ),
    (
        "bad pattern",
        crd_schema(a={"type": "string", "pattern": "("}),
        "openAPIV3Schema.properties[spec].properties[a].pattern",
        'Invalid value: "(": must be a valid regular expression',
    ),
    (
        "look-around",
        crd_schema(a={"type": "string", "pattern": "a(?=b)"}),
        "openAPIV3Schema.properties[spec].properties[a].pattern",
        'Invalid value: "a(?=b)"',
    ),
    (
        "type in a junctor",
        crd_schema(a={"type": "object", "anyOf": [{"type": "object"}]}),
        "openAPIV3Schema.properties[spec].properties[a].anyOf[0].type",
        "Forbidden: must be empty to be structural",
    ),
    (
        "map without keys",
        crd_schema(a={"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
        "openAPIV3Schema.properties[spec].properties[a].x-kubernetes-list-map-keys",
        "Required value: must not be empty",
    ),
    (
        "wrong default",
        crd_schema(a={"type": "integer", "default": "x"}),
        "openAPIV3Schema.properties[spec].properties[a].default",
        'Invalid value: "string"',
    ),
    (
        "default with unknown field",
        crd_schema(a={"type": "object", "default": {"b": 1}}),
        "openAPIV3Schema.properties[spec].properties[a].default",
        'Invalid value: {"b": 1}: must not have unknown fields',
    ),
    (
        "count that is none",
        crd_schema(a={"type": "string", "maxLength": "3"}),
        "openAPIV3Schema.properties[spec].properties[a].maxLength",
        'Invalid value: "3": must be an integer of 0 or more',
    ),
    (
        "required that is text",
        crd_schema(a={"type": "object", "required": "b"}),
        "openAPIV3Schema.properties[spec].properties[a].required",
        'Invalid value: "b": must be a list of strings',
    ),
    (
        "properties that are a list",
        crd_schema(a={"type": "object", "properties": []}),
        "openAPIV3Schema.properties[spec].properties[a].properties",
        "Invalid value: []: must be an object",
    ),
    (
        "property that is text",
        crd_schema(a="string"),
        "openAPIV3Schema.properties[spec].properties[a]",
        'Invalid value: "string": must be a schema object',
    ),
    (
        "multipleOf 0",
        crd_schema(a={"type": "integer", "multipleOf": 0}),
        "openAPIV3Schema.properties[spec].properties[a].multipleOf",
        "Invalid value: 0: must not be 0",
    ),
]


@pytest.mark.parametrize(("schema", "path", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_schema_that_is_not_structural_is_refused_at_its_field(schema: Any, path: str, message: str) -> None:
    found = structural_errors(schema)
    assert [error.path for error in found] == [path]
    assert found[0].message.startswith(message)


def test_a_structural_schema_is_taken() -> None:
    schema = crd_schema(
        port={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        free={"x-kubernetes-preserve-unknown-fields": True},
        mode={"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"required": ["a"]}]},
        rule={"type": "object", "x-kubernetes-validations": [{"rule": "self.a > 1"}]},
        map={"type": "object", "additionalProperties": {"type": "string", "default": "x"}},
    )
    assert structural_errors(schema) == []


def test_a_schema_nested_without_end_is_refused_and_not_walked() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"a": schema}}
    assert [error.message for error in structural_errors(schema)] == ["Forbidden: schemas may not nest deeper than 64"]


SHAPE = crd_schema(
    known={"type": "string"},
    mode={"type": "string", "default": "auto"},
    maybe={"type": "string", "nullable": True, "default": "d"},
    free={"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"n": {"type": "object"}}},
    many={"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    list={"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer", "default": 7}}}},
    nest={"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 1}}},
)


def test_pruning_keeps_what_is_declared_and_what_every_resource_has() -> None:
    obj = {
        "apiVersion": "a/v1",
        "kind": "A",
        "metadata": {"name": "n", "labels": {"x": "y"}},
        "stray": 1,
        "spec": {
            "known": "k",
            "metadata": {"stray": 1},
            "free": {"any": {"thing": 1}, "n": {"stray": 1}},
            "many": {"k": {"a": 1, "stray": 2}},
            "list": [{"a": 1, "stray": 2}],
        },
    }
    assert prune(SHAPE, obj) == {
        "apiVersion": "a/v1",
        "kind": "A",
        "metadata": {"name": "n", "labels": {"x": "y"}},
        "spec": {"known": "k", "free": {"any": {"thing": 1}, "n": {}}, "many": {"k": {"a": 1}}, "list": [{"a": 1}]},
    }


def test_defaults_fill_absent_fields_and_nulls_that_may_not_be() -> None:
    obj = {"spec": {"mode": None, "maybe": None, "list": [{}]}}
    assert default(SHAPE, obj) == {"spec": {"mode": "auto", "maybe": None, "list": [{"a": 7}], "nest": {"x": 1}}}


def test_pruning_and_defaulting_leave_the_argument_and_the_schema_alone() -> None:
    obj: dict[str, Any] = {"spec": {"stray": [1], "free": {"deep": {"er": 1}}}}
    full = default(SHAPE, obj)
    full["spec"]["free"]["deep"]["er"] = 2
    full["spec"]["nest"]["x"] = 99
    prune(SHAPE, obj)["spec"]["free"]["deep"]["er"] = 3
    assert obj == {"spec": {"stray": [1], "free": {"deep": {"er": 1}}}}
    assert default(SHAPE, {"spec": {}})["spec"]["nest"] == {"x": 1}


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("^a$", "a\n", False),
        ("[$]", "$", True),
        ("[]a]", "]", True),
        ("[^]a]", "b", True),
        (r"a\$", "a$", True),
        (r"\d", "٣", False),
        (r"a\z", "a", True),
        ("[[:digit:][:upper:]]", "A", True),
        ("[a[]", "[", True),
    ],
)
def test_a_pattern_means_what_re2_means_by_it(pattern: str, text: str, holds: bool) -> None:
    assert (schema_pattern.compiled(pattern).search(text) is not None) is holds


@pytest.mark.parametrize("pattern", ["(", "[[:nope:]]", r"(a)\1", r"\pL", "(?<!a)b", "a" * 3000, "a{99999999999}"])
def test_a_pattern_that_re2_would_refuse_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        schema_pattern.compiled(pattern)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2020-02-29", "2021-02-29"),
        ("duration", "1h30m", "an hour"),
        ("uuid", "0d4b1b1e-37a8-4c39-8d3e-2f9f3ddcc5a7", "0d4b"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "fe80::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "aa:bb:cc:dd:ee:ff", "aa:bb"),
        ("byte", "YWI=", "Y*I="),
        ("hostname", "board-1.local", "-board"),
        ("email", "a@b.example", "a b@c"),
        ("uri", "tcp://host:1", "not a uri"),
    ],
)
def test_a_format_tells_good_from_bad(name: str, good: str, bad: str) -> None:
    assert schema_formats.holds(name, good)
    assert not schema_formats.holds(name, bad)
