"""Desired values that a model does not allow (decision 0083)."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.devicecontroller.limits import refusals
from tests.unit.cloudcore.devicecontroller.devices import device, model, twin


def _model(**settings: Any) -> dict[str, Any]:
    properties = [
        {"name": "t", "type": {"int": {"accessMode": "ReadWrite"} | settings}},
        {"name": "s", "type": {"string": {"accessMode": "ReadWrite"}}},
    ]
    return model(properties=properties)


@pytest.mark.parametrize(
    ("settings", "value", "words"),
    [
        ({"minimum": 5, "maximum": 30}, "31", "a number from 5 to 30"),
        ({"minimum": 5, "maximum": 30}, "4", "a number from 5 to 30"),
        ({"minimum": 0}, "-1", "a number of 0 or more"),
        ({"maximum": 0}, "1", "a number of 0 or less"),
        ({}, "warm", "a number"),
        ({"maximum": 30}, "nan", "a number of 30 or less"),
        ({"minimum": 30, "maximum": 5}, "warm", "a number"),
    ],
)
def test_a_value_outside_the_limits_is_told_with_them(settings: dict[str, Any], value: str, words: str) -> None:
    (text,) = refusals(device(twins=[twin("t", value), twin("s", value)]), _model(**settings))
    assert text == f"status.twins[t].desired.value: {value!r}: model thermo allows {words}; the node refuses it"


@pytest.mark.parametrize("value", ["", "5", "30", "5.5", "+7"])
def test_a_value_within_the_limits_is_nobodys_business(value: str) -> None:
    assert refusals(device(twins=[twin("t", value)]), _model(minimum=5, maximum=30)) == []


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"properties": 7}}, {"spec": {"properties": [{"type": {"int": 7}}, {"type": []}, 7]}}]
)
def test_a_model_that_says_nothing_refuses_nothing(broken: dict[str, Any]) -> None:
    assert refusals(device(twins=[twin("t", "99"), {"propertyName": "u", "desired": 7}]), broken | {"metadata": {"name": "m"}}) == []
