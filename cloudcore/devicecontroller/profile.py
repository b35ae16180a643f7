"""``deviceProfile.json`` of contract 5.2: what a mapper of one node and namespace has to know. Pure.

Made anew from the objects each time, sorted by name: the same devices and models always give the same text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from cloudcore.devicecontroller import own
from cloudcore.devicecontroller.gojson import go_json
from cloudcore.objects import identity
from cloudcore.ports import JsonObject

CUSTOMIZED = "customized-protocol"
"""How the profile names what the objects call customizedProtocol (decision 0070)."""

_PROTOCOLS = (("opcua", None), ("modbus", "rtu"), ("modbus", "tcp"), ("bluetooth", None), ("customizedProtocol", None))
"""In the order in which they are looked at; only the first that is there counts."""

_NAMES = {"customizedProtocol": CUSTOMIZED}

_CONFIG_KEYS = {
    "opcua": ("url", "userName", "password", "securityPolicy", "securityMode", "certificate", "privateKey", "timeout"),
    "modbus-rtu": ("serialPort", "baudRate", "dataBits", "parity", "stopBits", "slaveID", "responseTimeout"),
    "modbus-tcp": ("ip", "port", "slaveID", "framing", "responseTimeout"),
    "bluetooth": ("macAddress", "name", "adapter"),
    CUSTOMIZED: ("protocolName", "configData"),
}
_VISITOR_KEYS = {
    "opcua": ("nodeID", "browseName"),
    "modbus": ("register", "offset", "limit", "scale", "isSwap", "isRegisterSwap", "encoding", "bit"),
    "customizedProtocol": ("protocolName", "configData"),
}
_ZERO_SAYS_SOMETHING = ("bit",)
"""Bit 0 of a register is another thing than the register (decision 0078)."""

_DATA_TOPIC = "$ke/events/device/+/data/update"
"""Where mappers publish what they measure of a property that is marked; the text of KubeEdge's documentation (contract 5.5)."""

_CONVERTER_KEYS = ("startIndex", "endIndex", "shiftLeft", "shiftRight", "orderOfOperations")


def profile_text(devices: Iterable[JsonObject], models: Iterable[JsonObject]) -> str | None:
    """The text for these devices (of one node and namespace); None where there is nothing to say.

    A device whose model is not there yet is left out until it comes.
    """
    known = {identity(model)[1]: model for model in models}
    served = sorted((device for device in devices if model_of(device) in known), key=identity)
    if not served:
        return None
    used = {model_of(device): known[model_of(device)] for device in served if not own.has_own(device)}
    of_one = {own.model_name(device): own.model_for(device, known[model_of(device)]) for device in served if own.has_own(device)}
    models_told = [(name, model) for name, model in sorted((used | of_one).items())]
    parts = {
        "deviceInstances": [_instance(device) for device in served],
        "deviceModels": [_model(name, model) for name, model in models_told],
        "protocols": [_protocol(device) for device in served],
        "propertyVisitors": [visitor for name, model in models_told for visitor in _visitors(name, model)],
    }
    return go_json({key: value for key, value in parts.items() if value})


model_of = own.model_of


def _instance(device: JsonObject) -> JsonObject:
    name = identity(device)[1]
    entry = {"id": name, "name": name}
    kind, _ = _protocol_of(device)
    if kind:
        entry["protocol"] = f"{kind}-{name}"
    data = own.collected(device)
    return entry | {"model": own.model_name(device)} | ({"data": {"dataProperties": data, "dataTopic": _DATA_TOPIC}} if data else {})


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
            return (f"{family}-{kind}" if kind else _NAMES.get(family, family)), config
    return "", {}


def _model(name: str, model: JsonObject) -> JsonObject:
    typed = own.typed(model)
    properties = [_property(item) | typed.get(str(item.get("name")), {}) for item in _list(_part(model, "spec"), "properties")]
    return {"name": name} | ({"properties": properties} if properties else {})


def _property(item: JsonObject) -> JsonObject:
    kinds = _part(item, "type")
    kind = next((kind for kind in ("int", "string") if isinstance(kinds.get(kind), dict)), "")
    settings = _part(kinds, kind)
    entry: JsonObject = {"name": item.get("name"), "dataType": kind} | _filled(item, ("description",))
    entry["accessMode"] = settings.get("accessMode") or ""
    entry["defaultValue"] = settings.get("defaultValue") or {"int": 0, "string": ""}.get(kind)
    return entry | (_limits(settings) | _filled(settings, ("unit",)) if kind == "int" else {})


def _limits(settings: JsonObject) -> JsonObject:
    """KubeEdge omits a limit of 0 like any zero. Where the model says 0 we write it, which reads the same to its mappers, and ours and the
    board hold it for a limit (decision 0083)."""
    return {key: settings[key] for key in ("minimum", "maximum") if settings.get(key) is not None}


def _visitors(name: str, model: JsonObject) -> list[JsonObject]:
    return [_visitor(name, item) for item in _list(_part(model, "spec"), "propertyVisitors")]


def _visitor(model: str, item: JsonObject) -> JsonObject:
    entry: JsonObject = {"name": item.get("propertyName"), "propertyName": item.get("propertyName"), "modelName": model}
    entry |= _filled(item, own.CYCLES)
    for protocol in ("opcua", "modbus", "bluetooth", "customizedProtocol"):
        config = item.get(protocol)
        if isinstance(config, dict):
            made = _bluetooth(config) if protocol == "bluetooth" else _filled(config, _VISITOR_KEYS[protocol])
            return entry | {"protocol": _NAMES.get(protocol, protocol), "visitorConfig": made}
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
    """These keys in this order, zero values omitted: Go does so, except for what Go does not know."""
    return {key: config[key] for key in keys if config.get(key) or (key in _ZERO_SAYS_SOMETHING and config.get(key) is not None)}


def _part(value: JsonObject, key: str) -> JsonObject:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _list(value: JsonObject, key: str) -> list[JsonObject]:
    part = value.get(key)
    return [item for item in part if isinstance(item, dict)] if isinstance(part, list) else []
