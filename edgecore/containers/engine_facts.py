"""Reads from this machine what the engine's configuration depends on."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

from edgecore.containers.engine_choice import Cgroups, MachineFacts

_CAP_SYS_RESOURCE = 1 << 24
_OCI_PATHS = os.pathsep.join(("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"))


def machine_facts(*, cgroup_root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc"), etc: Path = Path("/etc")) -> MachineFacts:
    cgroups = _cgroups(cgroup_root)
    return MachineFacts(
        cgroups=cgroups,
        controllers=_controllers(cgroup_root, cgroups),
        systemd=Path("/run/systemd/system").is_dir(),
        oci_runtimes=tuple(name for name in ("crun", "runc") if shutil.which(name, path=_OCI_PATHS)),
        nofile_hard=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        nproc_hard=resource.getrlimit(resource.RLIMIT_NPROC)[1],
        may_raise_limits=_may_raise_limits(proc),
        has_policy=any((home / "policy.json").exists() for home in (etc / "containers", Path.home() / ".config/containers")),
        has_registries=(etc / "containers/registries.conf").exists(),
    )


def _cgroups(root: Path) -> Cgroups:
    if (root / "cgroup.controllers").exists():
        return Cgroups.V2
    return Cgroups.HYBRID if (root / "unified").is_dir() else Cgroups.V1


def _controllers(root: Path, cgroups: Cgroups) -> frozenset[str]:
    if cgroups is Cgroups.V2:
        return frozenset(_text(root / "cgroup.controllers").split())
    tests = {"memory": "memory/memory.limit_in_bytes", "cpu": "cpu/cpu.cfs_quota_us", "pids": "pids"}
    return frozenset(name for name, path in tests.items() if (root / path).exists())


def _may_raise_limits(proc: Path) -> bool:
    for line in _text(proc / "self/status").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & _CAP_SYS_RESOURCE)
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
