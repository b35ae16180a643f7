"""The packed form of samples, which the board keeps and the cloud reads (P5.12)."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct import samples
from viaduct.errors import MalformedPayload
from viaduct.samples import Series, content_of, pack, parse_content, unpack

GOOD = ["d1", "t", "float", [1_581_066_000_000, 1000], ["21.5", "21.6"]]


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def _with(place: int, value: Any) -> list[Any]:
    return [*GOOD[:place], value, *GOOD[place + 1 :]]


_PRINTABLE = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), max_size=20)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
            st.sampled_from(samples.TYPES),
            st.lists(st.tuples(st.integers(0, 2**50), _PRINTABLE), max_size=50),
        ),
        max_size=5,
    )
)
def test_what_was_packed_comes_out_again(found: list[tuple[str, str, list[tuple[int, str]]]]) -> None:
    series = [Series(name, name, kind, tuple(t for t, _ in pairs), tuple(v for _, v in pairs)) for name, kind, pairs in found]
    assert unpack(pack(series)) == series
    assert parse_content(json.loads(json.dumps(content_of(pack(series), 1)))) == series


def test_a_steady_value_costs_almost_nothing() -> None:
    times = range(1_581_066_000_000, 1_581_066_300_000, 1000)
    assert len(pack([Series("d1", "t", "float", times, ["21.5"] * len(times))])) < 120


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({}, "samples[0]"),
        (GOOD[:4], "samples[0]"),
        (_with(0, "a/b"), "samples[0][0]"),
        (_with(0, 5), "samples[0][0]"),
        (_with(1, ""), "samples[0][1]"),
        (_with(2, "number"), "samples[0][2]"),
        (_with(2, ["float"]), "samples[0][2]"),
        (_with(3, "now"), "samples[0][3]"),
        (_with(3, [1.5, 1]), "samples[0][3]"),
        (_with(3, [True, 1]), "samples[0][3]"),
        (_with(3, [-5, 10]), "samples[0][3]"),
        (_with(3, [2**60, 1]), "samples[0][3]"),
        (_with(3, [1]), "samples[0]"),
        (_with(4, [21.5, 21.6]), "samples[0][4]"),
        (_with(4, ["x" * 513, ""]), "samples[0][4]"),
    ],
)
def test_what_is_wrong_is_named(row: Any, field: str) -> None:
    with pytest.raises(MalformedPayload) as caught:
        unpack(_packed([row]))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "packed",
    [b"", b"no zlib", zlib.compress(b"no json"), zlib.compress(b"\xff"), _packed({}), pack([Series("d", "p", "int", [1], ["1"])])[:-3]],
)
def test_what_is_no_packing_is_refused(packed: bytes) -> None:
    with pytest.raises(MalformedPayload, match="samples"):
        unpack(packed)


def test_what_would_grow_beyond_the_caps_is_refused_before_it_has_grown() -> None:
    with pytest.raises(MalformedPayload, match=f"more than {samples.MAX_UNPACKED} bytes"):
        unpack(zlib.compress(b"[" + b" " * (samples.MAX_UNPACKED + 5)))
    with pytest.raises(MalformedPayload, match="the limit is 20000"):
        unpack(_packed([["d", "p", "int", [1] * 20_001, ["1"] * 20_001]]))


@pytest.mark.parametrize(
    "content", [None, "text", {}, {"packed": 5}, {"packed": "%%%"}, {"packed": "A" * 400_000}, {"packed": base64.b64encode(b"x").decode()}]
)
def test_a_content_that_holds_none_is_refused(content: Any) -> None:
    with pytest.raises(MalformedPayload):
        parse_content(content)


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_any_bytes_and_any_damage_are_read_or_refused(noise: bytes, place: int, value: int) -> None:
    good = bytearray(pack([Series("d1", "t", "float", (1_581_066_000_000, 1_581_066_001_000), ("21.5", "on"))]))
    good[place % len(good)] = value
    for packed in (noise, bytes(good), good + noise):
        try:
            found = unpack(bytes(packed))
        except MalformedPayload:
            continue
        assert all(len(one.times) == len(one.values) for one in found)


_JUNK: tuple[Any, ...] = (None, 5, -1, 1.5, True, "", "x", [], {}, [[]], "a/b", 2**70, "x" * 5000)


@given(st.sampled_from(_JUNK), st.integers(0, 4))
def test_junk_in_any_place_is_read_or_refused_with_the_field(junk: Any, place: int) -> None:
    try:
        unpack(_packed([_with(place, junk)]))
    except MalformedPayload as exc:
        assert exc.field.startswith("samples")
