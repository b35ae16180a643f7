"""Streams on the connection to the cloud (P7.5, P7.8, P7.9): flow, ends, limits and what breaks the rules."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.fakes.streams import FakeRunning
from tests.module.edgestream.conftest import Board
from viaduct.tunnel import MAX_STREAMS, WINDOW, Channel, Credit, Data, End, Eof, Open, Ready, Resize

SHELL = {"verb": "exec", "command": ["sh"], "stdin": True, "stdout": True}


@pytest.fixture
def linked(board: Board) -> Board:
    board.linked()
    return board


def test_a_command_gets_its_input_and_sizes_and_gives_output_and_exit_code(linked: Board) -> None:
    shell = FakeRunning(code=7)
    number = linked.opened(shell, **SHELL, tty=True)
    linked.hub.tell(Resize(number, 90, 30))
    linked.hub.tell(Data(number, Channel.STDIN, b"exit 7\n"))
    linked.hub.tell(Eof(number, Channel.STDIN))
    assert shell.input_ended.wait(20)
    assert (shell.took, shell.sizes) == (b"exit 7\n", [(90, 30)])
    shell.says.put((1, b"bye"))
    shell.says.put((2, b"!"))
    shell.says.put(None)
    assert linked.hub.end(number) == End(number, 200, "", 7)
    assert linked.hub.of(Data, number) == [Data(number, Channel.STDOUT, b"bye"), Data(number, Channel.STDERR, b"!")]
    assert linked.pods.asked == [("exec", ["sh"], {"stdin": True, "tty": True})]


def test_logs_are_asked_for_as_the_cloud_asks(linked: Board) -> None:
    log = FakeRunning()
    number = linked.opened(log, verb="logs", follow=True, tail=5, since=9, timestamps=True, limit=4)
    log.says.put((1, b"line one"))
    assert linked.hub.end(number).code == 200
    assert linked.hub.output(number) == b"line"
    assert linked.pods.asked == [("logs", {"follow": True, "tail": 5, "since": 9, "timestamps": True})]
    assert log.closed.is_set()


def test_attach_ends_with_the_container_and_tells_no_exit_code(linked: Board) -> None:
    process = FakeRunning()
    number = linked.opened(process, verb="attach", stdin=True)
    process.says.put((1, b"hello"))
    process.says.put(None)
    assert linked.hub.end(number) == End(number, 200, "")
    assert linked.hub.output(number) == b"hello"


def test_what_is_used_is_told_as_a_kubelet_tells_it(linked: Board) -> None:
    number = linked.open(verb="stats", namespace="", pod="")
    assert linked.hub.end(number).code == 200
    said = json.loads(linked.hub.output(number))
    assert said["node"]["nodeName"] == "edge1"
    assert said["node"]["memory"]["workingSetBytes"] > 0
    assert [(pod["podRef"]["name"], pod["containers"][0]["name"]) for pod in said["pods"]] == [("web", "main")]


def test_output_waits_until_the_cloud_has_granted_more(linked: Board) -> None:
    flood = FakeRunning(forever=b"x" * 10_000)
    number = linked.opened(flood, verb="logs", follow=True)
    linked.hub.wait(lambda: len(linked.hub.output(number)) == WINDOW)
    calm = FakeRunning()
    other = linked.opened(calm, verb="logs")
    calm.says.put((1, b"in between"))
    calm.says.put(None)
    assert linked.hub.end(other).code == 200
    assert len(linked.hub.output(number)) == WINDOW
    linked.hub.tell(Credit(number, 5))
    linked.hub.wait(lambda: len(linked.hub.output(number)) == WINDOW + 5)
    linked.hub.tell(End(number))
    assert flood.closed.wait(20)


def test_the_cloud_may_send_more_as_input_is_taken(linked: Board) -> None:
    slow = FakeRunning()
    slow.may_read.clear()
    number = linked.opened(slow, **SHELL)
    for _ in range(WINDOW // 32_768):
        linked.hub.tell(Data(number, Channel.STDIN, b"x" * 32_768))
    assert not linked.hub.of(Credit, number)
    slow.may_read.set()
    linked.hub.wait(lambda: sum(credit.count for credit in linked.hub.of(Credit, number)) == WINDOW)
    assert len(slow.took) == WINDOW


def test_input_beyond_what_was_granted_ends_its_stream_alone(linked: Board) -> None:
    stuck, other = FakeRunning(), FakeRunning()
    stuck.may_read.clear()
    number, beside = linked.opened(stuck, **SHELL), linked.opened(other, **SHELL)
    for _ in range(WINDOW // 32_768 + 1):
        linked.hub.tell(Data(number, Channel.STDIN, b"x" * 32_768))
    end = linked.hub.end(number)
    assert (end.code, "sent ahead" in end.reason) == (400, True)
    assert stuck.closed.wait(20)
    other.says.put(None)
    assert linked.hub.end(beside).code == 200


def test_many_sizes_wait_as_one(linked: Board) -> None:
    stuck = FakeRunning()
    stuck.may_read.clear()
    number = linked.opened(stuck, **SHELL, tty=True)
    linked.hub.tell(Data(number, Channel.STDIN, b"x"))
    for width in range(1, 500):
        linked.hub.tell(Resize(number, width, 5))
    linked.hub.tell(Eof(number, Channel.STDIN))
    assert linked.hub.end(linked.open(verb="dance")).code == 400  # what came before it has been read
    stuck.may_read.set()
    assert stuck.input_ended.wait(20)
    assert stuck.sizes == [(499, 5)]


def test_when_the_cloud_ends_a_stream_the_command_hears_it_and_nothing_more_is_said(linked: Board) -> None:
    shell = FakeRunning()
    number = linked.opened(shell, **SHELL, tty=True)
    linked.hub.tell(End(number))
    assert shell.closed.wait(20)
    linked.hub.wait(lambda: shell.hung_up)
    log = FakeRunning()
    log.says.put(None)
    assert linked.hub.end(linked.opened(log, verb="logs")).code == 200
    assert not linked.hub.of(End, number)


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({"verb": "dance"}, 400, "verb: expected one of"),
        ({"verb": "exec"}, 400, "command: is needed"),
        ({"verb": "portforward"}, 400, "port: a number from 1 to 65535"),
        ({"verb": "logs", "tail": "x"}, 400, "tail: expected a number"),
        ({"verb": "logs", "pod": "nosuch"}, 404, "pod nosuch has no containers on this node"),
        ({"verb": "logs", "container": "side"}, 404, "it has main"),
        ({"verb": "logs", "previous": True}, 404, "previous terminated container main in pod web not found"),
        ({"verb": "attach"}, 404, "nothing runs here"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_by_name(linked: Board, request_: dict[str, Any], code: int, says: str) -> None:
    number = linked.open(**request_)
    end = linked.hub.end(number)
    assert end.code == code
    assert says in end.reason
    assert not linked.hub.of(Ready, number)


def test_no_more_streams_are_open_at_once_than_agreed_and_their_threads_end(linked: Board) -> None:
    before = threading.active_count()
    logs = [FakeRunning() for _ in range(MAX_STREAMS)]
    for log in logs:
        linked.opened(log, verb="logs", follow=True)
    assert threading.active_count() <= before + MAX_STREAMS + 1
    assert linked.hub.end(linked.open(FakeRunning(), verb="logs")).code == 429
    logs[0].says.put(None)
    assert linked.hub.end(1).code == 200
    last = linked.opened(FakeRunning(), verb="logs", follow=True)
    linked.hub.reset()
    linked.hub.wait(lambda: all(log.closed.is_set() for log in logs))
    linked.hub.wait(lambda: threading.active_count() <= before)
    assert last == MAX_STREAMS + 2


def test_a_number_is_not_used_twice(linked: Board) -> None:
    log = FakeRunning()
    number = linked.opened(log, verb="logs", follow=True)
    linked.hub.tell(Open(number, {"verb": "logs", "namespace": "default", "pod": "web"}))
    assert linked.hub.end(number) == End(number, 400, f"stream: {number} was used before")
    assert log.closed.wait(20)


def test_a_frame_that_is_none_ends_its_stream_and_the_others_go_on(linked: Board) -> None:
    spoilt, good = FakeRunning(), FakeRunning()
    number, other = linked.opened(spoilt, verb="logs", follow=True), linked.opened(good, verb="logs", follow=True)
    linked.hub.say_bytes(b"\x05" + number.to_bytes(4, "big") + b"short")
    end = linked.hub.end(number)
    assert (end.code, end.reason) == (400, "payload: expected 4 bytes, got 5")
    linked.hub.say_bytes(b"\x63\x00\x00\x00\x63")
    linked.hub.tell(Data(77, Channel.STDIN, b"of a stream that never was"))
    good.says.put(None)
    assert linked.hub.end(other).code == 200


def test_a_message_that_is_no_frame_of_any_stream_ends_the_connection(linked: Board) -> None:
    log = FakeRunning()
    linked.opened(log, verb="logs", follow=True)
    linked.hub.say_bytes(b"\x01\x00\x00\x00\x00")
    linked.hub.wait(lambda: linked.hub.close_codes == [1008])
    assert log.closed.wait(20)


def test_a_frame_beyond_the_cap_ends_the_connection_before_it_is_read(linked: Board) -> None:
    linked.hub.say_bytes(b"\x03" + bytes(5_000_000))
    linked.hub.wait(lambda: linked.hub.close_codes)
    linked.linked()
