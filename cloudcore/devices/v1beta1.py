"""Devices and DeviceModels as ``devices.kubeedge.io/v1beta1`` writes them (contract 5.6), from and to our model. Pure.

``parts`` are an object's fields but for apiVersion, kind and metadata.
"""

from __future__ import annotations

from typing import Any

from cloudcore.devices.model import Access, Device, DeviceModel, DeviceProperty, ModelProperty
from cloudcore.devices.parts import filled, items, objects, part, text
from cloudcore.ports import JsonObject

VERSION = "v1beta1"
SETTINGS = ("reportCycle", "collectCycle", "reportToCloud", "pushMethod")


def read_device(parts: JsonObject) -> Device:
    spec, status = part(parts, "spec"), part(parts, "status")
    twins = items(status, "twins", "propertyName")
    described = items(spec, "properties", "name")
    declared = [_property_in(name, item, twins.get(name, {})) for name, item in described.items()]
    others = [DeviceProperty(name, False, reported=_value(twin.get("reported"))) for name, twin in twins.items() if name not in described]
    return Device(
        text(part(spec, "deviceModelRef"), "name") or None,
        text(spec, "nodeName"),
        _access_in(spec.get("protocol")),
        (*declared, *(one for one in others if one.reported is not None)),
        text(status, "state") or None,
        text(status, "lastOnlineTime") or None,
        objects(status, "conditions"),
    )


def write_device(device: Device) -> JsonObject:
    properties = [_property_of(one) for one in device.properties if one.declared]
    twins = [{"propertyName": one.name, "reported": one.reported} for one in device.properties if one.reported is not None]
    spec = filled(
        deviceModelRef=filled(name=device.model),
        nodeName=device.node,
        protocol=_access_of(device.protocol),
        properties=properties,
    )
    status = filled(twins=twins, state=device.state, lastOnlineTime=device.last_online, conditions=list(device.conditions))
    return {"spec": spec} | filled(status=status)


def _property_in(name: str, item: JsonObject, twin: JsonObject) -> DeviceProperty:
    return DeviceProperty(
        name,
        desired=_value(item.get("desired")),
        reported=_value(twin.get("reported")),
        visitor=_access_in(item.get("visitors")),
        settings={key: item[key] for key in SETTINGS if key in item},
    )


def _property_of(one: DeviceProperty) -> JsonObject:
    wished: JsonObject = {} if one.desired is None else {"desired": one.desired}
    return {"name": one.name} | wished | filled(visitors=_access_of(one.visitor)) | one.settings


def _value(value: Any) -> JsonObject | None:
    return value if isinstance(value, dict) else None


def _access_in(value: Any) -> Access | None:
    name = text(value, "protocolName")
    return Access(name, part(value, "configData")) if name else None


def _access_of(access: Access | None) -> JsonObject | None:
    if access is None or not access.protocol:
        return None
    return {"protocolName": access.protocol} | filled(configData=access.config)


def read_model(parts: JsonObject) -> DeviceModel:
    return DeviceModel(tuple(_model_property_in(name, item) for name, item in items(part(parts, "spec"), "properties", "name").items()))


def write_model(model: DeviceModel) -> JsonObject:
    return filled(spec=filled(properties=[_model_property_of(one) for one in model.properties]))


def _model_property_in(name: str, item: JsonObject) -> ModelProperty:
    description = item.get("description")
    return ModelProperty(
        name,
        text(item, "type").lower() or "string",
        text(item, "accessMode") or "ReadOnly",
        description if isinstance(description, str) else None,
        text(item, "minimum"),
        text(item, "maximum"),
        text(item, "unit"),
        _access_in(item.get("visitors")),
    )


def _model_property_of(one: ModelProperty) -> JsonObject:
    described: JsonObject = {} if one.description is None else {"description": one.description}
    limits = filled(minimum=one.minimum, maximum=one.maximum, unit=one.unit, visitors=_access_of(one.visitor))
    return {"name": one.name} | described | {"type": one.type.upper()} | filled(accessMode=one.access) | limits
