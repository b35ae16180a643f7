"""The Node that this board is: registration and status (contract 8.5), truer than KubeEdge 1.2's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecore.containers.model import Image
from edgecore.edged.status import timestamp

MOST_PODS = 110
MOST_IMAGES = 50
MOST_NAMES = 5
"""As many as a kubelet tells, the largest images first."""
RESERVED_MEMORY = 100 * 1024 * 1024
"""Bytes that the system keeps for itself: allocatable is capacity less this."""

_GO_NAMES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv8l": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine says of itself. Sizes in bytes. ``store_trouble``: why our database cannot be written; empty: it can.

    ``devices``: resource names, and whether the device is there.
    """

    hostname: str
    machine: str
    kernel: str
    os_image: str
    machine_id: str
    system_uuid: str
    boot_id: str
    cpus: int
    memory: int
    memory_available: int
    disk: int
    disk_available: int
    pids: int
    pids_most: int
    address: str
    readonly_disk: bool = False
    clock_synced: bool = True
    store_trouble: str = ""
    devices: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class EngineState:
    """``error`` empty: the container engine answers. ``missing``: cgroup controllers that this kernel lacks, with a hint each."""

    version: str = ""
    error: str = "the container engine has not answered yet"
    missing: tuple[tuple[str, str], ...] = ()


def short_of_memory(machine: Machine) -> bool:
    return machine.memory_available < min(RESERVED_MEMORY, machine.memory // 20)


def short_of_disk(machine: Machine) -> bool:
    return machine.readonly_disk or nearly_full(machine.disk, machine.disk_available)


def nearly_full(total: int, available: int) -> bool:
    return available * 20 < total


def go_architecture(machine: str) -> str:
    """``x86_64`` to ``amd64``, as Kubernetes names architectures."""
    return _GO_NAMES.get(machine, machine)


def node_labels(node: str, machine: Machine) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": node,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": go_architecture(machine.machine),
        "node-role.kubernetes.io/edge": "",
        "node-role.kubernetes.io/agent": "",
        "name": node,
    }


def node_status(
    machine: Machine, engine: EngineState, *, version: str, before: dict[str, Any], now: float, images: Sequence[Image] = ()
) -> dict[str, Any]:
    """core/v1 NodeStatus. ``before`` is the one last made: transition times stand where nothing changed (bug C14)."""
    disk = max(0, machine.disk)
    capacity = {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory // 1024}Ki",
        "pods": str(MOST_PODS),
        "ephemeral-storage": f"{disk // 1024}Ki",
        **{name: "1" if there else "0" for name, there in machine.devices},
    }
    allocatable = {
        **capacity,
        "memory": f"{max(0, machine.memory - RESERVED_MEMORY) // 1024}Ki",
        "ephemeral-storage": str(disk * 9 // 10),
    }
    return {
        "phase": "Running",
        "capacity": capacity,
        "allocatable": allocatable,
        "addresses": [
            *([{"type": "InternalIP", "address": machine.address}] if machine.address else []),
            {"type": "Hostname", "address": machine.hostname},
        ],
        "nodeInfo": {
            "machineID": machine.machine_id,
            "systemUUID": machine.system_uuid,
            "bootID": machine.boot_id,
            "kernelVersion": machine.kernel,
            "osImage": machine.os_image,
            "containerRuntimeVersion": f"podman://{engine.version or 'unknown'}",
            "kubeletVersion": f"v1.32.0-bramble-{version}",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": go_architecture(machine.machine),
        },
        "conditions": _conditions(machine, engine, before, now),
        "images": [
            {"names": list(image.names[:MOST_NAMES]), "sizeBytes": image.size}
            for image in sorted(images, key=lambda i: (-i.size, i.id))[:MOST_IMAGES]
        ],
    }


def differs(status: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether there is news besides heartbeat times."""
    return _without_heartbeats(status) != _without_heartbeats(told)


def _conditions(machine: Machine, engine: EngineState, before: dict[str, Any], now: float) -> list[dict[str, Any]]:
    little_memory, little_disk = short_of_memory(machine), short_of_disk(machine)
    disk_text = "the disk is read-only" if machine.readonly_disk else "less than 5 % of the disk is free"
    short_of_pids = machine.pids_most > 0 and machine.pids * 10 > machine.pids_most * 9
    memory_hint = dict(engine.missing).get("memory", "")
    found = [
        (
            "MemoryPressure",
            little_memory,
            ("EdgeHasInsufficientMemory", "little memory is available") if little_memory else ("EdgeHasSufficientMemory", ""),
        ),
        ("DiskPressure", little_disk, ("EdgeHasDiskPressure", disk_text) if little_disk else ("EdgeHasNoDiskPressure", "")),
        (
            "StoreNotWritable",
            bool(machine.store_trouble),
            ("DiskFullOrReadOnly", f"what the cloud says cannot be saved: {machine.store_trouble}; pods go on as they are")
            if machine.store_trouble
            else ("StoreWritable", ""),
        ),
        ("PIDPressure", short_of_pids, ("EdgeHasInsufficientPID", "") if short_of_pids else ("EdgeHasSufficientPID", "")),
        ("MemoryCgroupMissing", bool(memory_hint), ("CgroupMissing", memory_hint) if memory_hint else ("CgroupPresent", "")),
        (
            "ClockNotSynced",
            not machine.clock_synced,
            ("ClockIsSynced", "") if machine.clock_synced else ("ClockIsFree", "no time service keeps this node's clock"),
        ),
        (
            "Ready",
            not engine.error,
            ("EdgeNotReady", engine.error) if engine.error else ("EdgeReady", "edge is posting ready status"),
        ),
    ]
    old = {str(c.get("type")): c for c in before.get("conditions") or []}
    return [_condition(kind, holds, *words, old.get(kind), now) for kind, holds, words in found]


def _condition(kind: str, holds: bool, reason: str, message: str, old: dict[str, Any] | None, now: float) -> dict[str, Any]:
    status = "True" if holds else "False"
    since = str(old["lastTransitionTime"]) if old and old.get("status") == status else timestamp(now)
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": timestamp(now),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message or reason,
    }


def _without_heartbeats(status: dict[str, Any]) -> dict[str, Any]:
    conditions = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status.get("conditions") or []]
    return {**status, "conditions": conditions}
