"""Lines by pattern."""

from __future__ import annotations

import time

import pytest

from mappers.sdk.errors import ProfileError
from mappers.serialport.pattern import pattern_of


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("{value}", "21.5", "21.5"),
        ("TEMP={value} C", "TEMP=21.5 C", "21.5"),
        ("TEMP={value} C", "TEMP=  21.5 C", "21.5"),
        ("TEMP={value} C", "TEMP=21.5 F", None),
        ("TEMP={value} C", "HUM=21.5 C", None),
        ("T={value},H={*}", "T=21.5,H=47", "21.5"),
        ("T={*},H={value}", "T=21.5,H=47", "47"),
        ("{*},{*},{value},{*}", "a,b,c,d", "c"),
        ('{"t":{value},{*}', '{"t":21.5,"h":47}', "21.5"),
        ("T={value}", "T=", ""),
        ("ab{value}ba", "aba", None),
        ("{*}={value};", "a=b=c;", "b=c"),
    ],
)
def test_the_value_is_what_stands_in_its_place(pattern: str, line: str, found: str | None) -> None:
    assert pattern_of(pattern, "p", with_value=True).find(line) == found


def test_an_acknowledgement_has_no_value() -> None:
    assert pattern_of("OK", "p", with_value=False).find("OK") == ""
    assert pattern_of("OK", "p", with_value=False).find("OK 1") is None
    assert pattern_of("OK{*}", "p", with_value=False).find("OK 1") == ""


@pytest.mark.parametrize(
    ("pattern", "with_value", "said"),
    [
        ("TEMP", True, "p: expected {value} once, got it 0 times"),
        ("{value}{value}", True, "p: expected {value} once, got it 2 times"),
        ("{value}", False, "p: expected {value} not at all, got it 1 times"),
        ("{*}{value}", True, "p: two holes side by side: nothing says where one ends"),
        ("{*}," * 16 + "{value}", True, "p: has more than 16 holes"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(pattern: str, with_value: bool, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        pattern_of(pattern, "p", with_value=with_value)
    assert str(refused.value) == said


def test_the_worst_line_takes_no_time() -> None:
    worst = pattern_of("{*}a" * 15 + "{value}b", "p", with_value=True)
    started = time.process_time()
    for _ in range(100):
        assert worst.find("a" * 1024) is None
    assert time.process_time() - started < 0.5
