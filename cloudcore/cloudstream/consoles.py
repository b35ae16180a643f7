"""The client's end of an exec or attach: its input, sizes, output and the final word, over SPDY or a websocket."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from cloudcore.cloudstream.spdyserver import SpdyServer, SpdyStream
from cloudcore.cloudstream.stream import Stream
from cloudcore.cloudstream.upgrade import Pipe
from cloudcore.errors import StreamError
from viaduct.streamrequest import StreamRequest
from viaduct.tunnel import Channel

SPDY_V4 = "v4.channel.k8s.io"
V5, V4, V4_BASE64 = "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"
WEBSOCKET_PROTOCOLS = (V5, V4, V4_BASE64)

_STREAMS_SECONDS = 30.0
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_MOST_RESIZE = 1024


class Console(Protocol):
    """Who asked for a command."""

    async def begin(self) -> bool:
        """False: the client did not do its part, or is gone. Raises ConnectionError."""

    async def feed(self, stream: Stream) -> None:
        """Pass on what the client sends, until it is gone. Never raises."""

    async def show(self, channel: Channel, data: bytes) -> None:
        """Raises ConnectionError."""

    async def finish(self, status: dict[str, Any]) -> None:
        """The last word: a meta/v1 Status. Raises ConnectionError."""

    async def close(self) -> None: ...


def size_of(raw: bytes) -> tuple[int, int] | None:
    """(width, height) of ``{"Width": 80, "Height": 24}``; None for anything else."""
    try:
        found = json.loads(raw)
        width, height = found["Width"], found["Height"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (width, height) if type(width) is int and type(height) is int and 0 < width < 65536 and 0 < height < 65536 else None


class SpdyConsole:
    """Streams named by their header ``streamtype``."""

    def __init__(self, pipe: Pipe, request: StreamRequest) -> None:
        self._pipe = pipe
        self._server = SpdyServer(pipe)
        wanted = {"stdin": request.stdin, "stdout": request.stdout, "stderr": request.stderr and not request.tty, "resize": request.tty}
        self._wanted = {"error", *(name for name, is_wanted in wanted.items() if is_wanted)}
        self._streams: dict[str, SpdyStream] = {}
        self._reading = asyncio.create_task(self._server.run())

    async def begin(self) -> bool:
        """Wait for the streams that the client begins. False: it did not, or is gone."""
        try:
            async with asyncio.timeout(_STREAMS_SECONDS):
                while self._wanted - set(self._streams):
                    stream = await self._server.accept()
                    if stream is None:
                        return False
                    self._streams[stream.headers.get("streamtype", "")] = stream
        except TimeoutError:
            return False
        return True

    async def feed(self, stream: Stream) -> None:
        pumps = [asyncio.create_task(self._feed_input(stream)), asyncio.create_task(self._feed_sizes(stream))]
        try:
            await asyncio.shield(self._reading)
        finally:
            for pump in pumps:
                pump.cancel()

    async def show(self, channel: Channel, data: bytes) -> None:
        stream = self._streams.get("stderr" if channel is Channel.STDERR else "stdout")
        if stream is not None:
            await stream.send(data)

    async def finish(self, status: dict[str, Any]) -> None:
        for name in ("stdout", "stderr"):
            if name in self._streams:
                await self._streams[name].end()
        await self._streams["error"].send(json.dumps(status).encode())
        await self._streams["error"].end()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._pipe.close()

    async def _feed_input(self, stream: Stream) -> None:
        client = self._streams.get("stdin")
        if client is None:
            return
        try:
            while data := await client.receive():
                await stream.send(data)
            await stream.end_input()
        except StreamError:
            client.leave()

    async def _feed_sizes(self, stream: Stream) -> None:
        client = self._streams.get("resize")
        if client is None:
            return
        rest = b""
        try:
            while data := await client.receive():
                # One JSON object a line, however the client cuts them.
                *lines, rest = (rest + data).replace(b"}", b"}\n").split(b"\n")
                for size in filter(None, map(size_of, lines)):
                    await stream.resize(*size)
                if len(rest) > _MOST_RESIZE:
                    return
        except StreamError:
            client.leave()


class WebSocketConsole:
    """Channels by the first byte of each message (in base64: a figure). Version 5 has a message that closes a channel."""

    def __init__(self, websocket: web.WebSocketResponse) -> None:
        self._websocket = websocket
        self._base64 = websocket.ws_protocol == V4_BASE64

    async def begin(self) -> bool:
        await self._say(_STDOUT, b"")  # clients wait for a first message
        return True

    async def feed(self, stream: Stream) -> None:
        while True:
            message = await self._websocket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return
            try:
                await self._take(stream, *self._parted(message.data))
            except StreamError:
                continue  # its end is told by who reads the stream
            except (ValueError, binascii.Error):
                await self._websocket.close(code=1003, message=b"not a message of a channel")
                return

    async def show(self, channel: Channel, data: bytes) -> None:
        await self._say(_STDERR if channel is Channel.STDERR else _STDOUT, data)

    async def finish(self, status: dict[str, Any]) -> None:
        await self._say(_ERROR, json.dumps(status).encode())

    async def close(self) -> None:
        try:
            async with asyncio.timeout(10.0):
                await self._websocket.close()
        except (TimeoutError, OSError, RuntimeError):
            pass

    async def _take(self, stream: Stream, channel: int, data: bytes) -> None:
        if channel == _STDIN and data:
            await stream.send(data)
        elif channel == _RESIZE:
            size = size_of(data)
            if size is not None:
                await stream.resize(*size)
        elif channel == _CLOSE and data[:1] == b"\0":
            await stream.end_input()

    def _parted(self, data: str | bytes) -> tuple[int, bytes]:
        if not self._base64:
            raw = data if isinstance(data, bytes) else data.encode()
            return (raw[0], raw[1:]) if raw else (_STDIN, b"")
        text = data if isinstance(data, str) else data.decode("ascii")
        return int(text[:1] or "0"), base64.b64decode(text[1:], validate=True)

    async def _say(self, channel: int, data: bytes) -> None:
        try:
            if self._base64:
                await self._websocket.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._websocket.send_bytes(bytes([channel]) + data)
        except (OSError, RuntimeError) as exc:
            raise ConnectionResetError(str(exc)) from exc
