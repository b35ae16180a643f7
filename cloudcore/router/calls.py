"""HTTP requests to applications on boards, and of applications to targets here, as they travel (contract 7.3; P5.13, P5.14). Pure."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from cloudcore.errors import Refused
from componentconfig.checks import optional_node_name
from viaduct.httpcall import MAX_BODY, MAX_TARGET, METHODS, Answer, Headers, answer_content
from viaduct.jsontext import read_json
from viaduct.message import Message, new_message, reply_to
from viaduct.vocabulary import Group, Operation, Source

SAYS_WHO = "Bramble-Node"
"""The header that tells a target which node asks, by its certificate."""


class BadPlace(Exception):
    """What was asked leads to no application; ``status`` as HTTP has them."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """An application: port ``port`` of ``node``; ``path`` with its query, without the slash before it."""

    node: str
    port: int
    path: str

    @property
    def resource(self) -> str:
        return f"{self.port}:{self.path}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an application on a node asks: ``method`` of ``url``, which is one of the targets, with or without a query."""

    method: str
    url: str
    body: bytes
    content_type: str


def place_of(target: str) -> Place:
    """Of the request line's ``/<node>/<port>/<path>``, percent-encoded as it came. Raises BadPlace."""
    node, _, rest = target.removeprefix("/").partition("/")
    port, slash, path = rest.partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536 or not node or optional_node_name(node):
        raise BadPlace(404, "expected /NODE/PORT/PATH, where an application on the node listens at 127.0.0.1:PORT")
    place = Place(node, int(port), path)
    if len(place.resource) > MAX_TARGET:
        raise BadPlace(414, f"the path is longer than {MAX_TARGET} characters")
    return place


def call_message(place: Place, method: str, headers: Headers, body: bytes, *, now_ms: int) -> Message:
    """Raises BadPlace."""
    if method not in METHODS:
        raise BadPlace(405, f"expected one of {', '.join(sorted(METHODS))}")
    by_name: dict[str, list[str]] = {}
    for name, text in headers:
        by_name.setdefault(name, []).append(text)
    content = {"method": method, "header": by_name, "body": base64.b64encode(body).decode("ascii")}
    return new_message(
        source=Source.ROUTER_SERVICEBUS, group=Group.USER, operation=method, resource=place.resource, now_ms=now_ms, content=content
    )


def registration(url: str, *, now_ms: int) -> Message:
    """Tells a node that its applications may ask ``url``."""
    return new_message(source=Source.ROUTER_SERVICEBUS, group=Group.USER, operation=Operation.START, resource=url, now_ms=now_ms)


def asked_by(message: Message, targets: frozenset[str]) -> Asked:
    """What an application asks.

    Raises:
        Refused: the text names the field, or the URL is none of ``targets``.
    """
    url = message.route.resource
    if url not in targets and url.partition("?")[0] not in targets:
        raise Refused(f"route.resource: {url[:200]!r} is not among modules.router.targets", code=403, why="no_target")
    try:
        wanted = read_json(message.content) if isinstance(message.content, str) else message.content
    except ValueError as exc:
        raise Refused(f"content: not JSON: {exc}") from exc
    if not isinstance(wanted, dict):
        raise Refused("content: expected an object with method, targetURL and payload")
    method = wanted.get("method")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise Refused(f"content.method: expected one of {', '.join(sorted(METHODS))}")
    return Asked(method.upper(), url, *_payload(wanted.get("payload")))


def told(request: Message, answer: Answer, *, ledger: bool, now_ms: int) -> Message:
    """The ``response`` to an application: with its status for our boards, for KubeEdge's the body as text."""
    return reply_to(request, answer_content(answer) if ledger else answer.text, now_ms=now_ms)


def unanswered(status: int, reason: str) -> Answer:
    """An answer of our own."""
    return Answer(status, {"Content-Type": ["text/plain; charset=utf-8"]}, reason.encode())


def _payload(value: Any) -> tuple[bytes, str]:
    """Text goes as it is, nothing as nothing, all else as JSON."""
    if value is None:
        return b"", ""
    text, kind = (
        (value, "text/plain; charset=utf-8") if isinstance(value, str) else (json.dumps(value, ensure_ascii=False), "application/json")
    )
    body = text.encode()
    if len(body) > MAX_BODY:
        raise Refused(f"content.payload: {len(body)} bytes, the limit is {MAX_BODY}")
    return body, kind
