"""A TCP proxy that is bad at it on purpose: it delays, throttles, stalls, cuts, half-closes, refuses, resets, and lets an old connection
linger while a newer one works. What travels through it is TLS, which it does not read; ``tap`` does that."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.faults.background import Background

_CHUNK = 2048
_RST = struct.pack("ii", 1, 0)
_LINE = 64
"""Chunks under way in one direction of a connection: what a long line with a small buffer holds."""

_GATHERING = 0.5
"""Seconds in which something comes to lie on a line that will linger."""


@dataclass
class Weather:
    """``round_trip`` seconds; ``rate`` in bytes per second and direction, 0 for no limit."""

    round_trip: float = 0.0
    rate: float = 0.0


@dataclass(eq=False)
class _Connection:
    edge: asyncio.StreamWriter
    hub: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    lingering: bool = False
    released_at: float = 0.0


class Proxy:
    """Listens on ``port`` of loopback and connects to ``target`` there. Every method may be called from any thread."""

    def __init__(self, background: Background, target: int, port: int) -> None:
        self.target = target
        self.port = port
        self.accepted = 0
        self.carried = {"up": 0, "down": 0}
        """Bytes that were taken from one end, to be given to the other."""
        self._background = background
        self._weather = Weather()
        self._free_at = {"up": 0.0, "down": 0.0}
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._moving = asyncio.Event()
        self._moving.set()
        self.listen()

    def listen(self) -> None:
        self._run(self._listen())

    def refuse(self) -> None:
        """Further connections find nobody at the port."""
        self._run(self._close_door())

    def weather(self, *, round_trip: float = 0.0, rate: float = 0.0) -> None:
        self._weather = Weather(round_trip, rate)

    def stall(self) -> None:
        """Nothing moves and nobody is told, as when a radio link is gone. Who connects meanwhile is kept waiting."""
        self._run(self._set_moving(False))

    def move(self) -> None:
        """The end of ``stall``: what lay on the line arrives."""
        self._run(self._set_moving(True))

    def reset(self) -> None:
        """Both ends of every connection get a RST."""
        self._run(self._end_all(rst=True))

    def hang_up(self) -> None:
        """Both ends of every connection get a FIN."""
        self._run(self._end_all(rst=False))

    def half_close(self) -> None:
        """The hub hears that the board says no more, the board hears nothing, and what the hub says still arrives."""
        self._run(self._half_close())

    def linger(self, seconds: float) -> None:
        """What is on its way up is held back, a moment later board's ends get a RST while hub's ends stay open, and ``seconds`` later
        it arrives: after what the board has said on its newer connection."""
        self._run(self._linger(seconds))

    def outage(self) -> None:
        """Resets what there is and refuses what comes."""
        self.refuse()
        self.reset()

    def heal(self) -> None:
        """No faults any more."""
        self.weather()
        self.move()
        self.listen()

    def close(self) -> None:
        self.outage()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._background.run(coroutine)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close_door(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _set_moving(self, moving: bool) -> None:
        if moving:
            self._moving.set()
        else:
            self._moving.clear()

    async def _end_all(self, *, rst: bool) -> None:
        for connection in [each for each in self._connections if not each.lingering]:
            for task in connection.tasks:
                task.cancel()
            for writer in (connection.edge, connection.hub):
                _end(writer, rst=rst)

    async def _half_close(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError, RuntimeError):
                connection.hub.write_eof()

    async def _linger(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        connections = list(self._connections)
        for connection in connections:
            connection.lingering, connection.released_at = True, loop.time() + _GATHERING + seconds
        await asyncio.sleep(_GATHERING)
        for connection in connections:
            _end(connection.edge, rst=True)
            loop.call_at(connection.released_at + _GATHERING, _end, connection.hub)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        await self._moving.wait()
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _end(writer, rst=True)
            return
        connection = _Connection(writer, hub_writer)
        for stream in (writer, hub_writer):
            stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.tasks = [
            asyncio.create_task(self._carry("up", reader, connection, hub_writer)),
            asyncio.create_task(self._carry("down", hub_reader, connection, writer)),
        ]
        self._connections.add(connection)
        try:
            await asyncio.gather(*connection.tasks, return_exceptions=True)
        finally:
            self._connections.discard(connection)
            _end(writer)
            if not connection.lingering:
                _end(hub_writer)

    async def _carry(self, way: str, reader: asyncio.StreamReader, connection: _Connection, writer: asyncio.StreamWriter) -> None:
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_LINE)
        arrival = asyncio.create_task(self._arrive(line, connection, writer))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(_CHUNK):
                self.carried[way] += len(data)
                now = loop.time()
                taken = len(data) / self._weather.rate if self._weather.rate else 0.0
                self._free_at[way] = max(self._free_at[way], now) + taken
                await line.put((self._free_at[way] + self._weather.round_trip / 2, data))
            await line.put((self._free_at[way], b""))
            await arrival
        except OSError:
            if not connection.lingering:
                _end(writer, rst=True)
        finally:
            arrival.cancel()

    async def _arrive(self, line: asyncio.Queue[tuple[float, bytes]], connection: _Connection, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            when, data = await line.get()
            if when > loop.time():
                await asyncio.sleep(when - loop.time())
            await self._moving.wait()
            if writer is connection.hub and connection.released_at > loop.time():
                await asyncio.sleep(connection.released_at - loop.time())
            if not data:
                with contextlib.suppress(OSError, RuntimeError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()


def _end(writer: asyncio.StreamWriter, *, rst: bool = False) -> None:
    with contextlib.suppress(OSError):
        if rst:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            writer.transport.abort()
        else:
            writer.close()
