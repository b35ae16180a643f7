"""POST, PUT, PATCH and DELETE. Each verb stages its change without awaiting, after the webhooks that it concerns; the answer goes out after
the commit."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from cloudstub.api import bodies
from cloudstub.api.negotiation import shape_of
from cloudstub.api.reading import list_options, shown_body, shown_page
from cloudstub.api.respond import json_response, list_response, object_response, raw_response
from cloudstub.api.service import Call, body_of, media_type, unknown_resource, write_options
from cloudstub.api.status import success
from cloudstub.errors import BadRequest, NotFound, UnsupportedMediaType
from cloudstub.verbs import patch as patching
from cloudstub.verbs import reviews, scale
from cloudstub.verbs.binding import bind
from cloudstub.verbs.create import create
from cloudstub.verbs.delete import parse_options
from cloudstub.verbs.listing import list_objects
from cloudstub.verbs.reviewed import Verb
from cloudstub.verbs.update import finalize, update, update_status
from cloudstub.verbs.world import Target, Written, details
from cloudstub.webhooks.writes import Attempt

REPLACE = {"": update, "status": update_status, "scale": scale.write, "finalize": finalize}


async def post(call: Call) -> web.StreamResponse:
    sent = await _value(call)
    kind = call.target.kind
    if not kind.stored:
        return json_response(reviews.answer(kind.kind, sent, call.user, call.service.authenticator.by_token), 201)
    if call.subresource == "binding":
        bind(call.world, call.target, sent, write_options(call.request.query))
        await call.world.store.committed()
        return json_response(success(details(call.target)), 201)
    if call.target.name or call.subresource:
        raise unknown_resource()
    return await _written(call, "CREATE", lambda world, target, options: create(world, target, sent, options))


async def put(call: Call) -> web.StreamResponse:
    sent = await _value(call)
    replace = REPLACE.get(call.subresource)
    if not call.target.name or replace is None:
        raise unknown_resource()
    return await _written(call, "UPDATE", lambda world, target, options: replace(world, target, sent, options))


async def patch(call: Call) -> web.StreamResponse:
    if not call.target.name or call.subresource not in REPLACE:
        raise unknown_resource()
    type_ = media_type(call.request)
    if type_ not in patching.ACCEPTED:
        accepted = ", ".join(patching.ACCEPTED)
        raise UnsupportedMediaType(f"the body of the request was in an unknown format - accepted media types include: {accepted}")
    sent = bodies.parse(await body_of(call.request), type_)
    return await _written(
        call, "UPDATE", lambda world, target, options: patching.patch(world, target, call.subresource, type_, sent, options)
    )


async def remove(call: Call) -> web.StreamResponse:
    if call.subresource:
        raise unknown_resource()
    raw = await body_of(call.request)
    options = parse_options(bodies.parse(raw, media_type(call.request)), dict(call.request.query))
    if not call.target.name:
        return await _remove_collection(call, options)
    deleted = await call.service.webhooks.delete(call.world, call.target, call.user, options)
    await call.world.store.committed()
    if deleted.is_gone and call.target.kind.resource != "pods":
        return json_response(success({**details(call.target), "uid": deleted.uid}))
    return object_response(call, await shown_body(call, deleted.body), shape_of(call.request.headers.get("Accept", "")))


async def _remove_collection(call: Call, options: Any) -> web.StreamResponse:
    if call.target.kind.namespaced and call.target.namespace is None:
        raise BadRequest("a collection is deleted in one namespace at a time")
    page = list_objects(call.world, call.target, list_options(call))
    for record in page.records:
        target = Target(call.target.kind, call.target.version, record.key.namespace, record.key.name)
        try:
            await call.service.webhooks.delete(call.world, target, call.user, options)
        except NotFound:
            # Another request was faster.
            continue
    await call.world.store.committed()
    return list_response(call, await shown_page(call, page), shape_of(call.request.headers.get("Accept", "")))


async def _value(call: Call) -> Any:
    value = bodies.parse(await body_of(call.request), media_type(call.request))
    if value is None:
        raise BadRequest("the body is empty: an object is expected")
    return value


async def _written(call: Call, operation: str, verb: Verb) -> web.StreamResponse:
    options = write_options(call.request.query)
    attempt = Attempt(call.target, call.subresource, operation, call.user, options)
    return await _answer(call, await call.service.webhooks.write(call.world, attempt, verb))


async def _answer(call: Call, written: Written) -> web.StreamResponse:
    await call.world.store.committed()
    status = 201 if written.created else 200
    if call.subresource == "scale":
        return raw_response(written.body, status)
    shape = shape_of(call.request.headers.get("Accept", ""))
    return object_response(call, written.body, shape, status, written.warnings)
