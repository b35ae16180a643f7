"""Registers to values and back (contract 11.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.convert import decode, encode
from mappers.modbus.registers import Table, visitor_of
from mappers.sdk.errors import DeviceRefused, ValueRefused
from mappers.sdk.values import DataType, Limits, Value
from tests.unit.mappers.made import wanted

INT, FLOAT, BOOLEAN, STRING = DataType
COIL = Table.COIL.value


@pytest.mark.parametrize(
    ("registers", "config", "data_type", "value"),
    [
        ([215], {}, INT, 215),
        ([65535], {}, INT, 65535),
        ([0x1234, 0x5678], {"limit": 2}, INT, 0x12345678),
        ([0x1234, 0x5678], {"limit": 2, "isRegisterSwap": True}, INT, 0x56781234),
        ([0x1234], {"isSwap": True}, INT, 0x3412),
        ([0x1234, 0x5678], {"limit": 2, "isSwap": True, "isRegisterSwap": True}, INT, 0x78563412),
        ([1, 2, 3, 4], {"limit": 4}, INT, 1 << 48 | 2 << 32 | 3 << 16 | 4),
        ([215], {"scale": 0.1}, INT, 21),
        ([219], {"scale": 0.1}, INT, 21),
        ([3], {"scale": 10}, INT, 30),
        ([215], {"scale": 0.1}, FLOAT, 21.5),
        ([3], {"scale": 0.1}, FLOAT, 0.3),
        ([7], {"scale": -1}, INT, -7),
        ([1], {"register": COIL}, INT, 1),
        ([1, 0, 1], {"register": COIL, "limit": 3}, INT, 5),
        ([1], {"register": COIL}, BOOLEAN, True),
        ([0], {}, BOOLEAN, False),
        ([72, 105, 0, 0], {"limit": 4}, STRING, "Hi"),
        ([0x4800, 0x6900], {"limit": 2, "isSwap": True}, STRING, "Hi"),
    ],
)
def test_registers_are_read_as_the_contract_says(registers: list[int], config: dict[str, Any], data_type: DataType, value: Value) -> None:
    found = wanted(data_type, **config)
    held = decode(registers, visitor_of(found), found)
    assert held == value and type(held) is type(value)
    assert decode(encode(held, visitor_of(found), found), visitor_of(found), found) == value


@pytest.mark.parametrize(
    ("registers", "limits", "value"), [([65486], Limits(-400, 1000), -50), ([32768], Limits(-40000), -32768), ([50], Limits(-1), 50)]
)
def test_a_negative_minimum_makes_the_number_signed(registers: list[int], limits: Limits, value: int) -> None:
    found = wanted(limits=limits)
    assert decode(registers, visitor_of(found), found) == value
    assert encode(value, visitor_of(found), found) == registers


@pytest.mark.parametrize(("register", "reported"), [(40, 50), (50, 50), (200, 200), (350, 350), (999, 350)])
def test_what_a_device_holds_outside_the_limits_is_reported_as_the_limit(register: int, reported: int) -> None:
    found = wanted(limits=Limits(50, 350))
    assert decode([register], visitor_of(found), found) == reported


@pytest.mark.parametrize(
    ("value", "config", "data_type", "why"),
    [
        (65536, {}, INT, "does not fit into 1 HoldingRegister"),
        (-1, {}, INT, "does not fit"),
        (2, {"register": COIL}, INT, "does not fit into 1 CoilRegister"),
        (31, {"scale": 10}, INT, "the nearest to 31 is 30"),
        (21.55, {"scale": 0.1}, FLOAT, "the nearest to 21.55 is 21.6"),
        ("Hello", {"limit": 4}, STRING, "5 bytes of text do not fit into 4 registers"),
    ],
)
def test_a_value_that_the_registers_cannot_hold_is_refused(value: Value, config: dict[str, Any], data_type: DataType, why: str) -> None:
    found = wanted(data_type, **config)
    with pytest.raises(ValueRefused, match=why):
        encode(value, visitor_of(found), found)


@pytest.mark.parametrize(
    ("registers", "config", "data_type"),
    [([], {}, INT), ([1, 2], {}, INT), ([0xFF, 0xFF], {"limit": 2}, STRING), ([10, 65], {"limit": 2}, STRING), ([300], {}, STRING)],
)
def test_an_answer_that_is_no_value_is_refused(registers: list[int], config: dict[str, Any], data_type: DataType) -> None:
    found = wanted(data_type, **config)
    with pytest.raises(DeviceRefused):
        decode(registers, visitor_of(found), found)


LAYOUTS = st.fixed_dictionaries({"limit": st.integers(1, 4), "isSwap": st.booleans(), "isRegisterSwap": st.booleans()})
SCALES = st.sampled_from([1, 0.1, 0.01, 0.5, 2, 10, 3, 0.3, 1.7])


@given(LAYOUTS, st.integers(0, 2**64 - 1))
def test_every_whole_number_written_reads_as_itself(layout: dict[str, Any], number: int) -> None:
    found = wanted(**layout)
    value = number % (1 << 16 * layout["limit"])
    assert decode(encode(value, visitor_of(found), found), visitor_of(found), found) == value


@given(LAYOUTS, st.integers(-(2**63), 2**63 - 1))
def test_every_signed_number_written_reads_as_itself(layout: dict[str, Any], number: int) -> None:
    found = wanted(limits=Limits(minimum=-(2**63)), **layout)
    half = 1 << 16 * layout["limit"] - 1
    value = number % (2 * half) - half
    assert decode(encode(value, visitor_of(found), found), visitor_of(found), found) == value


@given(st.integers(0, 65535), SCALES, st.sampled_from([INT, FLOAT]))
def test_what_was_read_through_a_scale_can_be_written_back(register: int, scale: float, data_type: DataType) -> None:
    found = wanted(data_type, scale=scale)
    held = decode([register], visitor_of(found), found)
    assert decode(encode(held, visitor_of(found), found), visitor_of(found), found) == held


@given(st.integers(1, 64), st.integers(0, 2**64 - 1), st.booleans())
def test_every_row_of_coils_written_reads_as_itself(limit: int, number: int, turned: bool) -> None:
    found = wanted(register=COIL, limit=limit, isRegisterSwap=turned)
    value = number % (1 << limit)
    registers = encode(value, visitor_of(found), found)
    assert set(registers) <= {0, 1} and decode(registers, visitor_of(found), found) == value


@given(st.text(st.characters(min_codepoint=32, exclude_categories=("C", "Z")), max_size=20), st.booleans(), st.booleans())
def test_every_text_written_reads_as_itself(text: str, swap: bool, turned: bool) -> None:
    found = wanted(STRING, limit=80, isSwap=swap, isRegisterSwap=turned)
    assert decode(encode(text, visitor_of(found), found), visitor_of(found), found) == text
