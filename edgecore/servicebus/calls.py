"""An HTTP request of the cloud and the answer to it, as they travel (contract 7.3). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viaduct.message import Message, new_message
from viaduct.vocabulary import Group, Source

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SOURCES = frozenset({Source.ROUTER_REST, Source.ROUTER_SERVICEBUS})
MAX_BODY = 5 * 1024 * 1024
MAX_PATH = 4096
MAX_HEADERS = 100
OUR_NAME = "kubeedge-edgecore"

_PATH = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}")
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

Headers = Mapping[str, Sequence[str]]


class BadCall(Exception):
    """The request cannot be made; the text names the part at fault."""


@dataclass(frozen=True, slots=True)
class Call:
    """To ``http://127.0.0.1:<port><path>``; ``path`` begins with a slash."""

    method: str
    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


def is_call(message: Message) -> bool:
    """EventBus shares the group: only what the router sends for applications is ours."""
    return message.route.source in SOURCES


def parse_call(message: Message) -> Call:
    """Raises BadCall."""
    method = message.route.operation.upper()
    if method not in METHODS:
        raise BadCall(f"operation: {message.route.operation[:32]!r} is not an HTTP method")
    port, path = _target(message.route.resource)
    content = message.content if message.content is not None else {}
    if not isinstance(content, dict):
        raise BadCall("content: expected an object")
    return Call(method, port, path, _headers(content.get("header")), _body(content.get("body")))


def refusal(status: int, reason: str) -> Answer:
    """An answer of our own (contract 7.3: 400, 404 or 500)."""
    return Answer(status, {"Server": [OUR_NAME], "Content-Type": ["text/plain; charset=utf-8"]}, reason.encode())


def reply(request: Message, answer: Answer, *, now_ms: int) -> Message:
    """The message that goes up: parent is the request, no operation, no resource."""
    content = {
        "header": {name: list(values) for name, values in answer.headers.items()},
        "status_code": answer.status,
        "body": base64.b64encode(answer.body).decode("ascii"),
    }
    return new_message(
        source=Source.SERVICEBUS, group=Group.USER, operation="", resource="", now_ms=now_ms, content=content, parent_msg_id=request.id
    )


def _target(resource: str) -> tuple[int, str]:
    text, colon, path = resource.partition(":")
    if not colon:
        raise BadCall("resource: expected <port>:<path>")
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise BadCall(f"resource: {text[:32]!r} is not a port")
    path = "/" + path.removeprefix("/")
    if len(path) > MAX_PATH or not _PATH.fullmatch(path) or "#" in path:
        raise BadCall("resource: the path holds characters that a URL has not")
    return int(text), path


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or len(value) > MAX_HEADERS:
        raise BadCall(f"content.header: expected an object of at most {MAX_HEADERS} names")
    found = []
    for name, texts in value.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(texts, list):
            raise BadCall(f"content.header.{name[:64]!r}: expected a header name with a list of texts")
        for text in texts:
            if not isinstance(text, str) or not text.isprintable() or not text.isascii():
                raise BadCall(f"content.header.{name[:64]!r}: expected printable text")
            if name.lower() not in _HOP_BY_HOP:
                found.append((name, text))
    return tuple(found)


def _body(value: Any) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise BadCall("content.body: expected base64 text")
    try:
        body = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadCall(f"content.body: not base64: {exc}") from exc
    if len(body) > MAX_BODY:
        raise BadCall(f"content.body: {len(body)} bytes, the limit is {MAX_BODY}")
    return body
