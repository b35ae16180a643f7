"""The door that nodes come through: aiohttp's websocket server behind mutual TLS (contract 2.1, 2.2)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from cloudcore.cloudhub.entry import TurnedAway, Visitor, visitor_of
from cloudcore.cloudhub.tlsserver import TLSServer
from viaduct.codec import MAX_FRAME_BYTES
from viaduct.handshake import HEADER_MODES

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 15.0
_CLOSE_SECONDS = 3.0


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
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TLSServer(application, silent_seconds=request_seconds)

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port. Raises: OSError: the address is taken or not ours."""
        bound = await self._server.start(host, port, context)
        logger.info("hub listens on %s port %d", host, bound)
        return bound

    async def stop(self) -> None:
        await self._server.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._server.heard(request)
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
