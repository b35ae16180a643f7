"""Where Services are listened for: open while there is somebody behind them; else the kernel refuses at once."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

from edgecore.edgemesh.proxy import sockets as socket
from edgecore.edgemesh.proxy.link import Link
from edgecore.edgemesh.proxy.loop import READ, Loop, Timer
from edgecore.edgemesh.proxy.table import CLIENT, Endpoint, Listener

_AT_ONCE = 32
_DATAGRAM = 65535
UDP_IDLE = 60.0
"""Seconds of silence after which a client over UDP is forgotten."""
_MOST_UDP_CLIENTS = 256


class Turns:
    """Whose turn it is: each backend once, then again from the first."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def order(self, backends: Sequence[Endpoint], affinity: str, client: str) -> list[Endpoint]:
        """All of them, the one that should get the connection first."""
        if affinity == CLIENT:
            start = zlib.crc32(client.encode()) % len(backends)
        else:
            start = self._next % len(backends)
            self._next += 1
        return [*backends[start:], *backends[:start]]


class TCPListener:
    """``links``: those of the whole proxy; ``full`` says that there may be no more, ``ended`` hears of each that ends."""

    def __init__(
        self, loop: Loop, listener: Listener, links: set[Link], *, full: Callable[[], bool], ended: Callable[[Link], object]
    ) -> None:
        """Raises OSError: nobody may listen there now."""
        self._ended = ended
        self.listener = listener
        self._loop = loop
        self._links = links
        self._full = full
        self._turns = Turns()
        self._socket = _bound(socket.SOCK_STREAM, listener.place)
        self._socket.listen(128)
        self.resume()

    def resume(self) -> None:
        self._loop.watch(self._socket.fileno(), READ, self._accept)

    def close(self) -> None:
        """Connections that are there go on."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _accept(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            if self._full():
                self._loop.forget(self._socket.fileno())
                return
            try:
                client, address = socket.accepted(self._socket)
            except OSError:
                return
            backends = self._turns.order(self.listener.backends, self.listener.affinity, str(address[0]))
            link = Link(self._loop, client, backends, self._ended)
            self._links.add(link)
            link.start()


class UDPListener:
    """Each client has a socket of its own towards its backend, by which the answers find their way back."""

    def __init__(self, loop: Loop, listener: Listener) -> None:
        """Raises OSError: nobody may listen there now."""
        self._loop = loop
        self._listener = listener
        self._turns = Turns()
        self._clients: dict[tuple[str, int], _Client] = {}
        self._socket = _bound(socket.SOCK_DGRAM, listener.place)
        self._loop.watch(self._socket.fileno(), READ, self._take)

    @property
    def listener(self) -> Listener:
        return self._listener

    @listener.setter
    def listener(self, listener: Listener) -> None:
        """Clients of a backend that is there no more get another one."""
        self._listener = listener
        for address, client in list(self._clients.items()):
            if client.backend not in listener.backends:
                self._drop(address)

    def resume(self) -> None:
        """It never rests."""

    def close(self) -> None:
        for address in list(self._clients):
            self._drop(address)
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _take(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = self._socket.recvfrom(_DATAGRAM)
            except OSError:
                return
            client = self._clients.get(address) or self._welcome(address)
            if client is not None:
                self._pass_on(address, client, data)

    def _welcome(self, address: tuple[str, int]) -> _Client | None:
        if len(self._clients) >= _MOST_UDP_CLIENTS:
            self._drop(next(iter(self._clients)))
        backend = self._turns.order(self._listener.backends, self._listener.affinity, address[0])[0]
        towards = socket.socket(socket.AF_INET6 if ":" in backend[0] else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            towards.connect(backend)
        except OSError:
            towards.close()
            return None
        client = self._clients[address] = _Client(towards, backend)
        self._loop.watch(towards.fileno(), READ, lambda events: self._answer(address, client))
        client.timer = self._loop.later(UDP_IDLE, lambda: self._age(address, client))
        return client

    def _pass_on(self, address: tuple[str, int], client: _Client, data: bytes) -> None:
        client.heard = True
        try:
            client.socket.send(data)
        except BlockingIOError:
            return
        except OSError:
            self._drop(address)

    def _answer(self, address: tuple[str, int], client: _Client) -> None:
        try:
            self._socket.sendto(client.socket.recv(_DATAGRAM), address)
            client.heard = True
        except BlockingIOError:
            return
        except OSError:
            self._drop(address)

    def _age(self, address: tuple[str, int], client: _Client) -> None:
        if self._clients.get(address) is not client:
            return
        if not client.heard:
            self._drop(address)
            return
        client.heard = False
        client.timer = self._loop.later(UDP_IDLE, lambda: self._age(address, client))

    def _drop(self, address: tuple[str, int]) -> None:
        client = self._clients.pop(address, None)
        if client is not None:
            if client.timer is not None:
                client.timer.cancel()
            self._loop.forget(client.socket.fileno())
            client.socket.close()


class _Client:
    __slots__ = ("backend", "heard", "socket", "timer")

    def __init__(self, towards: socket.socket, backend: Endpoint) -> None:
        self.socket = towards
        self.backend = backend
        self.heard = True
        self.timer: Timer | None = None


def _bound(kind: int, place: Endpoint) -> socket.socket:
    door = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        if kind == socket.SOCK_STREAM:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(place)
    except OSError:
        door.close()
        raise
    return door
