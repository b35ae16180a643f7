"""Devices of the board by the name of a resource, as the config lists them: ``bramble.io/ttyUSB0=/dev/ttyUSB0``. Pure.

A resource is given to one container at a time, with all its paths; the scheduler of the cloud counts it like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgecore.edged.errors import ConfigProblem

Devices = Mapping[str, tuple[str, ...]]
"""Resource name to paths below /dev."""


def read_devices(entries: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of entries that ``componentconfig.checks.devices`` has let through."""
    split = (entry.partition("=") for entry in entries)
    return {name.strip(): tuple(path.strip() for path in paths.split(",")) for name, _, paths in split}


def paths_for(container: Mapping[str, Any], devices: Devices) -> tuple[str, ...]:
    """The device paths that a container (core/v1) gets for the resources that it asks for.

    Raises:
        ConfigProblem: one that this node does not have, or more of it than there is.
    """
    paths: list[str] = []
    for name, amount in ((container.get("resources") or {}).get("limits") or {}).items():
        if not _is_device(name):
            continue
        if name not in devices:
            raise ConfigProblem(f"resource {name}: this node has no such device (modules.edged.devices)")
        if str(amount) not in ("0", "1"):
            raise ConfigProblem(f"resource {name}: there is 1, and {amount} are asked for")
        paths += devices[name] if str(amount) == "1" else ()
    return tuple(dict.fromkeys(paths))


def _is_device(name: str) -> bool:
    """Resources with a domain are devices; Kubernetes' own have none, or its domain."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and not domain.endswith("kubernetes.io")
