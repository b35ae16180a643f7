"""An HTTP request of the cloud and the answer to it, as they travel (contract 7.3; P5.13). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from viaduct.codec import MAX_FRAME_BYTES, encode
from viaduct.errors import MalformedPayload
from viaduct.httpcall import METHODS, Answer, Headers, answer_content, body_of, headers_of
from viaduct.message import Message, new_message
from viaduct.vocabulary import Group, Source

SOURCES = frozenset({Source.ROUTER_REST, Source.ROUTER_SERVICEBUS})
MAX_PATH = 4096
OUR_NAME = "kubeedge-edgecore"

_PATH = re.compile(r"[!-~]+")


class BadCall(Exception):
    """The request cannot be made; the text names the part at fault."""


@dataclass(frozen=True, slots=True)
class Call:
    """To ``http://127.0.0.1:<port><path>``; ``path`` begins with a slash."""

    method: str
    port: int
    path: str
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
    try:
        return Call(method, port, path, headers_of(content.get("header")), body_of(content.get("body")))
    except MalformedPayload as exc:
        raise BadCall(str(exc)) from exc


def refusal(status: int, reason: str) -> Answer:
    """An answer of our own (contract 7.3: 400, 404 or 500)."""
    return Answer(status, {"Server": [OUR_NAME], "Content-Type": ["text/plain; charset=utf-8"]}, reason.encode())


def reply(request: Message, answer: Answer, *, now_ms: int) -> Message:
    """The message that goes up: parent is the request, no operation, no resource. What fits no frame would cost the link: it is refused."""
    message = _reply(request, answer, now_ms)
    if len(encode(message).encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        return _reply(request, refusal(500, f"the answer with its headers is longer than a frame, {MAX_FRAME_BYTES} bytes"), now_ms)
    return message


def _reply(request: Message, answer: Answer, now_ms: int) -> Message:
    return new_message(
        source=Source.SERVICEBUS,
        group=Group.USER,
        operation="",
        resource="",
        now_ms=now_ms,
        content=answer_content(answer),
        parent_msg_id=request.id,
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
