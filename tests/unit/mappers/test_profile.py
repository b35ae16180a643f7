"""``deviceProfile.json`` (contract 5.2) to devices; promise X7."""

from __future__ import annotations

from typing import Any

import pytest

from mappers.modbus.address import Address, SerialLine, TcpLine, address_of
from mappers.modbus.driver import ModbusFamily
from mappers.modbus.lines import Lines
from mappers.modbus.registers import visitor_of
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import MAX_PROFILE_BYTES, Device, parse
from mappers.sdk.values import Limits
from tests.unit.mappers.made import encoded, profile, visitor, wanted


def test_a_profile_gives_devices_with_their_properties_and_visitors() -> None:
    read = parse(encoded(profile()))
    assert read.problems == ()
    (device,) = read.devices
    assert (device.id, device.model, device.protocol, device.config["port"]) == ("thermometer", "m", "modbus-tcp", 5020)
    assert [(p.name, p.writable, p.limits) for p in device.properties] == [
        ("temperature", False, Limits()),
        ("setpoint", True, Limits(50, 350)),
    ]


def test_zeros_that_kubeedge_omits_come_back() -> None:
    (device,) = parse(encoded(profile())).devices
    assert visitor_of(device.properties[0]).offset == 0
    rtu = {"serialPort": "/dev/ttyS0", "baudRate": 9600, "dataBits": 8, "parity": "none", "stopBits": 1}
    assert address_of(Device("d", "m", "modbus-rtu", rtu)) == Address(SerialLine("/dev/ttyS0", 9600, 8, "N", 1), 0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"nonsense", b"\xff\xfe", b"null", b"[" * 100_000, b" " * (MAX_PROFILE_BYTES + 1)])
def test_what_is_no_profile_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(ProfileError, match=r"^profile: "):
        parse(content)


def test_an_empty_profile_has_no_devices() -> None:
    assert parse(b"{}").devices == ()


def test_a_device_without_a_protocol_is_no_problem() -> None:
    body = profile(deviceInstances=[{"id": "d", "name": "d", "model": "m"}], protocols=[{"protocol_config": None}])
    read = parse(encoded(body))
    assert read.problems == () and read.devices[0].protocol == ""
    assert not ModbusFamily(Lines()).serves("")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"deviceInstances": {}}, "deviceInstances: expected a list"),
        ({"deviceInstances": "x"}, "deviceInstances: expected a list, got text"),
        ({"deviceInstances": [7]}, "deviceInstances[0]: expected an object, got a number"),
        ({"deviceInstances": [{"id": 5}]}, "deviceInstances[0].id: expected text, got a number"),
        ({"deviceInstances": [{"id": "a/b", "model": "m"}]}, "deviceInstances[0].id: 'a/b' is not"),
        ({"deviceInstances": [{"id": "d"}]}, "deviceInstances[0].model: is missing"),
        ({"deviceInstances": [{"id": "d", "model": "x"}]}, "deviceInstances[0].model: there is no model 'x'"),
        ({"deviceInstances": [{"id": "d", "model": "m", "protocol": "x"}]}, "deviceInstances[0].protocol: there is no protocol 'x'"),
        (
            {"protocols": [{"name": "p", "protocol": "modbus-tcp", "protocol_config": 3}]},
            "protocols[0].protocol_config: expected an object",
        ),
        ({"deviceModels": [{"name": "m", "properties": 3}]}, "deviceModels[0].properties: expected a list"),
        ({"deviceModels": [{"name": "m", "properties": [3]}]}, "deviceModels[0].properties[0]: expected an object"),
        ({"propertyVisitors": [{"modelName": "m"}]}, "propertyVisitors[0].propertyName: is missing"),
        (
            {"propertyVisitors": [{"modelName": "m", "propertyName": "p", "visitorConfig": []}]},
            "propertyVisitors[0].visitorConfig: expected",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(changes: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(problem) for found in parse(encoded(profile(**changes))).problems)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dataType": "bytes"}, "deviceModels[0].properties[0].dataType: expected int, float, boolean, string, got 'bytes'"),
        ({"accessMode": "rw"}, "deviceModels[0].properties[0].accessMode: expected ReadWrite or ReadOnly, got 'rw'"),
        ({"minimum": "5"}, "deviceModels[0].properties[0].minimum: expected a number, got text"),
        ({"minimum": 9, "maximum": 5}, "deviceModels[0].properties[0].maximum: 5 is less than the minimum 9"),
        ({"name": "a b"}, "deviceModels[0].properties[0].name: 'a b' is not"),
    ],
)
def test_one_bad_property_leaves_the_others(change: dict[str, Any], problem: str) -> None:
    body = profile()
    body["deviceModels"][0]["properties"][0] |= change
    body["propertyVisitors"][0]["propertyName"] = body["deviceModels"][0]["properties"][0]["name"]
    read = parse(encoded(body))
    assert read.problems[0].startswith(problem) and len(read.problems) == 1
    assert [found.name for found in read.devices[0].properties] == ["setpoint"]


def test_one_bad_device_leaves_the_others() -> None:
    body = profile()
    body["deviceInstances"] = [{"id": "x", "model": "none"}, *body["deviceInstances"], *body["deviceInstances"]]
    read = parse(encoded(body))
    assert [device.id for device in read.devices] == ["thermometer"]
    assert read.problems == (
        "deviceInstances[0].model: there is no model 'none' in deviceModels",
        "deviceInstances[2].id: thermometer is there twice",
    )


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"register": "Holding"}, "register: expected CoilRegister, DiscreteInputRegister, InputRegister, HoldingRegister, got 'Holding'"),
        ({"register": ""}, "register: is missing"),
        ({"offset": -1}, "offset: expected 0 to 65535, got -1"),
        ({"offset": "0"}, "offset: expected a whole number, got text"),
        ({"offset": 1.5}, "offset: expected a whole number"),
        ({"offset": True}, "offset: expected a whole number, got true or false"),
        ({"offset": 65536}, "offset: expected 0 to 65535, got 65536"),
        ({"limit": 5}, "limit: expected 1 to 4, got 5"),
        ({"limit": 0}, "limit: expected 1 to 4, got 0"),
        ({"offset": 65535, "limit": 2}, "limit: 2 registers from 65535 on end after 65535"),
        ({"scale": "0.1"}, "scale: expected a number, got text"),
        ({"scale": 1e-300}, "scale: 1E-300 is too small or too large"),
        ({"isSwap": 1}, "isSwap: expected true or false, got a number"),
        ({"register": "InputRegister"}, "register: InputRegister cannot be written but accessMode is ReadWrite"),
    ],
)
def test_a_visitor_that_cannot_be_is_named_by_its_path(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(**config))
    assert str(refused.value).startswith(f"propertyVisitors[0].visitorConfig.{problem}")


@pytest.mark.parametrize("scale", [None, 0, 1, 1.0])
def test_a_scale_that_is_missing_or_zero_is_one(scale: float | None) -> None:
    assert visitor_of(wanted(scale=scale)).scale == 1


def test_a_limit_that_is_missing_is_named_as_missing() -> None:
    found = wanted()
    del found.visitor["limit"]  # type: ignore[attr-defined]
    with pytest.raises(ProfileError, match="limit: is missing"):
        visitor_of(found)


@pytest.mark.parametrize(("text", "unit"), [("1", 1), ("247", 247), (3, 3), ("", 0), (None, 0)])
def test_a_unit_is_text_or_a_number(text: Any, unit: int) -> None:
    device = Device("d", "m", "modbus-tcp", {"ip": "h", "port": 502, "slaveID": text})
    assert address_of(device) == Address(TcpLine("h", 502), unit)


@pytest.mark.parametrize(
    ("protocol", "config", "problem"),
    [
        ("modbus-tcp", {"port": 502}, "ip: is missing"),
        ("modbus-tcp", {"ip": "h"}, "port: is missing"),
        ("modbus-tcp", {"ip": "h", "port": 70000}, "port: expected 1 to 65535, got 70000"),
        ("modbus-tcp", {"ip": "h", "port": 502, "slaveID": "x"}, "slaveID: expected 0 to 255, got 'x'"),
        ("modbus-tcp", {"ip": "h", "port": 502, "slaveID": "256"}, "slaveID: expected 0 to 255, got '256'"),
        ("modbus-tcp", {"ip": "h", "port": 502, "slaveID": "9" * 5000}, "slaveID: expected 0 to 255, got '" + "9" * 40 + "'"),
        ("modbus-tcp", {"ip": "h", "port": 502, "slaveID": -1}, "slaveID: expected 0 to 255, got -1"),
        ("modbus-rtu", {"serialPort": "/dev/x"}, "baudRate: is missing"),
        ("modbus-rtu", {"baudRate": 9600}, "serialPort: is missing"),
        ("modbus-rtu", {"serialPort": "/dev/x", "baudRate": 9600, "parity": "mark"}, "parity: expected none, even or odd, got 'mark'"),
        ("modbus-rtu", {"serialPort": "/dev/x", "baudRate": 9600, "stopBits": 3}, "stopBits: expected 1 to 2, got 3"),
    ],
)
def test_an_address_that_cannot_be_is_named_by_its_path(protocol: str, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProfileError) as refused:
        address_of(Device("d", "m", protocol, config, path="protocols[0].protocol_config"))
    assert str(refused.value) == f"protocols[0].protocol_config.{problem}"


def test_a_property_that_cannot_be_reached_leaves_the_others() -> None:
    body = profile()
    body["propertyVisitors"][0] = visitor("temperature", register="nonsense", limit=1)
    (device,) = parse(encoded(body)).devices
    _, properties, problems = ModbusFamily(Lines()).driver_for(device)
    assert [found.name for found in properties] == ["setpoint"]
    assert problems[0].startswith("propertyVisitors[0].visitorConfig.register: expected")


def test_a_driver_sees_a_protocol_of_ones_own_as_any_other() -> None:
    body = profile()
    body["protocols"][0] |= {"protocol": "customized-protocol", "protocol_config": {"protocolName": "gpio", "configData": {"chip": 0}}}
    for entry in body["propertyVisitors"]:
        entry |= {"protocol": "customized-protocol", "visitorConfig": {"protocolName": "gpio", "configData": {"pin": 17}}}
    found = parse(encoded(body))
    (device,) = found.devices
    assert (device.protocol, device.config, device.path) == ("gpio", {"chip": 0}, "protocols[0].protocol_config.configData")
    assert [dict(wanted.visitor) for wanted in device.properties] == [{"pin": 17}, {"pin": 17}]
    assert device.properties[0].path == "propertyVisitors[0].visitorConfig.configData"


def test_a_protocol_of_ones_own_without_a_name_is_named_by_its_path() -> None:
    body = profile()
    body["protocols"][0] |= {"protocol": "customized-protocol", "protocol_config": {}}
    assert "protocols[0].protocol_config.protocolName: is missing" in parse(encoded(body)).problems


def test_a_cycle_is_told_in_milliseconds_and_what_is_none_is_named() -> None:
    body = profile()
    body["propertyVisitors"][0]["collectCycle"] = 2500
    (device,) = parse(encoded(body)).devices
    assert [one.cycle for one in device.properties] == [2.5, 0.0]
    body["propertyVisitors"][0]["collectCycle"] = "often"
    assert "propertyVisitors[0].collectCycle: expected a whole number, got text" in parse(encoded(body)).problems


def test_double_of_later_kubeedge_is_a_float() -> None:
    body = profile()
    body["deviceModels"][0]["properties"][0]["dataType"] = "double"
    (device,) = parse(encoded(body)).devices
    assert device.properties[0].data_type == "float"


def test_a_property_that_is_marked_for_collection_is_known_by_its_device() -> None:
    """P6.15"""
    body = profile()
    name = body["deviceModels"][0]["properties"][0]["name"]
    body["propertyVisitors"][0]["reportCycle"] = 60_000
    body["deviceInstances"][0]["data"] = {"dataProperties": [{"propertyName": name, "metadata": {}}, {"propertyName": "none"}, 5]}
    (device, *_) = parse(encoded(body)).devices
    assert {one.name for one in device.properties if one.collected} == {name}
    assert [one.report for one in device.properties if one.report] == [60.0]
    body["deviceInstances"][0]["data"] = "all"
    assert "deviceInstances[0].data: expected an object, got text" in parse(encoded(body)).problems
