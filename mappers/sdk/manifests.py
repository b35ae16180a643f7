"""The manifests of devices that a simulator makes up, so that a site can know them: v1beta1, of the profile that it serves. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mappers.sdk.profile import CUSTOMIZED

Object = dict[str, Any]
_API = "devices.kubeedge.io/v1beta1"


def manifests(profile: bytes, node: str) -> list[Object]:
    """A DeviceModel for each model of ``profile``, then its Devices, which ``node`` serves."""
    body = json.loads(profile)
    models, protocols = _named(body["deviceModels"]), _named(body["protocols"])
    visitors = {(one["modelName"], one["propertyName"]): one for one in body["propertyVisitors"]}
    devices = body["deviceInstances"]
    made = [_object("DeviceModel", model["name"], {"properties": _modelled(model, visitors)}) for model in models.values()]
    return made + [_object("Device", one["name"], _device(one, models[one["model"]], protocols[one["protocol"]], node)) for one in devices]


def _named(entries: Iterable[Object]) -> dict[str, Object]:
    return {one["name"]: one for one in entries}


def _object(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _modelled(model: Object, visitors: Mapping[tuple[str, str], Object]) -> list[Object]:
    return [_property(one, visitors[model["name"], one["name"]]) for one in model["properties"]]


def _property(one: Object, visitor: Object) -> Object:
    limits = {key: str(one[key]) for key in ("minimum", "maximum") if key in one}
    unit = {"unit": one["unit"]} if one.get("unit") else {}
    found = {"name": one["name"], "type": one["dataType"].upper(), "accessMode": one["accessMode"], **limits, **unit}
    return found | {"visitors": _access(visitor["protocol"], visitor["visitorConfig"])}


def _device(one: Object, model: Object, protocol: Object, node: str) -> Object:
    return {
        "deviceModelRef": {"name": one["model"]},
        "nodeName": node,
        "protocol": _access(protocol["protocol"], protocol["protocol_config"]),
        "properties": [{"name": each["name"]} for each in model["properties"]],
    }


def _access(protocol: str, config: Object) -> Object:
    return config if protocol == CUSTOMIZED else {"protocolName": protocol, "configData": config}
