"""What applications on the node ask the cloud (contract 7.3, P5.14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgecore.servicebus.questions import NotAsked, Told, question, told_by
from tests.wire.recording import recordings
from viaduct.codec import decode
from viaduct.message import new_message

URL = "http://127.0.0.1:8080/orders"
RECORDED = {one.name: one for one in recordings("core")}


def _body(**more: Any) -> bytes:
    return json.dumps({"method": "POST", "targetURL": URL, "payload": {"item": 7}} | more).encode()


def test_what_is_asked_goes_up_as_recorded() -> None:
    recorded = decode(RECORDED["servicebus-ask"].text)
    assert isinstance(recorded.content, str)
    made = question(recorded.content.encode(), {URL}, now_ms=1)
    assert (made.route, made.content, made.header.sync) == (recorded.route, recorded.content, True)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"this is not json", 400, "invalid params"),
        (b"\xff", 400, "invalid params"),
        (b"[" * 100_000, 400, "invalid params"),
        (b"[]", 400, "invalid params"),
        (_body(method="CONNECT"), 400, "method"),
        (_body(method=7), 400, "method"),
        (_body(targetURL=None), 400, "targetURL"),
        (_body(targetURL="x" * 500), 400, "targetURL"),
        (_body(targetURL=f"{URL}?a\r\nb"), 400, "targetURL"),
        (_body(targetURL="http://example.com/"), 400, "url http://example.com/ is not allowed"),
        (_body(targetURL=f"{URL}/../secret"), 400, "is not allowed"),
        (_body(payload='"' * 2_900_000), 413, "frame"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_what_cannot_be_asked_is_said_in_words(body: bytes, code: int, words: str) -> None:
    with pytest.raises(NotAsked) as caught:
        question(body, {URL}, now_ms=1)
    assert caught.value.told.code == code and words in caught.value.told.msg


@pytest.mark.parametrize(
    ("operation", "content", "told"),
    [
        ("response", '{"id": 1}', Told(200, "receive response from cloud successfully", '{"id": 1}')),
        ("response", {"status_code": 201, "body": "b2s="}, Told(201, "receive response from cloud successfully", "ok")),
        ("response", {"status_code": 404, "body": "bm8="}, Told(404, f"{URL} answered 404", "no")),
        ("response", {"status_code": 7}, Told(502, "the cloud's answer cannot be read: content.status_code: expected 200 to 599")),
        ("error", {"code": 403, "reason": "not among", "retry": False}, Told(403, "not among")),
        ("error", {"code": True, "reason": "x"}, Told(502, "x")),
        ("error", "words", Told(502, "words")),
    ],
)
def test_an_application_is_told_what_the_cloud_says(operation: str, content: Any, told: Told) -> None:
    said = new_message(source="s", group="user", operation=operation, resource=URL, now_ms=1, content=content, parent_msg_id="p")
    assert told_by(said) == told
    assert json.loads(told.as_json()) == {"code": told.code, "msg": told.msg, "body": told.body}
