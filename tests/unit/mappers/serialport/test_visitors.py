"""How serial devices and their properties are described, and values on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mappers.sdk.errors import DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.values import DataType, Limits, Value
from mappers.serialport.address import Instrument, PortSettings, instrument_of
from mappers.serialport.visitors import Asked, Command, Positioned, Told, decode, encode, visitor_of
from tests.unit.mappers.serialport.made import CONFIG_PATH, VISITOR_PATH, device, wanted


def test_a_device_is_a_port_and_its_settings() -> None:
    found = instrument_of(
        device(
            parity="even", dataBits=7, stopBits=2, flowControl="hardware", lineEnding="\r\n", timeout=0.5, silence=60, encoding="latin-1"
        )
    )
    port = PortSettings("/dev/ttyUSB0", 9600, 7, "E", 2, False, True, b"\r\n")
    assert found == Instrument(port, False, 0.5, 60, "latin-1")


def test_a_position_receiver_has_the_standards_baud_rate_where_none_is_said() -> None:
    config = {"serialPort": "/dev/ttyACM0", "format": "nmea", "baudRate": None}
    assert instrument_of(device(**config)).port.baud_rate == 4800


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"serialPort": None}, "serialPort: is missing"),
        ({"serialPort": "ttyUSB0"}, "serialPort: expected a path such as /dev/ttyUSB0, got 'ttyUSB0'"),
        ({"serialPort": "/dev/tty\n"}, "serialPort: expected a path"),
        ({"serialPort": 3}, "serialPort: expected text, got a number"),
        ({"baudRate": None}, "baudRate: is missing"),
        ({"baudRate": "9600"}, "baudRate: expected a whole number, got text"),
        ({"baudRate": 1}, "baudRate: expected 50 to 4000000, got 1"),
        ({"dataBits": 9}, "dataBits: expected 5 to 8, got 9"),
        ({"parity": "N"}, "parity: expected none, even, odd, mark, space, got 'N'"),
        ({"stopBits": 3}, "stopBits: expected 1 to 2, got 3"),
        ({"flowControl": "yes"}, "flowControl: expected none, software, hardware"),
        ({"lineEnding": ""}, "lineEnding: is empty"),
        ({"lineEnding": "newline"}, "lineEnding: expected 1 to 4 ASCII characters such as \"\\r\\n\", got 'newline'"),
        ({"format": "json"}, "format: expected lines, nmea, got 'json'"),
        ({"timeout": 60}, "timeout: expected 0.05 to 5, got 60"),
        ({"silence": 0}, "silence: expected 0.5 to 3600, got 0"),
        ({"encoding": "utf-16"}, "encoding: expected utf-8, ascii, latin-1, got 'utf-16'"),
        ({"format": "nmea", "lineEnding": "\r"}, "lineEnding: has a meaning only for format lines"),
        ({"baud": 9600}, "baud: there is no such field"),
    ],
)
def test_a_device_that_cannot_be_is_refused_by_the_field(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        instrument_of(device(**config))
    assert str(refused.value).startswith(f"{CONFIG_PATH}.{said}")


def test_a_property_is_asked_for_told_or_written() -> None:
    asked = visitor_of(wanted(send="TEMP?", pattern="TEMP={value} C", scale=0.1), is_nmea=False)
    assert isinstance(asked.source, Asked)
    assert (asked.source.question, asked.source.pattern.literals, asked.scale) == ("TEMP?", ("TEMP=", " C"), Decimal("0.1"))
    assert isinstance(visitor_of(wanted(pattern="T:{value}"), is_nmea=False).source, Told)
    written = visitor_of(wanted(writable=True, write="SET {value}"), is_nmea=False)
    assert (written.source, written.command) == (None, Command("SET {value}"))
    assert visitor_of(wanted(quantity="altitude"), is_nmea=True).source == Positioned("altitude")


@pytest.mark.parametrize(
    ("data_type", "writable", "visitor", "said"),
    [
        (DataType.FLOAT, False, {}, "pattern: is missing, and so are send and write: nothing says how to reach it"),
        (DataType.FLOAT, False, {"sned": "T?"}, "sned: there is no such field; known: write, acknowledge, send, pattern, values, scale"),
        (DataType.FLOAT, True, {"send": "T?"}, "write: is missing"),
        (DataType.FLOAT, True, {"write": "SET"}, "write: expected {value} once, got it 0 times"),
        (DataType.FLOAT, False, {"send": "T?", "write": "SET {value}"}, "write: has a meaning only where accessMode is ReadWrite"),
        (DataType.FLOAT, False, {"send": "T?\n"}, "send: expected printable text"),
        (DataType.FLOAT, False, {"send": 7}, "send: expected text, got a number"),
        (DataType.FLOAT, False, {"send": "T?", "pattern": "T"}, "pattern: expected {value} once, got it 0 times"),
        (DataType.FLOAT, True, {"write": "SET {value}", "acknowledge": "{value}"}, "acknowledge: expected {value} not at all"),
        (DataType.FLOAT, False, {"send": "T?", "scale": 0}, "scale: 0 is too small or too large"),
        (DataType.FLOAT, False, {"send": "T?", "values": {"a": "b"}}, "values: is for string and boolean, but the property is float"),
        (DataType.STRING, False, {"send": "T?", "values": {"a": 1}}, "values.a: expected text, got a number"),
        (DataType.STRING, False, {"send": "T?", "values": {"a": "1", "b": "1"}}, "values: two values have the same text"),
        (DataType.STRING, False, {"send": "T?", "values": {"a": "1"}, "scale": 2}, "scale: has a meaning only without values"),
        (DataType.BOOLEAN, False, {"send": "T?", "values": {"on": "1"}}, "values: expected true and false"),
        (DataType.FLOAT, False, {"send": "T?", "pattrn": "x"}, "pattrn: there is no such field; known: write, acknowledge, send, "),
    ],
)
def test_a_property_that_cannot_be_is_refused_by_the_field(data_type: DataType, writable: bool, visitor: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(data_type, writable=writable, **visitor), is_nmea=False)
    assert str(refused.value).startswith(f"{VISITOR_PATH}.{said}")


@pytest.mark.parametrize(
    ("data_type", "writable", "visitor", "said"),
    [
        (DataType.FLOAT, False, {}, "quantity: is missing"),
        (DataType.FLOAT, False, {"quantity": "heading"}, "quantity: expected latitude, longitude, "),
        (DataType.FLOAT, True, {"quantity": "speed"}, "quantity: a position cannot be written"),
        (DataType.FLOAT, False, {"quantity": "time"}, "quantity: time is text, but the property is float"),
        (DataType.FLOAT, False, {"quantity": "speed", "send": "x"}, "send: there is no such field"),
    ],
)
def test_a_position_that_cannot_be_is_refused_by_the_field(data_type: DataType, writable: bool, visitor: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(data_type, writable=writable, **visitor), is_nmea=True)
    assert str(refused.value).startswith(f"{VISITOR_PATH}.{said}")


ON_OFF = {"on": "1", "off": "0"}


@pytest.mark.parametrize(
    ("data_type", "visitor", "text", "value"),
    [
        (DataType.FLOAT, {}, "21.50", 21.5),
        (DataType.INT, {"scale": 100}, "21.53", 2153),
        (DataType.INT, {}, "+7", 7),
        (DataType.STRING, {}, "idle, 3 °C", "idle, 3 °C"),
        (DataType.STRING, {"scale": 0.1}, "215", "21.5"),
        (DataType.STRING, {"values": ON_OFF}, "1", "on"),
        (DataType.BOOLEAN, {}, "0", False),
        (DataType.BOOLEAN, {"values": {"true": "RUN", "false": "STOP"}}, "RUN", True),
    ],
)
def test_what_the_device_says_is_a_value_and_the_value_is_said_back(
    data_type: DataType, visitor: dict[str, Any], text: str, value: Value
) -> None:
    prop = wanted(data_type, send="?", writable=True, write="{value}", **visitor)
    found = visitor_of(prop, is_nmea=False)
    assert decode(text, found, prop) == value
    assert decode(encode(value, found, prop), found, prop) == value


@pytest.mark.parametrize("text", ["", "ERR", "1,5", "1_000", "NaN", "inf", "0x10", "٣", "1e999"])
def test_what_is_no_number_is_refused(text: str) -> None:
    prop = wanted(send="?")
    with pytest.raises(DeviceRefused, match="which is no number"):
        decode(text, visitor_of(prop, is_nmea=False), prop)


def test_words_that_were_not_described_are_refused_both_ways() -> None:
    prop = wanted(DataType.STRING, send="?", writable=True, write="{value}", values=ON_OFF)
    visitor = visitor_of(prop, is_nmea=False)
    with pytest.raises(DeviceRefused, match="it says '2', which is none of values"):
        decode("2", visitor, prop)
    with pytest.raises(ValueRefused, match="expected on, off, got 'half'"):
        encode("half", visitor, prop)


@pytest.mark.parametrize("value", ["text", True, 11.0])
def test_a_value_of_another_type_or_outside_the_limits_is_not_said(value: Value) -> None:
    prop = wanted(send="?", writable=True, write="{value}", limits=Limits(0, 10))
    with pytest.raises(ValueRefused):
        encode(value, visitor_of(prop, is_nmea=False), prop)
