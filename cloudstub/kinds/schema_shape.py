"""Bring an object into the shape of its schema: fields that nobody declared leave, defaults come in. Both give a fresh object."""

from __future__ import annotations

import copy
from typing import Any

Schema = dict[str, Any]
# Every object of the API has these; no schema needs to name them.
_OF_EVERY_RESOURCE = ("apiVersion", "kind", "metadata")


def prune(schema: Schema, obj: Any) -> Any:
    """``obj`` without the fields that the schema does not declare."""
    return _pruned(schema, obj, is_resource=True)


def default(schema: Schema, obj: Any) -> Any:
    """``obj`` with the schema's defaults where a field is absent, or null and not nullable."""
    if isinstance(obj, dict):
        return _defaulted_object(schema, obj)
    items = schema.get("items")
    if isinstance(obj, list) and isinstance(items, dict):
        return [default(items, one) for one in obj]
    return copy.deepcopy(obj)


def _pruned(schema: Schema, value: Any, *, is_resource: bool) -> Any:
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            return [_pruned(items, one, is_resource=bool(items.get("x-kubernetes-embedded-resource"))) for one in value]
        return copy.deepcopy(value) if _keeps_unknown(schema) else [_pruned({}, one, is_resource=False) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: kept for name, one in value.items() for kept in _pruned_field(schema, name, one, is_resource=is_resource)}


def _pruned_field(schema: Schema, name: str, value: Any, *, is_resource: bool) -> list[Any]:
    """The field's value in a list, or an empty list where it leaves."""
    if is_resource and name in _OF_EVERY_RESOURCE:
        return [copy.deepcopy(value)]
    below = (schema.get("properties") or {}).get(name, schema.get("additionalProperties"))
    if isinstance(below, dict):
        return [_pruned(below, value, is_resource=bool(below.get("x-kubernetes-embedded-resource")))]
    return [copy.deepcopy(value)] if below is True or _keeps_unknown(schema) else []


def _keeps_unknown(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _defaulted_object(schema: Schema, obj: dict[str, Any]) -> dict[str, Any]:
    named = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    full = dict(obj)
    for name, below in named.items():
        is_absent = name not in full or (full[name] is None and not below.get("nullable"))
        if is_absent and "default" in below:
            full[name] = below["default"]
    result: dict[str, Any] = {}
    for name, value in full.items():
        below = named.get(name, others)
        result[name] = default(below, value) if isinstance(below, dict) else copy.deepcopy(value)
    return result
