"""Parts of a profile that are read to the last key; promise X7."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from mappers.sdk.errors import ProfileError
from mappers.sdk.strictly import Strictly

PATH = "protocols[0].protocol_config.configData"


def read(**body: Any) -> Strictly:
    return Strictly(body, PATH)


REFUSED: list[tuple[dict[str, Any], Callable[[Strictly], object], str]] = [
    ({}, lambda c: c.text("port"), "port: is missing"),
    ({"port": None}, lambda c: c.text("port"), "port: is missing"),
    ({"Prot": "x"}, lambda c: c.text("port"), "port: is missing; is Prot meant to be it?"),
    ({"port": 7}, lambda c: c.text("port", "x"), "port: expected text, got a number"),
    ({"port": ""}, lambda c: c.text("port", "x"), "port: is empty"),
    ({"port": "x" * 300}, lambda c: c.text("port"), "port: is longer than 256 characters"),
    ({}, lambda c: c.integer("pin", least=0, most=27), "pin: is missing"),
    ({"pin": 28}, lambda c: c.integer("pin", least=0, most=27), "pin: expected 0 to 27, got 28"),
    ({"pin": "7"}, lambda c: c.integer("pin", 3, least=0, most=27), "pin: expected a whole number, got text"),
    ({"pin": True}, lambda c: c.integer("pin", least=0, most=27), "pin: expected a whole number, got true or false"),
    ({"wait": 9}, lambda c: c.number("wait", 1.0, least=0, most=5), "wait: expected 0 to 5, got 9"),
    ({"wait": "soon"}, lambda c: c.number("wait", 1.0, least=0, most=5), "wait: expected a number, got text"),
    ({"scale": 0}, lambda c: c.factor("scale"), "scale: 0 is too small or too large"),
    ({"scale": []}, lambda c: c.factor("scale"), "scale: expected a number, got a list"),
    ({"on": "yes"}, lambda c: c.flag("on"), "on: expected true or false, got text"),
    ({"edge": "up"}, lambda c: c.choice("edge", {"rising": 1, "falling": 2}), "edge: expected rising, falling, got 'up'"),
    ({"values": []}, lambda c: c.table("values"), "values: expected an object, got a list"),
    ({"write": "x"}, lambda c: c.only_with(("send", "write"), "sometimes"), "write: has a meaning only sometimes"),
]


@pytest.mark.parametrize(("body", "ask", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_a_field_that_cannot_be_is_refused_by_its_full_path(body: dict[str, Any], ask: Callable[[Strictly], object], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        ask(read(**body))
    assert str(refused.value) == f"{PATH}.{said}"


def test_a_field_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    config = read(serialPort="/dev/ttyUSB0", baudrate=9600)
    config.text("serialPort")
    config.integer("baudRate", 9600, least=50, most=115200)
    with pytest.raises(ProfileError) as refused:
        config.end()
    assert str(refused.value) == f"{PATH}.baudrate: there is no such field; known: serialPort, baudRate"


def test_what_was_left_out_has_its_default() -> None:
    config = read(scale=0.1, nothing=None)
    assert (config.text("a", "b"), config.integer("c", 7, least=0, most=9), config.number("d", 0.5, least=0, most=1)) == ("b", 7, 0.5)
    assert (config.flag("e"), config.choice("f", {"x": 1}, "x"), dict(config.table("g"))) == (False, 1, {})
    assert config.factor("scale") == Decimal("0.1")
    config.end()
