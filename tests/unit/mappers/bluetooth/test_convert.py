from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.bluetooth.convert import decode, encode
from mappers.bluetooth.visitors import visitor_of
from mappers.sdk.errors import DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Limits, Value
from tests.unit.mappers.bluetooth.made import wanted

INT, FLOAT, BOOLEAN, STRING = DataType.INT, DataType.FLOAT, DataType.BOOLEAN, DataType.STRING


def step(kind: str, value: float) -> dict[str, Any]:
    return {"operationType": kind, "operationValue": value}


def read(raw: bytes, prop: Property) -> Value:
    return decode(raw, visitor_of(prop), prop)


def written(value: Value, prop: Property, before: bytes = b"") -> bytes:
    return encode(value, visitor_of(prop), prop, before)


@pytest.mark.parametrize(
    ("raw", "prop", "value"),
    [
        (b"\x2a", wanted(), 42),
        (b"\x2a\xff", wanted(), 42),
        (b"\x01\x02", wanted(startIndex=0, endIndex=1), 0x0102),
        (b"\x01\x02", wanted(startIndex=1, endIndex=0), 0x0201),
        (b"\x09\x01\x02\x03", wanted(startIndex=3, endIndex=1), 0x030201),
        (b"\xff\xff", wanted(endIndex=1), 65535),
        (b"\xff\xfe", wanted(endIndex=1, limits=Limits(-100, 100)), -2),
        (b"\xf5", wanted(shiftRight=4), 15),
        (b"\xf5", wanted(shiftLeft=4), 0xF50),
        (b"\xf5", wanted(shiftRight=4, shiftLeft=2), 60),
        (b"\x00\xd7", wanted(FLOAT, endIndex=1, orderOfOperations=[step("Multiply", 0.1)]), 21.5),
        (b"\x10", wanted(FLOAT, orderOfOperations=[step("Add", 4), step("Divide", 8), step("Subtract", 0.5)]), 2.0),
        (b"\x10", wanted(FLOAT, orderOfOperations=[step("Divide", 8), step("Add", 4)]), 6.0),
        (b"\x0f", wanted(INT, orderOfOperations=[step("Divide", 10)]), 1),
        (b"\xc8", wanted(limits=Limits(None, 100)), 100),
        (b"\x00", wanted(BOOLEAN), False),
        (b"\x04", wanted(BOOLEAN, shiftRight=2), True),
        (b"Acme\0\0", wanted(STRING), "Acme"),
        (b"\x01", wanted(STRING, writes={"ON": [1], "OFF": "AA=="}), "ON"),
        (b"\x00", wanted(STRING, writes={"ON": [1], "OFF": "AA=="}), "OFF"),
    ],
)
def test_bytes_become_values(raw: bytes, prop: Property, value: Value) -> None:
    assert read(raw, prop) == value


# SensorTag's infrared thermometer: bytes 2 and 3 reversed, two bits dropped, 1/32 of a degree. KubeEdge 1.2 read it wrongly.
def test_a_sensortag_says_its_temperature() -> None:
    prop = wanted(FLOAT, startIndex=3, endIndex=2, shiftRight=2, orderOfOperations=[step("Multiply", 0.03125)])
    assert read(bytes.fromhex("0000b40b"), prop) == 23.40625


@pytest.mark.parametrize(
    ("value", "prop", "before", "raw"),
    [
        (42, wanted(), b"", b"\x2a"),
        (42, wanted(), b"\x01\x07", b"\x2a\x07"),
        (0x0201, wanted(startIndex=1, endIndex=0), b"", b"\x01\x02"),
        (5, wanted(shiftRight=4), b"\xf7", b"\x57"),
        (21.5, wanted(FLOAT, endIndex=1, orderOfOperations=[step("Multiply", 0.1)]), b"", b"\x00\xd7"),
        (-2, wanted(endIndex=1, limits=Limits(-100, 100)), b"", b"\xff\xfe"),
        (True, wanted(BOOLEAN), b"", b"\x01"),
        ("ON", wanted(STRING, writes={"ON": [1, 2]}), b"\x00", b"\x01\x02"),
        (3, wanted(INT, writes={"3": [0x33]}), b"", b"\x33"),
        ("Acme", wanted(STRING), b"before", b"Acme"),
    ],
)
def test_values_become_bytes(value: Value, prop: Property, before: bytes, raw: bytes) -> None:
    assert written(value, prop, before) == raw


@pytest.mark.parametrize(
    ("value", "prop", "reason"),
    [
        (256, wanted(), "does not fit into 1 bytes"),
        (-1, wanted(), "does not fit"),
        (21.53, wanted(FLOAT, endIndex=1, orderOfOperations=[step("Multiply", 0.1)]), "the nearest is 21.5"),
        ("DIM", wanted(STRING, writes={"ON": [1], "OFF": [0]}), "expected one of ON, OFF"),
    ],
)
def test_a_value_that_no_bytes_stand_for_is_refused(value: Value, prop: Property, reason: str) -> None:
    with pytest.raises(ValueRefused, match=reason):
        written(value, prop)


@pytest.mark.parametrize(
    ("raw", "prop", "reason"),
    [
        (b"", wanted(), "it has 0"),
        (b"\x01", wanted(startIndex=2, endIndex=1), "bytes 2 to 1 are asked for, it has 1"),
        (b"\xff\xfe", wanted(STRING), "no text: ff fe"),
        (b"\x01", wanted(INT, writes={"ON": [1]}), "'ON'"),
    ],
)
def test_bytes_that_are_no_value_are_refused(raw: bytes, prop: Property, reason: str) -> None:
    with pytest.raises(DeviceRefused, match=reason):
        read(raw, prop)


@given(
    start=st.integers(0, 7),
    end=st.integers(0, 7),
    right=st.integers(0, 6),
    steps=st.lists(
        st.tuples(st.sampled_from(["Add", "Subtract", "Multiply", "Divide"]), st.sampled_from([0.1, 0.5, 2, 3, 10])), max_size=4
    ),
    held=st.binary(min_size=8, max_size=8),
)
def test_what_was_read_can_be_written_back_and_changes_nothing(
    start: int, end: int, right: int, steps: list[tuple[str, float]], held: bytes
) -> None:
    prop = wanted(FLOAT, startIndex=start, endIndex=end, shiftRight=right, orderOfOperations=[step(*item) for item in steps])
    converter = visitor_of(prop).converter
    assert converter.raw(converter.number(held, signed=False), held, signed=False) == held


@pytest.mark.parametrize(
    ("prop", "field"),
    [
        (wanted(startIndex=-1), "dataConverter.startIndex"),
        (wanted(endIndex=512), "dataConverter.endIndex"),
        (wanted(startIndex=0, endIndex=8), "dataConverter.endIndex"),
        (wanted(shiftLeft=64), "dataConverter.shiftLeft"),
        (wanted(shiftRight="1"), "dataConverter.shiftRight"),
        (wanted(orderOfOperations={}), "orderOfOperations"),
        (wanted(orderOfOperations=[step("Power", 2)]), "orderOfOperations[0].operationType"),
        (wanted(orderOfOperations=[step("Add", 1), step("Divide", 0)]), "orderOfOperations[1].operationValue"),
        (wanted(orderOfOperations=[{"operationType": "Add", "operationValue": float("nan")}]), "operationValue"),
        (wanted(uuid="2a1"), "characteristicUUID"),
        (wanted(uuid=""), "characteristicUUID"),
        (wanted(uuid="service-data:"), "characteristicUUID"),
        (wanted(uuid="manufacturer-data:65536"), "characteristicUUID"),
        (wanted(uuid="service-data:fcd2", writable=True), "characteristicUUID"),
        (wanted(writes={"ON": [256]}), "dataWrite.ON"),
        (wanted(writes={"ON": "?"}), "dataWrite.ON"),
        (wanted(writes={"ON": []}), "dataWrite.ON"),
        (wanted(writes={"ON": 1}), "dataWrite.ON"),
    ],
)
def test_a_visitor_that_cannot_be_followed_is_refused_by_its_field(prop: Property, field: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(prop)
    assert refused.value.path.endswith(field)
