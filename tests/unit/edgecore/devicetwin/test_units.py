"""Units for Home Assistant (decision 0082)."""

from __future__ import annotations

import pytest

from edgecore.devicetwin import units


@pytest.mark.parametrize(
    ("written", "spelled", "of"),
    [
        ("°C", "°C", "temperature"),
        ("degree celsius", "°C", "temperature"),
        ("Celsius", "°C", "temperature"),
        ("K", "K", "temperature"),
        (" kWh ", "kWh", "energy"),
        ("mW", "mW", ""),
        ("Percent", "%", ""),
        ("ppm", "ppm", ""),
        ("W/m2", "W/m²", "irradiance"),
        ("furlong", "furlong", ""),
        ("", "", ""),
    ],
)
def test_a_unit_has_one_spelling_and_a_class_where_it_stands_for_one_thing(written: str, spelled: str, of: str) -> None:
    assert units.spelled(written) == spelled
    assert units.device_class(spelled) == of


def test_energy_is_a_counter_and_all_else_is_measured() -> None:
    assert units.state_class("energy") == "total_increasing"
    assert units.state_class("temperature") == units.state_class("") == "measurement"
