"""Devices and DeviceModels as ``devices.kubeedge.io/v1alpha1`` writes them (contract 5.1), from and to our model. Pure.

``parts`` are an object's fields but for apiVersion, kind and metadata.
"""

from __future__ import annotations

from typing import Any

from cloudcore.devices import native
from cloudcore.devices.model import Device, DeviceModel, DeviceProperty, ModelProperty
from cloudcore.devices.parts import filled, items, objects, part, text
from cloudcore.ports import JsonObject

VERSION = "v1alpha1"
_UNWISHED = {"value": ""}
"""What KubeEdge writes where nothing is wished."""


def read_device(parts: JsonObject) -> Device:
    spec, status = part(parts, "spec"), part(parts, "status")
    return Device(
        text(part(spec, "deviceModelRef"), "name") or None,
        _node_in(part(spec, "nodeSelector")),
        native.protocol_in(part(spec, "protocol")),
        tuple(_twin_in(name, twin) for name, twin in items(status, "twins", "propertyName").items()),
        text(status, "state") or None,
        text(status, "lastOnlineTime") or None,
        objects(status, "conditions"),
    )


def write_device(device: Device) -> JsonObject:
    spec: JsonObject = {"deviceModelRef": filled(name=device.model)}
    if device.protocol is not None:
        spec |= filled(protocol=native.protocol_of(device.protocol))
    if device.node:
        expression = {"key": "", "operator": "In", "values": [device.node]}
        spec["nodeSelector"] = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    twins = [_twin_of(one) for one in device.properties]
    status = filled(twins=twins, state=device.state, lastOnlineTime=device.last_online, conditions=list(device.conditions))
    return {"spec": spec} | filled(status=status)


def _node_in(selector: JsonObject) -> str:
    """Literally the first value (contract 5.1)."""
    try:
        value: Any = selector["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
    except (KeyError, IndexError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def _twin_in(name: str, twin: JsonObject) -> DeviceProperty:
    desired, reported = twin.get("desired"), twin.get("reported")
    return DeviceProperty(
        name,
        declared="desired" in twin or "reported" not in twin,
        desired=desired if isinstance(desired, dict) and desired != _UNWISHED else None,
        reported=reported if isinstance(reported, dict) else None,
    )


def _twin_of(one: DeviceProperty) -> JsonObject:
    twin: JsonObject = {"propertyName": one.name}
    if one.declared:
        twin["desired"] = one.desired if one.desired is not None else dict(_UNWISHED)
    return twin if one.reported is None else twin | {"reported": one.reported}


def read_model(parts: JsonObject) -> DeviceModel:
    spec = part(parts, "spec")
    visitors = items(spec, "propertyVisitors", "propertyName")
    return DeviceModel(tuple(_property_in(name, item, visitors.get(name, {})) for name, item in items(spec, "properties", "name").items()))


def write_model(model: DeviceModel) -> JsonObject:
    properties = [_property_of(one) for one in model.properties]
    visitors = [{"propertyName": one.name} | native.visitor_of(one.visitor) for one in model.properties if one.visitor is not None]
    return filled(spec=filled(properties=properties, propertyVisitors=visitors))


def _property_in(name: str, item: JsonObject, visitor: JsonObject) -> ModelProperty:
    kinds = part(item, "type")
    kind = next((kind for kind in ("int", "string") if isinstance(kinds.get(kind), dict)), "string")
    settings = part(kinds, kind)
    description = item.get("description")
    return ModelProperty(
        name,
        kind,
        text(settings, "accessMode"),
        description if isinstance(description, str) else None,
        _limit_in(settings.get("minimum")),
        _limit_in(settings.get("maximum")),
        text(settings, "unit"),
        native.visitor_in(visitor),
    )


def _limit_in(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _property_of(one: ModelProperty) -> JsonObject:
    settings: JsonObject = {"accessMode": one.access or "ReadOnly"}
    kind = "int" if one.type == "int" else "string"
    if kind == "int":
        settings |= {key: int(value) for key, value in (("minimum", one.minimum), ("maximum", one.maximum)) if _is_whole(value)}
        settings |= filled(unit=one.unit)
    described: JsonObject = {} if one.description is None else {"description": one.description}
    return {"name": one.name} | described | {"type": {kind: settings}}


def _is_whole(value: str) -> bool:
    digits = value.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 19
