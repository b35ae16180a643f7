"""The door for applications that ask the cloud: whoever comes in, and whatever they say."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from edgecore.servicebus.listener import APPLICATIONS, Listener
from edgecore.servicebus.questions import Told
from viaduct.httpcall import MAX_BODY


@pytest.fixture
def go() -> threading.Event:
    """Until it is set a body ``wait`` is not answered."""
    return threading.Event()


@pytest.fixture
def port(go: threading.Event) -> Iterator[int]:
    def answer(body: bytes) -> Told:
        if body == b"wait":
            go.wait(5)
        if body == b"bug":
            raise RuntimeError("bug")
        return Told(200, "ok", body.decode())

    listener = Listener("127.0.0.1", 0, answer, read_seconds=0.3)
    listener.start()
    yield listener.port
    go.set()
    listener.stop()


def _say(port: int, *pieces: bytes) -> dict[str, Any]:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        for piece in pieces:
            connection.sendall(piece)
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = said.rpartition(b"\r\n\r\n")
    assert b"HTTP/1.1 200 OK" in head
    return dict(json.loads(body))


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/any/path"), ("PUT", "/x?y")])
def test_any_method_and_path_is_answered_with_what_the_body_asks(port: int, method: str, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body=b"hi")
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())) == (200, {"code": 200, "msg": "ok", "body": "hi"})


def test_who_waits_to_be_told_to_go_on_is_told(port: int) -> None:
    said = _say(port, b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"hi")
    assert said["body"] == "hi"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (f"POST / HTTP/1.1\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n".encode(), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhi", 408),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * 17_000, 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nbug", 500),
    ],
    ids=lambda part: str(part)[:50],
)
def test_garbage_oversize_half_and_silence_are_told_and_harm_nobody(port: int, request_: bytes, code: int) -> None:
    assert _say(port, request_)["code"] == code
    assert _say(port, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")["code"] == 200


def test_more_than_a_few_at_once_are_told_to_come_again(port: int, go: threading.Event) -> None:
    waiting = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(APPLICATIONS)]
    for connection in waiting:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nwait")
    assert _say(port, b"")["code"] == 503
    go.set()
    for connection in waiting:
        assert b'"code": 200' in b"".join(iter(lambda connection=connection: connection.recv(65536), b""))
        connection.close()
