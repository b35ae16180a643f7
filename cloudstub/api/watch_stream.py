"""A watch as a stream of JSON lines."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from aiohttp import web

from cloudstub.api.negotiation import OBJECT, TABLE, Shape
from cloudstub.api.respond import JSON, shaped
from cloudstub.api.service import Call, flag, integer
from cloudstub.api.status import failure
from cloudstub.api.tables import table
from cloudstub.errors import ApiError, Gone
from cloudstub.store.broadcast import Subscription
from cloudstub.store.records import Record, encode
from cloudstub.verbs.watch import WatchOptions, event_line, watch

BOOKMARK_SECONDS = 60.0
# A client that takes nothing for so long is gone.
STALL_SECONDS = 60.0
# Watches without a time limit of their own end at different times, so that they do not all come back at once.
DEFAULT_SECONDS = (1800, 3600)


async def stream(call: Call, shape: Shape) -> web.StreamResponse:
    """Answer with changes until the time is over, the client leaves or the server stops."""
    query = call.request.query
    seconds = min(integer(query, "timeoutSeconds") or random.randint(*DEFAULT_SECONDS), 86_400)
    initial_end = flag(query, "sendInitialEvents")
    try:
        subscription = _subscribe(call, shape, initial_end=initial_end)
    except Gone as exc:
        # Told inside the stream, as Kubernetes does.
        return await _one_line(call, exc)
    response = _response()
    try:
        await response.prepare(call.request)
        if initial_end:
            lines = await _shown(call, shape, await subscription.take(timeout=0))
            await _send(response, lines + _bookmark(call, shape, initial_end=True))
        await _pump(call, shape, subscription, response, seconds)
        await response.write_eof()
    except ApiError as exc:
        # The answer has begun, so what went wrong is an event of it.
        await _send(response, event_line("ERROR", json.dumps(failure(exc)).encode()))
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        # The client left or no longer reads: there is nobody to tell, and what is still unsent must not hold us.
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        call.world.store.broadcast.discard(subscription)
    return response


def _subscribe(call: Call, shape: Shape, *, initial_end: bool) -> Subscription:
    query = call.request.query
    revision = integer(query, "resourceVersion")
    if revision > call.world.store.revision:
        raise Gone(f"resourceVersion {revision} is newer than everything here ({call.world.store.revision}): list again")
    after = None if initial_end or not revision else revision
    is_converted = call.target.kind.converter is not None
    name = "stored" if is_converted else f"{shape.kind}-{query.get('includeObject', '')}"
    options = WatchOptions(query.get("labelSelector", ""), query.get("fieldSelector", ""), after, name)

    def render(record: Record) -> bytes:
        return shaped(call, record, shape)

    def stored(record: Record) -> bytes:
        return record.body

    return watch(call.world, call.target, options, stored if is_converted else None if shape.kind == OBJECT else render)


async def _shown(call: Call, shape: Shape, lines: bytes) -> bytes:
    """Lines of stored objects as the client speaks and in its shape; those of kinds that no webhook converts are so already."""
    kind, version = call.target.kind, call.target.version
    if kind.converter is None or not lines:
        return lines
    events = [json.loads(line) for line in lines.splitlines()]
    records = [Record(call.target.key, "", 0, encode(event["object"])) for event in events]
    converted = await call.service.webhooks.conversion.records(kind, version, records)
    return b"".join(event_line(event["type"], shaped(call, record, shape)) for event, record in zip(events, converted, strict=True))


async def _pump(call: Call, shape: Shape, subscription: Subscription, response: web.StreamResponse, seconds: float) -> None:
    loop_time = asyncio.get_running_loop().time
    end = loop_time() + seconds
    wants_bookmarks = flag(call.request.query, "allowWatchBookmarks")
    while not subscription.ended and (left := end - loop_time()) > 0:
        lines = await subscription.take(timeout=min(left, BOOKMARK_SECONDS))
        if lines:
            await _send(response, await _shown(call, shape, lines))
        elif wants_bookmarks and not subscription.ended:
            # Nothing is queued, so everything up to the present revision has been told.
            await _send(response, _bookmark(call, shape))
    if subscription.ended and not subscription.overrun:
        await _send(response, await _shown(call, shape, await subscription.take(timeout=0)))


async def _send(response: web.StreamResponse, data: bytes) -> None:
    if data:
        async with asyncio.timeout(STALL_SECONDS):
            await response.write(data)


def _bookmark(call: Call, shape: Shape, *, initial_end: bool = False) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(call.world.store.revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    if shape.kind == TABLE:
        kind, version = call.target.kind, call.target.version
        return event_line("BOOKMARK", table(kind.versions[version].columns, [], metadata))
    identity = {"kind": call.target.kind.kind, "apiVersion": call.target.api_version}
    if shape.kind != OBJECT:
        identity = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return event_line("BOOKMARK", json.dumps({**identity, "metadata": metadata}).encode())


async def _one_line(call: Call, error: ApiError) -> web.StreamResponse:
    response = _response()
    await response.prepare(call.request)
    await response.write(event_line("ERROR", json.dumps(failure(error)).encode()))
    await response.write_eof()
    return response


def _response() -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    return response
