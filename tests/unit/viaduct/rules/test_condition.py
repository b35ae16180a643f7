"""The language of conditions (P8.2): what it means, what it refuses and where, and that no text does it any harm."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct.rules.condition import Condition, Reading
from viaduct.rules.fault import ExpressionFault
from viaduct.rules.parser import MAX_DEPTH, MAX_LENGTH

VALUES = {
    ("sensor", "temperature"): Reading("int", "31"),
    ("sensor", "humidity"): Reading("float", "40.5"),
    ("sensor", "mode"): Reading("string", "auto"),
    ("sensor", "counted"): Reading("string", "12"),
    ("sensor", "empty"): Reading("string", ""),
    ("sensor", "broken"): Reading("float", "nan"),
    ("door", "open"): Reading("boolean", "true"),
    ("door-2", "open"): Reading("boolean", "false"),
    ("a.b", "relative humidity"): Reading("int", "7"),
    ("big", "one"): Reading("int", str(2**63 - 1)),
    ("zero", "z"): Reading("int", "0"),
}


def value(text: str) -> bool | None:
    return Condition(text).evaluate(VALUES.get)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sensor.temperature > 30", True),
        ("sensor.temperature > 31", False),
        ("sensor.temperature >= 31 and sensor.humidity < 41", True),
        ("30 < sensor.temperature", True),
        ("sensor.temperature == 31.0", True),
        ("sensor.temperature != 31", False),
        ('sensor.mode == "auto"', True),
        ("sensor.mode == 'manual' or door.open", True),
        ("door.open", True),
        ("not door.open", False),
        ("door-2.open == false", True),
        ("door.open != door-2.open", True),
        ("not door-2.open and not (sensor.temperature > 100)", True),
        ("sensor.counted > 11", True),
        ("sensor.temperature - 1 == 30", True),
        ("sensor.temperature -1 == 30", True),
        ("sensor.temperature * 2 + 1 == 63", True),
        ("2 + sensor.temperature * 2 == 64", True),
        ("10 - 3 - sensor.temperature == -24", True),
        ("-sensor.temperature == -(30 + 1)", True),
        ("sensor.temperature / 2 == 15.5", True),
        ("sensor.temperature % 10 == 1", True),
        ("`a.b`.`relative humidity` == 7", True),
        ("sensor.temperature > sensor.humidity", False),
        ("sensor.counted == sensor.counted", True),
        ("big.one + 1 > big.one", True),
        ("door.open and\n  sensor.temperature > 30", True),
        ("1 < 2 and door.open", True),
        ('sensor.mode == "a\\"b\\\\"', False),
        ("1e2 > sensor.temperature", True),
        ("door.not == true or door.open", True),
    ],
)
def test_a_condition_means(text: str, wanted: bool) -> None:
    assert value(text) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gone.x > 1", None),
        ("gone.x > 1 and door.open", None),
        ("gone.x > 1 and not door.open", False),
        ("gone.x > 1 or door.open", True),
        ("gone.x > 1 or not door.open", None),
        ("not gone.x", None),
        ("gone.x + 1 == 2", None),
        ("gone.x == gone.y", None),
        ("not (gone.x and door-2.open)", True),
        ("-gone.x < 1", None),
        ("sensor.empty > 1", None),
        ("sensor.broken > 1", None),
        ('sensor.empty == ""', True),
    ],
)
def test_a_missing_value_counts_only_where_it_could_change_the_answer(text: str, wanted: bool | None) -> None:
    assert value(text) is wanted


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "it is empty"),
        ("   ", 1, 4, "it is empty"),
        ("sensor.temperature >", 1, 21, "expected a value"),
        ("sensor.temperature > 30 30", 1, 25, "got '30'"),
        ("sensor.temperature > 30°", 1, 24, "'°' is not known"),
        ("sensor.temperature > 30C", 1, 22, "a number has no unit"),
        ("sensor.temperature = 30", 1, 20, "write '=='"),
        ("sensor.temperature => 30", 1, 20, "write '>='"),
        ("door.open && x.y", 1, 11, "write 'and'"),
        ("!door.open", 1, 1, "write 'not'"),
        ("sensor > 30", 1, 1, "expected DEVICE.PROPERTY"),
        ("a.b.c > 1", 1, 4, "one dot too many"),
        ("(door.open", 1, 11, "expected ')'"),
        ("door.open)", 1, 10, "')' without a '('"),
        ("1 < sensor.x < 3", 1, 14, "not chained"),
        ('sensor.mode > "auto"', 1, 15, 'expected a number, got the text "auto"'),
        ('sensor.mode == 3 or sensor.mode == "x"', 1, 21, "taken for a text here and for a number elsewhere"),
        ('3 == "3"', 1, 3, "a number is compared with a text"),
        ("true == 1", 1, 6, "a truth value is compared with a number"),
        ("sensor.temperature + 1", 1, 1, "expected a truth value, got a number"),
        ("door.open and 3", 1, 15, "expected a truth value, got the number 3"),
        ("door.open and\n  sensor.x > 'hot'", 2, 14, 'the text "hot"'),
        ("1 < 2", 1, 1, "it reads no device"),
        ("'abc == sensor.mode", 1, 1, "does not end on its line"),
        ("`abc.x == 1", 1, 1, "backquotes"),
        ("sensor.mode == 'a\\n'", 1, 18, "after a backslash"),
        ("sensor.x > 1 for 10s", 1, 14, "a field of its own"),
        ("sensor.x > 1 then fan.y = 3", 1, 25, "write '=='"),
        ("sensor[x] > 1", 1, 7, "round parentheses"),
        ("``.x > 1", 1, 1, "1 to 253"),
        ("sensor.x > " + "9" * 41, 1, 12, "more than 40"),
        ("sensor.x > 1e305", 1, 12, "too large"),
        ("__import__('os').system('x')", 1, 1, "expected DEVICE.PROPERTY"),
        ("x.y > 1 if door.open else 2", 1, 9, "got 'if'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ExpressionFault) as caught:
        Condition(text)
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("sensor.temperature == 'hot'", 1, "sensor.temperature is a number, not a text"),
        ("sensor.mode > 3", 1, 'sensor.mode is "auto", which is no number'),
        ("door.open > 3", 1, "door.open is of type boolean, not a number"),
        ("not sensor.temperature", 5, "sensor.temperature is of type int, not a truth value"),
        ("sensor.mode", 1, "neither true nor false"),
        ("sensor.mode == door.open", 13, "a text is compared with a truth value"),
        ("1 / zero.z > 1", 3, "division by zero"),
        ("1 % zero.z > 1", 3, "division by zero"),
        ("1e300 * 1e300 * sensor.temperature > 1", 7, "too large"),
    ],
)
def test_a_value_that_does_not_fit_is_said_with_its_place(text: str, column: int, words: str) -> None:
    with pytest.raises(ExpressionFault) as caught:
        value(text)
    assert words in str(caught.value)
    assert caught.value.column == column


def test_length_and_depth_are_limited_and_what_is_allowed_needs_no_deep_recursion() -> None:
    deepest = "(" * MAX_DEPTH + "door.open" + ")" * MAX_DEPTH
    chain = "door.open" + " or door.open" * ((MAX_LENGTH - 9) // 13)
    sums = "zero.z" + "+1" * ((MAX_LENGTH - 10) // 2) + ">1"
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_frames() + 250)
    try:
        assert value(deepest) is True
        assert value(chain) is True
        assert value(sums) is True
    finally:
        sys.setrecursionlimit(before)
    for text, words in (
        (f"({deepest})", "levels within each other"),
        ("not " * (MAX_DEPTH + 1) + "door.open", "levels within each other"),
        ("-" * (MAX_DEPTH + 1) + "zero.z > 1", "levels within each other"),
        ("x" * (MAX_LENGTH + 1), "the limit is 1000"),
    ):
        with pytest.raises(ExpressionFault, match=words):
            Condition(text)


def _frames() -> int:
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


WORDS = st.sampled_from(
    [
        *("door.open", "sensor.temperature", "gone.x", "`a.b`.c", "and", "or", "not", "(", ")"),
        *("<", ">=", "==", "!=", "+", "-", "*", "/", "%", "=", "!", ".", "`", '"', "\\", "\n", "é"),
        *("1", "0", "2.5", "1e300", "9" * 30, '"x"', "'y'", "true", "false"),
    ]
)
READINGS = st.none() | st.builds(
    Reading,
    st.sampled_from(["int", "float", "boolean", "string", "json", "", "deleted"]),
    st.one_of(
        st.text(max_size=20), st.integers().map(str), st.floats().map(str), st.sampled_from(["true", "false", "", "9" * 500, "-1e308"])
    ),
)


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=40).map(" ".join), st.lists(WORDS, max_size=40).map("".join)), READINGS)
def test_whatever_the_text_and_the_values_are_nothing_is_raised_but_its_own_error(text: str, reading: Reading | None) -> None:
    try:
        found = Condition(text).evaluate(lambda place: reading)
    except ExpressionFault as exc:
        assert exc.line >= 1 and exc.column >= 1
        assert 0 <= exc.offset <= len(text)
    else:
        assert found in (True, False, None)


def expressions() -> st.SearchStrategy[str]:
    number = st.recursive(
        st.one_of(st.integers(0, 99).map(str), st.sampled_from(["sensor.temperature", "zero.z", "gone.n"])),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            inner.map(lambda one: f"-{one}"),
        ),
        max_leaves=6,
    )
    compared = st.tuples(number, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), number).map(" ".join)
    return st.recursive(
        st.one_of(compared, st.sampled_from(["door.open", "gone.b"])),
        lambda inner: st.one_of(
            inner.map(lambda one: f"not ({one})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        ),
        max_leaves=5,
    )


@given(expressions())
def test_a_well_formed_condition_is_refused_for_its_depth_and_reckoning_alone(text: str) -> None:
    try:
        condition = Condition(text)
    except ExpressionFault as exc:
        assert any(words in str(exc) for words in ("within each other", "reads no device", "the limit is"))
        return
    try:
        assert condition.evaluate(VALUES.get) in (True, False, None)
    except ExpressionFault as exc:
        assert "division by zero" in str(exc)
