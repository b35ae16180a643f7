"""The proxy does to a connection what its methods say."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from demo.stage import free_port, wait_for
from tests.faults.background import Background
from tests.faults.proxy import Proxy


class Echo:
    """Says everything back, and remembers each connection: what came, and how it ended."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.heard: list[bytes] = []
        self.ends: list[str] = []
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(4096):
                    self.heard.append(data)
                    connection.sendall(data)
                self.ends.append("fin")
                time.sleep(0.2)
            except OSError:
                self.ends.append("reset")


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    background = Background()
    made = Proxy(background, echo.port, free_port())
    yield made
    made.close()
    background.stop()


def _dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 5)


def _said_back(connection: socket.socket, data: bytes) -> float:
    began = time.monotonic()
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        got += connection.recv(65536)
    assert got == data
    return time.monotonic() - began


def test_a_round_trip_takes_at_least_as_long_as_the_weather_says(proxy: Proxy) -> None:
    with _dial(proxy) as connection:
        _said_back(connection, b"quick")
        proxy.weather(round_trip=0.4)
        assert _said_back(connection, b"slow") >= 0.4


def test_bytes_take_their_time_at_a_limited_rate(proxy: Proxy) -> None:
    with _dial(proxy) as connection:
        proxy.weather(rate=20_000)
        assert _said_back(connection, bytes(10_000)) >= 0.45


def test_a_stalled_line_moves_nothing_and_then_everything_in_order(proxy: Proxy, echo: Echo) -> None:
    with _dial(proxy) as connection:
        _said_back(connection, b"a")
        proxy.stall()
        connection.sendall(b"b")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.move()
        connection.settimeout(5)
        assert connection.recv(1) == b"b"


def test_a_reset_reaches_both_ends(proxy: Proxy, echo: Echo) -> None:
    with _dial(proxy) as connection:
        _said_back(connection, b"a")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    wait_for("the hub's end", lambda: echo.ends == ["reset"], within=5)


def test_a_refusal_lasts_until_the_proxy_listens_again(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _dial(proxy)
    proxy.listen()
    with _dial(proxy) as connection:
        _said_back(connection, b"a")


def test_half_closed_towards_the_hub_the_board_still_hears(proxy: Proxy, echo: Echo) -> None:
    with _dial(proxy) as connection:
        _said_back(connection, b"a")
        proxy.half_close()
        wait_for("the hub's end", lambda: echo.ends == ["fin"], within=5)
        connection.settimeout(5)
        assert connection.recv(1) == b""


def test_what_a_lingering_connection_had_on_its_way_arrives_after_a_newer_one_spoke(proxy: Proxy, echo: Echo) -> None:
    with _dial(proxy) as old:
        _said_back(old, b"first")
        lingering = threading.Thread(target=proxy.linger, args=(1.0,))
        lingering.start()
        time.sleep(0.2)
        old.sendall(b"late")
        lingering.join()
        with pytest.raises(ConnectionResetError):
            old.recv(1)
        with _dial(proxy) as newer:
            _said_back(newer, b"newer")
        wait_for("the old line's last word", lambda: echo.heard == [b"first", b"newer", b"late"], within=5)
