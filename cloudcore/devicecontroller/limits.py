"""Desired values that the model of a device does not allow. Pure.

They go down all the same, because a model may change after the device: the board, which holds both, refuses them (decision 0083).
"""

from __future__ import annotations

from typing import Any

from cloudcore.devicecontroller.translate import twins_of
from cloudcore.objects import identity
from cloudcore.ports import JsonObject

REASON = "DesiredNotAllowed"


def refusals(device: JsonObject, model: JsonObject) -> list[str]:
    """What is wrong with the desired values of ``device``, for its owner."""
    settings = {str(item.get("name")): _int_settings(item) for item in _list((model.get("spec") or {}).get("properties"))}
    name = identity(model)[1]
    found = []
    for prop, twin in twins_of(device).items():
        desired = twin.get("desired")
        value = str(desired.get("value") or "") if isinstance(desired, dict) else ""
        limits = settings.get(prop)
        if value and limits is not None and (words := _refusal(value, limits.get("minimum"), limits.get("maximum"))):
            found.append(f"status.twins[{prop}].desired.value: {value[:64]!r}: model {name} allows {words}; the node refuses it")
    return found


def _refusal(value: str, minimum: Any, maximum: Any) -> str:
    """What was expected instead; empty where ``value`` is well."""
    low = minimum if type(minimum) is int else None
    high = maximum if type(maximum) is int else None
    if low is not None and high is not None and low > high:
        low = high = None
    number = _number(value)
    is_within = number is not None and (low is None or number >= low) and (high is None or number <= high)
    return "" if is_within else f"a number{_limits(low, high)}"


def _number(value: str) -> float | None:
    """A twin may be a float though its model says int."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return None


def _limits(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of {low} or more"
    return f" of {high} or less" if high is not None else ""


def _int_settings(item: JsonObject) -> JsonObject | None:
    kinds = item.get("type")
    settings = kinds.get("int") if isinstance(kinds, dict) else None
    return settings if isinstance(settings, dict) else None


def _list(value: Any) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
