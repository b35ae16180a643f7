"""The door that nodes come through: aiohttp's websocket server behind mutual TLS (contract 2.1, 2.2)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from cloudcore.cloudhub.entry import TurnedAway, Visitor, visitor_of
from viaduct.codec import MAX_FRAME_BYTES
from viaduct.handshake import HEADER_MODES

logger = logging.getLogger(__name__)

_HANDSHAKE_SECONDS = 15.0
_REQUEST_SECONDS = 15.0
_CLOSE_SECONDS = 3.0
_BACKLOG = 4096


class Socket:
    """One websocket. ``receive`` gives a frame, or None at the end; ``send`` raises ConnectionError when the link is gone."""

    __slots__ = ("_request", "_websocket")

    def __init__(self, websocket: web.WebSocketResponse, request: web.Request) -> None:
        self._websocket = websocket
        self._request = request

    @property
    def peer(self) -> str:
        return str(self._request.remote)

    async def receive(self) -> str | bytes | None:
        message = await self._websocket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            frame: str | bytes = message.data
            return frame
        return None

    async def send(self, text: str) -> None:
        try:
            await self._websocket.send_str(text)
        except (RuntimeError, OSError) as exc:
            raise ConnectionResetError(str(exc)) from exc

    async def close(self, code: int, reason: str) -> None:
        """Say why and hang up; a peer that does not read is cut off."""
        try:
            async with asyncio.timeout(2 * _CLOSE_SECONDS):
                await self._websocket.close(code=code, message=reason.encode()[:120])
        except (RuntimeError, OSError):
            self.abort()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


Admit = Callable[[Visitor], None]
Serve = Callable[[Visitor, Socket], Awaitable[None]]


class Listener:
    """``admit`` raises TurnedAway for a visitor who may not come in now; ``serve`` runs for as long as the session lives."""

    def __init__(self, admit: Admit, serve: Serve, *, request_seconds: float = _REQUEST_SECONDS) -> None:
        self._admit = admit
        self._serve = serve
        self._request_seconds = request_seconds
        self._silent: set[Any] = set()
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port (``port`` 0: any free one).

        Raises:
            OSError: the address is taken or not ours.
        """
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=5.0)
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, host, port, ssl=context, ssl_handshake_timeout=_HANDSHAKE_SECONDS, backlog=_BACKLOG
        )
        address = self._server.sockets[0].getsockname()
        logger.info("hub listens on %s port %d", host, address[1])
        return int(address[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _protocol(self) -> asyncio.Protocol:
        """A connection that presents a certificate and then never asks for anything is cut off: aiohttp has no limit for that."""
        assert self._runner is not None and self._runner.server is not None
        protocol = self._runner.server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._request_seconds, self._cut_off, protocol)
        return protocol

    def _cut_off(self, protocol: Any) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            if protocol.transport is not None:
                protocol.transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        try:
            visitor = visitor_of(certificate, request.headers)
            self._admit(visitor)
        except TurnedAway as exc:
            logger.warning("turned away %s: %s", request.remote, exc.reason)
            return web.Response(status=exc.status, text=exc.reason + "\n", headers={"Connection": "close"})
        websocket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES + 1, compress=False, heartbeat=None, timeout=_CLOSE_SECONDS)
        websocket.headers[HEADER_MODES] = visitor.mode.value
        if not websocket.can_prepare(request):
            return web.Response(status=400, text="expected a websocket upgrade\n", headers={"Connection": "close"})
        await websocket.prepare(request)
        await self._serve(visitor, Socket(websocket, request))
        return websocket
