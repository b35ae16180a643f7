"""The door to raw connections: an HTTP request that becomes a byte stream both ways, on the socket itself or inside a websocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from aiohttp import WSMsgType, web

_READ_SIZE = 64 * 1024
_CLOSE_SECONDS = 10.0


class Pipe(Protocol):
    """Bytes both ways."""

    async def read(self) -> bytes:
        """What there is, at least a byte; nothing at the end."""

    async def write(self, data: bytes) -> None:
        """Wait until it is taken. Raises ConnectionError."""

    async def close(self) -> None:
        """Let the other end read what was written, then hang up."""

    def abort(self) -> None:
        """Hang up at once."""


class RawPipe:
    """The connection of an aiohttp request, taken away from aiohttp. Made by ``take_over``."""

    def __init__(self, request: web.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._request = request
        self._reader = reader
        self._writer = writer
        self._over = False

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_READ_SIZE)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as exc:
            raise ConnectionResetError(str(exc)) from exc

    async def close(self) -> None:
        """The other end hangs up when it has read all: what it still sends is thrown away, because closing a socket with unread bytes
        in it would take the last words with it."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                while await self.read():
                    pass
        except TimeoutError:
            pass
        self.abort()

    def abort(self) -> None:
        if self._over:
            return
        self._over = True
        self._writer.transport.abort()
        # aiohttp does not see its connection go, which is ours.
        asyncio.get_running_loop().call_soon(self._request.protocol.connection_lost, None)


async def take_over(request: web.Request, headers: Mapping[str, str]) -> RawPipe:
    """Answer 101 with ``headers``; from then on the connection is ours. Raises ConnectionError: the client is gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_READ_SIZE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    pipe = RawPipe(request, reader, asyncio.StreamWriter(transport, protocol, reader, loop))
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers.items())]
    try:
        await pipe.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    except ConnectionError:
        pipe.abort()
        raise
    return pipe


class WebSocketPipe:
    """Bytes inside the binary messages of a websocket."""

    def __init__(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        self._request = request
        self._websocket = websocket

    async def read(self) -> bytes:
        while True:
            message = await self._websocket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return b""
            if message.data:
                return message.data if isinstance(message.data, bytes) else message.data.encode()

    async def write(self, data: bytes) -> None:
        try:
            await self._websocket.send_bytes(data)
        except (OSError, RuntimeError) as exc:
            raise ConnectionResetError(str(exc)) from exc

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._websocket.close()
        except (TimeoutError, OSError, RuntimeError):
            pass

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


def offered(request: web.Request, header: str) -> list[str]:
    """The protocols that the client names in ``header``, which may come several times, best first."""
    return [part.strip() for value in request.headers.getall(header, ()) for part in value.split(",") if part.strip()]


def wants(request: web.Request, protocol: str) -> bool:
    """Whether the request asks for an upgrade to ``protocol``."""
    asked = [part.strip().lower() for part in request.headers.get("Connection", "").split(",")]
    return "upgrade" in asked and request.headers.get("Upgrade", "").lower() == protocol.lower()
