"""The words of a refused field, as Kubernetes writes them; ``reason`` is the machine's word in ``details.causes``."""

from __future__ import annotations

import json
from typing import Any

from cloudstub.errors import FieldError

SHOWN_VALUE_CHARS = 512


def shown(value: Any) -> str:
    """A refused value as it stands in a message: JSON, cut where it would drown the message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_VALUE_CHARS else text[:SHOWN_VALUE_CHARS] + "..."


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError(path, f"Invalid value: {shown(value)}: {detail}", "FieldValueInvalid")


def wrong_type(path: str, wanted: str, found: str) -> FieldError:
    detail = f'{path} in body must be of type {wanted}: "{found}"'
    return FieldError(path, f'Invalid value: "{found}": {detail}', "FieldValueTypeInvalid")


def required(path: str, detail: str = "") -> FieldError:
    return FieldError(path, f"Required value: {detail}" if detail else "Required value", "FieldValueRequired")


def unsupported(path: str, value: Any, supported: list[Any]) -> FieldError:
    offered = ", ".join(json.dumps(one if isinstance(one, str) else json.dumps(one)) for one in supported)
    return FieldError(path, f"Unsupported value: {shown(value)}: supported values: {offered}", "FieldValueNotSupported")


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError(path, f"Duplicate value: {shown(value)}", "FieldValueDuplicate")


def too_long(path: str, most: int) -> FieldError:
    return FieldError(path, f"Too long: may not be more than {most} bytes", "FieldValueTooLong")


def too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError(path, f"Too many: {count}: must have at most {most} items", "FieldValueTooMany")


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError(path, f"Forbidden: {detail}", "FieldValueForbidden")


def child(path: str, name: str) -> str:
    """The path of a field below ``path``; names that a dot would blur are put in brackets, as Kubernetes does for map keys."""
    if not path:
        return name
    return f"{path}[{name}]" if "." in name or "/" in name else f"{path}.{name}"
