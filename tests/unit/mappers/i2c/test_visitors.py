"""How I2C devices and their properties are described, and registers on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.i2c.address import Address, address_of
from mappers.i2c.sensors import MAKERS
from mappers.i2c.visitors import Registers, decode, encode, visitor_of
from mappers.sdk.errors import DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Limits, Value
from tests.unit.mappers.i2c.made import CONFIG_PATH, VISITOR_PATH, device, settings, wanted

HERE = Address(1, 0x20)
WIDE = Address(1, 0x50, 2)


def registers(prop: Property, address: Address = HERE) -> Registers:
    found = visitor_of(prop, address, None)
    assert isinstance(found, Registers)
    return found


def test_an_address_is_a_bus_and_a_number_in_either_form() -> None:
    assert address_of(device(bus=3, address="0x76")) == (Address(3, 0x76), None)
    assert address_of(device(address=118)) == (Address(1, 0x76), None)
    assert address_of(device(registerBytes=2)) == (Address(1, 0x20, 2), None)
    address, sensor = address_of(device(address="0x40", sensor="ina219", shuntOhms=0.01))
    assert (str(address), type(sensor).__name__) == ("0x40 on /dev/i2c-1", "Ina219")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"address": None}, "address: is missing"),
        ({"address": "118"}, "address: expected a number or text such as 0x76, got '118'"),
        ({"address": "0x78"}, "address: expected 0x08 to 0x77, got 0x78"),
        ({"address": 3}, "address: expected 8 to 119, got 3"),
        ({"address": [1]}, "address: expected a whole number, got a list"),
        ({"bus": "1"}, "bus: expected a whole number, got text"),
        ({"bus": -1}, "bus: expected 0 to 255, got -1"),
        ({"sensor": "bme680"}, "sensor: expected bme280, sht3x, ads1115, ina219, ds3231, got 'bme680'"),
        ({"sensor": "bme280", "registerBytes": 2}, "registerBytes: there is no such field; known: bus, address, sensor"),
        ({"sensor": "bme280", "shuntOhms": 0.1}, "shuntOhms: there is no such field"),
        ({"registerBytes": 3}, "registerBytes: expected 1 to 2, got 3"),
    ],
)
def test_a_device_that_cannot_be_is_refused_by_the_field(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        address_of(device(**config))
    assert str(refused.value).startswith(f"{CONFIG_PATH}.{said}")


@pytest.mark.parametrize(
    ("data_type", "writable", "visitor", "said"),
    [
        (DataType.INT, False, {"register": 256}, "register: expected 0 to 255, got 256"),
        (DataType.INT, False, {"register": "0x100"}, "register: expected 0x00 to 0xff, got 0x100"),
        (DataType.INT, False, {"register": 0, "length": 9}, "length: expected 1 to 8, got 9"),
        (DataType.STRING, False, {"register": 0, "length": 33}, "length: expected 1 to 32, got 33"),
        (DataType.INT, False, {"register": 0, "byteOrder": "middle"}, "byteOrder: expected big, little, got 'middle'"),
        (DataType.INT, False, {"register": 0, "shift": 8}, "shift: expected 0 to 7, got 8"),
        (DataType.INT, False, {"register": 0, "shift": 4, "bits": 5}, "bits: expected 1 to 4, got 5"),
        (DataType.INT, False, {"register": 0, "signed": 1}, "signed: expected true or false, got a number"),
        (DataType.INT, False, {"register": 0, "quantity": "x"}, "quantity: there is no such field"),
    ],
)
def test_registers_that_cannot_be_are_refused_by_the_field(data_type: DataType, writable: bool, visitor: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(data_type, writable=writable, **visitor), HERE, None)
    assert str(refused.value).startswith(f"{VISITOR_PATH}.{said}")


@pytest.mark.parametrize(
    ("data_type", "writable", "visitor", "said"),
    [
        (DataType.FLOAT, False, {}, "quantity: is missing"),
        (DataType.FLOAT, False, {"quantity": "pressure"}, "quantity: expected temperature, time, stopped, got 'pressure'"),
        (DataType.FLOAT, True, {"quantity": "temperature"}, "quantity: what is measured cannot be written"),
        (DataType.INT, False, {"quantity": "time"}, "quantity: time is text, but the property is int"),
        (DataType.INT, False, {"quantity": "temperature", "register": 1}, "register: there is no such field; known: quantity, scale"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused_by_the_field(data_type: DataType, writable: bool, visitor: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(data_type, writable=writable, **visitor), HERE, MAKERS["ds3231"](settings()))
    assert str(refused.value).startswith(f"{VISITOR_PATH}.{said}")


@pytest.mark.parametrize(
    ("data_type", "visitor", "data", "value"),
    [
        (DataType.INT, {}, "2a", 42),
        (DataType.INT, {"length": 2}, "0102", 0x0102),
        (DataType.INT, {"length": 2, "byteOrder": "little"}, "0102", 0x0201),
        (DataType.INT, {"length": 2, "signed": True}, "fffe", -2),
        # LM75: eleven bits of an eighth of a degree.
        (DataType.FLOAT, {"length": 2, "shift": 5, "signed": True, "scale": 0.125}, "1920", 25.125),
        (DataType.FLOAT, {"length": 2, "shift": 5, "signed": True, "scale": 0.125}, "e6e0", -25.125),
        (DataType.FLOAT, {"scale": 0.5, "offset": -40}, "ff", 87.5),
        (DataType.BOOLEAN, {"shift": 3, "bits": 1}, "08", True),
        (DataType.BOOLEAN, {"shift": 3, "bits": 1}, "f7", False),
        (DataType.STRING, {"length": 6}, "424d45320000", "BME2"),
        (DataType.STRING, {"length": 1, "scale": 0.5}, "05", "2.5"),
        (DataType.INT, {"length": 8}, "ffffffffffffffff", 2**64 - 1),
    ],
)
def test_bytes_are_values_and_back(data_type: DataType, visitor: dict[str, Any], data: str, value: Value) -> None:
    prop = wanted(data_type, writable=True, register=0, **visitor)
    where, raw = registers(prop), bytes.fromhex(data)
    assert decode(raw, where, prop) == value
    assert encode(value, where, prop, raw) == raw


def test_other_bits_of_the_byte_stay_as_they_are() -> None:
    prop = wanted(DataType.INT, writable=True, register=0, shift=2, bits=3)
    assert encode(0, registers(prop), prop, b"\xff") == b"\xe3"
    assert encode(5, registers(prop), prop, b"\x00") == b"\x14"


@given(
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_what_is_written_is_read_and_nothing_else_changes(length: int, is_big: bool, is_signed: bool, data: st.DataObject) -> None:
    shift = data.draw(st.integers(0, 8 * length - 1))
    bits = data.draw(st.integers(1, 8 * length - shift))
    where = Registers(0, length, is_big, is_signed, shift, bits)
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    # As much as a twin's text of a float carries; ints are exact up to their 20 digits.
    value = data.draw(st.integers(least, most))
    before = data.draw(st.binary(min_size=length, max_size=length))
    prop = wanted(DataType.INT, writable=True)
    after = encode(value, where, prop, before)
    assert decode(after, where, prop) == value
    order: Any = "big" if is_big else "little"
    untouched = ~(((1 << bits) - 1) << shift) & ((1 << 8 * length) - 1)
    assert int.from_bytes(after, order) & untouched == int.from_bytes(before, order) & untouched


@pytest.mark.parametrize(
    ("data_type", "visitor", "value", "said"),
    [
        (DataType.INT, {}, 256, "expected a whole number of 0 to 255 after scaling, got 256"),
        (DataType.INT, {"signed": True}, 128, "expected a whole number of -128 to 127"),
        (DataType.FLOAT, {"scale": 0.5}, 0.3, "got 0.6"),
        (DataType.INT, {}, "text", "expected int"),
        (DataType.INT, {}, 11, "more than the maximum 10"),
        (DataType.STRING, {"length": 3}, "four", "at most 3 printable ASCII characters"),
        (DataType.STRING, {"length": 3}, "ü", "ASCII"),
    ],
)
def test_what_the_registers_cannot_hold_is_refused(data_type: DataType, visitor: dict[str, Any], value: Value, said: str) -> None:
    limits = Limits(0, 10) if value == 11 else Limits()
    prop = wanted(data_type, writable=True, limits=limits, register=0, **visitor)
    with pytest.raises(ValueRefused, match=said):
        encode(value, registers(prop), prop, b"\0")


@pytest.mark.parametrize("data", [b"\x80\x81", b"\x01\x02"])
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    prop = wanted(DataType.STRING, register=0, length=2)
    with pytest.raises(DeviceRefused, match="text"):
        decode(data, registers(prop), prop)


def test_a_chip_of_wide_addresses_has_more_registers_and_one_without_has_none() -> None:
    assert registers(wanted(register="0xffff"), WIDE).first == 0xFFFF
    assert registers(wanted()).first is None
