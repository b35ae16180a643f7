"""``--simulate``: every installed protocol brings devices of its own, described by a profile without a mistake."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

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


def test_the_simulated_thermometer_starts_where_python_alone_does_not_find_it() -> None:
    """As from the packages, whose programs bring the paths of the modules along."""
    python = getattr(sys, "_base_executable", sys.executable)
    paths = [str(Path(cli.__file__).parents[2]), sysconfig.get_path("purelib")]
    program = f"import sys; sys.path[:0] = {paths!r}; from mappers.sdk import registry; registry.simulation_of('modbus').__enter__()"
    done = subprocess.run([python, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_profile_beside_simulate_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["modbus", "--simulate", "--profile", "some.json"])
    assert "--simulate: brings its own devices" in capsys.readouterr().err
