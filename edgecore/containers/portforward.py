"""TCP connections into a pod: to its loopback, from inside its network namespace, as a kubelet makes them (P7.9).

Whatever network the pod has, bridge or host, a service is found also when it listens on 127.0.0.1 alone. A thread enters the namespace,
makes the connection and ends; the socket stays where it was made. No process is started and nothing is opened to others.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from edgecore.containers.processes import belongs_to
from edgecore.containers.streams import READ_SIZE, STDOUT
from edgecore.errors import EngineError, NobodyListens, NotRunning

CONNECT_LIMIT = 10.0
"""Seconds; on loopback whoever listens answers at once, unless its queue is full."""

_CLONE_NEWNET = 0x40000000
_LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def connect(pid: int, container: str, port: int) -> socket.socket:
    """To ``port`` on the loopback of the network that process ``pid`` of ``container`` (its id) has.

    Raises:
        NotRunning: there is no such process any more. NobodyListens: the connection is refused. EngineError: we may not enter.
    """
    outcome: list[socket.socket | Exception] = []

    def enter() -> None:
        try:
            outcome.append(_connect_inside(pid, container, port))
        except Exception as exc:
            outcome.append(exc)

    thread = threading.Thread(target=enter, name="port-forward", daemon=True)
    thread.start()
    thread.join()
    found = outcome[0]
    if isinstance(found, OSError):
        raise EngineError(f"the network of the pod cannot be entered: {found.strerror or found}") from found
    if isinstance(found, Exception):
        raise found
    return found


class Forwarding:
    """A connection as what runs: its output is what comes from the pod. One thread reads, another writes; ``close`` ends both."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        self._connection = connection

    def output(self) -> Iterator[tuple[int, bytes]]:
        """(STDOUT, bytes) until the pod says no more."""
        with contextlib.suppress(OSError):
            while data := self._connection.recv(READ_SIZE):
                yield STDOUT, data

    def write(self, data: bytes) -> None:
        """Raises OSError when it takes no more."""
        self._connection.sendall(data)

    def end_input(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def resize(self, width: int, height: int) -> None:
        """A connection has no size."""

    def close(self) -> None:
        """Wakes a thread that reads or writes."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def _connect_inside(pid: int, container: str, port: int) -> socket.socket:
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise NotRunning("the pod's containers have just ended") from exc
    try:
        if not belongs_to(pid, container):
            raise NotRunning("the pod's containers have just ended")
        if not os.path.samestat(os.fstat(namespace), os.stat("/proc/thread-self/ns/net")):
            _enter(namespace)
    finally:
        os.close(namespace)
    return _connect(port)


def _enter(namespace: int) -> None:
    """This thread alone; it must end afterwards."""
    if hasattr(os, "setns"):
        os.setns(namespace, _CLONE_NEWNET)
        return
    import ctypes  # only before Python 3.12, and only where somebody forwards a port: it costs memory

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _connect(port: int) -> socket.socket:
    said = "no loopback"
    for family, host in _LOOPBACKS:
        try:
            connection = socket.socket(family)
        except OSError as exc:
            said = str(exc)
            continue
        try:
            connection.settimeout(CONNECT_LIMIT)
            connection.connect((host, port))
        except OSError as exc:
            connection.close()
            said = exc.strerror or str(exc)
        else:
            return connection
    raise NobodyListens(f"port {port} of the pod: {said}")
