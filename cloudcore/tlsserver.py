"""A listening TLS socket for an aiohttp application, with the time limits that aiohttp leaves out (X4)."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiohttp import web

_HANDSHAKE_SECONDS = 15.0
_SHUTDOWN_SECONDS = 5.0
_BACKLOG = 4096


class TLSServer:
    """A connection is cut off after ``silent_seconds`` unless ``heard`` was called for a request of it."""

    def __init__(self, application: web.Application, *, silent_seconds: float = 30.0, handler_cancellation: bool = False) -> None:
        """``handler_cancellation``: who waits for a client that is gone is cancelled."""
        self._runner = web.AppRunner(
            application,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=5.0,
            handler_cancellation=handler_cancellation,
        )
        self._silent_seconds = silent_seconds
        self._silent: set[Any] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port (``port`` 0: any free one).

        Raises:
            OSError: the address is taken or not ours.
        """
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, host, port, ssl=context, ssl_handshake_timeout=_HANDSHAKE_SECONDS, backlog=_BACKLOG
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def heard(self, request: web.Request) -> None:
        """The peer of ``request`` is one to keep."""
        self._silent.discard(request.protocol)

    def _protocol(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        protocol = self._runner.server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._silent_seconds, self._cut_off, protocol)
        return protocol

    def _cut_off(self, protocol: Any) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            if protocol.transport is not None:
                protocol.transport.abort()
