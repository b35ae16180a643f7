"""LabelSelector (meta/v1) against labels."""

from __future__ import annotations

from typing import Any


def matches(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Whether ``labels`` hold to all of ``selector``; no selector matches nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(holds(one, labels) for one in selector.get("matchExpressions") or ())


def holds(requirement: dict[str, Any], labels: dict[str, str]) -> bool:
    """One requirement: key, operator (In, NotIn, Exists, DoesNotExist, Gt, Lt), values. An unknown operator never holds."""
    value = labels.get(requirement.get("key", ""))
    values = requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return value in values and value is not None
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_above(value, values)
        case "Lt":
            return _is_above(values[0] if values else None, [value])
    return False


def _is_above(value: str | None, bounds: list[str | None]) -> bool:
    try:
        return int(value or "") > int(bounds[0] or "")
    except (ValueError, IndexError):
        return False
