"""What a hostile or broken peer sends: something good that was spoilt, so that it gets past the first check."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Examples for each claim in a run of ``make fuzz``; 0: the short run, which is the same every time."""

fuzzed = settings(
    max_examples=LONG or 30,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=bool(LONG),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
)

NESTED: Any = json.loads("[" * 70 + "]" * 70)
INFINITE = float("inf")
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400, 0.5, -0.0, 1e308, INFINITE),
    *("", " ", "\n", "\0", "a\n", "\ud800", "\udfff\ud83d", "\u202e", "９", "NaN", "null", "1e999", "-1", "0x10", "9" * 5000, "x" * 5000),
    *("../../etc/passwd", "a/b/c/d", "$hw/events/device/d/twin/update", "deleted"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *([], {}, [[]], [None], [{}], {"": {}}, {"a": None}, {"type": []}, {"metadata": {"timestamp": "now"}}),
    NESTED,
)

MOST_WORDS = 4000
"""Characters of a refusal: what a peer sent may be quoted, not repeated whole in every log and answer."""

texts = st.text(st.characters(codec=None), max_size=40)
junk = st.sampled_from(JUNK) | texts | st.integers() | st.floats()


def encoded(value: Any) -> str:
    """As JSON that any sender could make: ASCII, with a number that no float holds where Python would write ``Infinity``."""
    return json.dumps(value).replace("-Infinity", "-1e999").replace("Infinity", "1e999")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn, good: Any) -> Any:
    """``good`` with up to three places replaced, left out or joined by another key."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(_places(value)))
        value = _changed(value, path, draw(st.sampled_from(("replace", "remove", "add"))), draw(junk), draw(texts))
    return value


def _changed(value: Any, path: tuple[Any, ...], how: str, bad: Any, key: str) -> Any:
    bad = copy.deepcopy(bad)
    if not path:
        return value if how == "remove" else bad
    parent = value
    for step in path[:-1]:
        parent = parent[step]
    if how == "remove":
        del parent[path[-1]]
    elif how == "add" and isinstance(parent, dict):
        parent[key] = bad
    else:
        parent[path[-1]] = bad
    return value


def each_spoilt(good: Any, junk: Iterable[Any] = JUNK) -> Iterator[Any]:
    """``good`` with every junk in every of its places, one at a time: what chance would take long to come to."""
    for path in _places(good):
        for bad in junk:
            yield _changed(copy.deepcopy(good), path, "replace", bad, "")
        if path:
            yield _changed(copy.deepcopy(good), path, "remove", None, "")
            yield _changed(copy.deepcopy(good), path, "add", "more", "\ud800")


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes cut, with some overwritten, some put in and a piece said twice."""
    raw = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(("cut", "overwrite", "insert", "repeat"))):
            case "cut":
                del raw[at:]
            case "overwrite":
                piece = draw(st.binary(min_size=1, max_size=4))
                raw[at : at + len(piece)] = piece
            case "insert":
                raw[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                raw[at:at] = raw[at : at + draw(st.integers(1, 64))]
    return bytes(raw)


def json_bodies(good: Any) -> st.SearchStrategy[bytes]:
    """A spoilt value as JSON, or good JSON with its bytes damaged, or anything."""
    whole = json.dumps(good).encode()
    return spoilt(good).map(lambda value: encoded(value).encode()) | damaged(whole) | st.binary(max_size=64)


def is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def refuses_well(read: Callable[[], Any], *refusals: type[Exception]) -> Any:
    """What ``read`` gives, or None where it refuses in a short text that can be logged and sent. Nothing else may come out of it."""
    try:
        return read()
    except refusals as exc:
        text = str(exc)
    assert text and is_unicode(text), f"a refusal says something, in text that can be sent, not {text!a}"
    assert len(text) <= MOST_WORDS, f"a refusal of {len(text)} characters"
    return None
