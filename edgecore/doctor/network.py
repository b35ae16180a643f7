"""The door to the network, as checks need it: names, ports that answer, the cloud's TLS, who listens on this machine."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from edgecore.doctor.board import Board, NeedsRoot
from edgecore.errors import EdgeCoreError

_LISTEN = "0A"
_PATIENCE = "timeout:2 attempts:2"
"""For the resolver, which waits half a minute for three servers that do not answer."""


@dataclass(frozen=True, slots=True)
class Listener:
    """``program``: the short name of who listens, empty where we may not know. ``pid`` 0 likewise."""

    address: str
    port: int
    pid: int = 0
    program: str = ""

    @property
    def only_here(self) -> bool:
        found = ip_address(self.address)
        return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def addresses_of(host: str) -> list[str]:
    """Raises: EdgeCoreError: the name has none, in the resolver's words."""
    os.environ.setdefault("RES_OPTIONS", _PATIENCE)
    try:
        return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as exc:
        raise EdgeCoreError(getattr(exc, "strerror", None) or str(exc)) from exc


def refusal(host: str, port: int, timeout: float = 4.0) -> str:
    """Why nobody answers at a TCP port; empty: somebody does."""
    try:
        socket.create_connection((host, port), timeout).close()
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except (OSError, UnicodeError) as exc:
        return getattr(exc, "strerror", None) or str(exc)
    return ""


def listeners(board: Board) -> list[Listener]:
    """Who listens for TCP on this machine."""
    sockets = [*_listening(board.text("/proc/net/tcp")), *_listening(board.text("/proc/net/tcp6"))]
    owners = _owners(board, {inode for _, _, inode in sockets})
    names = board.processes() if owners else {}
    return [Listener(address, port, owners.get(inode, 0), names.get(owners.get(inode, 0), "")) for address, port, inode in sockets]


def _listening(table: str) -> Iterable[tuple[str, int, str]]:
    """(address, port, inode) of the sockets that listen, of the text of /proc/net/tcp or tcp6."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            yield _address(address), int(port, 16), fields[9]


def _address(text: str) -> str:
    """The kernel writes words of 32 bits in the machine's own order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    data = b"".join(struct.pack("=I", word) for word in words)
    return str(IPv4Address(data) if len(data) == 4 else IPv6Address(data))


def _owners(board: Board, inodes: set[str]) -> dict[str, int]:
    """Which process holds each socket, as far as we may see."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, int] = {}
    for place in board.root.glob("proc/[0-9]*/fd/*"):
        try:
            target = str(place.readlink())
        except (OSError, NeedsRoot):
            continue
        if target in wanted:
            found.setdefault(wanted[target], int(place.parts[-3]))
    return found
