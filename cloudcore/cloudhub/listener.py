"""The door that nodes come through: aiohttp's websocket server behind mutual TLS (contract 2.1, 2.2)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from cloudcore.cloudhub.entry import TurnedAway, Visitor, visitor_of
from cloudcore.tlsserver import TLSServer
from viaduct.codec import MAX_FRAME_BYTES
from viaduct.handshake import HEADER_MODES, HEADER_PING
from viaduct.tunnel import MAX_FRAME_BYTES as MAX_STREAM_FRAME_BYTES

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 15.0
_CLOSE_SECONDS = 3.0
_PONG_SECONDS = 30.0
_UNHEARD_MS = 30_000
"""What we said and the other end's kernel has not acknowledged for so long means that nobody is there."""


class Socket:
    """One websocket. ``receive`` gives a frame, or None at the end; ``send`` raises ConnectionError when the link is gone.

    ``heard_at``: when the last frame of any kind came, in the event loop's time.
    """

    __slots__ = ("_loop", "_request", "_websocket", "heard_at")

    def __init__(self, websocket: web.WebSocketResponse, request: web.Request) -> None:
        self._websocket = websocket
        self._request = request
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()

    @property
    def peer(self) -> str:
        return str(self._request.remote)

    async def receive(self) -> str | bytes | None:
        while True:
            message = await self._websocket.receive()
            self.heard_at = self._loop.time()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                frame: str | bytes = message.data
                return frame
            if message.type is WSMsgType.PING:
                await self._answer_ping(message.data)
            elif message.type is not WSMsgType.PONG:
                return None

    async def _answer_ping(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(_PONG_SECONDS):
                await self._websocket.pong(data)
        except (RuntimeError, OSError):
            self.abort()

    async def send(self, text: str) -> None:
        try:
            await self._websocket.send_str(text)
        except (RuntimeError, OSError) as exc:
            raise ConnectionResetError(str(exc)) from exc

    async def send_bytes(self, data: bytes) -> None:
        try:
            await self._websocket.send_bytes(data)
        except (RuntimeError, OSError) as exc:
            raise ConnectionResetError(str(exc)) from exc

    async def ping(self) -> None:
        """Ask whether the other end is there; its answer shows in ``heard_at``."""
        try:
            async with asyncio.timeout(_PONG_SECONDS):
                await self._websocket.ping()
        except (RuntimeError, OSError):
            self.abort()

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
    """``admit`` raises TurnedAway for a visitor who may not come in now; ``serve`` runs for as long as the session lives. ``now``: epoch
    seconds, for the dates of certificates."""

    def __init__(
        self, admit: Admit, serve: Serve, *, request_seconds: float = _REQUEST_SECONDS, now: Callable[[], float] = time.time
    ) -> None:
        self._admit = admit
        self._serve = serve
        self._now = now
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TLSServer(application, silent_seconds=request_seconds)

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port. Raises: OSError: the address is taken or not ours."""
        # Boards dial with a whole handshake. A ticket would hold the board's certificate, and cost its making for nothing.
        context.num_tickets = 0
        bound = await self._server.start(host, port, context)
        logger.info("hub listens on %s port %d", host, bound)
        return bound

    async def stop(self) -> None:
        await self._server.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._server.heard(request)
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        try:
            visitor = visitor_of(certificate, request.headers, now=self._now())
            self._admit(visitor)
            if certificate:
                # The transport would keep it for as long as the link lives; by ten thousand links that is worth forgetting.
                certificate.clear()
        except TurnedAway as exc:
            logger.warning("turned away %s: %s", request.remote, exc.reason)
            return web.Response(status=exc.status, text=exc.reason + "\n", headers={"Connection": "close"})
        most = MAX_STREAM_FRAME_BYTES if visitor.streams else MAX_FRAME_BYTES
        websocket = web.WebSocketResponse(max_msg_size=most + 1, compress=False, heartbeat=None, timeout=_CLOSE_SECONDS, autoping=False)
        if not visitor.streams:
            websocket.headers[HEADER_MODES] = visitor.mode.value
        if visitor.ping is not None:
            websocket.headers[HEADER_PING] = str(visitor.ping)
        if not websocket.can_prepare(request):
            return web.Response(status=400, text="expected a websocket upgrade\n", headers={"Connection": "close"})
        await websocket.prepare(request)
        _give_up_the_unheard(request)
        await self._serve(visitor, Socket(websocket, request))
        return websocket


def _give_up_the_unheard(request: web.Request) -> None:
    wire = request.transport.get_extra_info("socket") if request.transport else None
    if wire is not None:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)
