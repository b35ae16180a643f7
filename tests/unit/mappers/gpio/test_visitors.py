"""How pins are described, and values on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mappers.gpio.pins import Edge, Pull
from mappers.gpio.visitors import (
    Counter,
    Input,
    Output,
    Pwm,
    Words,
    check_device,
    decode_level,
    encode_count,
    encode_level,
    encode_percent,
    visitor_of,
)
from mappers.sdk.errors import ProfileError, ValueRefused
from mappers.sdk.values import DataType, Limits, Value
from tests.unit.mappers.gpio.made import CONFIG_PATH, VISITOR_PATH, device, wanted


@pytest.mark.parametrize(
    ("data_type", "writable", "visitor", "found"),
    [
        (DataType.BOOLEAN, False, {"mode": "input"}, Input(17)),
        (
            DataType.STRING,
            False,
            {"mode": "input", "pull": "up", "debounceMs": 50, "activeLow": True, "onText": "open", "offText": "shut"},
            Input(17, Pull.UP, True, 50, Words("open", "shut")),
        ),
        (DataType.BOOLEAN, True, {"mode": "output"}, Output(17)),
        (
            DataType.INT,
            True,
            {"mode": "output", "activeLow": True, "initial": "off", "whenClosed": True},
            Output(17, True, False, True),
        ),
        (DataType.INT, True, {"mode": "pwm", "frequency": 25, "scale": 2.55}, Pwm(17, 25.0, Decimal("2.55"))),
        (DataType.INT, False, {"mode": "counter"}, Counter(17)),
        (
            DataType.FLOAT,
            True,
            {"mode": "counter", "edge": "falling", "pull": "down", "debounceMs": 5, "scale": 0.5},
            Counter(17, Edge.FALLING, Pull.DOWN, 5, Decimal("0.5")),
        ),
    ],
)
def test_a_pin_has_a_use(data_type: DataType, writable: bool, visitor: dict[str, Any], found: object) -> None:
    assert visitor_of(wanted(data_type, writable=writable, **visitor)) == found


@pytest.mark.parametrize(
    ("data_type", "writable", "visitor", "said"),
    [
        (DataType.BOOLEAN, False, {"pin": None, "mode": "input"}, "pin: is missing"),
        (DataType.BOOLEAN, False, {"pin": 28, "mode": "input"}, "pin: expected 0 to 27, got 28"),
        (DataType.BOOLEAN, False, {"pin": "GPIO17", "mode": "input"}, "pin: expected a whole number, got text"),
        (DataType.BOOLEAN, False, {}, "mode: is missing"),
        (DataType.BOOLEAN, False, {"mode": "in"}, "mode: expected input, output, pwm, counter, got 'in'"),
        (DataType.BOOLEAN, True, {"mode": "input"}, "mode: an input cannot be written but accessMode is ReadWrite"),
        (DataType.BOOLEAN, False, {"mode": "input", "pull": "high"}, "pull: expected none, up, down, got 'high'"),
        (DataType.BOOLEAN, False, {"mode": "input", "debounceMs": -1}, "debounceMs: expected 0 to 5000, got -1"),
        (DataType.BOOLEAN, False, {"mode": "input", "activeLow": "yes"}, "activeLow: expected true or false, got text"),
        (DataType.BOOLEAN, False, {"mode": "input", "onText": "x"}, "onText: has a meaning only where the property is string, not boolean"),
        (DataType.STRING, False, {"mode": "input", "onText": "x", "offText": "x"}, "offText: is the same as onText: 'x'"),
        (DataType.STRING, False, {"mode": "input", "onText": "x\n"}, "onText: expected printable text"),
        (DataType.BOOLEAN, True, {"mode": "output", "initial": "high"}, "initial: expected keep, on, off, got 'high'"),
        (DataType.BOOLEAN, True, {"mode": "output", "pull": "up"}, "pull: there is no such field; known: pin, mode, "),
        (DataType.BOOLEAN, True, {"mode": "pwm", "frequency": 25}, "mode: pwm is a number, but the property is boolean"),
        (DataType.INT, True, {"mode": "pwm"}, "frequency: is missing"),
        (DataType.INT, True, {"mode": "pwm", "frequency": 0}, "frequency: expected 0.1 to 10000, got 0"),
        (DataType.BOOLEAN, False, {"mode": "counter"}, "mode: counter is a number, but the property is boolean"),
        (DataType.INT, False, {"mode": "counter", "edge": "up"}, "edge: expected rising, falling, both, got 'up'"),
        (DataType.INT, False, {"mode": "counter", "scale": 0}, "scale: 0 is too small or too large"),
    ],
)
def test_a_pin_that_cannot_be_is_refused_by_the_field(data_type: DataType, writable: bool, visitor: dict[str, Any], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        visitor_of(wanted(data_type, writable=writable, **visitor))
    assert str(refused.value).startswith(f"{VISITOR_PATH}.{said}")


def test_a_device_has_no_settings() -> None:
    check_device(device(ignored=None))
    with pytest.raises(ProfileError) as refused:
        check_device(device(pin=17))
    assert str(refused.value).startswith(f"{CONFIG_PATH}.pin: a gpio Device has no settings")


@pytest.mark.parametrize(
    ("data_type", "visitor", "level", "value"),
    [
        (DataType.BOOLEAN, {}, True, True),
        (DataType.BOOLEAN, {"activeLow": True}, True, False),
        (DataType.INT, {}, True, 1),
        (DataType.FLOAT, {}, False, 0.0),
        (DataType.STRING, {}, True, "ON"),
        (DataType.STRING, {"activeLow": True, "onText": "open", "offText": "shut"}, False, "open"),
    ],
)
def test_a_level_is_a_value_and_back(data_type: DataType, visitor: dict[str, Any], level: bool, value: Value) -> None:
    prop = wanted(data_type, writable=True, mode="output", **visitor)
    where = visitor_of(prop)
    assert isinstance(where, Output)
    found = decode_level(level, where, prop)
    assert (found, type(found)) == (value, type(value))
    assert encode_level(value, where, prop) is level


@pytest.mark.parametrize(
    ("data_type", "value", "said"),
    [
        (DataType.STRING, "on", "expected ON or OFF, got 'on'"),
        (DataType.INT, 2, "expected 0 or 1, got 2"),
        (DataType.BOOLEAN, "x", "boolean"),
    ],
)
def test_what_is_neither_on_nor_off_is_refused(data_type: DataType, value: Value, said: str) -> None:
    prop = wanted(data_type, writable=True, mode="output")
    with pytest.raises(ValueRefused, match=said):
        encode_level(value, Output(17), prop)


def test_a_duty_is_a_percentage_times_the_scale() -> None:
    prop = wanted(DataType.INT, writable=True)
    assert encode_percent(127, Pwm(17, 25, Decimal("2.54")), prop) == 50
    with pytest.raises(ValueRefused, match="101 would be on for 101 % of the time"):
        encode_percent(101, Pwm(17, 25), prop)
    with pytest.raises(ValueRefused, match="more than the maximum 80"):
        encode_percent(90, Pwm(17, 25), wanted(DataType.INT, writable=True, limits=Limits(0, 80)))


def test_a_count_can_be_set_to_what_edges_can_make() -> None:
    prop = wanted(DataType.FLOAT, writable=True)
    assert encode_count(1234.5, Counter(17, scale=Decimal("0.5")), prop) == 2469
    with pytest.raises(ValueRefused, match=r"no count makes 0\.3 with scale 0\.5"):
        encode_count(0.3, Counter(17, scale=Decimal("0.5")), prop)
