"""The envelope: what is written, what is read, what is refused (contract 1.1; P1, X4, X7)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct.codec import MAX_DEPTH, MAX_FRAME_BYTES, decode, encode
from viaduct.errors import MalformedMessage
from viaduct.message import Header, Message, Route, acknowledge, error_to, new_message, reply_to

GOOD = {
    "header": {"msg_id": "m1", "timestamp": 5},
    "route": {"source": "edgecontroller", "group": "resource", "operation": "insert", "resource": "default/pod/p1"},
    "content": {"a": 1},
}


def changed(**parts: object) -> str:
    return json.dumps({**GOOD, **parts})


def test_empty_optional_fields_are_omitted_and_content_never_is() -> None:
    text = encode(Message(Header("m1", 5), Route("a", "b", "c", "d")))
    assert json.loads(text) == {
        "header": {"msg_id": "m1", "timestamp": 5},
        "route": {"source": "a", "group": "b", "operation": "c", "resource": "d"},
        "content": None,
    }


def test_bytes_are_sent_as_base64_like_go_does() -> None:
    message = new_message(source="bus", group="user", operation="response", resource="x", now_ms=1, content=b"\x00\xff")
    assert json.loads(encode(message))["content"] == "AP8="


_names = st.text(max_size=40)


@given(
    msg_id=st.text(min_size=1, max_size=40),
    parent=_names,
    version=_names,
    sync=st.booleans(),
    timestamp=st.integers(0, 2**63 - 1),
    resource=_names,
    content=st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)),
)
def test_what_is_encoded_is_decoded_as_it_was(
    msg_id: str, parent: str, version: str, sync: bool, timestamp: int, resource: str, content: object
) -> None:
    message = Message(Header(msg_id, timestamp, parent, version, sync), Route("s", "g", "update", resource), content)
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ("", "frame"),
        ("{", "frame"),
        ("[]", "frame"),
        ("null", "frame"),
        (b"\xff\xfe", "frame"),
        ('{"header":NaN}', "frame"),
        (changed(header=None), "header"),
        (changed(header={"timestamp": 1}), "header.msg_id"),
        (changed(header={"msg_id": "", "timestamp": 1}), "header.msg_id"),
        (changed(header={"msg_id": 7, "timestamp": 1}), "header.msg_id"),
        (changed(header={"msg_id": "m" * 513, "timestamp": 1}), "header.msg_id"),
        (changed(header={"msg_id": "m", "timestamp": "now"}), "header.timestamp"),
        (changed(header={"msg_id": "m", "timestamp": -1}), "header.timestamp"),
        (changed(header={"msg_id": "m", "timestamp": True}), "header.timestamp"),
        (changed(header={"msg_id": "m", "timestamp": 2**63}), "header.timestamp"),
        (changed(header={"msg_id": "m", "timestamp": 1, "resourceversion": 12}), "header.resourceversion"),
        (changed(header={"msg_id": "m", "timestamp": 1, "sync": "yes"}), "header.sync"),
        (changed(route=[]), "route"),
        (changed(route={"operation": {}}), "route.operation"),
        (changed(route={"operation": "ping"}), "route.operation"),
        (changed(route={"resource": "x" * 600}), "route.resource"),
        ("[" * 100_000, "frame"),
        (changed(content=json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))), "frame"),
        ("x" * (MAX_FRAME_BYTES + 1), "frame"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused_and_the_field_is_named(frame: str | bytes, field: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        decode(frame)
    assert refused.value.field == field


@given(st.text() | st.binary())
def test_no_garbage_raises_anything_but_a_refusal(frame: str | bytes) -> None:
    try:
        decode(frame)
    except MalformedMessage:
        pass


def test_brackets_inside_strings_do_not_count_as_depth() -> None:
    assert decode(changed(content="[" * 500 + '\\"' + "{" * 500)).content.startswith("[[")


def test_unknown_keys_are_ignored_as_kubeedge_does() -> None:
    later = {**GOOD, "route": {**GOOD["route"], "destination": "x"}, "more": 1}  # type: ignore[dict-item]
    assert decode(json.dumps(later)).route.resource == "default/pod/p1"


@pytest.mark.parametrize(("text", "number"), [("", None), ("12", 12), ("x", None), ("-1", None), ("１２", None)])
def test_versions_are_numbers_or_nothing(text: str, number: int | None) -> None:
    assert Message(Header("m", 1, resource_version=text), Route()).version == number


def test_an_answer_keeps_the_route_and_names_its_parent() -> None:
    request = decode(json.dumps(GOOD))
    for answer in (reply_to(request, {"x": 1}, now_ms=9), acknowledge(request, now_ms=9)):
        assert answer.header.parent_msg_id == "m1"
        assert answer.id != "m1"
        assert answer.route == Route("edgecontroller", "resource", "response", "default/pod/p1")
    assert acknowledge(request, now_ms=9).content == "OK"


def test_an_error_names_the_request_itself_as_parent() -> None:
    error = error_to(decode(json.dumps(GOOD)), "why", source="metaManager", now_ms=9)
    assert (error.header.parent_msg_id, error.route.operation, error.content) == ("m1", "error", "why")
