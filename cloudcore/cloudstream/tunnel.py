"""One board's stream connection (P7.7 to P7.10): many streams over one websocket, told apart by their numbers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from cloudcore.cloudstream.stream import UNAVAILABLE, Stream
from cloudcore.errors import StreamError
from cloudcore.ports import StreamWire
from viaduct.streamrequest import StreamRequest
from viaduct.tunnel import MAX_STREAMS, End, Frame, MalformedFrame, Open, decode, encode

logger = logging.getLogger(__name__)

TOO_MANY = 429
_POLICY, _NORMAL = 1008, 1000
_TURN_BYTES = 64 * 1024
"""What one board may say before everything else in this process has its turn (D8)."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Seconds: between two pings; of silence until the connection is given up; without any stream until it is closed."""

    ping: float = 20.0
    silence: float = 60.0
    idle: float = 120.0


class Tunnel:
    """``run`` until the connection ends; ``open`` streams meanwhile."""

    def __init__(self, node: str, wire: StreamWire, pulse: Pulse | None = None) -> None:
        self._node = node
        self._wire = wire
        self._pulse = pulse or Pulse()
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, Stream] = {}
        self._number = 0
        self._idle_since = self._loop.time()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    @property
    def over(self) -> bool:
        return self._over

    async def open(self, request: StreamRequest) -> Stream:
        """A stream that the board has been asked for. Raises StreamError: too many are open, or the connection is gone."""
        if self._over:
            raise StreamError(f"the stream connection of node {self._node} is gone", code=UNAVAILABLE)
        if len(self._streams) >= MAX_STREAMS:
            raise StreamError(f"{MAX_STREAMS} streams of node {self._node} are open, which is the limit", code=TOO_MANY)
        self._number += 1
        stream = Stream(self._number, self._send, self._forget)
        self._streams[stream.number] = stream
        try:
            await self._send(Open(stream.number, request.as_json()))
        except BaseException:
            stream.close()
            raise
        return stream

    async def run(self) -> None:
        """Serve the connection until it ends; then every stream on it has ended too."""
        self._spawn(self._watch())
        try:
            await self._receive()
        finally:
            self._over = True
            for task in self._tasks:
                task.cancel()
            for stream in list(self._streams.values()):
                stream.lost(f"the connection to node {self._node} broke")

    async def _receive(self) -> None:
        heard = 0
        while (raw := await self._wire.receive()) is not None:
            try:
                self._take(decode(raw if isinstance(raw, bytes) else raw.encode()))
            except MalformedFrame as exc:
                logger.warning("node %s: malformed frame of stream %d: %s", self._node, exc.stream, exc)
                stream = self._streams.get(exc.stream)
                if stream is None:
                    await self._wire.close(_POLICY, f"{exc.field}: {exc.reason}")
                    return
                stream.lost(f"node {self._node} sent a malformed frame: {exc}")
            heard += len(raw)
            if heard >= _TURN_BYTES:
                heard = 0
                await asyncio.sleep(0)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Open):
            raise MalformedFrame("kind", "only the cloud opens streams")
        stream = self._streams.get(frame.stream)
        if stream is not None:
            stream.take(frame)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._pulse.ping)
            now = self._loop.time()
            if now - self._wire.heard_at >= self._pulse.silence:
                logger.info("node %s: nothing heard for %g s on its stream connection", self._node, self._pulse.silence)
                self._wire.abort()
                return
            if not self._streams and now - self._idle_since >= self._pulse.idle:
                self._over = True
                await self._wire.close(_NORMAL, "no stream for a while")
                return
            await self._wire.ping()

    async def _send(self, frame: Frame) -> None:
        try:
            await self._wire.send_bytes(encode(frame))
        except ConnectionError as exc:
            raise StreamError(f"the connection to node {self._node} broke", code=UNAVAILABLE) from exc
        except MalformedFrame as exc:
            raise StreamError(str(exc), code=400) from exc

    def _forget(self, stream: Stream, tell: bool) -> None:
        self._streams.pop(stream.number, None)
        if not self._streams:
            self._idle_since = self._loop.time()
        if tell and stream.ended is not None and not self._over:
            self._spawn(self._say(stream.ended))

    async def _say(self, end: End) -> None:
        try:
            await self._send(end)
        except StreamError as exc:
            logger.debug("node %s: stream %d: %s", self._node, end.stream, exc)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
