"""JSON that Python reads and no peer could write again (P1.4)."""

from __future__ import annotations

import pytest

from viaduct.jsontext import NotText, read_json


@pytest.mark.parametrize("text", ["", "{", "NaN", "[-Infinity]", '{"a":1e999}', "-1e400", "9" * 5000, "[" * 100_000])
def test_what_is_not_json_everywhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_json(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (r'"\ud800"', ""),
        (r'{"a":{"b":[1,"\uDFFF"]}}', "a.b[1]"),
        (r'{"a":{"\ud83d":1}}', "a"),
        (r'{"a":"\ude00\ud83d"}', "a"),
        ('{"a":"\ud800"}', "a"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_where_it_stands(text: str, path: str) -> None:
    with pytest.raises(NotText) as refused:
        read_json(text)
    assert refused.value.path == path


def test_a_whole_pair_is_one_character_and_what_only_looks_like_an_escape_is_text() -> None:
    assert read_json(r'["\ud83d\ude00", "\\ud800", "ü"]') == ["😀", r"\ud800", "ü"]
