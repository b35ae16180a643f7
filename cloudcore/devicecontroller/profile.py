"""``deviceProfile.json`` of contract 5.2: what a mapper of one node and namespace has to know. Pure.

Made anew from the objects each time, sorted by name: the same devices and models always give the same text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from cloudcore.devicecontroller.gojson import go_json
from cloudcore.objects import identity
from cloudcore.ports import JsonObject

_PROTOCOLS = (("opcua", None), ("modbus", "rtu"), ("modbus", "tcp"), ("bluetooth", None))
"""In the order in which they are looked at; only the first that is there counts."""

_CONFIG_KEYS = {
    "opcua": ("url", "userName", "password", "securityPolicy", "securityMode", "certificate", "privateKey", "timeout"),
    "modbus-rtu": ("serialPort", "baudRate", "dataBits", "parity", "stopBits", "slaveID"),
    "modbus-tcp": ("ip", "port", "slaveID"),
    "bluetooth": ("macAddress",),
}
_VISITOR_KEYS = {
    "opcua": ("nodeID", "browseName"),
    "modbus": ("register", "offset", "limit", "scale", "isSwap", "isRegisterSwap"),
}
_CONVERTER_KEYS = ("startIndex", "endIndex", "shiftLeft", "shiftRight", "orderOfOperations")


def profile_text(devices: Iterable[JsonObject], models: Iterable[JsonObject]) -> str | None:
    """The text for these devices (of one node and namespace); None where there is nothing to say.

    A device whose model is not there yet is left out until it comes.
    """
    known = {identity(model)[1]: model for model in models}
    served = sorted((device for device in devices if model_of(device) in known), key=identity)
    if not served:
        return None
    used = [known[name] for name in sorted({model_of(device) for device in served})]
    parts = {
        "deviceInstances": [_instance(device) for device in served],
        "deviceModels": [_model(model) for model in used],
        "protocols": [_protocol(device) for device in served],
        "propertyVisitors": [visitor for model in used for visitor in _visitors(model)],
    }
    return go_json({key: value for key, value in parts.items() if value})


def model_of(device: JsonObject) -> str:
    return str(_part(_part(device, "spec"), "deviceModelRef").get("name") or "")


def _instance(device: JsonObject) -> JsonObject:
    name = identity(device)[1]
    entry = {"id": name, "name": name}
    kind, _ = _protocol_of(device)
    if kind:
        entry["protocol"] = f"{kind}-{name}"
    return entry | {"model": model_of(device)}


def _protocol(device: JsonObject) -> JsonObject:
    kind, config = _protocol_of(device)
    if not kind:
        return {"protocol_config": None}
    return {"name": f"{kind}-{identity(device)[1]}", "protocol": kind, "protocol_config": _filled(config, _CONFIG_KEYS[kind])}


def _protocol_of(device: JsonObject) -> tuple[str, JsonObject]:
    """("modbus-rtu", its settings), or ("", {})."""
    protocol = _part(_part(device, "spec"), "protocol")
    for family, kind in _PROTOCOLS:
        config = protocol.get(family)
        config = config.get(kind) if kind and isinstance(config, dict) else config
        if isinstance(config, dict):
            return (f"{family}-{kind}" if kind else family), config
    return "", {}


def _model(model: JsonObject) -> JsonObject:
    properties = [_property(item) for item in _list(_part(model, "spec"), "properties")]
    return {"name": identity(model)[1]} | ({"properties": properties} if properties else {})


def _property(item: JsonObject) -> JsonObject:
    kinds = _part(item, "type")
    kind = next((kind for kind in ("int", "string") if isinstance(kinds.get(kind), dict)), "")
    settings = _part(kinds, kind)
    entry: JsonObject = {"name": item.get("name"), "dataType": kind} | _filled(item, ("description",))
    entry["accessMode"] = settings.get("accessMode") or ""
    entry["defaultValue"] = settings.get("defaultValue") or {"int": 0, "string": ""}.get(kind)
    return entry | (_filled(settings, ("minimum", "maximum", "unit")) if kind == "int" else {})


def _visitors(model: JsonObject) -> list[JsonObject]:
    name = identity(model)[1]
    return [_visitor(name, item) for item in _list(_part(model, "spec"), "propertyVisitors")]


def _visitor(model: str, item: JsonObject) -> JsonObject:
    entry: JsonObject = {"name": item.get("propertyName"), "propertyName": item.get("propertyName"), "modelName": model}
    for protocol in ("opcua", "modbus", "bluetooth"):
        config = item.get(protocol)
        if isinstance(config, dict):
            made = _bluetooth(config) if protocol == "bluetooth" else _filled(config, _VISITOR_KEYS[protocol])
            return entry | {"protocol": protocol, "visitorConfig": made}
    return entry


def _bluetooth(config: JsonObject) -> JsonObject:
    made = _filled(config, ("characteristicUUID",))
    writes = _part(config, "dataWrite")
    if writes:
        made["dataWrite"] = {name: _base64(writes[name]) for name in sorted(writes)}
    return made | {"dataConverter": _converter(_part(config, "dataConverter"))}


def _converter(config: JsonObject) -> JsonObject:
    made = _filled(config, _CONVERTER_KEYS)
    if "orderOfOperations" in made:
        made["orderOfOperations"] = [_filled(step, ("operationType", "operationValue")) for step in _list(config, "orderOfOperations")]
    return made


def _base64(value: Any) -> Any:
    """A list of byte values becomes base64 as Go's ``[]byte`` does; text is base64 already."""
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte <= 255 for byte in value):
        return base64.b64encode(bytes(value)).decode("ascii")
    return value


def _filled(config: JsonObject, keys: tuple[str, ...]) -> JsonObject:
    """These keys in this order, zero values omitted."""
    return {key: config[key] for key in keys if config.get(key)}


def _part(value: JsonObject, key: str) -> JsonObject:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _list(value: JsonObject, key: str) -> list[JsonObject]:
    part = value.get(key)
    return [item for item in part if isinstance(item, dict)] if isinstance(part, list) else []
