"""The protocols for which v1alpha1 has fields of its own: which settings fit them, so that mappers of KubeEdge 1.2 find them there. Pure.

Whatever does not fit exactly stands under ``customizedProtocol`` (decision 0070), whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cloudcore.devices.model import Access
from cloudcore.devices.parts import part, text
from cloudcore.ports import JsonObject

CUSTOMIZED = "customizedProtocol"
PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("opcua", ("opcua",)),
    ("modbus-rtu", ("modbus", "rtu")),
    ("modbus-tcp", ("modbus", "tcp")),
    ("bluetooth", ("bluetooth",)),
)
"""Protocol and where a v1alpha1 Device has it; the first that is there counts (contract 5.1)."""

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _one_of(*values: Any) -> Check:
    return lambda value: not isinstance(value, bool) and value in values


def _within(least: int, most: int) -> Check:
    return lambda value: _is_int(value) and least <= value <= most


_BAUD_RATES = (115200, 57600, 38400, 19200, 9600, 4800, 2400, 1800, 1200, 600, 300, 200, 150, 134, 110, 75, 50)
_REGISTERS = ("CoilRegister", "DiscreteInputRegister", "InputRegister", "HoldingRegister")
_ENCODINGS = ("int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "text")
_RESPONSE_MS = _within(20, 5000)
_Fields = tuple[Mapping[str, Check], tuple[str, ...]]
"""Every field with its check, and which are required."""

PROTOCOL_FIELDS: Mapping[str, _Fields] = {
    "opcua": (
        dict.fromkeys(("url", "userName", "password", "securityPolicy", "securityMode", "certificate", "privateKey"), _is_text)
        | {"timeout": _is_int},
        ("url",),
    ),
    "modbus-rtu": (
        {
            "serialPort": _is_text,
            "baudRate": _one_of(*_BAUD_RATES),
            "dataBits": _one_of(8, 7, 6, 5),
            "parity": _one_of("none", "even", "odd"),
            "stopBits": _one_of(1, 2),
            "slaveID": _within(0, 255),
            "responseTimeout": _RESPONSE_MS,
        },
        ("serialPort", "baudRate", "dataBits", "parity", "stopBits", "slaveID"),
    ),
    "modbus-tcp": (
        {
            "ip": _is_text,
            "port": _within(1, 65535),
            "slaveID": _is_text,
            "framing": _one_of("tcp", "rtu"),
            "responseTimeout": _RESPONSE_MS,
        },
        ("ip", "port", "slaveID"),
    ),
    "bluetooth": (dict.fromkeys(("macAddress", "name", "adapter"), _is_text), ()),
}
VISITOR_FIELDS: Mapping[str, _Fields] = {
    "opcua": (dict.fromkeys(("nodeID", "browseName"), _is_text), ("nodeID",)),
    "modbus": (
        {
            "register": _one_of(*_REGISTERS),
            "offset": _within(0, 2**63 - 1),
            "limit": _within(1, 2**63 - 1),
            "scale": _is_number,
            "isSwap": _is_flag,
            "isRegisterSwap": _is_flag,
            "encoding": _one_of(*_ENCODINGS),
            "bit": _within(0, 15),
        },
        ("register", "offset", "limit"),
    ),
}
"""Bluetooth visitors have parts within parts: they are left as they come."""


def protocol_in(protocol: JsonObject) -> Access | None:
    """How a v1alpha1 Device is reached."""
    for name, place in PLACES:
        config: Any = protocol
        for step in place:
            config = config.get(step) if isinstance(config, dict) else None
        if isinstance(config, dict):
            return Access(name, config)
    return _customized_in(protocol)


def protocol_of(access: Access) -> JsonObject:
    """The same as a v1alpha1 Device writes it."""
    for name, place in PLACES:
        if access.protocol == name or (access.protocol == "modbus" and place[0] == "modbus"):
            config = _slave_as_text(access.config) if name == "modbus-tcp" else access.config
            if _fits(config, PROTOCOL_FIELDS[name]):
                return {place[0]: config} if len(place) == 1 else {place[0]: {place[1]: config}}
    return _customized_of(access)


def visitor_in(visitor: JsonObject) -> Access | None:
    """How a v1alpha1 model's property is reached."""
    for name in ("opcua", "modbus", "bluetooth"):
        if isinstance(visitor.get(name), dict):
            return Access(name, visitor[name])
    return _customized_in(visitor)


def visitor_of(access: Access) -> JsonObject:
    """The same as a v1alpha1 DeviceModel writes it."""
    name = "modbus" if access.protocol in ("modbus-rtu", "modbus-tcp") else access.protocol
    if name in VISITOR_FIELDS and _fits(access.config, VISITOR_FIELDS[name]):
        return {name: access.config}
    return _customized_of(access)


def _slave_as_text(config: JsonObject) -> JsonObject:
    """Over TCP v1alpha1 has the slave as text, where everybody else writes a number."""
    return config | {"slaveID": str(config["slaveID"])} if _is_int(config.get("slaveID")) else config


def _fits(config: JsonObject, fields: _Fields) -> bool:
    checks, required = fields
    return all(key in config for key in required) and all(key in checks and checks[key](value) for key, value in config.items())


def _customized_in(value: JsonObject) -> Access | None:
    custom = value.get(CUSTOMIZED)
    return Access(text(custom, "protocolName"), part(custom, "configData")) if isinstance(custom, dict) else None


def _customized_of(access: Access) -> JsonObject:
    return {CUSTOMIZED: {"protocolName": access.protocol, "configData": access.config}} if access.protocol else {}
