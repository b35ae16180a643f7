"""Text of twins to values and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.sdk.errors import ValueRefused
from mappers.sdk.values import DataType, Limits, Value, check, differs, parse, to_text

INT, FLOAT, BOOLEAN, STRING = DataType


@pytest.mark.parametrize(
    ("text", "data_type", "value"),
    [
        ("185", INT, 185),
        ("-5", INT, -5),
        ("+7", INT, 7),
        ("0185", INT, 185),
        ("21.5", FLOAT, 21.5),
        (".5", FLOAT, 0.5),
        ("5.", FLOAT, 5.0),
        ("1e3", FLOAT, 1000.0),
        ("true", BOOLEAN, True),
        ("false", BOOLEAN, False),
        ("", STRING, ""),
        ("on, half way", STRING, "on, half way"),
    ],
)
def test_text_is_read_as_its_type(text: str, data_type: DataType, value: Value) -> None:
    found = parse(text, data_type)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "data_type"),
    [
        ("", INT),
        ("21.5", INT),
        ("185 °C", INT),
        ("0x10", INT),
        ("1_000", INT),
        (" 5", INT),
        ("５", INT),
        ("9" * 400, INT),
        ("nan", FLOAT),
        ("inf", FLOAT),
        ("21,5", FLOAT),
        ("21.5 V", FLOAT),
        (".", FLOAT),
        ("1" * 5000, FLOAT),
        ("True", BOOLEAN),
        ("1", BOOLEAN),
        ("two\nlines", STRING),
        ("x" * 513, STRING),
    ],
)
def test_text_of_another_type_is_refused_in_one_short_line(text: str, data_type: DataType) -> None:
    with pytest.raises(ValueRefused) as refused:
        parse(text, data_type)
    assert "expected" in str(refused.value) and len(str(refused.value)) < 120


@pytest.mark.parametrize(("text", "named"), [("49", "minimum 50"), ("351", "maximum 350")])
def test_a_value_outside_the_limits_is_refused_and_the_limit_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueRefused, match=named):
        parse(text, INT, Limits(50, 350))


def test_the_limits_themselves_are_inside() -> None:
    assert [parse(text, INT, Limits(50, 350)) for text in ("50", "350")] == [50, 350]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (7, "7"), (21.5, "21.5"), (0.1 * 3, "0.3"), (2.0, "2"), ("x", "x")]
)
def test_values_are_written_without_noise(value: Value, text: str) -> None:
    assert to_text(value) == text


@given(st.integers(-(10**18), 10**18))
def test_whole_numbers_survive_the_way_to_text_and_back(number: int) -> None:
    assert parse(to_text(number), INT) == number


@given(st.floats(-1e9, 1e9).map(lambda number: float(f"{number:.9g}")))
def test_floats_of_nine_digits_survive_the_way_to_text_and_back(number: float) -> None:
    assert parse(to_text(number), FLOAT) == number


@pytest.mark.parametrize(
    ("before", "after", "deadband", "worth"),
    [
        (215, 215, 0.0, False),
        (215, 216, 0.0, True),
        (215, 216, 1.0, False),
        (215, 217, 1.0, True),
        ("a", "b", 9.0, True),
        (0, True, 9.0, True),
    ],
)
def test_only_changes_beyond_the_deadband_are_worth_telling(before: Value, after: Value, deadband: float, worth: bool) -> None:
    assert differs(before, after, deadband) is worth


@pytest.mark.parametrize(("value", "data_type"), [("7", DataType.INT), (True, DataType.INT), (1.5, DataType.INT), (7, DataType.STRING)])
def test_a_value_of_another_type_is_not_let_through_to_a_driver(value: Value, data_type: DataType) -> None:
    with pytest.raises(ValueRefused, match=f"expected {data_type}"):
        check(value, data_type)


def test_a_whole_number_is_let_through_where_a_float_is_expected_and_limits_hold() -> None:
    check(7, DataType.FLOAT, Limits(0, 7))
    with pytest.raises(ValueRefused, match="more than the maximum"):
        check(8, DataType.FLOAT, Limits(0, 7))
