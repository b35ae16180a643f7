"""What every systemd unit keeps to. Whether systemd reads them is shown by ``make test-deb``."""

from __future__ import annotations

from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[3] / "packaging" / "systemd"
ONCE = ["bramble-update.service"]
ALL = sorted(SYSTEMD.glob("*.service"))
UNITS = [unit for unit in ALL if unit.name not in ONCE]


def settings(unit: Path) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]


def test_there_is_a_unit_for_each_program_that_stays() -> None:
    assert [unit.name for unit in UNITS] == ["bramble-mapper@.service", "cloudcore.service", "edgecore.service", "edgesite.service"]


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_no_unit_waits_for_the_network(unit: Path) -> None:
    assert not [line for line in settings(unit) if "network" in line and not line.startswith("Description")]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_is_watched_and_started_again_but_not_after_a_wrong_setting(unit: Path) -> None:
    wanted = {"Type=notify", "NotifyAccess=main", "Restart=always", "RestartPreventExitStatus=2", "StartLimitIntervalSec=0"}
    assert wanted <= set(settings(unit))
    assert any(line.startswith("WatchdogSec=") for line in settings(unit))


def test_containers_outlive_edgecore_and_see_the_same_file_system() -> None:
    edgecore = settings(next(unit for unit in UNITS if unit.name == "edgecore.service"))
    assert "KillMode=process" in edgecore
    assert not [line for line in edgecore if line.startswith(("Private", "Protect", "ReadWritePaths", "SystemCall", "Capability"))]


def test_the_updater_begins_with_its_order_and_goes_on_for_as_long_as_there_is_one() -> None:
    order = "/var/lib/bramble/updates/order.json"
    service = settings(SYSTEMD / "bramble-update.service")
    assert {"Type=oneshot", f"ConditionPathExists={order}", "Restart=on-failure", "TimeoutStartSec=infinity"} <= set(service)
    assert "ExecStart=/usr/bin/python3 -I /var/lib/bramble/updates/updater.pyz" in service
    assert f"PathExists={order}" in settings(SYSTEMD / "bramble-update.path")
