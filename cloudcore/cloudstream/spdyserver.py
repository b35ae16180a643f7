"""The server's end of a SPDY/3.1 connection as kubectl and API servers open it: they begin streams, we answer on them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping

from cloudcore.cloudstream import spdy
from cloudcore.cloudstream.upgrade import Pipe

logger = logging.getLogger(__name__)

SPDY = "SPDY/3.1"
MAX_STREAMS = 256
_MOST_UNREAD = 256 * 1024
"""Bytes of one stream that nobody has taken, before the connection is no longer read."""


class SpdyStream:
    """``receive`` until b"" (the client's half is closed); ``send``, then ``end``."""

    def __init__(self, number: int, headers: Mapping[str, str], pipe: Pipe) -> None:
        self.number = number
        self.headers = headers
        self._pipe = pipe
        self._parts: deque[bytes] = deque()
        self._unread = 0
        self.was_reset = False
        self._closed = False
        self._ended = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def receive(self) -> bytes:
        while not self._parts:
            if self._closed:
                return b""
            self._news.clear()
            await self._news.wait()
        part = self._parts.popleft()
        self._unread -= len(part)
        self._room.set()
        return part

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError."""
        if not self._ended:
            await self._pipe.write(spdy.data(self.number, data))

    async def end(self) -> None:
        """We send no more. Raises ConnectionError."""
        if not self._ended:
            self._ended = True
            await self._pipe.write(spdy.data(self.number, b"", fin=True))

    def leave(self) -> None:
        """Nobody receives any more: what still comes is thrown away."""
        self._closed = True
        self._parts.clear()
        self._news.set()
        self._room.set()

    async def put(self, data: bytes, fin: bool) -> None:
        """What the client sent; waits while too much is unread."""
        while self._unread > _MOST_UNREAD and not self._closed:
            self._room.clear()
            await self._room.wait()
        if data and not self._closed:
            self._parts.append(data)
            self._unread += len(data)
        if fin:
            self._closed = True
        self._news.set()

    def cut(self, *, reset: bool) -> None:
        """The client gave the stream up, or is gone."""
        self._closed = True
        self.was_reset = reset
        self._ended = self._ended or reset
        self._news.set()
        self._room.set()


class SpdyServer:
    """``run`` reads until the client is gone; ``accept`` gives its streams meanwhile."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._codec = spdy.Codec()
        self._streams: dict[int, SpdyStream] = {}
        self._fresh: asyncio.Queue[SpdyStream | None] = asyncio.Queue()

    async def accept(self) -> SpdyStream | None:
        """The next stream that the client begins; None: it is gone."""
        stream = await self._fresh.get()
        if stream is None:
            self._fresh.put_nowait(None)
        return stream

    def forget(self, stream: SpdyStream) -> None:
        stream.leave()
        self._streams.pop(stream.number, None)

    async def run(self) -> None:
        """Never raises."""
        try:
            while raw := await self._pipe.read():
                for frame in self._codec.feed(raw):
                    await self._take(frame)
        except ConnectionError as exc:
            logger.debug("a streaming client went away: %s", exc)
        except spdy.SpdyError as exc:
            logger.warning("a streaming client sent what is no SPDY/3.1: %s", exc)
            self._pipe.abort()
        finally:
            for stream in self._streams.values():
                stream.cut(reset=True)
            self._fresh.put_nowait(None)

    async def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.Opened():
                await self._open(frame)
            case spdy.Bytes(stream=number, data=data, fin=fin):
                stream = self._streams.get(number)
                if stream is not None:
                    await stream.put(data, fin)
            case spdy.Reset(stream=number):
                stream = self._streams.pop(number, None)
                if stream is not None:
                    stream.cut(reset=True)
            case spdy.Ping(number=number):
                await self._pipe.write(spdy.ping(number))

    async def _open(self, frame: spdy.Opened) -> None:
        if len(self._streams) >= MAX_STREAMS or frame.stream in self._streams or not frame.stream:
            await self._pipe.write(spdy.reset(frame.stream, 3))
            return
        stream = SpdyStream(frame.stream, frame.headers, self._pipe)
        self._streams[frame.stream] = stream
        await self._pipe.write(self._codec.accept(frame.stream))
        if frame.fin:
            stream.cut(reset=False)
        self._fresh.put_nowait(stream)
