"""Everything that is not a resource: health, version, discovery, OpenAPI."""

from __future__ import annotations

from aiohttp import web

from cloudstub.api import discovery, openapi
from cloudstub.api.negotiation import wants_aggregated_discovery
from cloudstub.api.respond import json_response
from cloudstub.api.service import Service, unknown_resource
from cloudstub.errors import MethodNotAllowed, NotAcceptable

OPEN_PATHS = ("/livez", "/readyz", "/healthz")


def health() -> web.Response:
    return web.Response(text="ok")


def inform(service: Service, request: web.Request) -> web.Response:
    """Answer a GET outside the resources.

    Raises:
        NotFound: there is nothing at that path.
    """
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    parts = [part for part in request.path.split("/") if part]
    accept = request.headers.get("Accept", "")
    catalog = service.world.catalog
    match parts:
        case ["version"]:
            return json_response(dict(service.version))
        case ["api"] | ["apis"] if wants_aggregated_discovery(accept):
            response = json_response(discovery.aggregated(catalog, core=parts == ["api"]))
            response.headers["Content-Type"] = discovery.AGGREGATED
            return response
        case ["api"]:
            return json_response(discovery.core_versions(request.host))
        case ["apis"]:
            return json_response(discovery.group_list(catalog))
        case ["openapi", "v2"]:
            return _openapi_v2(service, accept)
        case ["openapi", "v3"]:
            return json_response(openapi.index(catalog))
    document = _described(service, parts)
    if document is None:
        raise unknown_resource()
    return json_response(document)


def _described(service: Service, parts: list[str]) -> dict[str, object] | None:
    catalog = service.world.catalog
    match parts:
        case []:
            groups = [f"/apis/{group}/{v}" for group, versions in catalog.groups().items() for v in versions]
            return {"paths": ["/api", "/api/v1", "/apis", *groups, "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}
        case ["api", version]:
            return discovery.resource_list(catalog, "", version)
        case ["apis", group]:
            return discovery.group(catalog, group)
        case ["apis", group, version]:
            return discovery.resource_list(catalog, group, version)
        case ["openapi", "v3", "api", version]:
            return openapi.group_version(catalog, "", version)
        case ["openapi", "v3", "apis", group, version]:
            return openapi.group_version(catalog, group, version)
    return None


def _openapi_v2(service: Service, accept: str) -> web.Response:
    if openapi.LEGACY_PROTOBUF in accept:
        return web.Response(body=openapi.legacy_protobuf(service.version["gitVersion"]), content_type="application/octet-stream")
    if accept and "json" not in accept and "*/*" not in accept:
        raise NotAcceptable("OpenAPI v2 is served as application/json only")
    return json_response(openapi.legacy(service.version["gitVersion"]))
