"""Does an object hold to its schema? Walks both together and names every field that does not.

Read by key, as in apiextensions/v1 ``JSONSchemaProps``. ``x-kubernetes-validations`` (CEL) is accepted in a schema and not evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import schema_faults as fault
from cloudstub.kinds import schema_formats, schema_pattern

Schema = dict[str, Any]
MOST_FAULTS = 100
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int, float),
}


def validate(schema: Schema, obj: Any, path: str = "") -> list[FieldError]:
    """What is wrong with ``obj``, at most a hundred faults; empty where it holds."""
    return list(islice(_faults(schema, obj, path), MOST_FAULTS))


def same_json(value: Any) -> str:
    """A text that two values share exactly when they are equal as JSON (``1`` and ``true`` are not)."""
    return json.dumps(value, sort_keys=True)


def _faults(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    if value is None and (schema.get("nullable") or not _names_a_type(schema)):
        return
    mismatch = _type_fault(schema, value, path)
    if mismatch is not None:
        yield mismatch
        return
    if "enum" in schema and same_json(value) not in {same_json(one) for one in schema["enum"]}:
        yield fault.unsupported(path, value, schema["enum"])
    if isinstance(value, str):
        yield from _text(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)
    elif isinstance(value, dict):
        yield from _object(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(schema, value, path)
    yield from _junctors(schema, value, path)


def _names_a_type(schema: Schema) -> bool:
    return "type" in schema or bool(schema.get("x-kubernetes-int-or-string"))


def _type_fault(schema: Schema, value: Any, path: str) -> FieldError | None:
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, str) or _is(value, "integer")
        return None if fits else fault.wrong_type(path, "integer,string", _type_name(value))
    wanted = schema.get("type")
    if not wanted or _is(value, wanted):
        return None
    return fault.wrong_type(path, wanted, _type_name(value))


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if not isinstance(value, _TYPES.get(wanted, ())):
        return False
    return wanted != "integer" or isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool):
        return "integer"
    return next(name for name in _TYPES if _is(value, name))


def _text(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxLength", len(value)):
        yield fault.too_long(path, schema["maxLength"])
    if len(value) < schema.get("minLength", 0):
        yield fault.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    pattern = schema.get("pattern")
    if pattern and not schema_pattern.compiled(pattern).search(value):
        yield fault.invalid(path, value, f"{path} in body should match '{pattern}'")
    yield from _format(schema, value, path)


def _number(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    least, most, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if least is not None and (value <= least if schema.get("exclusiveMinimum") else value < least):
        word = "" if schema.get("exclusiveMinimum") else "or equal to "
        yield fault.invalid(path, value, f"{path} in body should be greater than {word}{least}")
    if most is not None and (value >= most if schema.get("exclusiveMaximum") else value > most):
        word = "" if schema.get("exclusiveMaximum") else "or equal to "
        yield fault.invalid(path, value, f"{path} in body should be less than {word}{most}")
    if step and not _is_multiple(value, step):
        yield fault.invalid(path, value, f"{path} in body should be a multiple of {step}")
    yield from _format(schema, value, path)


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        return float(value / step).is_integer()
    except OverflowError:
        return False


def _format(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    name = schema.get("format")
    if name and not schema_formats.holds(name, value):
        yield fault.invalid(path, value, f"{path} in body must be of type {name}: {fault.shown(str(value))}")


def _list(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxItems", len(value)):
        yield fault.too_many(path, len(value), schema["maxItems"])
    if len(value) < schema.get("minItems", 0):
        yield fault.invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if schema.get("uniqueItems") and len({same_json(one) for one in value}) < len(value):
        yield fault.invalid(path, value, f"{path} in body shouldn't contain duplicates")
    items = schema.get("items")
    if isinstance(items, dict):
        for index, one in enumerate(value):
            yield from _faults(items, one, f"{path}[{index}]")
    yield from _repeated(schema, value, path)


def _repeated(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    seen: set[str] = set()
    for index, one in enumerate(value):
        identity = one if kind == "set" else _map_key(schema, one)
        text = same_json(identity)
        if text in seen:
            yield fault.duplicate(f"{path}[{index}]", identity)
        seen.add(text)


def _map_key(schema: Schema, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {}
    return {key: entry[key] for key in schema.get("x-kubernetes-list-map-keys", ()) if key in entry}


def _object(schema: Schema, value: dict[str, Any], path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxProperties", len(value)):
        yield fault.too_many(path, len(value), schema["maxProperties"])
    if len(value) < schema.get("minProperties", 0):
        yield fault.invalid(path, value, f"{path} in body should have at least {schema['minProperties']} properties")
    for name in schema.get("required", ()):
        if name not in value:
            yield fault.required(fault.child(path, name))
    named = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for name, one in value.items():
        below = named.get(name, others)
        if isinstance(below, dict):
            yield from _faults(below, one, fault.child(path, name))
    if schema.get("x-kubernetes-embedded-resource"):
        yield from _embedded(value, path)


def _embedded(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        if not value.get(name):
            yield fault.required(fault.child(path, name), "must not be empty")
        elif not isinstance(value[name], str):
            yield fault.wrong_type(fault.child(path, name), "string", _type_name(value[name]))
    if not isinstance(value.get("metadata", {}), dict):
        yield fault.wrong_type(fault.child(path, "metadata"), "object", _type_name(value["metadata"]))


def _junctors(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    for every in schema.get("allOf", ()):
        yield from _faults(every, value, path)
    any_of = schema.get("anyOf")
    if any_of and not any(_holds(one, value) for one in any_of):
        yield fault.invalid(path, value, f'"{path}" must validate at least one schema (anyOf)')
    one_of = schema.get("oneOf")
    if one_of:
        count = sum(_holds(one, value) for one in one_of)
        if count != 1:
            found = "none valid" if count == 0 else f"{count} valid alternatives"
            yield fault.invalid(path, value, f'"{path}" must validate one and only one schema (oneOf). Found {found}')
    if "not" in schema and _holds(schema["not"], value):
        yield fault.invalid(path, value, f'"{path}" must not validate the schema (not)')


def _holds(schema: Schema, value: Any) -> bool:
    return next(_faults(schema, value, ""), None) is None
