"""deviceProfile.json, byte for byte (contract 5.2). The expected texts are written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.devicecontroller.gojson import go_json
from cloudcore.devicecontroller.profile import profile_text
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
    ],
)  # fmt: skip
def test_a_protocol_config_has_its_keys_in_order_and_no_zero_values(protocol: dict[str, Any], expected: str) -> None:
    text = profile_text([device("d", model="m", protocol=protocol)], [model("m", properties=[])])
    assert text is not None
    assert f'"protocol_config":{expected}}}' in text


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
