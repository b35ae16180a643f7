"""One TCP connection through the proxy: the client's end, the backend's end, and at most one piece of data on its way in each direction."""

from __future__ import annotations

import select
import struct
from collections.abc import Callable, Sequence

from edgecore.edgemesh.proxy import sockets as socket
from edgecore.edgemesh.proxy.loop import READ, WRITE, Loop, Timer
from edgecore.edgemesh.proxy.table import Endpoint

PIECE = 64 * 1024
REACH_LIMIT = 2.0
"""Seconds in which a backend must answer before the next one is tried."""
_KEEPALIVE = 60
_BROKEN = select.EPOLLERR | select.EPOLLHUP


class Link:
    """Tries ``backends`` in turn; the first that takes the connection gets it. ``ended`` is called once, at the end."""

    __slots__ = ("_backends", "_ended", "_first", "_here", "_loop", "_there", "_timer")

    def __init__(
        self, loop: Loop, client: socket.socket, backends: Sequence[Endpoint], ended: Callable[[Link], object], *, first: bytes = b""
    ) -> None:
        """``first``: what was read of the client already."""
        self._loop = loop
        self._backends = list(backends)
        self._ended = ended
        self._first = first
        self._here = _Side(client)
        self._there: _Side | None = None
        self._timer: Timer | None = None
        _prepare(client)

    def start(self) -> None:
        self._reach()

    def close(self, *, refuse: bool = False) -> None:
        """``refuse``: the client is told by a reset, as if nobody had listened."""
        if self._timer is not None:
            self._timer.cancel()
        for side in (self._here, self._there):
            if side is not None:
                self._loop.forget(side.socket.fileno())
                if refuse and side is self._here:
                    side.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.socket.close()
        self._there = None
        self._ended(self)

    def _reach(self) -> None:
        while self._backends:
            host, port = self._backends.pop(0)
            backend = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                backend.connect((host, port))
            except BlockingIOError:
                pass
            except OSError:
                backend.close()
                continue
            self._there = _Side(backend)
            self._timer = self._loop.later(REACH_LIMIT, self._not_reached)
            self._loop.watch(backend.fileno(), WRITE, self._reached)
            return
        self.close(refuse=True)

    def _reached(self, events: int) -> None:
        assert self._there is not None
        if self._there.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._not_reached()
            return
        if not _is_connected(self._there.socket):
            return  # the event was that of an earlier socket with this number
        if self._timer is not None:
            self._timer.cancel()
        _prepare(self._there.socket)
        self._there.pending = self._first
        self._first = b""
        self._watch()

    def _not_reached(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._there is not None:
            self._loop.forget(self._there.socket.fileno())
            self._there.socket.close()
            self._there = None
        self._reach()

    def _watch(self) -> None:
        here, there = self._here, self._there
        assert there is not None
        if here.done and there.done and not here.pending and not there.pending:
            self.close()
            return
        for side, other in ((here, there), (there, here)):
            wanted = (READ if not side.done and not other.pending else 0) | (WRITE if side.pending else 0)
            if wanted != side.watched:
                side.watched = wanted
                self._loop.watch(side.socket.fileno(), wanted, self._handler(side, other))

    def _handler(self, side: _Side, other: _Side) -> Callable[[int], None]:
        def handle(events: int) -> None:
            try:
                if side.pending and events & (WRITE | _BROKEN):
                    side.pending = side.pending[side.socket.send(side.pending) :]
                if not side.done and not other.pending and events & (READ | _BROKEN):
                    self._take(side, other)
                for one, its in ((side, other), (other, side)):
                    if its.done and not one.pending and not one.shut:
                        one.shut = True
                        one.socket.shutdown(socket.SHUT_WR)
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return
            self._watch()

        return handle

    @staticmethod
    def _take(side: _Side, other: _Side) -> None:
        data = side.socket.recv(PIECE)
        if not data:
            side.done = True
            return
        try:
            sent = other.socket.send(data)
        except BlockingIOError:
            sent = 0
        other.pending = data[sent:]


class _Side:
    """``pending``: what it still has to be told. ``done``: it says nothing more. ``shut``: it was told that nothing more comes."""

    __slots__ = ("done", "pending", "shut", "socket", "watched")

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.pending = b""
        self.done = False
        self.shut = False
        self.watched = 0


def _is_connected(end: socket.socket) -> bool:
    try:
        end.getpeername()
    except OSError:
        return False
    return True


def _prepare(end: socket.socket) -> None:
    """A peer that vanished is noticed, and small pieces do not wait for each other."""
    end.setblocking(False)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        end.setsockopt(socket.IPPROTO_TCP, option, _KEEPALIVE)
