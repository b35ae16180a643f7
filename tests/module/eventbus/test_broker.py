"""The door to a broker, against one that is played here byte by byte (contract 7; promises C3, D3, X4)."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest

from edgecore.errors import BrokerError
from edgecore.eventbus import broker
from edgecore.eventbus.broker import BrokerAddress, BrokerClient

CONNACK = b"\x20\x02\x00\x00"
ARRIVING = b"\x32\x06\x00\x01t\x00\x07x"
"""PUBLISH at QoS 1 on ``t``, packet 7."""


class Scripted:
    """A broker that says and reads only what a test tells it; everything but the welcome happens in the test's own thread."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = BrokerAddress("127.0.0.1", self._server.getsockname()[1])
        self.peer = socket.socket()

    def welcome(self, client: BrokerClient) -> None:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        client.connect()
        thread.join(5)

    def say(self, data: bytes) -> None:
        self.peer.sendall(data)

    def heard(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self.peer.recv(size - len(data))):
            data += more
        return data

    def hears_nothing(self, within: float = 0.0) -> bool:
        return not select.select([self.peer], [], [], within)[0]

    def close(self) -> None:
        self.peer.close()
        self._server.close()

    def _accept(self) -> None:
        self.peer.close()
        self.peer = self._server.accept()[0]
        self.peer.settimeout(5)
        assert self.peer.recv(1000)[0] == 0x10
        self.peer.sendall(CONNACK)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


def _published(number: int, packet_id: int, *, again: bool = False) -> bytes:
    return bytes((0x3A if again else 0x32, 6, 0, 1)) + b"t" + packet_id.to_bytes(2, "big") + str(number).encode()


def _messages(*numbers: int) -> list[tuple[str, bytes, bool]]:
    return [("t", str(number).encode(), False) for number in numbers]


def test_one_turn_reads_all_that_has_come_and_answers_it_in_one_write(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seam of paho that makes it fast enough: where it has moved, this fails."""
    calls: list[str] = []
    for name in ("_sock_recv", "_sock_send"):

        def counted(client: paho.Client, argument: object, name: str = name, real: object = getattr(paho.Client, name)) -> object:
            calls.append(name)
            return real(client, argument)  # type: ignore[operator]

        monkeypatch.setattr(paho.Client, name, counted)
    got: list[bytes] = []
    client = BrokerClient(scripted.address, "c", receive=lambda topic, payload, retained: got.append(payload))
    scripted.welcome(client)
    calls.clear()
    scripted.say(ARRIVING * 50)
    while len(got) < 50:
        client.turn()
    assert scripted.heard(200) == b"\x40\x02\x00\x07" * 50
    assert calls == ["_sock_recv", "_sock_send"]
    calls.clear()
    assert client.publish(_messages(*range(5)), qos=1) == 5
    assert scripted.heard(40) == b"".join(_published(number, number + 1) for number in range(5))
    assert calls == ["_sock_send"]
    client.close()


def test_a_message_is_acknowledged_after_it_was_taken_and_not_before(scripted: Scripted) -> None:
    silent: list[bool] = []
    client = BrokerClient(scripted.address, "c", receive=lambda topic, payload, retained: silent.append(scripted.hears_nothing()))
    scripted.welcome(client)
    scripted.say(ARRIVING)
    while not silent:
        client.turn()
    assert silent == [True]
    assert scripted.heard(4) == b"\x40\x02\x00\x07"
    client.close()


def test_while_a_message_waits_for_room_the_connection_is_kept_alive(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "KEEPALIVE", 1)
    heard: list[bytes] = []

    def wait_for_room(topic: str, payload: bytes, retained: bool) -> None:
        while scripted.hears_nothing(within=0.05):
            client.keep_alive()
        heard.append(scripted.heard(2))

    client = BrokerClient(scripted.address, "c", receive=wait_for_room)
    scripted.welcome(client)
    scripted.say(ARRIVING)
    while not heard:
        client.turn()
    assert heard == [b"\xc0\x00"]
    assert scripted.heard(4) == b"\x40\x02\x00\x07"
    client.close()


def test_what_the_broker_had_not_taken_is_said_again_before_what_comes_later(scripted: Scripted) -> None:
    client = BrokerClient(scripted.address, "c")
    scripted.welcome(client)
    assert client.publish(_messages(1, 2), qos=1) == 2
    assert scripted.heard(16) == _published(1, 1) + _published(2, 2)
    scripted.say(b"\x40\x02\x00\x01")
    client.turn()
    scripted.peer.close()
    with pytest.raises(BrokerError, match=f"{scripted.address} ended"):
        while True:
            client.turn()
    client.close()
    assert client.publish(_messages(3), qos=1) == 0
    scripted.welcome(client)
    assert client.publish(_messages(4), qos=1) == 1
    assert scripted.heard(16)[:8] == _published(2, 2, again=True)
    client.close()


def test_with_too_much_in_flight_nothing_more_is_taken_until_the_broker_took_some(scripted: Scripted) -> None:
    client = BrokerClient(scripted.address, "c", in_flight=3)
    scripted.welcome(client)
    assert client.publish(_messages(1, 2, 3, 4, 5), qos=1) == 3
    assert client.publish(_messages(4, 5), qos=1) == 0
    assert scripted.heard(24) == b"".join(_published(number, number) for number in (1, 2, 3))
    scripted.say(b"\x40\x02\x00\x01\x40\x02\x00\x02")
    turning = threading.Thread(target=client.turn, daemon=True)
    turning.start()
    assert client.publish(_messages(4, 5), qos=1, patience=30) == 2
    turning.join(5)
    client.close()


def test_a_message_of_more_than_we_keep_ends_the_connection_with_its_size(scripted: Scripted) -> None:
    client = BrokerClient(scripted.address, "c")
    scripted.welcome(client)
    scripted.say(b"\x30\xff\xff\xff\x7f\x00\x01t")
    with pytest.raises(BrokerError, match="a message of 268435455 bytes"):
        while True:
            client.turn()
    client.close()


@pytest.mark.parametrize("nonsense", [b"\x00\x00", b"\xf0\x01x", b"\x40\x00", b"\x32\x03\x00\x09t", b"\x30\xff\xff\xff\xff\xff"])
def test_what_is_not_mqtt_ends_the_connection_as_an_error_of_ours(scripted: Scripted, nonsense: bytes) -> None:
    client = BrokerClient(scripted.address, "c")
    scripted.welcome(client)
    scripted.say(nonsense)
    scripted.peer.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokerError, match=str(scripted.address)):
        while True:
            client.turn()
    client.close()


def test_a_broker_that_fell_silent_is_given_up(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "KEEPALIVE", 1)
    client = BrokerClient(scripted.address, "c")
    scripted.welcome(client)
    with pytest.raises(BrokerError):
        while True:
            client.turn(0.2)
    assert scripted.heard(2) == b"\xc0\x00"
    client.close()


def test_a_wake_ends_a_turn_and_what_was_asked_meanwhile_is_sent(scripted: Scripted) -> None:
    client = BrokerClient(scripted.address, "c")
    scripted.welcome(client)
    client.subscribe(("a/#",), 1)
    client.turn(1000)
    assert scripted.heard(10) == b"\x82\x08\x00\x01\x00\x03a/#\x01"
    client.close()
    assert scripted.heard(2) == b"\xe0\x00"
