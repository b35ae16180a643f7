"""The door to the kernel's sockets: what ``socket`` has, without the 1.1 MB that its enumerations cost.

``socket`` is a thin layer over the C module ``_socket``, which has the same calls and plain numbers. That megabyte would be a quarter of
the proxy, on boards where memory is what is lacking.
"""

from __future__ import annotations

import _socket
from _socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    IPPROTO_TCP,
    SHUT_WR,
    SO_ERROR,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_KEEPIDLE,
    TCP_KEEPINTVL,
    TCP_NODELAY,
    if_nametoindex,
    inet_aton,
    socketpair,
)

__all__ = (
    "AF_INET",
    "AF_INET6",
    "AF_NETLINK",
    "IPPROTO_TCP",
    "SHUT_WR",
    "SOCK_DGRAM",
    "SOCK_NONBLOCK",
    "SOCK_RAW",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_ERROR",
    "SO_KEEPALIVE",
    "SO_LINGER",
    "SO_REUSEADDR",
    "TCP_KEEPIDLE",
    "TCP_KEEPINTVL",
    "TCP_NODELAY",
    "accepted",
    "if_nametoindex",
    "inet_aton",
    "socket",
    "socketpair",
)

socket = _socket.socket


def accepted(door: _socket.socket) -> tuple[_socket.socket, tuple[str, int]]:
    """The next connection, which does not block, and who made it.

    Raises:
        OSError: there is none now.
    """
    descriptor, address = door._accept()  # type: ignore[attr-defined]
    client = _socket.socket(fileno=descriptor)
    client.setblocking(False)
    return client, address
