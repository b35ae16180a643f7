"""Faults in Kubernetes' words."""

from __future__ import annotations

import json
from typing import Any

from cloudstub.errors import FieldError


def invalid(path: str, value: Any, why: str) -> FieldError:
    return FieldError(path, f"Invalid value: {shown(value)}: {why}")


def required(path: str, why: str = "") -> FieldError:
    return FieldError(path, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def unsupported(path: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    choices = ", ".join(f'"{choice}"' for choice in sorted(supported))
    return FieldError(path, f"Unsupported value: {shown(value)}: supported values: {choices}", "FieldValueNotSupported")


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError(path, f"Duplicate value: {shown(value)}", "FieldValueDuplicate")


def forbidden(path: str, why: str) -> FieldError:
    return FieldError(path, f"Forbidden: {why}", "FieldValueForbidden")


def wrong_type(path: str, value: Any, wanted: str) -> FieldError:
    return FieldError(path, f"Invalid value: {shown(value)}: must be {wanted}", "FieldValueTypeInvalid")


def shown(value: Any) -> str:
    """A value as a message quotes it, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."


def immutable(obj: dict[str, Any], old: dict[str, Any] | None, *path: str) -> list[FieldError]:
    if old is None:
        return []
    here: Any = obj
    there: Any = old
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
        there = there.get(name) if isinstance(there, dict) else None
    return [] if here == there else [invalid(".".join(path), here, "field is immutable")]
