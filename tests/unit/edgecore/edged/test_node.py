from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgecore.edged.machine import read_machine
from edgecore.edged.node import EngineState, Machine, differs, go_architecture, node_labels, node_status

GIB = 1024**3
BOARD = Machine(
    hostname="pi",
    machine="aarch64",
    kernel="6.6.31+rpt",
    os_image="Debian GNU/Linux 12 (bookworm)",
    machine_id="m",
    system_uuid="u",
    boot_id="b",
    cpus=4,
    memory=4 * GIB,
    memory_available=3 * GIB,
    disk=32 * GIB,
    disk_available=20 * GIB,
    pids=100,
    pids_most=32768,
    address="192.168.1.9",
)
WORKS = EngineState("4.3.1", "")


def conditions(machine: Machine = BOARD, engine: EngineState = WORKS) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status(machine, engine)["conditions"]}


def status(
    machine: Machine = BOARD, engine: EngineState = WORKS, *, before: dict[str, Any] | None = None, now: float = 1000.0
) -> dict[str, Any]:
    return node_status(machine, engine, version="0.1.0", before=before or {}, now=now)


def test_the_node_tells_what_is_true() -> None:
    told = status()
    assert told["capacity"] == {"cpu": "4", "memory": "4194304Ki", "pods": "110", "ephemeral-storage": "33554432Ki"}
    assert told["allocatable"]["memory"] == "4091904Ki"
    assert told["addresses"] == [{"type": "InternalIP", "address": "192.168.1.9"}, {"type": "Hostname", "address": "pi"}]
    info = told["nodeInfo"]
    assert (info["architecture"], info["containerRuntimeVersion"], info["kubeletVersion"]) == (
        "arm64",
        "podman://4.3.1",
        "v1.32.0-bramble-0.1.0",
    )
    assert (info["operatingSystem"], info["kernelVersion"]) == ("linux", "6.6.31+rpt")


@pytest.mark.parametrize(
    ("machine", "engine", "condition", "holds"),
    [
        (BOARD, WORKS, "Ready", "True"),
        (BOARD, EngineState("", "podman is gone"), "Ready", "False"),
        (replace(BOARD, memory_available=1), WORKS, "MemoryPressure", "True"),
        (replace(BOARD, disk_available=GIB), WORKS, "DiskPressure", "True"),
        (replace(BOARD, readonly_disk=True), WORKS, "DiskPressure", "True"),
        (replace(BOARD, pids=32000), WORKS, "PIDPressure", "True"),
        (replace(BOARD, pids_most=0), WORKS, "PIDPressure", "False"),
        (BOARD, EngineState("4.3.1", "", (("memory", "no memory cgroup"),)), "MemoryCgroupMissing", "True"),
        (BOARD, WORKS, "MemoryCgroupMissing", "False"),
        (replace(BOARD, store_trouble="database or disk is full"), WORKS, "StoreNotWritable", "True"),
        (replace(BOARD, store_trouble="database or disk is full"), WORKS, "Ready", "True"),
        (BOARD, WORKS, "StoreNotWritable", "False"),
        (replace(BOARD, clock_synced=False), WORKS, "ClockNotSynced", "True"),
        (replace(BOARD, clock_synced=False), WORKS, "Ready", "True"),
        (replace(BOARD, clock_synced=True), WORKS, "ClockNotSynced", "False"),
    ],
)
def test_the_conditions_of_a_node(machine: Machine, engine: EngineState, condition: str, holds: str) -> None:
    assert conditions(machine, engine)[condition] == holds


def test_a_heartbeat_alone_is_no_news_and_moves_no_transition_time() -> None:
    first = status()
    later = status(before=first, now=2000.0)
    assert not differs(later, first)
    assert {c["lastTransitionTime"] for c in later["conditions"]} == {c["lastTransitionTime"] for c in first["conditions"]}
    broken = status(engine=EngineState("", "gone"), before=first, now=3000.0)
    assert differs(broken, first)
    assert broken["conditions"][-1]["lastTransitionTime"] == "1970-01-01T00:50:00Z"


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm"), ("armv6l", "arm"), ("s390x", "s390x")]
)
def test_architectures_have_go_names(machine: str, name: str) -> None:
    assert go_architecture(machine) == name


def test_labels_of_a_registered_node() -> None:
    assert node_labels("edge1", BOARD) == {
        "kubernetes.io/hostname": "edge1",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "arm64",
        "node-role.kubernetes.io/edge": "",
        "node-role.kubernetes.io/agent": "",
        "name": "edge1",
    }


def test_this_machine_can_be_read() -> None:
    here = read_machine("/nowhere/at/all")
    assert here.cpus > 0 and here.memory > here.memory_available > 0 and here.disk > 0
    assert here.address and here.kernel and here.os_image
    assert read_machine("/", node_address="10.1.2.3").address == "10.1.2.3"
