"""Answers: objects, lists, tables and Status as HTTP responses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from cloudstub.api.negotiation import METADATA, METADATA_LIST, OBJECT, TABLE, Shape
from cloudstub.api.service import Call
from cloudstub.api.status import failure
from cloudstub.api.tables import partial_metadata, rows_of, table
from cloudstub.errors import ApiError
from cloudstub.store.records import Key, Record
from cloudstub.verbs.listing import Page
from cloudstub.verbs.representation import served

JSON = "application/json"


def json_response(value: Any, status: int = 200) -> web.Response:
    return raw_response(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), status)


def raw_response(body: bytes, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    response = web.Response(body=body, status=status, content_type=JSON)
    for warning in warnings:
        # Header values cannot hold line breaks or other than Latin letters.
        text = warning.encode("ascii", "backslashreplace").decode().replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{" ".join(text.split())[:1000]}"')
    return response


def error_response(error: ApiError) -> web.Response:
    response = json_response(failure(error), error.code)
    if error.code == 429:
        response.headers["Retry-After"] = "1"
    if error.code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def object_response(call: Call, body: bytes, shape: Shape, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """One object in the shape that was asked for; ``body`` is its storage form."""
    kind, version = call.target.kind, call.target.version
    if shape.kind == OBJECT:
        return raw_response(served(body, kind, version), status, warnings)
    record = Record(Key(kind.resource, "", ""), "", 0, body)
    return raw_response(shaped(call, record, shape), status, warnings)


def shaped(call: Call, record: Record, shape: Shape) -> bytes:
    """One object as bytes, in any shape."""
    kind, version = call.target.kind, call.target.version
    if shape.kind == TABLE:
        include = call.request.query.get("includeObject", "Metadata")
        rows = rows_of(kind, version, [record], now=call.world.clock(), include=include)
        metadata = {"resourceVersion": record.value["metadata"].get("resourceVersion", "")}
        return table(kind.versions[version].columns, rows, metadata)
    if shape.kind in (METADATA, METADATA_LIST):
        return json.dumps(partial_metadata(record.value), separators=(",", ":"), ensure_ascii=False).encode()
    return served(record.body, kind, version)


def list_response(call: Call, page: Page, shape: Shape) -> web.Response:
    """A page of objects. Their stored bytes are joined, not decoded."""
    kind, version = call.target.kind, call.target.version
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    if shape.kind == TABLE:
        include = call.request.query.get("includeObject", "Metadata")
        rows = rows_of(kind, version, page.records, now=call.world.clock(), include=include)
        return raw_response(table(kind.versions[version].columns, rows, metadata))
    if shape.kind in (METADATA, METADATA_LIST):
        items = [partial_metadata(record.value) for record in page.records]
        head = {"kind": METADATA_LIST, "apiVersion": "meta.k8s.io/v1"}
        return json_response({**head, "metadata": metadata, "items": items})
    head_text = json.dumps({"kind": kind.listed_as, "apiVersion": call.target.api_version, "metadata": metadata})
    bodies = b",".join(served(record.body, kind, version) for record in page.records)
    return raw_response(b'%s,"items":[%s]}' % (head_text[:-1].encode(), bodies))
