"""Libraries that others import and the agent does without (promise C1)."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from edgecore.containers.leaving_out import leaving_out, no_guessing


def test_what_is_left_out_cannot_be_imported_meanwhile_and_can_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    stand_in = ModuleType("this")
    with leaving_out("antigravity", this=stand_in):
        assert importlib.import_module("this") is stand_in
        with pytest.raises(ImportError):
            importlib.import_module("antigravity")
    assert "this" not in sys.modules and "antigravity" not in sys.modules


def test_what_is_loaded_already_stays() -> None:
    with leaving_out("json", re=ModuleType("re")):
        assert importlib.import_module("json") is sys.modules["json"] is not None
        assert hasattr(importlib.import_module("re"), "compile")
    assert "json" in sys.modules and "re" in sys.modules


def test_an_answer_without_an_encoding_is_utf_8() -> None:
    assert no_guessing().detect("é".encode())["encoding"] == "utf-8"
