"""Is a CRD's schema one that Kubernetes would take? The rules of structural schemas, so that what installs here installs anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import schema_faults as fault
from cloudstub.kinds import schema_pattern, schema_shape
from cloudstub.kinds.schema_validate import MOST_FAULTS, validate

Schema = dict[str, Any]
DEEPEST = 64
_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "multipleOf")
_FLAGS = (
    "nullable",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
)
# A junctor narrows what the schema around it declares; it may not declare anything itself.
_NOT_IN_JUNCTORS = (
    "type",
    "default",
    "title",
    "description",
    "nullable",
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def structural_errors(schema: Any, path: str = "openAPIV3Schema") -> list[FieldError]:
    """What keeps ``schema`` (the root of a CRD version) from being structural; ``path`` is where it stands in the CRD."""
    return list(islice(_root(schema, path), MOST_FAULTS))


def _root(schema: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        yield fault.required(path, "schemas are required")
        return
    if schema.get("type") not in (None, "", "object"):
        yield fault.invalid(f"{path}.type", schema["type"], "must be object at the root")
    if schema.get("nullable"):
        yield fault.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    yield from _node(schema, path, depth=0)


def _node(schema: Any, path: str, *, depth: int) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        yield fault.invalid(path, schema, "must be a schema object")
        return
    if depth > DEEPEST:
        yield fault.forbidden(path, f"schemas may not nest deeper than {DEEPEST}")
        return
    malformed = list(_malformed(schema, path))
    yield from malformed
    if malformed:
        return
    yield from _type(schema, path)
    yield from _extensions(schema, path)
    below = list(islice(_below(schema, path, depth=depth), MOST_FAULTS))
    yield from below
    for where, one in _junctors(schema, path):
        yield from _junctor(one, where, depth=depth + 1)
    if "default" in schema and not below:
        yield from _default(schema, path)


def _malformed(schema: Schema, path: str) -> Iterator[FieldError]:
    """Keys whose value is of a type that no schema could have; what follows may then read without asking."""
    for key in _COUNTS:
        if key in schema and (not isinstance(schema[key], int) or isinstance(schema[key], bool) or schema[key] < 0):
            yield fault.invalid(f"{path}.{key}", schema[key], "must be an integer of 0 or more")
    for key in _NUMBERS:
        if key in schema and (not isinstance(schema[key], int | float) or isinstance(schema[key], bool)):
            yield fault.invalid(f"{path}.{key}", schema[key], "must be a number")
    for key in _FLAGS:
        if key in schema and not isinstance(schema[key], bool):
            yield fault.invalid(f"{path}.{key}", schema[key], "must be true or false")
    for key in ("allOf", "anyOf", "oneOf", "enum"):
        if key in schema and not isinstance(schema[key], list):
            yield fault.invalid(f"{path}.{key}", schema[key], "must be a list")
    for key in ("required", "x-kubernetes-list-map-keys"):
        value = schema.get(key, [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            yield fault.invalid(f"{path}.{key}", value, "must be a list of strings")
    for key in ("type", "format", "pattern", "x-kubernetes-list-type"):
        if key in schema and not isinstance(schema[key], str):
            yield fault.invalid(f"{path}.{key}", schema[key], "must be a string")
    if not isinstance(schema.get("properties", {}), dict):
        yield fault.invalid(f"{path}.properties", schema["properties"], "must be an object")
    if schema.get("multipleOf", 1) == 0:
        yield fault.invalid(f"{path}.multipleOf", 0, "must not be 0")
    for key in ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id"):
        if key in schema:
            yield fault.forbidden(f"{path}.{key}", f"{key} is not supported")
    yield from _pattern(schema, path)


def _pattern(schema: Schema, path: str) -> Iterator[FieldError]:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return
    try:
        schema_pattern.compiled(pattern)
    except ValueError as exc:
        yield fault.invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {exc}")


def _type(schema: Schema, path: str) -> Iterator[FieldError]:
    named = schema.get("type")
    is_free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not named and not is_free:
        yield fault.required(f"{path}.type", "must not be empty for specified object fields")
    elif named and named not in _TYPES:
        yield fault.unsupported(f"{path}.type", named, list(_TYPES))
    if named and schema.get("x-kubernetes-int-or-string"):
        yield fault.invalid(f"{path}.type", named, "must be empty if x-kubernetes-int-or-string is true")
    if named == "array" and "items" not in schema:
        yield fault.required(f"{path}.items", "must be specified")
    if schema.get("uniqueItems"):
        yield fault.forbidden(f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic")


def _extensions(schema: Schema, path: str) -> Iterator[FieldError]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield fault.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    if schema.get("x-kubernetes-embedded-resource"):
        if schema.get("type") != "object":
            yield fault.invalid(f"{path}.type", schema.get("type"), "must be object if x-kubernetes-embedded-resource is true")
        if not schema.get("properties") and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield fault.required(f"{path}.properties", "must not be empty if x-kubernetes-embedded-resource is true")
    kind = schema.get("x-kubernetes-list-type")
    if kind is not None:
        yield from _list_type(schema, kind, path)


def _list_type(schema: Schema, kind: str, path: str) -> Iterator[FieldError]:
    where = f"{path}.x-kubernetes-list-type"
    if kind not in ("atomic", "set", "map"):
        yield fault.unsupported(where, kind, ["atomic", "map", "set"])
    if schema.get("type") != "array":
        yield fault.invalid(f"{path}.type", schema.get("type"), "must be array if x-kubernetes-list-type is specified")
        return
    if kind != "map":
        return
    keys = schema.get("x-kubernetes-list-map-keys", [])
    if not keys:
        yield fault.required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    items = schema.get("items")
    items = items if isinstance(items, dict) else {}
    if items.get("type") != "object":
        yield fault.invalid(f"{path}.items.type", items.get("type"), f"must be object if parent array's {where} is map")
    known = items.get("properties")
    known = known if isinstance(known, dict) else {}
    for index, key in enumerate(keys):
        if key not in known:
            yield fault.invalid(f"{path}.x-kubernetes-list-map-keys[{index}]", key, "entries must all be names of item properties")


def _below(schema: Schema, path: str, *, depth: int) -> Iterator[FieldError]:
    others = schema.get("additionalProperties")
    if schema.get("properties") and others is not None:
        yield fault.forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if others is False:
        yield fault.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    elif others is not None and others is not True:
        yield from _node(others, f"{path}.additionalProperties", depth=depth + 1)
    if isinstance(schema.get("items"), list):
        yield fault.forbidden(f"{path}.items", "items must be a schema object and not an array")
    elif "items" in schema:
        yield from _node(schema["items"], f"{path}.items", depth=depth + 1)
    for name, one in schema.get("properties", {}).items():
        yield from _node(one, f"{path}.properties[{name}]", depth=depth + 1)


def _junctors(schema: Schema, path: str) -> Iterator[tuple[str, Any]]:
    for key in ("allOf", "anyOf", "oneOf"):
        for index, one in enumerate(schema.get(key, ())):
            # The one pair of types that Kubernetes lets stand in a junctor, because clients generate it.
            if not (schema.get("x-kubernetes-int-or-string") and schema.get(key) == _INT_OR_STRING):
                yield f"{path}.{key}[{index}]", one
    if "not" in schema:
        yield f"{path}.not", schema["not"]


def _junctor(schema: Any, path: str, *, depth: int) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        yield fault.invalid(path, schema, "must be a schema object")
        return
    if depth > DEEPEST:
        yield fault.forbidden(path, f"schemas may not nest deeper than {DEEPEST}")
        return
    for key in _NOT_IN_JUNCTORS:
        if key in schema:
            yield fault.forbidden(f"{path}.{key}", "must be empty to be structural")
    malformed = list(_malformed(schema, path))
    yield from malformed
    if malformed:
        return
    for name, one in schema.get("properties", {}).items():
        yield from _junctor(one, f"{path}.properties[{name}]", depth=depth + 1)
    if "items" in schema:
        yield from _junctor(schema["items"], f"{path}.items", depth=depth + 1)
    for where, one in _junctors(schema, path):
        yield from _junctor(one, where, depth=depth + 1)


def _default(schema: Schema, path: str) -> Iterator[FieldError]:
    value = schema["default"]
    where = f"{path}.default"
    kept = schema_shape.prune({"type": "object", "properties": {"v": schema}}, {"v": value})["v"]
    if kept != value:
        yield fault.invalid(where, value, "must not have unknown fields")
        return
    yield from validate(schema, schema_shape.default(schema, value), where)
