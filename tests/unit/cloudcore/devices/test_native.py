"""Which protocols v1alpha1 has fields for: what fits goes there, where mappers of KubeEdge 1.2 look for it."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.devices import native
from cloudcore.devices.conversion import converted
from cloudcore.devices.model import Access
from tests.fakes.crds import schemas

Object = dict[str, Any]
TCP = {"ip": "10.0.0.5", "port": 502, "slaveID": "7"}
RTU = {"serialPort": "/dev/ttyS0", "baudRate": 9600, "dataBits": 8, "parity": "none", "stopBits": 1, "slaveID": 7}


def at(schema: Object, *path: str) -> Object:
    for step in path:
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    return schema


def test_the_fields_are_those_of_the_schema() -> None:
    """Added one to the CRD? Then it is one of ``PROTOCOL_FIELDS`` or ``VISITOR_FIELDS`` too."""
    protocol = at(schemas("Device")["v1alpha1"], "spec", "protocol")
    for name, place in native.PLACES:
        fields, required = native.PROTOCOL_FIELDS[name]
        schema = at(protocol, *place)
        assert (set(fields), set(required)) == (set(schema["properties"]), set(schema.get("required", ())))
    visitor = at(schemas("DeviceModel")["v1alpha1"], "spec", "propertyVisitors", "[]")
    for name, (fields, required) in native.VISITOR_FIELDS.items():
        schema = at(visitor, name)
        assert (set(fields), set(required)) == (set(schema["properties"]), set(schema["required"]))


@pytest.mark.parametrize(
    ("access", "written"),
    [
        (Access("modbus-tcp", TCP), {"modbus": {"tcp": TCP}}),
        (Access("modbus-tcp", TCP | {"slaveID": 7}), {"modbus": {"tcp": TCP}}),
        (Access("modbus", TCP), {"modbus": {"tcp": TCP}}),
        (Access("modbus", RTU), {"modbus": {"rtu": RTU}}),
        (Access("modbus-rtu", RTU), {"modbus": {"rtu": RTU}}),
        (Access("opcua", {"url": "opc.tcp://a"}), {"opcua": {"url": "opc.tcp://a"}}),
        (Access("bluetooth", {}), {"bluetooth": {}}),
    ],
)
def test_settings_that_fit_go_where_old_mappers_look(access: Access, written: Object) -> None:
    assert native.protocol_of(access) == written


@pytest.mark.parametrize(
    "access",
    [
        Access("modbus-tcp", TCP | {"timeout": 5}),
        Access("modbus-tcp", {"ip": "10.0.0.5"}),
        Access("modbus-tcp", TCP | {"port": 70_000}),
        Access("modbus-rtu", RTU | {"baudRate": True}),
        Access("opcua", {}),
        Access("gpio", {"pin": 4}),
    ],
)
def test_whatever_does_not_fit_stands_whole_among_the_customized(access: Access) -> None:
    assert native.protocol_of(access) == {"customizedProtocol": {"protocolName": access.protocol, "configData": access.config}}


def test_what_a_protocol_is_called_and_what_fits_only_nearly_comes_back_as_it_was() -> None:
    protocol = {"protocolName": "modbus", "configData": TCP | {"slaveID": 7}}
    device = {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": {"name": "d"}, "spec": {"protocol": protocol}}
    stored = converted(device, "v1alpha1")
    assert stored["spec"]["protocol"] == {"modbus": {"tcp": TCP}}
    assert converted(stored, "v1beta1") == device
    stored["spec"]["protocol"]["modbus"]["tcp"]["ip"] = "10.0.0.6"
    assert converted(stored, "v1beta1")["spec"]["protocol"] == {
        "protocolName": "modbus",
        "configData": TCP | {"ip": "10.0.0.6", "slaveID": 7},
    }
