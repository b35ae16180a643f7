"""The board's numbers over HTTP: true, in Prometheus' form, and no door for anything else."""

from __future__ import annotations

import http.client
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgecore import app
from edgecore.beehive.letters import OutboxChanged
from edgecore.config import Metrics
from edgecore.metrics.exposition import render
from edgecore.store import outbox
from supervision import metricsserver as server
from supervision.exposition import CONTENT_TYPE
from supervision.metricsserver import MetricsServer
from tests.fakes.fakehub import FakeHub, wait_until
from tests.module.edgehub.conftest import Board
from viaduct.message import Message, error_to, new_message

Numbers = dict[tuple[str, str], float]


@pytest.fixture
def port(board: Board, hub: FakeHub) -> Iterator[int]:
    wait_until(lambda: hub.connections)  # a board that is told to end while it dials ends no sooner than the dial
    made = MetricsServer("127.0.0.1", 0, lambda: render(app._readings(board.switchboard, board.keeper, board.database, board.counts)))
    made.start()
    yield made.port
    made.stop()


def _get(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    finally:
        connection.close()


def _numbers(port: int) -> Numbers:
    status, text, kind = _get(port)
    assert (status, kind) == (200, CONTENT_TYPE)
    found: Numbers = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name.removeprefix("bramble_edgecore_"), next(iter(sample.labels.values()), "")] = sample.value
    return found


def _owe(board: Board, number: int) -> None:
    message = new_message(source="s", group="user", operation="upload", resource="SYS/dis/x", now_ms=1, content=str(number))
    board.database.write_and_wait(lambda tx: outbox.owe(tx, message, lane=f"upload/{number}"))
    board.switchboard.send("websocket", OutboxChanged())


def test_the_numbers_follow_what_happens(board: Board, hub: FakeHub, port: int) -> None:
    wait_until(lambda: _numbers(port)["connected", ""] == 1)
    _owe(board, 1)
    wait_until(lambda: _numbers(port)["acknowledged_total", ""] == 1)
    wait_until(lambda: _numbers(port)["outbox_rows", "upload"] == 0)
    hub.stop()
    wait_until(lambda: _numbers(port)["connected", ""] == 0)
    for number in range(3):
        _owe(board, number)
    away = _numbers(port)
    assert away["outbox_rows", "upload"] == 3
    assert away["outbox_bytes", "upload"] > 300
    assert away["links_total", ""] == 1
    assert away["commit_seconds_count", ""] >= 4
    assert away["store_writable", ""] == 1
    assert away["mailbox_letters", "websocket"] >= 0
    wait_until(lambda: _numbers(port)["offline_seconds_total", ""] > away["offline_seconds_total", ""])


def test_what_the_cloud_refused_and_what_a_cap_took_is_counted_by_reason(board: Board, hub: FakeHub, port: int) -> None:
    def refuse(message: Message) -> list[Message]:
        if message.route.operation != "upload":
            return []
        return [error_to(message, {"code": 501, "reason": "nobody listens", "retry": False}, source="cloudhub", now_ms=1)]

    hub.answer = refuse
    wait_until(lambda: hub.received)
    for number in range(5):
        _owe(board, number)
    wait_until(lambda: _numbers(port).get(("dropped_total", "refused")) == 5)
    board.database.write_and_wait(lambda tx: outbox.count_dropped(tx, "size", 7))
    assert _numbers(port)["dropped_total", "size"] == 7
    assert _numbers(port)["acknowledged_total", ""] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405), ("DELETE", "/metrics", 405)]
)
def test_there_is_nothing_else(port: int, method: str, path: str, status: int) -> None:
    assert _get(port, path, method)[0] == status


def test_a_query_is_ignored_and_a_head_has_no_body(port: int) -> None:
    assert _get(port, "/metrics?x=1")[0] == 200
    assert _get(port, method="HEAD")[1] == ""


@pytest.mark.parametrize("request_", [b"\r\n\r\n", b"\x00\xff" * 5000, b"GET /metrics\r\n\r\n", b"G" * 100_000, b""])
def test_garbage_is_answered_and_ends_nothing(port: int, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        try:
            client.sendall(request_)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100).startswith(b"HTTP/1.1 400")
        except OSError:
            pass  # it was cut off while it was still sending
    assert _get(port)[0] == 200


def test_who_sends_slowly_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"GET /met")
        assert client.recv(100).startswith(b"HTTP/1.1 408")
    assert _get(port)[0] == 200


def test_a_gatherer_that_fails_is_an_answer_too(tmp_path: Path) -> None:
    def fail() -> str:
        raise RuntimeError("a bug")

    made = MetricsServer("127.0.0.1", 0, fail)
    made.start()
    try:
        assert [_get(made.port)[0] for _ in range(2)] == [500, 500]
    finally:
        made.stop()


def test_a_taken_port_is_named_and_edgecore_goes_on_without(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.ERROR):
        port = taken.getsockname()[1]
        assert app._metrics(Metrics(port=port), str) is None
    assert f"metrics.port: cannot listen on 127.0.0.1 port {port}: Address already in use" in caplog.text


def test_off_is_off() -> None:
    assert app._metrics(Metrics(enable=False), str) is None


def test_offline_time_counts_while_it_lasts(board: Board) -> None:
    now = time.monotonic()
    before = board.counts.offline_at(now)
    board.counts.unlinked(now)
    assert board.counts.offline_at(now + 5) == pytest.approx(before + 5)
