"""What is wrong with a device, as it travels (P6.17); promises X4, X7."""

from __future__ import annotations

from typing import Any

import pytest

from viaduct import faults
from viaduct.deviceparse import parse_profiles, parse_state_update
from viaduct.errors import MalformedPayload
from viaduct.faults import MAX_FAULTS, MAX_REASON, Fault, fault_list, from_kept, kept, parse_faults, words

TWO = (Fault("", "DeviceAway", "no answer"), Fault("setpoint", "DescriptionError", "register: expected a table"))


def test_what_is_said_is_read_back() -> None:
    assert fault_list(TWO)[0] == {"code": "DeviceAway", "reason": "no answer"}
    assert parse_faults(fault_list(TWO), "faults") == TWO


@pytest.mark.parametrize("found", [None, (), TWO])
def test_what_is_kept_comes_back_and_nothing_said_is_not_all_well(found: tuple[Fault, ...] | None) -> None:
    assert from_kept(kept(found)) == found


@pytest.mark.parametrize("text", ["", "x", "{}", '[{"code": 5}]', "[" * 5000])
def test_a_row_that_a_failing_card_spoilt_says_nothing(text: str) -> None:
    assert from_kept(text) is None


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({}, "faults"),
        ("x", "faults"),
        ([5], "faults[0]"),
        ([{"reason": "r"}], "faults[0].code"),
        ([{"code": "device away"}], "faults[0].code"),
        ([{"code": "timeout"}], "faults[0].code"),
        ([{"code": "A" * 65}], "faults[0].code"),
        ([{"code": "Timeout", "reason": 5}], "faults[0].reason"),
        ([{"code": "Timeout", "property": "a b"}], "faults[0].property"),
        ([{"code": "Timeout", "property": None}], "faults[0].property"),
        ([{"code": "Timeout"}] * (MAX_FAULTS + 1), "faults"),
    ],
)
def test_garbage_is_refused_with_the_name_of_the_field(value: Any, field: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        parse_faults(value, "faults")
    assert refused.value.field == field


def test_a_reason_is_one_line_that_is_not_too_long() -> None:
    assert words("one\ntwo\x00") == "one two"
    assert len(words("x" * 1000)) == MAX_REASON
    assert parse_faults([{"code": "Timeout", "reason": "a\tb" + "c" * 999}], "f")[0].reason.startswith("a bc")


def test_more_than_fit_are_cut() -> None:
    assert len(fault_list(Fault(f"p{number}", "Timeout", "") for number in range(50))) == MAX_FAULTS


@pytest.mark.parametrize("code", [value for name, value in vars(faults).items() if name.isupper() and isinstance(value, str)])
def test_our_own_codes_are_codes(code: str) -> None:
    assert faults.is_code(code)


def test_a_state_without_faults_says_nothing_of_them_and_one_with_an_empty_list_that_all_is_well() -> None:
    assert parse_state_update(b'{"state": "online"}').faults is None
    assert parse_state_update(b'{"state": "online", "faults": null}').faults is None
    assert parse_state_update(b'{"state": "online", "faults": []}').faults == ()


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "payload"),
        (b"[]", "payload"),
        (b"{}", "digest"),
        (b'{"code": 400, "reason": "x"}', "digest"),
        (b'{"digest": 5}', "digest"),
        (b'{"digest": "d", "profiles": []}', "profiles"),
        (b'{"digest": "d", "profiles": {"default": {}}}', "profiles"),
        (b" " * (4 * 1024 * 1024 + 1), "payload"),
    ],
)
def test_profiles_that_are_none_are_refused_with_the_name_of_the_field(payload: bytes, field: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        parse_profiles(payload)
    assert refused.value.field == field


def test_profiles_may_be_as_large_as_configmaps() -> None:
    text = '{"digest": "d", "profiles": {"default": "' + "x" * 1_000_000 + '"}}'
    assert parse_profiles(text.encode()) == ("d", {"default": "x" * 1_000_000})
    assert parse_profiles(b'{"digest": "d"}') == ("d", None)
