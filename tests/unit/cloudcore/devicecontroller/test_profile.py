"""deviceProfile.json, byte for byte (contract 5.2). The expected texts are written by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudcore.devicecontroller.gojson import go_json
from cloudcore.devicecontroller.profile import profile_text
from cloudcore.devices.conversion import converted
from mappers.sdk import profile as mapper_profile
from mappers.sdk.values import DataType
from tests.unit.cloudcore.devicecontroller.devices import device, model

RTU = {"serialPort": "/dev/ttyS0", "baudRate": 9600, "dataBits": 8, "parity": "even", "stopBits": 1, "slaveID": 1}


def test_a_modbus_thermometer_has_exactly_this_profile() -> None:
    thermo = model(
        properties=[
            {
                "name": "temperature",
                "description": "in < degrees & more",
                "type": {"int": {"accessMode": "ReadWrite", "maximum": 100, "unit": "°C", "defaultValue": 1}},
            },
            {"name": "label", "type": {"string": {"accessMode": "ReadOnly"}}},
        ],
        visitors=[
            {
                "propertyName": "temperature",
                "modbus": {"limit": 1, "offset": 2, "register": "HoldingRegister", "scale": 0.1, "isSwap": True},
            },
            {"propertyName": "label", "modbus": {"register": "InputRegister", "offset": 0, "limit": 4, "scale": 1.0, "isSwap": False}},
        ],
    )
    text = profile_text([device("sensor-01", protocol={"modbus": {"rtu": RTU}})], [thermo])
    assert text == (
        '{"deviceInstances":[{"id":"sensor-01","name":"sensor-01","protocol":"modbus-rtu-sensor-01","model":"thermo"}],'
        '"deviceModels":[{"name":"thermo","properties":['
        '{"name":"temperature","dataType":"int","description":"in \\u003c degrees \\u0026 more","accessMode":"ReadWrite",'
        '"defaultValue":1,"maximum":100,"unit":"°C"},'
        '{"name":"label","dataType":"string","accessMode":"ReadOnly","defaultValue":""}]}],'
        '"protocols":[{"name":"modbus-rtu-sensor-01","protocol":"modbus-rtu","protocol_config":'
        '{"serialPort":"/dev/ttyS0","baudRate":9600,"dataBits":8,"parity":"even","stopBits":1,"slaveID":1}}],'
        '"propertyVisitors":['
        '{"name":"temperature","propertyName":"temperature","modelName":"thermo","protocol":"modbus","visitorConfig":'
        '{"register":"HoldingRegister","offset":2,"limit":1,"scale":0.1,"isSwap":true}},'
        '{"name":"label","propertyName":"label","modelName":"thermo","protocol":"modbus","visitorConfig":'
        '{"register":"InputRegister","limit":4,"scale":1}}]}'
    )


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"minimum": 0, "maximum": 5}, '"minimum":0,"maximum":5'),
        ({"minimum": -5, "maximum": 0}, '"minimum":-5,"maximum":0'),
        ({}, '"defaultValue":0}'),
        ({"minimum": None}, '"defaultValue":0}'),
    ],
)
def test_a_limit_of_zero_is_said(settings: dict[str, Any], text: str) -> None:
    thermo = model(properties=[{"name": "t", "type": {"int": {"accessMode": "ReadOnly"} | settings}}])
    assert text in str(profile_text([device()], [thermo]))


def test_a_bluetooth_lamp_has_exactly_this_profile() -> None:
    lamp = model(
        "lamp",
        properties=[],
        visitors=[
            {"propertyName": "io", "bluetooth": {"characteristicUUID": "f000", "dataWrite": {"ON": [1], "OFF": [0, 255]}}},
            {
                "propertyName": "t",
                "bluetooth": {
                    "characteristicUUID": "f001",
                    "dataConverter": {
                        "endIndex": 2,
                        "startIndex": 0,
                        "shiftRight": 2,
                        "orderOfOperations": [{"operationValue": 0.03125, "operationType": "Multiply"}],
                    },
                },
            },
        ],
    )
    text = profile_text([device("l", model="lamp", protocol={"bluetooth": {"macAddress": "AA:BB"}})], [lamp])
    assert text == (
        '{"deviceInstances":[{"id":"l","name":"l","protocol":"bluetooth-l","model":"lamp"}],'
        '"deviceModels":[{"name":"lamp"}],'
        '"protocols":[{"name":"bluetooth-l","protocol":"bluetooth","protocol_config":{"macAddress":"AA:BB"}}],'
        '"propertyVisitors":['
        '{"name":"io","propertyName":"io","modelName":"lamp","protocol":"bluetooth","visitorConfig":'
        '{"characteristicUUID":"f000","dataWrite":{"OFF":"AP8=","ON":"AQ=="},"dataConverter":{}}},'
        '{"name":"t","propertyName":"t","modelName":"lamp","protocol":"bluetooth","visitorConfig":{"characteristicUUID":"f001",'
        '"dataConverter":{"endIndex":2,"shiftRight":2,"orderOfOperations":[{"operationType":"Multiply","operationValue":0.03125}]}}}]}'
    )


def test_a_device_without_a_protocol_still_has_a_protocols_entry() -> None:
    assert profile_text([device("d", model="m")], [model("m", properties=[])]) == (
        '{"deviceInstances":[{"id":"d","name":"d","model":"m"}],"deviceModels":[{"name":"m"}],"protocols":[{"protocol_config":null}]}'
    )


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ({"modbus": {"tcp": {"slaveID": "1", "port": 502, "ip": "10.0.0.5"}}}, '{"ip":"10.0.0.5","port":502,"slaveID":"1"}'),
        ({"modbus": {"rtu": RTU | {"slaveID": 0}, "tcp": {"ip": "x"}}},
         '{"serialPort":"/dev/ttyS0","baudRate":9600,"dataBits":8,"parity":"even","stopBits":1}'),
        ({"opcua": {"url": "opc.tcp://x", "timeout": 5, "userName": "u"}, "bluetooth": {}}, '{"url":"opc.tcp://x","userName":"u","timeout":5}'),
        ({"bluetooth": {}}, "{}"),
        ({"modbus": {}}, "null"),
        ({"modbus": {"tcp": {"framing": "rtu", "slaveID": "1", "port": 502, "ip": "h", "responseTimeout": 250}}},
         '{"ip":"h","port":502,"slaveID":"1","framing":"rtu","responseTimeout":250}'),
        ({"modbus": {"rtu": {"serialPort": "/dev/x", "responseTimeout": 250}}}, '{"serialPort":"/dev/x","responseTimeout":250}'),
    ],
)  # fmt: skip
def test_a_protocol_config_has_its_keys_in_order_and_no_zero_values(protocol: dict[str, Any], expected: str) -> None:
    text = profile_text([device("d", model="m", protocol=protocol)], [model("m", properties=[])])
    assert text is not None
    assert f'"protocol_config":{expected}}}' in text


def test_what_a_register_holds_follows_what_kubeedge_knows_and_bit_0_is_not_nothing() -> None:
    """Decision 0078."""
    visitors = [
        {"propertyName": "a", "modbus": {"register": "HoldingRegister", "offset": 0, "limit": 2, "encoding": "float32"}},
        {"propertyName": "b", "modbus": {"bit": 0, "register": "HoldingRegister", "offset": 2, "limit": 1}},
    ]
    text = profile_text([device(model="m")], [model("m", visitors=visitors)])
    assert text is not None
    assert '"visitorConfig":{"register":"HoldingRegister","limit":2,"encoding":"float32"}' in text
    assert '"visitorConfig":{"register":"HoldingRegister","offset":2,"limit":1,"bit":0}' in text


def test_the_order_in_which_devices_came_makes_no_difference() -> None:
    a, b = device("a", model="m1"), device("b", model="m2")
    models = [model("m1"), model("m2"), model("unused")]
    assert profile_text([a, b], models) == profile_text([b, a], models[::-1])
    assert "unused" not in (profile_text([a, b], models) or "")


def test_a_model_that_two_devices_use_appears_once() -> None:
    text = profile_text(
        [device("a"), device("b")], [model(visitors=[{"propertyName": "temperature", "modbus": {"register": "CoilRegister"}}])]
    )
    assert text is not None
    assert (text.count('"dataType"'), text.count('"modelName"')) == (1, 1)


def test_a_device_waits_for_its_model() -> None:
    assert profile_text([device(model="absent")], [model("other")]) is None
    assert profile_text([], [model()]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.1, "0.1"), (-2.50, "-2.5"), (100000000000000000000.0, "100000000000000000000"), (1e21, "1e+21"),
        (0.00001, "0.00001"), (1e-7, "1e-7"), (1.5e-9, "1.5e-9"), (1.5e300, "1.5e+300"), (0.0, "0"), (5, "5"),
        (True, "true"), (None, "null"),
        ("a<b>&\u2028é\"\n", '"a\\u003cb\\u003e\\u0026\\u2028é\\"\\n"'), ([1, {"b": 1, "a": 2}], '[1,{"b":1,"a":2}]'),
    ],
)  # fmt: skip
def test_json_is_written_as_go_does(value: Any, text: str) -> None:
    assert go_json(value) == text


def test_a_protocol_of_ones_own_is_handed_on_whole() -> None:
    pin = {"protocolName": "gpio", "configData": {"pin": 0}}
    text = profile_text(
        [device("lamp-01", protocol={"customizedProtocol": {"protocolName": "gpio", "configData": {"chip": 0}}})],
        [model(properties=[], visitors=[{"propertyName": "on", "customizedProtocol": pin}])],
    )
    assert text is not None
    assert '{"name":"customized-protocol-lamp-01","protocol":"customized-protocol","protocol_config":' in text
    assert '{"protocolName":"gpio","configData":{"chip":0}}}' in text
    assert '"protocol":"customized-protocol","visitorConfig":{"protocolName":"gpio","configData":{"pin":0}}}' in text


def test_a_protocol_of_kubeedge_counts_before_one_of_ones_own() -> None:
    text = profile_text([device("d", protocol={"customizedProtocol": {"protocolName": "gpio"}, "modbus": {"rtu": RTU}})], [model()])
    assert text is not None and "modbus-rtu-d" in text and "customized" not in text


V1BETA1_MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "m", "namespace": "default"},
    "spec": {
        "properties": [
            {"name": "t", "type": "FLOAT", "accessMode": "ReadOnly", "minimum": "-10.5", "maximum": "60", "unit": "°C"},
            {"name": "on", "type": "BOOLEAN", "accessMode": "ReadWrite", "visitors": {"protocolName": "gpio", "configData": {"pin": 4}}},
            {"name": "note", "type": "STRING"},
        ]
    },
}


def v1beta1_device(name: str, offset: int | None) -> dict[str, Any]:
    visitor = {"protocolName": "modbus", "configData": {"register": "HoldingRegister", "offset": offset, "limit": 1}}
    properties = [] if offset is None else [{"name": "t", "visitors": visitor, "collectCycle": 2000}]
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"deviceModelRef": {"name": "m"}, "nodeName": "edge1", "properties": properties},
    }


@pytest.mark.parametrize(
    ("settings", "metadata"),
    [
        ({}, None),
        ({"reportCycle": 5000}, None),
        ({"reportToCloud": False}, None),
        ({"collectCycle": 2000}, {"collectCycle": "2000"}),
        ({"collectCycle": 2000, "reportCycle": 5000, "reportToCloud": True}, {"collectCycle": "2000"}),
        ({"collectCycle": 2000, "reportToCloud": False}, {"collectCycle": "2000", "reportToCloud": "false"}),
        ({"reportToCloud": True}, {}),
        ({"reportToCloud": True, "reportCycle": 5000}, {"collectCycle": "5000"}),
        ({"pushMethod": {"mqtt": {"address": "tcp://h:1883", "topic": "t"}}}, {}),
    ],
)
def test_what_a_v1beta1_device_marks_for_collection_is_told_as_kubeedge_would(settings: dict[str, Any], metadata: Any) -> None:
    """Decision 0100."""
    device = v1beta1_device("a", None)
    device["spec"]["properties"] = [{"name": "t"} | settings]
    told = json.loads(profile_text([converted(device, "v1alpha1")], [converted(V1BETA1_MODEL, "v1alpha1")]) or "")
    marked = None if metadata is None else {"dataProperties": [{"metadata": metadata, "propertyName": "t"}],
                                            "dataTopic": "$ke/events/device/+/data/update"}  # fmt: skip
    assert told["deviceInstances"][0].get("data") == marked


def test_a_v1alpha1_device_marks_with_data_properties_and_the_mark_survives_the_other_version() -> None:
    one = device("a")
    data = {"dataProperties": [{"propertyName": "t", "metadata": {"collectCycle": "500", "type": "int"}}, {"propertyName": "u"}]}
    one["spec"]["data"] = data
    one["apiVersion"], one["kind"] = "devices.kubeedge.io/v1alpha1", "Device"
    there_and_back = converted(converted(one, "v1beta1"), "v1alpha1")
    assert there_and_back["spec"]["data"] == data
    told = json.loads(profile_text([there_and_back], [model()]) or "")
    assert told["deviceInstances"][0]["data"]["dataProperties"] == [
        {"metadata": {"collectCycle": "500", "type": "int"}, "propertyName": "t"},
        {"metadata": {}, "propertyName": "u"},
    ]


def test_devices_with_visitors_of_their_own_get_models_of_their_own() -> None:
    devices = [converted(v1beta1_device(name, offset), "v1alpha1") for name, offset in (("a", 1), ("b", 2), ("c", None))]
    told = json.loads(profile_text(devices, [converted(V1BETA1_MODEL, "v1alpha1")]) or "")
    assert [one["model"] for one in told["deviceInstances"]] == ["m/a", "m/b", "m"]
    assert [one["name"] for one in told["deviceModels"]] == ["m", "m/a", "m/b"]
    visitors = {(one["modelName"], one["propertyName"]): one for one in told["propertyVisitors"]}
    assert visitors["m/a", "t"]["visitorConfig"]["offset"] == 1
    assert visitors["m/b", "t"] == {
        "name": "t",
        "propertyName": "t",
        "modelName": "m/b",
        "collectCycle": 2000,
        "protocol": "modbus",
        "visitorConfig": {"register": "HoldingRegister", "offset": 2, "limit": 1},
    }
    gpio = {"protocolName": "gpio", "configData": {"pin": 4}}
    assert [visitors[name, "on"]["visitorConfig"] for name in ("m", "m/a", "m/b")] == [gpio] * 3
    assert ("m", "t") not in visitors


def test_types_that_v1alpha1_has_no_word_for_are_told_as_twins_have_them() -> None:
    told = json.loads(profile_text([converted(v1beta1_device("c", None), "v1alpha1")], [converted(V1BETA1_MODEL, "v1alpha1")]) or "")
    assert told["deviceModels"][0]["properties"] == [
        {
            "name": "t",
            "dataType": "float",
            "accessMode": "ReadOnly",
            "defaultValue": 0,
            "minimum": -10.5,
            "maximum": 60,
            "unit": "°C",
        },
        {"name": "on", "dataType": "boolean", "accessMode": "ReadWrite", "defaultValue": False},
        {"name": "note", "dataType": "string", "accessMode": "ReadOnly", "defaultValue": ""},
    ]


def test_mappers_read_what_v1beta1_says() -> None:
    text = profile_text([converted(v1beta1_device("a", 7), "v1alpha1")], [converted(V1BETA1_MODEL, "v1alpha1")]) or ""
    found = mapper_profile.parse(text.encode())
    assert found.problems == ()
    (read,) = found.devices
    assert [(one.name, one.data_type, one.writable, one.visitor) for one in read.properties] == [
        ("t", DataType.FLOAT, False, {"register": "HoldingRegister", "offset": 7, "limit": 1}),
        ("on", DataType.BOOLEAN, True, {"pin": 4}),
    ]
