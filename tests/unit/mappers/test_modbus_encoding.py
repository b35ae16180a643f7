"""Floats, wide numbers, texts and bits in registers (decision 0078)."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mappers.modbus.address import Framing, SerialLine, TcpLine, address_of
from mappers.modbus.convert import decode, encode, with_bit
from mappers.modbus.encoding import Encoding
from mappers.modbus.registers import visitor_of
from mappers.sdk.errors import DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Device
from mappers.sdk.values import DataType, Limits, Value
from tests.unit.mappers.made import wanted

INT, FLOAT, BOOLEAN, STRING = DataType.INT, DataType.FLOAT, DataType.BOOLEAN, DataType.STRING
COIL, INPUT = "CoilRegister", "InputRegister"


@pytest.mark.parametrize(
    ("registers", "config", "data_type", "value"),
    [
        ([0xFFCE], {"encoding": "int16"}, INT, -50),
        ([0xFFCE], {"encoding": "uint16"}, INT, 65486),
        ([0xFFFF, 0xFFCE], {"encoding": "int32", "limit": 2}, INT, -50),
        ([0xFFCE, 0xFFFF], {"encoding": "int32", "limit": 2, "isRegisterSwap": True}, INT, -50),
        ([0x0001, 0x0000], {"encoding": "uint32", "limit": 2}, INT, 65536),
        ([0x8000, 0, 0, 0], {"encoding": "int64", "limit": 4}, INT, -(2**63)),
        ([0xFFFF] * 4, {"encoding": "uint64", "limit": 4}, INT, 2**64 - 1),
        ([0x41AC, 0x8F5C], {"encoding": "float32", "limit": 2}, FLOAT, 21.57),
        ([0x8F5C, 0x41AC], {"encoding": "float32", "limit": 2, "isRegisterSwap": True}, FLOAT, 21.57),
        ([0xAC41, 0x5C8F], {"encoding": "float32", "limit": 2, "isSwap": True}, FLOAT, 21.57),
        ([0x41AC, 0x8F5C], {"encoding": "float32", "limit": 2, "scale": 100}, INT, 2157),
        ([0xC0A0, 0], {"encoding": "float32", "limit": 2}, FLOAT, -5.0),
        ([0x3FF3, 0xC0CA, 0x428C, 0x59FB], {"encoding": "float64", "limit": 4}, FLOAT, 1.234567890123456789),
        ([0x4272, 0x616D, 0x626C, 0x6500], {"encoding": "text", "limit": 4}, STRING, "Bramble"),
        ([0x7242, 0x6D61], {"encoding": "text", "limit": 2, "isSwap": True}, STRING, "Bram"),
        ([0b100], {"bit": 2}, BOOLEAN, True),
        ([0b100], {"bit": 0}, BOOLEAN, False),
        ([0x8000], {"bit": 15}, INT, 1),
        ([0x0080], {"bit": 15, "isSwap": True}, INT, 1),
    ],
)
def test_registers_are_read_as_their_encoding_says(registers: list[int], config: dict[str, Any], data_type: DataType, value: Value) -> None:
    found = wanted(data_type, **config)
    held = decode(registers, visitor_of(found), found)
    assert held == value and type(held) is type(value)
    if "bit" not in config:
        assert encode(held, visitor_of(found), found) == registers


def test_what_stands_behind_the_end_of_a_text_is_not_part_of_it() -> None:
    found = wanted(STRING, encoding="text", limit=3)
    assert decode([0x4869, 0x0078, 0x7878], visitor_of(found), found) == "Hi"


@pytest.mark.parametrize("registers", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]])
def test_a_float_that_is_no_number_is_refused_in_words(registers: list[int]) -> None:
    found = wanted(FLOAT, encoding="float32", limit=2)
    with pytest.raises(DeviceRefused, match="which is no number"):
        decode(registers, visitor_of(found), found)


@pytest.mark.parametrize(
    ("value", "config", "data_type", "why"),
    [
        (32768, {"encoding": "int16"}, INT, "32768 does not fit into int16"),
        (-1, {"encoding": "uint32", "limit": 2}, INT, "does not fit into uint32"),
        (2**64, {"encoding": "uint64", "limit": 4}, INT, "does not fit into uint64"),
        (1e39, {"encoding": "float32", "limit": 2}, FLOAT, "does not fit into float32"),
        (16777217, {"encoding": "float32", "limit": 2}, INT, "as float32 the nearest to 16777217 is 16777216"),
        (21.123456789, {"encoding": "float32", "limit": 2}, FLOAT, "as float32 the nearest to 21.123456789 is 21.123"),
        ("Brambles!", {"encoding": "text", "limit": 4}, STRING, "9 bytes of text do not fit into 4 registers"),
    ],
)
def test_a_value_that_the_encoding_cannot_hold_is_refused(value: Value, config: dict[str, Any], data_type: DataType, why: str) -> None:
    found = wanted(data_type, **config)
    with pytest.raises(ValueRefused, match=why):
        encode(value, visitor_of(found), found)


@pytest.mark.parametrize(
    ("data_type", "config", "problem"),
    [
        (INT, {"encoding": "float"}, ".encoding: expected int16, uint16"),
        (INT, {"encoding": 5}, ".encoding: expected text, got a number"),
        (INT, {"encoding": "float32"}, ".limit: float32 takes 2 of them, got 1"),
        (INT, {"encoding": "int16", "limit": 2}, ".limit: int16 takes 1 of them, got 2"),
        (INT, {"encoding": "uint64", "limit": 5}, ".limit: expected 1 to 4, got 5"),
        (INT, {"encoding": "int16", "register": COIL}, ".encoding: a CoilRegister holds bits, not int16"),
        (STRING, {"encoding": "int16"}, ".encoding: int16 is for a property of type int or float, p is string"),
        (INT, {"encoding": "text"}, ".encoding: text is for a property of type string, p is int"),
        (BOOLEAN, {"encoding": "uint16"}, ".encoding: uint16 is for a property of type int or float, p is boolean"),
        (STRING, {"encoding": "text", "limit": 124}, ".limit: expected 1 to 123, got 124"),
        (BOOLEAN, {"bit": 16}, ".bit: expected 0 to 15, got 16"),
        (BOOLEAN, {"bit": "2"}, ".bit: expected a whole number, got text"),
        (BOOLEAN, {"bit": 1, "register": COIL}, ".bit: a CoilRegister is a bit; give its number as offset"),
        (FLOAT, {"bit": 1}, ".bit: a bit is for a property of type int or boolean, p is float"),
        (INT, {"bit": 1, "limit": 2}, ".limit: expected 1 to 1, got 2"),
        (INT, {"bit": 1, "encoding": "int16"}, ".encoding: a single bit has none"),
        (INT, {"bit": 1, "scale": 0.1}, ".scale: a single bit has none"),
        (
            INT,
            {"encoding": "int32", "limit": 2, "register": INPUT},
            ".register: InputRegister cannot be written but accessMode is ReadWrite",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_by_the_fields_name(data_type: DataType, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(data_type, **config))
    assert str(refused.value).startswith(f"propertyVisitors[0].visitorConfig{problem}")


@pytest.mark.parametrize(("held", "bit", "value", "then"), [(0b1010, 0, True, 0b1011), (0b1010, 1, False, 0b1000), (0, 15, 1, 0x8000)])
def test_one_bit_is_changed_and_the_others_stay(held: int, bit: int, value: Value, then: int) -> None:
    found = wanted(BOOLEAN if isinstance(value, bool) else INT, bit=bit)
    assert with_bit(held, value, visitor_of(found)) == then


def test_a_bit_takes_nothing_but_0_and_1() -> None:
    with pytest.raises(ValueRefused, match="a bit holds 0 or 1, not 2"):
        with_bit(0, 2, visitor_of(wanted(INT, bit=3)))


SWAPS = st.fixed_dictionaries({"isSwap": st.booleans(), "isRegisterSwap": st.booleans()})
WHOLE = [each for each in Encoding if each.registers and not each.is_float]


@given(st.sampled_from(WHOLE), SWAPS, st.binary(min_size=8, max_size=8))
def test_every_whole_number_reads_as_what_was_written(encoding: Encoding, swaps: dict[str, Any], data: bytes) -> None:
    found = wanted(encoding=encoding.value, limit=encoding.registers, **swaps)
    registers = list(struct.unpack(">4H", data))[: encoding.registers]
    assert encode(decode(registers, visitor_of(found), found), visitor_of(found), found) == registers


@given(SWAPS, st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float_of_32_bits_can_be_written_back_as_it_was_read(swaps: dict[str, Any], number: float) -> None:
    assume(number != 0)
    found = wanted(FLOAT, encoding="float32", limit=2, **swaps)
    written = wanted(FLOAT, encoding="float32", limit=2)
    registers = list(struct.unpack(">2H", struct.pack(">f", number)))
    held = decode(registers, visitor_of(written), written)
    assert decode(encode(held, visitor_of(found), found), visitor_of(found), found) == held
    assert encode(held, visitor_of(written), written) == registers


@given(st.text(st.characters(min_codepoint=32, exclude_categories=("C", "Z")), max_size=30), SWAPS)
def test_every_text_in_pairs_of_bytes_reads_as_itself(text: str, swaps: dict[str, Any]) -> None:
    found = wanted(STRING, encoding="text", limit=60, **swaps)
    assert decode(encode(text, visitor_of(found), found), visitor_of(found), found) == text


def test_limits_hold_for_encoded_numbers_too() -> None:
    found = wanted(FLOAT, encoding="float32", limit=2, limits=Limits(5, 35))
    assert decode([0x4270, 0], visitor_of(found), found) == 35


# Where the device is.


def device(protocol: str, **config: Any) -> Device:
    return Device("d", "m", protocol, config, path="protocols[0].protocol_config")


def test_a_gateway_that_speaks_rtu_frames_over_tcp_is_told_by_its_framing() -> None:
    assert address_of(device("modbus-tcp", ip="h", port=502, framing="rtu")).line == TcpLine("h", 502, Framing.RTU)
    assert address_of(device("modbus-tcp", ip="h", port=502)).line == TcpLine("h", 502, Framing.TCP)


def test_how_long_an_answer_may_take_is_said_in_milliseconds() -> None:
    assert address_of(device("modbus-tcp", ip="h", port=502, responseTimeout=250)).limit == 0.25
    assert address_of(device("modbus-tcp", ip="h", port=502)).limit == 1.0


@pytest.mark.parametrize(
    ("protocol", "config", "problem"),
    [
        ("modbus-tcp", {"ip": "h", "port": 502, "framing": "ascii"}, ".framing: expected tcp or rtu, got 'ascii'"),
        ("modbus-tcp", {"ip": "h", "port": 502, "framing": 1}, ".framing: expected text"),
        ("modbus-rtu", {"serialPort": "/dev/x", "baudRate": 9600, "framing": "tcp"}, ".framing: a serial line speaks RTU"),
        ("modbus-tcp", {"ip": "h", "port": 502, "responseTimeout": 10}, ".responseTimeout: expected 20 to 5000, got 10"),
        ("modbus-tcp", {"ip": "h", "port": 502, "responseTimeout": "1s"}, ".responseTimeout: expected a whole number"),
    ],
)
def test_a_wrong_line_is_refused_by_the_fields_name(protocol: str, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProfileError) as refused:
        address_of(device(protocol, **config))
    assert str(refused.value).startswith(f"protocols[0].protocol_config{problem}")


def test_bytes_take_their_time_on_a_wire() -> None:
    assert SerialLine("/dev/x", 9600, 8, "N", 1).wire_seconds(96) == pytest.approx(0.1)
    assert SerialLine("/dev/x", 9600, 8, "E", 2).wire_seconds(96) == pytest.approx(0.12)
