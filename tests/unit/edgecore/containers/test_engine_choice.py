from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecore.containers.engine_choice import EXEC_MEMORY, Cgroups, MachineFacts, configure, missing_controllers, unfit
from edgecore.containers.engine_facts import machine_facts

BOARD = MachineFacts(
    cgroups=Cgroups.V2,
    controllers=frozenset({"cpu", "memory", "pids"}),
    systemd=True,
    oci_runtimes=("crun", "runc"),
    nofile_hard=1_048_576,
    nproc_hard=-1,
    may_raise_limits=True,
    has_policy=True,
    has_registries=True,
)
SMALL = replace(BOARD, cgroups=Cgroups.HYBRID, systemd=False, nofile_hard=20_000, nproc_hard=96_365, may_raise_limits=False)


@pytest.mark.parametrize(
    ("facts", "engine", "ulimits"),
    [
        (BOARD, {"runtime": "crun"}, None),
        (replace(BOARD, oci_runtimes=("runc",)), {"runtime": "runc"}, None),
        (replace(BOARD, oci_runtimes=()), {}, None),
        (
            SMALL,
            {"runtime": "runc", "cgroup_manager": "cgroupfs", "events_logger": "file"},
            ["nofile=20000:20000", "nproc=32768:32768"],
        ),
        (replace(BOARD, nofile_hard=4096), {"runtime": "crun"}, None),
        (replace(BOARD, nofile_hard=4096, may_raise_limits=False), {"runtime": "crun"}, ["nofile=4096:4096", "nproc=32768:32768"]),
    ],
)
def test_the_private_configuration_fits_the_machine(facts: MachineFacts, engine: dict[str, str], ulimits: list[str] | None) -> None:
    configuration = configure(facts)
    read = tomllib.loads(configuration.containers_conf)
    assert read["engine"] == {**engine, "exit_command_delay": EXEC_MEMORY, "detach_keys": ""}
    assert read["containers"].get("default_ulimits") == ulimits


def test_crun_alone_on_hybrid_cgroups_is_said_to_need_runc() -> None:
    assert any("install runc" in reason for reason in configure(replace(SMALL, oci_runtimes=("crun",))).reasons)


def info(runtime: str = "runc", manager: str = "cgroupfs", *, rootless: bool = False) -> dict[str, Any]:
    return {"host": {"ociRuntime": {"name": runtime}, "cgroupManager": manager, "security": {"rootless": rootless}}}


@pytest.mark.parametrize(
    ("described", "facts", "fine"),
    [
        (info(), SMALL, True),
        (info("crun", "systemd"), BOARD, True),
        (info("crun"), SMALL, False),
        (info("runc", "systemd"), SMALL, False),
        (info(rootless=True), BOARD, False),
        ({}, BOARD, True),
    ],
)
def test_a_service_that_cannot_work_here_is_not_used(described: dict[str, Any], facts: MachineFacts, fine: bool) -> None:
    assert (unfit(described, facts) == "") is fine


def test_a_missing_cgroup_comes_with_a_hint() -> None:
    assert missing_controllers(BOARD) == {}
    missing = missing_controllers(replace(BOARD, controllers=frozenset({"cpu"})))
    assert list(missing) == ["memory"] and "cmdline.txt" in missing["memory"]


def tree(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("cpu memory pids" if name.endswith("controllers") else "")
    return root


def test_the_kind_of_cgroups_is_seen_in_their_tree(tmp_path: Path) -> None:
    v2 = machine_facts(cgroup_root=tree(tmp_path / "v2", "cgroup.controllers"))
    v1 = machine_facts(cgroup_root=tree(tmp_path / "v1", "cpu/cpu.cfs_quota_us"))
    hybrid = machine_facts(cgroup_root=tree(tmp_path / "h", "unified/x", "memory/memory.limit_in_bytes"))
    assert (v2.cgroups, v1.cgroups, hybrid.cgroups) == (Cgroups.V2, Cgroups.V1, Cgroups.HYBRID)
    assert (v2.controllers, v1.controllers, hybrid.controllers) == ({"cpu", "memory", "pids"}, {"cpu"}, {"memory"})


def test_a_missing_policy_is_noticed(tmp_path: Path) -> None:
    assert not machine_facts(etc=tmp_path).has_registries
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers/registries.conf").touch()
    (tmp_path / "containers/policy.json").touch()
    facts = machine_facts(etc=tmp_path)
    assert facts.has_policy and facts.has_registries
