"""Measured numbers as values of properties."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mappers.sdk.errors import DeviceRefused, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.quantity import as_number, as_value, decimal, whole
from mappers.sdk.values import DataType, Limits, Value


def wanted(data_type: DataType, *, limits: Limits = Limits()) -> Property:  # noqa: B008
    return Property("p", data_type, True, limits)


@pytest.mark.parametrize(
    ("number", "data_type", "scale", "value"),
    [
        ("21.53", DataType.FLOAT, "1", 21.53),
        ("21.53", DataType.INT, "100", 2153),
        ("21.6", DataType.INT, "1", 22),
        ("-0.5", DataType.INT, "1", 0),
        ("21.50", DataType.STRING, "1", "21.5"),
        ("215", DataType.FLOAT, "0.1", 21.5),
        ("0", DataType.BOOLEAN, "1", False),
        ("3", DataType.BOOLEAN, "1", True),
    ],
)
def test_a_number_is_scaled_exactly_and_of_the_propertys_type(number: str, data_type: DataType, scale: str, value: Value) -> None:
    found = as_value(Decimal(number), wanted(data_type), Decimal(scale))
    assert (found, type(found)) == (value, type(value))


def test_what_is_outside_the_limits_is_the_nearest_inside() -> None:
    narrow = Limits(0, 10)
    assert as_value(Decimal(11), wanted(DataType.INT, limits=narrow)) == 10
    assert as_value(Decimal(-1), wanted(DataType.FLOAT, limits=narrow)) == 0.0


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(DeviceRefused, match="no number"):
        as_value(Decimal(number), wanted(DataType.FLOAT))


@pytest.mark.parametrize(
    ("value", "scale", "number"), [(2153, "100", "21.53"), (21.5, "0.1", "215"), (True, "1", "1"), ("4.5", "1", "4.5")]
)
def test_a_value_is_unscaled_exactly(value: Value, scale: str, number: str) -> None:
    assert as_number(value, wanted(DataType.STRING), Decimal(scale)) == Decimal(number)


def test_text_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueRefused, match="expected a number"):
        as_number("much", wanted(DataType.STRING))


def test_whole_numbers_are_whole_and_within() -> None:
    assert whole(Decimal("7.0"), 0, 255) == 7
    for number in ("7.5", "-1", "256"):
        with pytest.raises(ValueRefused, match="0 to 255"):
            whole(Decimal(number), 0, 255)


def test_a_computed_number_has_its_instruments_digits() -> None:
    assert decimal(21.53000000001, 2) == Decimal("21.53")
