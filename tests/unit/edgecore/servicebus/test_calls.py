"""HTTP calls of the cloud to applications on the node (contract 7.3)."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edgecore.beehive.switchboard import Switchboard
from edgecore.servicebus import caller
from edgecore.servicebus.calls import MAX_BODY, Answer, BadCall, Call, is_call, parse_call
from edgecore.servicebus.module import ServiceBus
from viaduct.message import Message, new_message


def _request(operation: str = "GET", resource: str = "8080:api", content: Any = None, source: str = "router_rest") -> Message:
    return new_message(source=source, group="user", operation=operation, resource=resource, now_ms=1, content=content, msg_id="r1")


@pytest.mark.parametrize(
    ("message", "call"),
    [
        (_request(), Call("GET", 8080, "/api", (), b"")),
        (_request("post", "80:/a?b=c:d", {"body": "aGk="}), Call("POST", 80, "/a?b=c:d", (), b"hi")),
        (
            _request("GET", "80:", {"header": {"X-A": ["1", "2"], "Host": ["evil"]}}),
            Call("GET", 80, "/", (("X-A", "1"), ("X-A", "2")), b""),
        ),
    ],
)
def test_a_call_is_read(message: Message, call: Call) -> None:
    assert parse_call(message) == call


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (_request("CONNECT"), "operation"),
        (_request("delete everything"), "operation"),
        (_request(resource="api"), "resource"),
        (_request(resource="0:/"), "resource"),
        (_request(resource="65536:/"), "resource"),
        (_request(resource="localhost:/"), "resource"),
        (_request(resource="80@evil:/"), "resource"),
        (_request(resource="80:/a b"), "resource"),
        (_request(resource="80:/a\r\nX: y"), "resource"),
        (_request(resource="80:/" + "a" * 5000), "resource"),
        (_request(content="text"), "content"),
        (_request(content={"header": []}), "content.header"),
        (_request(content={"header": {"X": "1"}}), "content.header"),
        (_request(content={"header": {"X": ["a\r\nY: b"]}}), "content.header"),
        (_request(content={"header": {"X Y": ["a"]}}), "content.header"),
        (_request(content={"body": 5}), "content.body"),
        (_request(content={"body": "%%%"}), "content.body"),
        (_request(content={"body": base64.b64encode(bytes(MAX_BODY + 1)).decode()}), "content.body"),
    ],
)
def test_a_bad_call_is_refused_by_the_part_at_fault(message: Message, field: str) -> None:
    with pytest.raises(BadCall) as caught:
        parse_call(message)
    assert str(caught.value).startswith(field)


def test_only_what_the_router_sends_for_applications_is_a_call() -> None:
    assert is_call(_request()) and is_call(_request(source="router_servicebus")) and not is_call(_request(source="router_eventbus"))


class _Application(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            time.sleep(1.0)
        answer = bytes(MAX_BODY + 1) if self.path == "/big" else b"got " + body + self.headers.get("X-Kind", "").encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        try:
            self.wfile.write(answer)
        except OSError:
            pass

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def application() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Application)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_an_application_is_called_and_its_answer_comes_back(application: int) -> None:
    answer = caller.call(Call("POST", application, "/x", (("X-Kind", "!"),), b"hi"))
    assert (answer.status, answer.body) == (201, b"got hi!")


@pytest.mark.parametrize(("path", "limit", "words"), [("/big", 10.0, "longer than"), ("/slow", 0.3, "did not answer within")])
def test_a_flood_or_a_silence_ends_in_an_answer_of_our_own(application: int, path: str, limit: float, words: str) -> None:
    answer = caller.call(Call("POST", application, path, (), b""), timeout=limit)
    assert answer.status == 500 and words in answer.body.decode() and answer.headers["Server"] == ["kubeedge-edgecore"]


def test_where_nobody_listens_the_answer_is_404() -> None:
    assert caller.call(Call("GET", 1, "/", (), b"")).status == 404


def _run(call: Callable[[Call], Answer], *messages: Message) -> list[Message]:
    switchboard = Switchboard()
    hub = switchboard.register("websocket", "hub")
    mailbox = switchboard.register("servicebus", "bus")
    module = ServiceBus(switchboard, call=call, now_ms=lambda: 5)
    thread = threading.Thread(target=module.run, args=(mailbox,), daemon=True)
    thread.start()
    for message in messages:
        mailbox.place(message)
    answers = [hub.take(5.0) for _ in messages]
    mailbox.close()
    thread.join(5)
    return [answer for answer in answers if answer is not None]


def test_the_answer_goes_up_with_the_request_as_its_parent() -> None:
    (answer,) = _run(lambda call: Answer(200, {"A": ["b"]}, b"ok"), _request())
    assert (answer.route.source, answer.route.group, answer.route.operation, answer.route.resource) == ("servicebus", "user", "", "")
    assert answer.header.parent_msg_id == "r1"
    assert answer.content == {"header": {"A": ["b"]}, "status_code": 200, "body": "b2s="}


def test_a_bad_call_is_answered_with_400() -> None:
    (answer,) = _run(lambda call: Answer(200, {}, b""), _request(resource="nowhere"))
    assert answer.content["status_code"] == 400
