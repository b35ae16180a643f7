"""``--simulate``: every installed protocol brings devices of its own, described by a profile without a mistake."""

from __future__ import annotations

import pytest

from mappers.sdk import cli, profile, registry
from mappers.sdk.values import KINDS

MADE_UP_FROM_A_PROFILE = {"bluetooth"}
"""They bring no profile along: tests/unit/mappers/bluetooth reads what they make up."""


@pytest.mark.parametrize("protocol", [each for each in registry.protocols() if each not in MADE_UP_FROM_A_PROFILE])
def test_every_simulated_property_can_be_read(protocol: str) -> None:
    with registry.simulation_of(protocol) as simulation:
        described = profile.parse(simulation.profile)
        assert described.devices and not described.problems
        for device in described.devices:
            assert simulation.family.serves(device.protocol)
            driver, reachable, problems = simulation.family.driver_for(device)
            assert reachable and not problems
            driver.open()
            assert all(type(driver.read(wanted)) is KINDS[wanted.data_type] for wanted in reachable)
            driver.close()


def test_a_profile_beside_simulate_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["modbus", "--simulate", "--profile", "some.json"])
    assert "--simulate: brings its own devices" in capsys.readouterr().err
