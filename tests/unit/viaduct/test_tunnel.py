"""Frames of a stream, and what one is opened for (P7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viaduct.errors import MalformedPayload
from viaduct.streamrequest import StreamRequest, Verb, parse_request
from viaduct.tunnel import (
    MAX_DATA,
    MAX_FRAME_BYTES,
    Channel,
    Credit,
    Data,
    End,
    Eof,
    Frame,
    MalformedFrame,
    Open,
    Ready,
    Resize,
    decode,
    encode,
)

FRAMES = [
    (Open(1, {"verb": "logs"}), b'\x01\x00\x00\x00\x01{"verb":"logs"}'),
    (Ready(1), b"\x02\x00\x00\x00\x01"),
    (Data(258, Channel.STDERR, b"x\0y"), b"\x03\x00\x00\x01\x02\x02x\0y"),
    (Eof(1, Channel.STDIN), b"\x04\x00\x00\x00\x01\x00"),
    (Resize(1, 80, 24), b"\x05\x00\x00\x00\x01\x00\x50\x00\x18"),
    (Credit(1, 65536), b"\x06\x00\x00\x00\x01\x00\x01\x00\x00"),
    (End(1), b'\x07\x00\x00\x00\x01{"code":200,"reason":""}'),
    (End(1, 404, "no pod", 7), b'\x07\x00\x00\x00\x01{"code":404,"reason":"no pod","exit":7}'),
]


@pytest.mark.parametrize(("frame", "raw"), FRAMES, ids=lambda value: type(value).__name__)
def test_a_frame_has_these_bytes_and_is_read_from_them(frame: Frame, raw: bytes) -> None:
    assert encode(frame) == raw
    assert decode(raw) == frame


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "frame"),
        (b"\x02\x00\x00\x00", "frame"),
        (b"\x02\x00\x00\x00\x00", "stream"),
        (b"\x00\x00\x00\x00\x01", "kind"),
        (b"\x08\x00\x00\x00\x01", "kind"),
        (b"\x02\x00\x00\x00\x01x", "payload"),
        (b"\x03\x00\x00\x00\x01", "channel"),
        (b"\x03\x00\x00\x00\x01\x03", "channel"),
        (b"\x03\x00\x00\x00\x01\x01" + b"x" * (MAX_DATA + 1), "data"),
        (b"\x04\x00\x00\x00\x01", "payload"),
        (b"\x05\x00\x00\x00\x01\x00", "payload"),
        (b"\x06\x00\x00\x00\x01\x00\x00\x00\x00", "credit"),
        (b"\x06\x00\x00\x00\x01\xff\xff\xff\xff", "credit"),
        (b"\x01\x00\x00\x00\x01[]", "request"),
        (b"\x01\x00\x00\x00\x01\xff", "request"),
        (b"\x01\x00\x00\x00\x01" + b"[" * 60_000, "request"),
        (b'\x07\x00\x00\x00\x01{"code":"x"}', "end.code"),
        (b'\x07\x00\x00\x00\x01{"code":200,"exit":true}', "end.exit"),
        (b'\x07\x00\x00\x00\x01{"code":200,"reason":1}', "end.reason"),
        (b"\x03" * (MAX_FRAME_BYTES + 1), "frame"),
    ],
)
def test_what_is_no_frame_is_refused_by_field(raw: bytes, field: str) -> None:
    with pytest.raises(MalformedFrame) as caught:
        decode(raw)
    assert caught.value.field == field


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_frame_or_the_documented_error(raw: bytes) -> None:
    try:
        frame = decode(raw)
    except MalformedFrame:
        return
    assert decode(encode(frame)) == frame


def test_a_request_survives_the_way_without_its_defaults() -> None:
    request = StreamRequest(Verb.EXEC, namespace="a", pod="b", command=("ls", "-l"), stdin=True, tail=5)
    assert request.as_json() == {"verb": "exec", "namespace": "a", "pod": "b", "command": ["ls", "-l"], "stdin": True, "tail": 5}
    assert parse_request(json.loads(json.dumps(request.as_json()))) == request


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verb": "format"}, "verb"),
        ({"verb": None}, "verb"),
        ({"pod": ""}, "pod"),
        ({"pod": "x" * 254}, "pod"),
        ({"namespace": 1}, "namespace"),
        ({"command": []}, "command"),
        ({"command": "ls"}, "command"),
        ({"command": ["a\0b"]}, "command"),
        ({"stdin": 1}, "stdin"),
        ({"tail": -2}, "tail"),
        ({"tail": True}, "tail"),
        ({"since": 2**60}, "since"),
        ({"verb": "portforward"}, "port"),
        ({"verb": "portforward", "port": 65536}, "port"),
    ],
)
def test_a_request_outside_the_grammar_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    good = {"verb": "exec", "namespace": "a", "pod": "b", "command": ["ls"]}
    with pytest.raises(MalformedPayload) as caught:
        parse_request(good | change)
    assert caught.value.field == field
