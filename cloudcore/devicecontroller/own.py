"""What v1beta1 says of one device or model and v1alpha1 cannot: as additions to the profile of contract 5.2, which knows models only. Pure.

A device with visitors or cycles of its own gets a model of its own in the profile, named ``<model>/<device>``: no object can have that
name, and mappers of every age follow it, since they join instances, models and visitors by name (decision 0087).
"""

from __future__ import annotations

from cloudcore.devices import native
from cloudcore.devices.conversion import device_of, is_annotated
from cloudcore.devices.conversion import model_of as described_model
from cloudcore.devices.model import DeviceProperty, ModelProperty
from cloudcore.devices.parts import items, part
from cloudcore.objects import identity
from cloudcore.ports import JsonObject

CYCLES = ("reportCycle", "collectCycle")
"""Milliseconds; in the profile beside the visitor."""

_TYPES = {"float": "float", "double": "float", "boolean": "boolean"}
"""Property types that v1alpha1 takes for text, in the words of twins (contract 6.4)."""

_ZEROS: dict[str, float | bool] = {"float": 0, "boolean": False}


def model_of(device: JsonObject) -> str:
    return str(part(part(device, "spec"), "deviceModelRef").get("name") or "")


def has_own(device: JsonObject) -> bool:
    return bool(_own_properties(device))


def model_name(device: JsonObject) -> str:
    """Under which model the profile has the device."""
    return f"{model_of(device)}/{identity(device)[1]}" if has_own(device) else model_of(device)


def model_for(device: JsonObject, model: JsonObject) -> JsonObject:
    """``model`` as v1alpha1, with what ``device`` says of its own properties."""
    spec = part(model, "spec")
    mine = _own_properties(device)
    visitors = items(spec, "propertyVisitors", "propertyName")
    names = dict.fromkeys([*visitors, *mine])
    told = [_visitor(name, visitors.get(name), mine.get(name)) for name in names]
    return model | {"spec": spec | {"propertyVisitors": told}}


def collected(device: JsonObject) -> list[JsonObject]:
    """The properties that are marked for collection, as the profile of KubeEdge 1.4 and later has them (P6.15, decision 0100)."""
    marks = {name: _texts(item) for name, item in items(part(part(device, "spec"), "data"), "dataProperties", "propertyName").items()}
    if is_annotated(device):
        marks |= {one.name: _collection(one.settings) for one in device_of(device).properties if _is_collected(one.settings)}
    return [{"metadata": metadata, "propertyName": name} for name, metadata in sorted(marks.items())]


def _is_collected(settings: JsonObject) -> bool:
    return bool(settings.get("collectCycle") or settings.get("pushMethod") or settings.get("reportToCloud"))


def _collection(settings: JsonObject) -> JsonObject:
    cycle = settings.get("collectCycle") or settings.get("reportCycle")
    return ({"collectCycle": str(cycle)} if cycle else {}) | ({"reportToCloud": "false"} if settings.get("reportToCloud") is False else {})


def _texts(item: JsonObject) -> JsonObject:
    return {key: value for key, value in sorted(part(item, "metadata").items()) if isinstance(value, str)}


def typed(model: JsonObject) -> dict[str, JsonObject]:
    """By property, what the profile says otherwise than v1alpha1 would."""
    if not is_annotated(model):
        return {}
    return {one.name: _typed(one) for one in described_model(model).properties if one.type in _TYPES}


def _typed(one: ModelProperty) -> JsonObject:
    kind = _TYPES[one.type]
    told: JsonObject = {"dataType": kind, "defaultValue": _ZEROS[kind]}
    if kind == "float":
        told |= {key: number for key, text in (("minimum", one.minimum), ("maximum", one.maximum)) if (number := _number(text)) is not None}
    return told | ({"unit": one.unit} if one.unit else {})


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _own_properties(device: JsonObject) -> dict[str, DeviceProperty]:
    if not is_annotated(device):
        return {}
    return {one.name: one for one in device_of(device).properties if one.visitor is not None or any(one.settings.get(k) for k in CYCLES)}


def _visitor(name: str, of_model: JsonObject | None, mine: DeviceProperty | None) -> JsonObject:
    entry: JsonObject = of_model or {"propertyName": name}
    if mine is None:
        return entry
    if mine.visitor is not None:
        entry = {"propertyName": name} | native.visitor_of(mine.visitor)
    return entry | {key: mine.settings[key] for key in CYCLES if mine.settings.get(key)}
