"""pods/log, exec, attach and portforward: passed on to the kubelet of the pod's node, bytes for bytes."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from aiohttp import web

from cloudstub.api.kubeletclient import KubeletClient, Upgraded
from cloudstub.api.service import Call
from cloudstub.errors import Backend, BadRequest, MethodNotAllowed
from cloudstub.verbs import kubelet
from cloudstub.verbs.kubelet import Location

logger = logging.getLogger(__name__)

SUBRESOURCES = ("log", "exec", "attach", "portforward")

_PASSED_ON = ("upgrade", "user-agent", "origin", "x-stream-protocol-version")
_CHUNK = 64 * 1024


async def serve(call: Call) -> web.StreamResponse:
    """Answer a request to one of ``SUBRESOURCES``."""
    if call.request.method not in (("GET",) if call.subresource == "log" else ("GET", "POST")):
        raise MethodNotAllowed(f"{call.request.method[:20]} is not supported on pods/{call.subresource}")
    query = list(call.request.query.items())
    if call.subresource == "log":
        at = kubelet.log_location(call.world, call.target, query)
        return await _logs(call.request, _client(call), at) if at is not None else web.Response(text="")
    if call.subresource == "portforward":
        at = kubelet.port_location(call.world, call.target, query)
    else:
        at = kubelet.command_location(call.world, call.target, call.subresource, query)
    return await _upgraded(call.request, _client(call), at)


def _client(call: Call) -> KubeletClient:
    if call.service.kubelets is None:
        raise Backend("this server asks no kubelets", code=503)
    return call.service.kubelets


async def _logs(request: web.Request, client: KubeletClient, at: Location) -> web.StreamResponse:
    async with client.get(at) as answer:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        except aiohttp.ClientError as exc:
            # Cut off, so that the client does not take a part for the whole.
            logger.info("%s: the kubelet broke off: %s", request.path, exc)
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response


async def _upgraded(request: web.Request, client: KubeletClient, at: Location) -> web.StreamResponse:
    if "upgrade" not in [part.strip().lower() for part in request.headers.get("Connection", "").split(",")]:
        raise BadRequest("Upgrade request required")
    backend = await client.upgrade(request.method, at, _headers(request))
    try:
        await _splice(request, backend)
    finally:
        backend.writer.transport.abort()
    return web.Response()


def _headers(request: web.Request) -> dict[str, str]:
    """What the kubelet is to know of the client's request: nothing of who they are to us."""
    passed = {"Connection": "Upgrade"}
    for name in request.headers:
        if name.lower() in _PASSED_ON or name.lower().startswith("sec-websocket-"):
            passed[name] = ", ".join(request.headers.getall(name))
    return passed


async def _splice(request: web.Request, backend: Upgraded) -> None:
    """The client's connection is taken away from aiohttp and joined with the kubelet's until either ends."""
    transport, protocol = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK, loop=loop)
    streams = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(streams)
    streams.connection_made(transport)
    writer = asyncio.StreamWriter(transport, streams, reader, loop)
    writer.write(backend.head)
    up = asyncio.create_task(_pump(reader, backend.writer))
    down = asyncio.create_task(_pump(backend.reader, writer))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
        writer.close()  # after what is written has left; nobody waits for it
        loop.call_soon(protocol.connection_lost, None)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except (OSError, RuntimeError) as exc:
        logger.debug("a proxied connection broke: %s", exc)
