"""GET: one object, a list, or a watch."""

from __future__ import annotations

from aiohttp import web

from cloudstub.api.negotiation import Shape, shape_of
from cloudstub.api.respond import json_response, list_response, object_response
from cloudstub.api.service import Call, flag, integer, unknown_resource
from cloudstub.api.watch_stream import stream
from cloudstub.errors import BadRequest, MethodNotAllowed
from cloudstub.verbs import scale
from cloudstub.verbs.get import get
from cloudstub.verbs.listing import ListOptions, list_objects


async def read(call: Call) -> web.StreamResponse:
    """Answer a GET."""
    if not call.target.kind.stored:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    shape = shape_of(call.request.headers.get("Accept", ""))
    if call.subresource:
        return _subresource(call, shape)
    if call.target.name:
        return object_response(call, get(call.world, call.target).body, shape)
    if flag(call.request.query, "watch"):
        return await stream(call, shape)
    return list_response(call, list_objects(call.world, call.target, list_options(call)), shape)


def _subresource(call: Call, shape: Shape) -> web.StreamResponse:
    if call.subresource == "scale":
        return json_response(scale.read(call.world, call.target))
    if call.subresource == "status":
        return object_response(call, get(call.world, call.target).body, shape)
    raise unknown_resource()


def list_options(call: Call) -> ListOptions:
    """Query parameters of a list.

    Raises:
        BadRequest: a value that is none.
    """
    query = call.request.query
    match = query.get("resourceVersionMatch", "")
    if match not in ("", "Exact", "NotOlderThan"):
        raise BadRequest(f"resourceVersionMatch: Unsupported value: {match[:60]!r}: supported values: 'Exact', 'NotOlderThan'")
    version = integer(query, "resourceVersion")
    return ListOptions(
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
        integer(query, "limit"),
        query.get("continue", ""),
        version if match == "Exact" else None,
    )
