"""Port-forward: SPDY streams in pairs (data and error) to connections in the pod, one stream of the board for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from cloudcore.cloudstream.commands import FORBIDDEN, PROTOCOL_HEADER
from cloudcore.cloudstream.kubelet import BAD_REQUEST
from cloudcore.cloudstream.spdyserver import SPDY, SpdyServer, SpdyStream
from cloudcore.cloudstream.stream import Stream
from cloudcore.cloudstream.upgrade import Pipe, WebSocketPipe, offered, take_over, wants
from cloudcore.errors import StreamError
from viaduct.tunnel import Channel, Data, End, Eof

logger = logging.getLogger(__name__)

PROTOCOL = "portforward.k8s.io"
TUNNEL_PROTOCOL = f"{SPDY}+{PROTOCOL}"
"""The same SPDY connection inside a websocket: kubectl 1.31 and later."""

_WEBSOCKET_PROTOCOL_HEADER = "Sec-WebSocket-Protocol"
_MOST_MESSAGE = 2 * 1024 * 1024
_MOST_UNPAIRED = 64

Dial = Callable[[str], Awaitable[Stream]]
"""``dial(port)``: a stream to that port of the pod. Raises StreamError."""


def check_upgrade(request: web.Request) -> None:
    """Raises StreamError."""
    if wants(request, SPDY):
        if PROTOCOL not in offered(request, PROTOCOL_HEADER):
            raise StreamError(f"unable to upgrade: the client must offer {PROTOCOL} in {PROTOCOL_HEADER}", code=FORBIDDEN)
    elif not wants(request, "websocket"):
        raise StreamError("Upgrade request required: to SPDY/3.1 or websocket", code=BAD_REQUEST)
    elif TUNNEL_PROTOCOL not in offered(request, _WEBSOCKET_PROTOCOL_HEADER):
        raise StreamError(f"the client must offer the websocket protocol {TUNNEL_PROTOCOL}", code=BAD_REQUEST)


async def serve_ports(request: web.Request, dial: Dial) -> web.StreamResponse:
    """Until the client is gone. ``check_upgrade`` has passed."""
    if wants(request, SPDY):
        pipe: Pipe = await take_over(request, {"Connection": "Upgrade", "Upgrade": SPDY, PROTOCOL_HEADER: PROTOCOL})
        response: web.StreamResponse = web.Response()
    else:
        websocket = web.WebSocketResponse(protocols=(TUNNEL_PROTOCOL,), compress=False, max_msg_size=_MOST_MESSAGE, heartbeat=None)
        await websocket.prepare(request)
        response, pipe = websocket, WebSocketPipe(request, websocket)
    try:
        await _Forwarding(SpdyServer(pipe), dial).run()
    finally:
        await pipe.close()
    return response


class _Forwarding:
    """The two streams of a connection bear the same ``requestid``; the one for errors comes first."""

    def __init__(self, server: SpdyServer, dial: Dial) -> None:
        self._server = server
        self._dial = dial
        self._errors: dict[str, SpdyStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        reading = asyncio.create_task(self._server.run())
        try:
            while (stream := await self._server.accept()) is not None:
                self._take(stream)
        finally:
            for task in (reading, *self._tasks):
                task.cancel()
            await asyncio.gather(reading, *self._tasks, return_exceptions=True)

    def _take(self, stream: SpdyStream) -> None:
        kind, pair = stream.headers.get("streamtype", ""), stream.headers.get("requestid", "")
        if kind == "error" and len(self._errors) < _MOST_UNPAIRED:
            self._errors[pair] = stream
        elif kind == "data" and pair in self._errors:
            task = asyncio.create_task(self._connection(stream, self._errors.pop(pair)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            logger.warning("port-forward: a stream %r without its fellow", kind[:40])
            self._server.forget(stream)

    async def _connection(self, data: SpdyStream, errors: SpdyStream) -> None:
        try:
            trouble = await self._carry(data)
            if trouble:
                await errors.send(trouble.encode())
            await data.end()
            await errors.end()
        except ConnectionError as exc:
            logger.debug("a forwarding client went away: %s", exc)
        finally:
            self._server.forget(data)
            self._server.forget(errors)

    async def _carry(self, data: SpdyStream) -> str:
        """What went wrong; empty: nothing."""
        try:
            stream = await self._dial(data.headers.get("port", ""))
        except StreamError as exc:
            return str(exc)
        feeding = asyncio.create_task(_feed(data, stream))
        try:
            end = await _show(data, stream)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            stream.close()
        return "" if end.code == 200 else end.reason or f"the node ended it with code {end.code}"


async def _feed(data: SpdyStream, stream: Stream) -> None:
    try:
        while part := await data.receive():
            await stream.send(part)
        if data.was_reset:
            stream.close()
        await stream.end_input()
    except StreamError:
        data.leave()


async def _show(data: SpdyStream, stream: Stream) -> End:
    while True:
        frame = await stream.receive()
        if isinstance(frame, End):
            return frame
        if isinstance(frame, Data):
            await data.send(frame.data)
        elif isinstance(frame, Eof) and frame.channel is Channel.STDOUT:
            await data.end()
