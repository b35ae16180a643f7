"""metrics.k8s.io, an API that the cluster's API server aggregates: ``kubectl top`` and autoscalers read there what pods on boards use."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from aiohttp import web

from cloudcore.cloudstream.access import Access, MetricsRead, Reviews, User
from cloudcore.cloudstream.frontproxy import FrontProxy, asked_for, trust_front_proxy
from cloudcore.cloudstream.summaries import Summaries
from cloudcore.cluster import Informer
from cloudcore.errors import KubeError, StreamError
from cloudcore.kube.client import Listing
from cloudcore.kube.resources import NODES, PODS, Resource
from cloudcore.ports import JsonObject
from cloudcore.tlsserver import TLSServer
from supervision import usage

logger = logging.getLogger(__name__)

NOT_FOUND, METHOD_NOT_ALLOWED, INTERNAL = 404, 405, 500
_BASE = f"/apis/{usage.GROUP}/{usage.VERSION}"
_LOOK_AGAIN_SECONDS = 60.0

_Answer = Callable[[web.Request], Awaitable[JsonObject]]


class Lists(Reviews, Protocol):
    """The Kubernetes API, as seen from here."""

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Listing: ...


class MetricsServer:
    """``nodes``, ``pods``: what the cluster has of them. ``start``; ``stop`` in any case."""

    def __init__(
        self, kube: Lists, access: Access, summaries: Summaries, *, nodes: Informer, pods: Informer, now: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._access = access
        self._summaries = summaries
        self._nodes = nodes
        self._pods = pods
        self._now = now
        self._proxy: FrontProxy | None = None
        self._context: ssl.SSLContext | None = None
        self._trusting: asyncio.Task[None] | None = None
        self._complaint = ""
        application = web.Application(client_max_size=64 * 1024)
        for path, answer in (
            (_BASE, self._discovery),
            (f"{_BASE}/nodes", self._all_nodes),
            (f"{_BASE}/nodes/{{name}}", self._one_node),
            (f"{_BASE}/pods", self._all_pods),
            (f"{_BASE}/namespaces/{{namespace}}/pods", self._all_pods),
            (f"{_BASE}/namespaces/{{namespace}}/pods/{{name}}", self._one_pod),
        ):
            application.router.add_route("*", path, self._guarded(answer))
        self._server = TLSServer(application, handler_cancellation=True)

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; returns the port. ``context`` comes to trust the CA of the API server's proxy certificate, and no other.

        Raises:
            OSError: the address is taken or not ours.
        """
        context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        await self._trust()
        bound = await self._server.start(host, port, context)
        self._trusting = asyncio.create_task(self._keep_trusting(), name="front proxy CA of the API")
        return bound

    async def stop(self) -> None:
        if self._trusting is not None:
            self._trusting.cancel()
            await asyncio.gather(self._trusting, return_exceptions=True)
        await self._server.stop()

    def _guarded(self, answer: _Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return web.json_response(await answer(request))
            except StreamError as exc:
                code, said = exc.code, str(exc)
            except KubeError as exc:
                code, said = exc.code or INTERNAL, str(exc)
            logger.info("%s %s: %d %s", request.method, request.path, code, said)
            return web.json_response(
                {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": said, "code": code}, status=code
            )

        return guarded

    async def _discovery(self, request: web.Request) -> JsonObject:
        self._admit(request)
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": usage.API_VERSION, "resources": _RESOURCES}

    async def _all_nodes(self, request: web.Request) -> JsonObject:
        await self._check(request, MetricsRead("nodes"))
        return usage.listed("NodeMetrics", await self._of_nodes(await self._selected(request, NODES, self._nodes)))

    async def _one_node(self, request: web.Request) -> JsonObject:
        name = request.match_info["name"]
        await self._check(request, MetricsRead("nodes", name=name))
        node = self._nodes.get("", name)
        return _only(await self._of_nodes([node] if node is not None else []), "nodes", name)

    async def _all_pods(self, request: web.Request) -> JsonObject:
        await self._check(request, MetricsRead("pods", request.match_info.get("namespace", "")))
        return usage.listed("PodMetrics", await self._of_pods(await self._selected(request, PODS, self._pods)))

    async def _one_pod(self, request: web.Request) -> JsonObject:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        await self._check(request, MetricsRead("pods", namespace, name))
        pod = self._pods.get(namespace, name)
        return _only(await self._of_pods([pod] if pod is not None else []), "pods", name)

    async def _check(self, request: web.Request, read: MetricsRead) -> None:
        """The API server has asked its own rules already; whoever else holds its certificate gets no further than they let him."""
        await self._access.check_user(self._admit(request), read)

    def _admit(self, request: web.Request) -> User:
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        user = asked_for(self._proxy, certificate, request.headers)
        self._server.heard(request)
        if request.method != "GET" or request.query.get("watch", "") in ("1", "true"):
            raise StreamError(f"metrics are only read, not {request.method[:20].lower()} or watched", code=METHOD_NOT_ALLOWED)
        return user

    async def _selected(self, request: web.Request, collection: Resource, cached: Informer) -> list[JsonObject]:
        """Of the objects in the path those that the query selects. What a selector means is left to the API."""
        namespace = request.match_info.get("namespace", "")
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        if labels or fields:
            return (await self._kube.list(collection, namespace or None, label_selector=labels, field_selector=fields)).items
        return [obj for obj in cached.values() if not namespace or obj["metadata"].get("namespace") == namespace]

    async def _of_nodes(self, nodes: list[JsonObject]) -> list[JsonObject]:
        said, now = await self._summaries.of([node["metadata"]["name"] for node in nodes]), self._stamp()
        found = (usage.node_metrics(node, said.get(node["metadata"]["name"], {}), now) for node in nodes)
        return [metrics for metrics in found if metrics is not None]

    async def _of_pods(self, pods: list[JsonObject]) -> list[JsonObject]:
        running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
        said, now = await self._summaries.of([_node_of(pod) for pod in running]), self._stamp()
        found = (usage.pod_metrics(pod, said.get(_node_of(pod), {}), now) for pod in running)
        return [metrics for metrics in found if metrics is not None]

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def _keep_trusting(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            await self._trust()

    async def _trust(self) -> None:
        assert self._context is not None
        try:
            self._proxy, complaint = await trust_front_proxy(self._kube, self._context), ""
        except (KubeError, ssl.SSLError) as exc:
            complaint = str(exc)
        if self._proxy is None and not complaint:
            complaint = "it aggregates nothing (its flags --requestheader-client-ca-file and --proxy-client-cert-file)"
        if complaint and complaint != self._complaint:
            logger.warning("modules.cloudStream.metricsService: who the API server is cannot be known; looking again: %s", complaint)
        self._complaint = complaint


_RESOURCES = [
    {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
    for name, namespaced, kind in (("nodes", False, "NodeMetrics"), ("pods", True, "PodMetrics"))
]


def _only(found: list[JsonObject], plural: str, name: str) -> JsonObject:
    if not found:
        text = f'{plural}.{usage.GROUP} "{name}" not found: it does not run on a board, or its board cannot be reached'
        raise StreamError(text, code=NOT_FOUND)
    return found[0]


def _node_of(pod: JsonObject) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")
