"""SPDY/3.1, as far as Kubernetes speaks it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudcore.cloudstream import spdy
from cloudcore.cloudstream.spdy import Bytes, Codec, GoAway, Opened, Ping, Reset, SpdyError
from cloudcore.cloudstream.spdydictionary import DICTIONARY

KUBECTL = bytes.fromhex(
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff80"
    "0300010000001900000003000000000000c22ac5565c92925f5a02000000ffff800300010000001500000005000000000000"
    "c229975a5404000000ffff"
)
"""What kubectl 1.20 sent first for `kubectl exec web -- true`: the beginnings of its streams for errors, output and error output."""


def test_the_dictionary_is_the_one_of_the_protocol() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_what_kubectl_sends_is_read() -> None:
    opened = [frame for frame in Codec().feed(KUBECTL) if isinstance(frame, Opened)]
    assert [(frame.stream, frame.headers["streamtype"]) for frame in opened] == [(1, "error"), (3, "stdout"), (5, "stderr")]


def test_frames_come_out_as_they_went_in_however_they_are_cut() -> None:
    sender, receiver = Codec(), Codec()
    raw = sender.open(1, {"streamtype": "data", "port": "80"}) + sender.accept(1) + spdy.data(1, b"hello") + spdy.data(1, b"", fin=True)
    raw += spdy.ping(5) + spdy.reset(3) + spdy.go_away(1)
    frames = [frame for number in range(len(raw)) for frame in receiver.feed(raw[number : number + 1])]
    headers = {"streamtype": "data", "port": "80"}
    assert frames == [Opened(1, headers), Bytes(1, b"hello"), Bytes(1, b"", fin=True), Ping(5), Reset(3, 5), GoAway(1)]


def test_what_means_nothing_to_us_is_passed_over() -> None:
    settings = bytes.fromhex("80030004 0000000c 00000001 00000004 00001000")
    window = bytes.fromhex("80030009 00000008 00000001 00010000")
    assert list(Codec().feed(settings + window + spdy.ping(1))) == [Ping(1)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (bytes.fromhex("80020006 00000004 00000001"), "version 2"),
        (bytes.fromhex("80030005 00000000"), "no kind of frame"),
        (bytes.fromhex("00000001 00ffffff"), "the limit"),
        (bytes.fromhex("80030006 00000002 0001"), "too short"),
        (bytes.fromhex("80030001 0000000e 00000001 00000000 0000 ffffffff"), "unpacked"),
        (b"GET / HTTP/1.1\r\n" * 2, "the limit"),
    ],
)
def test_what_is_no_spdy_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(SpdyError, match=reason):
        list(Codec().feed(raw))


def test_headers_that_unpack_to_too_much_are_refused() -> None:
    raw = Codec().open(1, {"a": "x" * (spdy.MAX_HEADERS + 1)})
    with pytest.raises(SpdyError, match="bytes of headers"):
        list(Codec().feed(raw))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_frames_or_refused(raw: bytes, control: bool) -> None:
    try:
        list(Codec().feed((b"\x80\x03\x00\x01" if control else b"") + raw))
    except SpdyError:
        pass
