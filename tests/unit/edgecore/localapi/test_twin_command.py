"""``edgecore twin``: how a desired value may be written."""

from __future__ import annotations

from typing import Any

import pytest

from edgecore import cli
from edgecore.localapi import client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What EdgeCore was asked."""
    found: list[dict[str, Any]] = []

    def ask(path: str, request: dict[str, Any]) -> dict[str, Any]:
        found.append(request)
        return {"name": "oven", "state": "online", "twins": {"setpoint": {"type": "int"}}}

    monkeypatch.setattr(client, "ask", ask)
    return found


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["setpoint=55"], "55"),
        (["setpoint", "55"], "55"),
        (["setpoint", "-5"], "-5"),
        (["setpoint", "a=b"], "a=b"),
        (["setpoint=a=b"], "a=b"),
        (["setpoint="], ""),
    ],
)
def test_a_value_stands_behind_an_equals_sign_or_a_space(words: list[str], value: str, asked: list[dict[str, Any]]) -> None:
    assert cli.main(["twin", "set", "oven", *words, "-o", "json", "--socket", "/none"]) == 0
    assert asked == [{"verb": "twin-set", "device": "oven", "property": "setpoint", "value": value}]


@pytest.mark.parametrize(
    "words", [["set", "oven"], ["set", "oven", "setpoint"], ["set", "oven", "setpoint", "5", "6"], ["get", "oven", "a", "b"]]
)
def test_anything_else_is_said_in_words_and_nothing_is_asked(
    words: list[str], asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["twin", *words, "--socket", "/none"]) == 2
    assert "expected" in capsys.readouterr().err and asked == []
