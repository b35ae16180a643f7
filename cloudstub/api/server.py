"""The HTTP server: every request is authenticated, understood and handed to its verb; every error becomes a Status."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

from cloudstub.api import information, kubelets, metrics, paths, reading, writing
from cloudstub.api.bodies import BODY_LIMIT
from cloudstub.api.respond import error_response
from cloudstub.api.service import Call, Service, unknown_resource
from cloudstub.errors import ApiError, MethodNotAllowed, NotFound
from cloudstub.verbs.reviews import User
from cloudstub.verbs.world import Target
from supervision import usage

logger = logging.getLogger(__name__)

HEADER_LIMIT = 16 * 1024
IDLE_SECONDS = 75.0
VERBS: dict[str, Callable[[Call], Awaitable[web.StreamResponse]]] = {
    "GET": reading.read,
    "POST": writing.post,
    "PUT": writing.put,
    "PATCH": writing.patch,
    "DELETE": writing.remove,
}
NOT_OFFERED = {
    (
        "serviceaccounts",
        "token",
    ): "this API server makes no tokens of service accounts: it does not know who may do what, so any of them could do everything",
}
"""What Kubernetes has below a resource and is left out on purpose (decision 0094)."""


def application(service: Service) -> web.Application:
    """One handler for everything: Kubernetes' paths are parsed, not routed."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _guarded(service, request)

    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def _guarded(service: Service, request: web.Request) -> web.StreamResponse:
    try:
        return await _dispatch(service, request)
    except ApiError as exc:
        logger.debug("%s %s: %d %s", request.method, request.path, exc.code, exc.message)
        return error_response(exc)
    except (ConnectionError, web.HTTPException):
        raise
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return error_response(ApiError("an error on the server has prevented the request from succeeding; its log says more"))


async def _dispatch(service: Service, request: web.Request) -> web.StreamResponse:
    if request.path in information.OPEN_PATHS:
        return information.health()
    user = service.authenticator.user(request.headers.get("Authorization", ""), _peer_certificate(request))
    path = paths.parse(request.path)
    if path is None:
        return information.inform(service, request)
    return await _resource(service, request, path, user)


def _peer_certificate(request: web.Request) -> dict[str, object] | None:
    transport = request.transport
    return transport.get_extra_info("peercert") if transport is not None else None


async def _resource(service: Service, request: web.Request, path: paths.ResourcePath, user: User) -> web.StreamResponse:
    kind = service.world.catalog.find(path.group, path.version, path.plural)
    if kind is None or (path.namespace and not kind.namespaced):
        raise unknown_resource()
    if path.subresource and path.subresource not in kind.subresources:
        reason = NOT_OFFERED.get((kind.resource, path.subresource))
        raise NotFound(reason) if reason else unknown_resource()
    if path.subresource == "status" and not kind.serves_status(path.version):
        raise unknown_resource()
    verb = VERBS.get(request.method)
    if verb is None:
        raise MethodNotAllowed(f"{request.method[:20]} is not supported on resources of kind {kind.resource!r}")
    if kind.resource == "pods" and path.subresource in kubelets.SUBRESOURCES:
        return await kubelets.serve(Call(service, request, Target(kind, path.version, path.namespace, path.name), path.subresource, user))
    namespace: str | None = path.namespace if kind.namespaced else ""
    if kind.namespaced and not path.namespace:
        if path.name or (request.method == "POST" and kind.stored):
            raise unknown_resource()
        namespace = None
    if kind.group == usage.GROUP:
        return await metrics.serve(Call(service, request, Target(kind, path.version, namespace, path.name), path.subresource, user))
    return await verb(Call(service, request, Target(kind, path.version, namespace, path.name), path.subresource, user))


async def listen(service: Service, host: str, port: int, context: ssl.SSLContext | None) -> tuple[web.AppRunner, int]:
    """Serve on an address; gives the runner, to be cleaned up, and the port (which the system chose if it was 0).

    Raises:
        OSError: the address is taken or not ours.
    """
    runner = web.AppRunner(
        application(service),
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        max_line_size=HEADER_LIMIT,
        max_field_size=HEADER_LIMIT,
        handler_cancellation=True,
        shutdown_timeout=2.0,
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=context, backlog=1024)
    try:
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])
