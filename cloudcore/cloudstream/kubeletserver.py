"""The port on which CloudCore is the kubelet of every node: HTTP and upgrades in, streams of the boards out."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from cloudcore.cloudstream import commands, portforward
from cloudcore.cloudstream.access import Access, Deed
from cloudcore.cloudstream.dialled import DialledNames
from cloudcore.cloudstream.kubelet import Place, command_request, container_place, logs_request, node_of_host, port_request
from cloudcore.cloudstream.resourcemetrics import resource_metrics
from cloudcore.cloudstream.stream import Opens, Stream
from cloudcore.cloudstream.summaries import summary_of
from cloudcore.errors import StreamError
from cloudcore.tlsserver import TLSServer
from viaduct.streamrequest import Verb
from viaduct.tunnel import Data, End

logger = logging.getLogger(__name__)

NOT_FOUND = 404

PodPlace = Callable[[str, str], tuple[str, str] | None]
"""``pod_place(namespace, name)``: (node, uid) of a pod; None: there is none, or it is bound to no node."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KubeletServer:
    """``domain``: the nodes are reached as ``<node>.<domain>``, which tells them apart where no pod is named."""

    def __init__(self, tunnels: Opens, access: Access, pod_place: PodPlace, *, domain: str, now: Callable[[], float] = time.time) -> None:
        self._tunnels = tunnels
        self._access = access
        self._pod_place = pod_place
        self._domain = domain
        self._now = now
        self._dialled = DialledNames()
        application = web.Application(client_max_size=64 * 1024)
        for path, handler in self._routes():
            application.router.add_route("*", path, self._guarded(handler))
        self._server = TLSServer(application, handler_cancellation=True)

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port. Raises: OSError: the address is taken or not ours."""
        self._dialled.note(context)
        return await self._server.start(host, port, context)

    async def stop(self) -> None:
        await self._server.stop()

    def _routes(self) -> list[tuple[str, _Handler]]:
        command = "{namespace}/{pod}/{container}"
        return [
            ("/healthz", self._health),
            ("/containerLogs/{namespace}/{pod}/{container}", self._logs),
            (f"/exec/{command}", self._command),
            ("/exec/{namespace}/{pod}/{uid}/{container}", self._command),
            (f"/attach/{command}", self._command),
            ("/attach/{namespace}/{pod}/{uid}/{container}", self._command),
            ("/portForward/{namespace}/{pod}", self._ports),
            ("/portForward/{namespace}/{pod}/{uid}", self._ports),
            ("/stats/summary", self._summary),
            ("/metrics/resource", self._resource_metrics),
        ]

    def _guarded(self, handler: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except StreamError as exc:
                logger.info("%s %s: %d %s", request.method, request.path, exc.code, exc)
                return web.Response(status=exc.code, text=f"{exc}\n")

        return guarded

    async def _health(self, request: web.Request) -> web.StreamResponse:
        await self._admit(request, "", "proxy")
        return web.Response(text="ok")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        node, place = await self._placed(request)
        stream = await self._tunnels.open(node, logs_request(place, request.query, now=self._now()))
        try:
            return await _passed_on(request, stream)
        finally:
            stream.close()

    async def _command(self, request: web.Request) -> web.StreamResponse:
        node, place = await self._placed(request)
        verb = Verb.EXEC if request.path.startswith("/exec/") else Verb.ATTACH
        wanted = command_request(verb, place, request.query, request.query.getall("command", []))
        commands.check_upgrade(request)
        stream = await self._tunnels.open(node, wanted)
        try:
            return await commands.serve_command(request, wanted, stream)
        finally:
            stream.close()

    async def _ports(self, request: web.Request) -> web.StreamResponse:
        node, place = await self._placed(request)
        portforward.check_upgrade(request)

        async def dial(port: str) -> Stream:
            return await self._tunnels.open(node, port_request(place, port))

        return await portforward.serve_ports(request, dial)

    async def _summary(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=await self._summary_of(request, "stats"), content_type="application/json")

    async def _resource_metrics(self, request: web.Request) -> web.StreamResponse:
        said = await self._summary_of(request, "metrics")
        return web.Response(body=resource_metrics(said).encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _summary_of(self, request: web.Request, subresource: str) -> bytes:
        # What comes through the API server's nodes/proxy carries the API server's own name in its Host.
        node = node_of_host(request.host, self._domain) or node_of_host(self._dialled.of(request), self._domain)
        await self._admit(request, node, subresource)
        if not node:
            raise StreamError(f"which node? Expected a host of the form <node>.{self._domain}, got {request.host[:260]!r}", code=NOT_FOUND)
        return await summary_of(self._tunnels, node)

    async def _placed(self, request: web.Request) -> tuple[str, Place]:
        """The node of the pod that the path names, once the client may use it."""
        part = request.match_info.get
        names = [part("namespace", ""), part("pod", ""), *([uid] if (uid := part("uid")) else []), part("container", "")]
        place = container_place(names)
        found = self._pod_place(place.namespace, place.pod)
        await self._admit(request, found[0] if found else "", "proxy")
        if found is None:
            raise StreamError(f'pod "{place.pod}" of namespace "{place.namespace}" is on no node of this CloudCore', code=NOT_FOUND)
        return found[0], Place(place.namespace, place.pod, place.container, place.uid or found[1])

    async def _admit(self, request: web.Request, node: str, subresource: str) -> None:
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        verb = {"GET": "get", "HEAD": "get", "POST": "create"}.get(request.method, request.method.lower())
        await self._access.check(certificate, request.headers.get("Authorization", ""), Deed(verb, subresource, node))
        self._server.heard(request)


async def _passed_on(request: web.Request, stream: Stream) -> web.StreamResponse:
    """Both outputs, as they come. A stream that breaks breaks the answer, so that nobody takes a part for the whole."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    while True:
        frame = await stream.receive()
        if isinstance(frame, Data):
            await response.write(frame.data)
        elif isinstance(frame, End):
            break
    if frame.code != 200:
        logger.info("%s: broke off: %s", request.path, frame.reason)
        if request.transport is not None:
            request.transport.abort()
    else:
        await response.write_eof()
    return response
