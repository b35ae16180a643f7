"""GET: one object, a list, or a watch."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from cloudstub.api.negotiation import shape_of
from cloudstub.api.respond import json_response, list_response, object_response
from cloudstub.api.service import Call, flag, integer, unknown_resource
from cloudstub.api.watch_stream import stream
from cloudstub.errors import BadRequest, MethodNotAllowed
from cloudstub.store.records import Record
from cloudstub.verbs import scale
from cloudstub.verbs.get import get
from cloudstub.verbs.listing import ListOptions, Page, list_objects


async def read(call: Call) -> web.StreamResponse:
    """Answer a GET."""
    if not call.target.kind.stored:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    shape = shape_of(call.request.headers.get("Accept", ""))
    if call.subresource == "scale":
        return json_response(scale.read(call.world, call.target))
    if call.subresource not in ("", "status"):
        raise unknown_resource()
    if call.target.name:
        return object_response(call, await shown_body(call, get(call.world, call.target).body), shape)
    if flag(call.request.query, "watch"):
        return await stream(call, shape)
    return list_response(call, await shown_page(call, list_objects(call.world, call.target, list_options(call))), shape)


async def shown_body(call: Call, body: bytes) -> bytes:
    """A stored body as the client speaks."""
    record = Record(call.target.key, "", 0, body)
    return await call.service.webhooks.conversion.body(call.target.kind, call.target.version, record)


async def shown_page(call: Call, page: Page) -> Page:
    """A page of stored records as the client speaks."""
    return replace(page, records=await call.service.webhooks.conversion.records(call.target.kind, call.target.version, page.records))


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
