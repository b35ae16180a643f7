"""Objects that hold to our CRDs, made by hypothesis out of the schemas themselves: no field is forgotten here."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.fakes.crds import schemas

Object = dict[str, Any]
_NAMES = st.sampled_from(["temperature", "fan", "a.b", "x"])
_TEXT = st.one_of(st.sampled_from(["", "1", "-3", "185", "21.5", "on", "edge1", "modbus", "modbus-tcp", "opcua"]), st.text(max_size=4))
_ANYTHING = st.dictionaries(
    st.sampled_from(["ip", "port", "slaveID", "register", "offset", "limit", "x"]),
    st.recursive(
        st.one_of(_TEXT, st.integers(-3, 70000), st.booleans(), st.sampled_from([0.5, 1.0]), st.none()),
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)),
        max_leaves=4,
    ),
    max_size=4,
)
_NAMING = ("name", "propertyName", "protocolName")


@cache
def objects(kind: str, version: str) -> st.SearchStrategy[Object]:
    """Any ``kind`` that the schema of ``version`` takes."""
    schema = schemas(kind)[version]
    below = {key: one for key, one in schema["properties"].items() if key not in ("apiVersion", "kind", "metadata")}
    parts = _of({**schema, "properties": below}, "")
    metadata = {"name": "d", "namespace": "default", "uid": "u", "labels": {"description": "hall"}, "annotations": {"a": "b"}}
    head = {"apiVersion": f"devices.kubeedge.io/{version}", "kind": kind, "metadata": metadata}
    return parts.map(lambda made: head | made)


def _of(schema: Object, name: str) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return _ANYTHING
    match schema.get("type"):
        case "object":
            return _object(schema)
        case "array":
            keys = schema.get("x-kubernetes-list-map-keys", ())
            unique_by = (lambda one: tuple(one.get(key) for key in keys)) if keys else None
            return st.lists(_of(schema["items"], name), max_size=3, unique_by=unique_by)
        case "integer":
            most = 2**31 - 1 if schema.get("format") == "int32" else 2**40
            return st.integers(int(schema.get("minimum", -most)), int(schema.get("maximum", most)))
        case "number":
            return st.one_of(st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False))
        case "boolean":
            return st.booleans()
    return _NAMES if name in _NAMING and schema.get("minLength") and name != "protocolName" else _text(schema)


def _text(schema: Object) -> st.SearchStrategy[str]:
    return _TEXT.filter(lambda text: len(text) >= schema.get("minLength", 0))


def _object(schema: Object) -> st.SearchStrategy[Object]:
    if isinstance(schema.get("additionalProperties"), dict):
        return st.dictionaries(st.sampled_from(["type", "timestamp"]), _of(schema["additionalProperties"], ""), max_size=2)
    required = schema.get("required", ())
    fields = {key: _of(one, key) for key, one in schema.get("properties", {}).items()}
    whole = st.fixed_dictionaries(
        {key: one for key, one in fields.items() if key in required},
        optional={key: one for key, one in fields.items() if key not in required},
    )
    if "oneOf" not in schema:
        return whole
    choices = [one["required"][0] for one in schema["oneOf"]]
    return st.one_of(*(fields[choice].map(lambda value, choice=choice: {choice: value}) for choice in choices))
