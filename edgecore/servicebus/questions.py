"""What an application on this node asks of a URL in the cloud, and what it is told (contract 7.3; P5.14). Pure."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from viaduct.codec import MAX_FRAME_BYTES, check_depth, encode
from viaduct.errors import MalformedMessage, MalformedPayload
from viaduct.httpcall import MAX_TARGET, METHODS, answer_of
from viaduct.jsontext import read_json
from viaduct.message import Message, new_message
from viaduct.vocabulary import Group, Operation, Source

MOST_TARGETS = 1000
_RECEIVED = "receive response from cloud successfully"


@dataclass(frozen=True, slots=True)
class Told:
    """``code`` as HTTP has them; ``body`` is what the cloud answered, as text."""

    code: int
    msg: str
    body: str = ""

    def as_json(self) -> bytes:
        return json.dumps({"code": self.code, "msg": self.msg, "body": self.body}, ensure_ascii=False).encode("utf-8", "replace")


class NotAsked(Exception):
    """It cannot be asked; ``told`` says why."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.told = Told(code, msg)


def question(body: bytes, registered: Container[str], *, now_ms: int) -> Message:
    """The message that asks the cloud, of the JSON that an application sent: ``{"method", "targetURL", "payload"}``.

    Raises:
        NotAsked: it is no such object, or its URL is none that the cloud has registered, with or without a query.
    """
    try:
        text = body.decode("utf-8")
        check_depth(text)
        asked = read_json(text)
    except (ValueError, MalformedMessage) as exc:
        raise NotAsked(400, "invalid params: expected a JSON object with method, targetURL and payload") from exc
    if not isinstance(asked, dict):
        raise NotAsked(400, "invalid params: expected a JSON object with method, targetURL and payload")
    target, method = asked.get("targetURL"), asked.get("method")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise NotAsked(400, f"invalid params: method: expected one of {', '.join(sorted(METHODS))}")
    if not isinstance(target, str) or not target.isprintable() or len(target) > MAX_TARGET:
        raise NotAsked(400, f"invalid params: targetURL: expected text of at most {MAX_TARGET} characters")
    if target not in registered and target.partition("?")[0] not in registered:
        raise NotAsked(400, f"url {target} is not allowed and could not make a http request")
    message = new_message(
        source=Source.SERVICEBUS, group=Group.USER, operation=Operation.UPLOAD, resource=target, now_ms=now_ms, content=text, sync=True
    )
    if len(encode(message).encode()) > MAX_FRAME_BYTES:
        raise NotAsked(413, f"the request is longer than a frame, {MAX_FRAME_BYTES} bytes")
    return message


def told_by(message: Message) -> Told:
    """What the application hears of the cloud's ``response`` or ``error``."""
    content = message.content
    if message.route.operation == Operation.ERROR:
        return _refused(content)
    if not isinstance(content, dict):
        return Told(200, _RECEIVED, content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
    try:
        answer = answer_of(content)
    except MalformedPayload as exc:
        return Told(502, f"the cloud's answer cannot be read: {exc}")
    return Told(answer.status, _RECEIVED if answer.status < 300 else f"{message.route.resource} answered {answer.status}", answer.text)


def _refused(content: Any) -> Told:
    if not isinstance(content, dict):
        return Told(502, str(content)[:500])
    code = content.get("code")
    known = code if isinstance(code, int) and 400 <= code <= 599 else 502
    return Told(known, str(content.get("reason", "the cloud refused it"))[:500])
