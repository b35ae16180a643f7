"""HTTP calls of the cloud to applications on the node (contract 7.3)."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.switchboard import Switchboard
from edgecore.servicebus import caller
from edgecore.servicebus.calls import BadCall, Call, is_call, parse_call, reply
from edgecore.servicebus.module import ServiceBus
from edgecore.store import targets
from edgecore.store.database import Database
from viaduct.codec import MAX_FRAME_BYTES, encode
from viaduct.httpcall import MAX_BODY, Answer
from viaduct.message import Message, new_message, reply_to


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


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "edge.db")
    yield made
    made.close()


class Running:
    """A ServiceBus at work, and the mailbox of EdgeHub."""

    def __init__(self, database: Database, call: Callable[[Call], Answer] = lambda call: Answer(200, {}, b"")) -> None:
        self.switchboard = Switchboard()
        self.hub = self.switchboard.register("websocket", "hub")
        self.mailbox = self.switchboard.register("servicebus", "bus")
        self.module = ServiceBus(self.switchboard, database, call=call, now_ms=lambda: 5)
        self._thread = threading.Thread(target=self.module.run, args=(self.mailbox,), daemon=True)
        self._thread.start()

    def say(self, *messages: Message) -> list[Message]:
        """What goes up for them."""
        for message in messages:
            self.mailbox.place(message)
        answers = [self.hub.take(5.0) for _ in messages]
        return [answer for answer in answers if answer is not None]

    def end(self) -> None:
        self.mailbox.close()
        self._thread.join(5)


def test_the_answer_goes_up_with_the_request_as_its_parent(database: Database) -> None:
    running = Running(database, lambda call: Answer(200, {"A": ["b"]}, b"ok"))
    (answer,) = running.say(_request())
    assert (answer.route.source, answer.route.group, answer.route.operation, answer.route.resource) == ("servicebus", "user", "", "")
    assert answer.header.parent_msg_id == "r1"
    assert answer.content == {"header": {"A": ["b"]}, "status_code": 200, "body": "b2s="}
    running.end()


def test_a_bad_call_is_answered_with_400(database: Database) -> None:
    running = Running(database)
    (answer,) = running.say(_request(resource="nowhere"))
    assert answer.content["status_code"] == 400
    running.end()


def test_the_longest_answer_fits_a_frame_and_what_does_not_never_costs_the_link() -> None:
    whole = reply(_request(), Answer(200, {}, bytes(MAX_BODY)), now_ms=1)
    assert whole.content["status_code"] == 200 and len(encode(whole)) <= MAX_FRAME_BYTES
    refused = reply(_request(), Answer(200, {"X": ["x" * 200_000]}, bytes(MAX_BODY)), now_ms=1)
    assert refused.content["status_code"] == 500 and len(encode(refused)) <= MAX_FRAME_BYTES


def test_applications_ask_what_the_cloud_has_registered_also_after_a_restart_and_until_it_is_taken_back(database: Database) -> None:
    url, body = "http://127.0.0.1:8080/orders", b'{"method": "GET", "targetURL": "http://127.0.0.1:8080/orders", "payload": null}'
    running = Running(database)
    assert running.module.ask_cloud(body).code == 400
    running.mailbox.place(_request("start", url, source="router_servicebus"))
    running.mailbox.place(_request("start", "http://other/", source="router_rest"))
    _until(lambda: database.read(targets.load_all) == [url])
    running.end()

    again = Running(database)
    told: list[int] = []
    asking = threading.Thread(target=lambda: told.append(again.module.ask_cloud(body).code))
    _until(lambda: again.module.knows(url))
    asking.start()
    asked = again.hub.take(5.0)
    assert isinstance(asked, Message) and again.switchboard.answer(reply_to(asked, "fine", now_ms=6))
    asking.join(5)
    assert told == [200]
    again.mailbox.place(_request("stop", url, source="router_servicebus"))
    _until(lambda: database.read(targets.load_all) == [])
    assert again.module.ask_cloud(body).code == 400
    again.end()


def _until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.005)
