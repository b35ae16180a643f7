"""The door to the hardware addresses of Podman's bridges.

A bridge that nobody gave an address takes the lowest of its ports', so it gets another one whenever a container with a lower address comes
or the lowest goes. Containers that are there already go on sending to the old one until their neighbour entries are renewed, up to half a
minute in which they reach neither names, nor Services, nor the world (decision 0089). A bridge that was told its address keeps it, and so
it is told the one that it has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from pathlib import Path

INTERFACES = Path("/sys/class/net")
OURS = ("podman", "cni-podman")
"""How Podman calls the bridges of its networks, followed by a number."""
GIVEN = "3"
"""``addr_assign_type`` (NET_ADDR_SET) of an address that does not change by itself."""

_SET_ADDRESS = 0x8924
"""SIOCSIFHWADDR, netdevice(7)."""
_ETHERNET = 1


def keep_addresses(interfaces: Path = INTERFACES) -> list[str]:
    """Let each of Podman's bridges keep the address that it has. Those that did not until now.

    Where it may not (no right to change the network, or containers that have one of their own as without root), nothing is done.
    """
    found = []
    for name in _names(interfaces):
        with contextlib.suppress(OSError, ValueError):
            if _is_changeable(interfaces / name):
                _give(name, bytes.fromhex((interfaces / name / "address").read_text().strip().replace(":", "")))
                found.append(name)
    return found


def _names(interfaces: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(interfaces) if name.rstrip("0123456789") in OURS)
    except OSError:
        return []


def _is_changeable(interface: Path) -> bool:
    return (interface / "bridge").is_dir() and (interface / "addr_assign_type").read_text().strip() != GIVEN


def _give(name: str, address: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        fcntl.ioctl(door, _SET_ADDRESS, struct.pack("16sH6s8x", name.encode(), _ETHERNET, address))
