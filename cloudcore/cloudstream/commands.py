"""Exec and attach: from the HTTP request to the last word."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from cloudcore.cloudstream.consoles import SPDY_V4, WEBSOCKET_PROTOCOLS, Console, SpdyConsole, WebSocketConsole
from cloudcore.cloudstream.kubelet import BAD_REQUEST, status_of
from cloudcore.cloudstream.spdyserver import SPDY
from cloudcore.cloudstream.stream import Stream
from cloudcore.cloudstream.upgrade import offered, take_over, wants
from cloudcore.errors import StreamError
from viaduct.streamrequest import StreamRequest
from viaduct.tunnel import Channel, Data, End

logger = logging.getLogger(__name__)

FORBIDDEN = 403
PROTOCOL_HEADER = "X-Stream-Protocol-Version"
_WEBSOCKET_PROTOCOL_HEADER = "Sec-WebSocket-Protocol"
_MOST_MESSAGE = 1024 * 1024


def check_upgrade(request: web.Request) -> None:
    """Whether the client speaks what we speak, before the board is troubled. Raises StreamError."""
    if wants(request, SPDY):
        if SPDY_V4 not in offered(request, PROTOCOL_HEADER):
            raise StreamError(f"unable to upgrade: the client must offer {SPDY_V4} in {PROTOCOL_HEADER}", code=FORBIDDEN)
    elif not wants(request, "websocket"):
        raise StreamError("Upgrade request required: to SPDY/3.1 or websocket", code=BAD_REQUEST)
    elif not set(WEBSOCKET_PROTOCOLS) & set(offered(request, _WEBSOCKET_PROTOCOL_HEADER)):
        raise StreamError(f"the client must offer one of the websocket protocols {', '.join(WEBSOCKET_PROTOCOLS)}", code=BAD_REQUEST)


async def serve_command(request: web.Request, wanted: StreamRequest, stream: Stream) -> web.StreamResponse:
    """Until the command has ended, or the client is gone. ``check_upgrade`` has passed, ``stream`` is ready."""
    if wants(request, SPDY):
        pipe = await take_over(request, {"Connection": "Upgrade", "Upgrade": SPDY, PROTOCOL_HEADER: SPDY_V4})
        response: web.StreamResponse = web.Response()
        console: Console = SpdyConsole(pipe, wanted)
    else:
        websocket = web.WebSocketResponse(protocols=WEBSOCKET_PROTOCOLS, compress=False, max_msg_size=_MOST_MESSAGE, heartbeat=None)
        await websocket.prepare(request)
        response, console = websocket, WebSocketConsole(websocket)
    try:
        if await console.begin():
            await _converse(console, stream, wanted)
    except ConnectionError as exc:
        logger.debug("the client of a command went away: %s", exc)
    finally:
        stream.close()
        await console.close()
    return response


async def _converse(console: Console, stream: Stream, wanted: StreamRequest) -> None:
    feeding = asyncio.create_task(console.feed(stream))
    showing = asyncio.create_task(_show(console, stream))
    try:
        await asyncio.wait({feeding, showing}, return_when=asyncio.FIRST_COMPLETED)
        if showing.done():
            await console.finish(status_of(showing.result(), wanted.verb))
    finally:
        for task in (feeding, showing):
            task.cancel()
        await asyncio.gather(feeding, showing, return_exceptions=True)


async def _show(console: Console, stream: Stream) -> End:
    while True:
        frame = await stream.receive()
        if isinstance(frame, End):
            return frame
        if isinstance(frame, Data):
            await console.show(Channel(frame.channel), frame.data)
