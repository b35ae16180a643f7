"""Which Podman service to use and how our own one must be configured on this machine. Pure: facts in, text and reasons out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PODMANS_NOFILE = 1_048_576
PODMANS_NPROC = 4_194_304
"""What Podman asks for when nobody says otherwise; more than the hard limit makes every container fail to start."""

EXEC_MEMORY = 5
"""Seconds that Podman remembers a command run in a container. Its own default is 300, with two waiting processes for each of them: with
probes every few seconds those would eat the memory of a board."""

SAFE_NPROC = 32_768
"""Podman lowers its own hard limit to the default of kernel.pid_max; a container cannot get more where limits cannot be raised."""


class Cgroups(StrEnum):
    V1 = "v1"
    HYBRID = "hybrid"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """``controllers``: cgroup controllers that work here. Hard limits are -1 where there is none."""

    cgroups: Cgroups
    controllers: frozenset[str]
    systemd: bool
    oci_runtimes: tuple[str, ...]
    nofile_hard: int
    nproc_hard: int
    may_raise_limits: bool
    has_policy: bool
    has_registries: bool


@dataclass(frozen=True, slots=True)
class Configuration:
    """``containers_conf`` for CONTAINERS_CONF, ``reasons`` for the log."""

    containers_conf: str
    reasons: tuple[str, ...]


def configure(facts: MachineFacts) -> Configuration:
    """The private containers.conf with which containers start on this kernel."""
    engine, reasons = [], []
    runtime, why = _oci_runtime(facts)
    if runtime:
        engine.append(f'runtime="{runtime}"')
        reasons.append(why)
    if not facts.systemd:
        engine += ['cgroup_manager="cgroupfs"', 'events_logger="file"']
        reasons.append("no systemd here: cgroupfs and events in a file")
    engine += [f"exit_command_delay={EXEC_MEMORY}", 'detach_keys=""']  # every key is for the container, Ctrl-P too
    limits = _ulimits(facts)
    if limits:
        reasons.append("hard limits lie under Podman's defaults: " + ", ".join(limits))
    ulimits = [f"default_ulimits=[{', '.join(chr(34) + limit + chr(34) for limit in limits)}]"] if limits else []
    text = "\n".join(["[containers]", *ulimits, "[engine]", *engine, ""])
    return Configuration(text, tuple(reasons))


def unfit(info: dict[str, Any], facts: MachineFacts) -> str:
    """Why the Podman service that gave ``info`` (GET info) cannot run containers here; empty: it can, as far as we see."""
    host = info.get("host") or {}
    runtime = str((host.get("ociRuntime") or {}).get("name", ""))
    if facts.cgroups is Cgroups.HYBRID and runtime == "crun":
        return "it uses crun, which refuses cgroups in hybrid mode"
    if not facts.systemd and host.get("cgroupManager") == "systemd":
        return "it wants systemd for cgroups and there is none"
    if (host.get("security") or {}).get("rootless"):
        return "it runs without root, so it can neither set limits nor publish low ports"
    return ""


def missing_controllers(facts: MachineFacts) -> dict[str, str]:
    """Limit by limit (``cpu``, ``memory``): why it cannot be kept on this kernel."""
    hints = {
        "memory": "memory limits are left out: the kernel has no memory cgroup (Raspberry Pi: cgroup_enable=memory in cmdline.txt)",
        "cpu": "CPU limits are left out: the kernel has no cpu cgroup with quotas",
    }
    return {name: hint for name, hint in hints.items() if name not in facts.controllers}


def _oci_runtime(facts: MachineFacts) -> tuple[str, str]:
    order = ("runc", "crun") if facts.cgroups is Cgroups.HYBRID else ("crun", "runc")
    chosen = next((name for name in order if name in facts.oci_runtimes), "")
    if facts.cgroups is Cgroups.HYBRID and chosen == "crun":
        return chosen, "cgroups are in hybrid mode, which crun refuses: install runc"
    return chosen, f"OCI runtime {chosen} for cgroups {facts.cgroups}"


def _ulimits(facts: MachineFacts) -> list[str]:
    if facts.may_raise_limits:
        return []
    wanted = (("nofile", facts.nofile_hard, PODMANS_NOFILE), ("nproc", facts.nproc_hard, PODMANS_NPROC))
    if all(hard < 0 or hard >= default for _, hard, default in wanted):
        return []
    nofile = PODMANS_NOFILE if facts.nofile_hard < 0 else min(facts.nofile_hard, PODMANS_NOFILE)
    nproc = SAFE_NPROC if facts.nproc_hard < 0 else min(facts.nproc_hard, SAFE_NPROC)
    return [f"nofile={nofile}:{nofile}", f"nproc={nproc}:{nproc}"]
