"""The DNS server on loopback, with another one that it asks."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.edgemesh.proxy import dnswire
from edgecore.edgemesh.proxy.loop import Loop
from edgecore.edgemesh.proxy.names import NameServer
from edgecore.edgemesh.proxy.table import Table
from tests.module.edgemesh.conftest import free_place, until

HOST = "web.default.svc.cluster.local"


def question(name: str, number: int = 7) -> bytes:
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + dnswire.encoded_name(name) + struct.pack("!HH", dnswire.A, dnswire.IN)


class Elsewhere:
    """Answers every question with 192.0.2.1, over UDP and TCP; ``asked`` counts."""

    def __init__(self, address: str, port: int) -> None:
        self.asked = 0
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind((address, port))
        self.door = socket.create_server((address, port))
        for work in (self._over_udp, self._over_tcp):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        self.datagrams.close()
        self.door.close()

    def _answer(self, message: bytes) -> bytes:
        self.asked += 1
        return dnswire.answer(dnswire.read(message), [(dnswire.A, bytes((192, 0, 2, 1)))], ttl=60)

    def _over_udp(self) -> None:
        while True:
            try:
                message, asker = self.datagrams.recvfrom(65535)
                self.datagrams.sendto(self._answer(message), asker)
            except OSError:
                return

    def _over_tcp(self) -> None:
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            with client:
                length = int.from_bytes(client.recv(2), "big")
                answer = self._answer(client.recv(length))
                client.sendall(len(answer).to_bytes(2, "big") + answer)


class Names:
    def __init__(self, folder: Path) -> None:
        self.place = free_place()
        self.resolv_conf = folder / "resolv.conf"
        self.resolv_conf.write_text("nameserver 127.0.0.2\n")
        self.table = Table()
        self.table.domain, self.table.names = "cluster.local", {HOST: ("10.96.1.0",)}
        self._loop = Loop()
        self._server = NameServer(
            self._loop, "127.0.0.1", lambda: self.table, lambda link: link.start(), resolv_conf=str(self.resolv_conf), port=self.place[1]
        )
        self._wake, self._woken = socket.socketpair()
        self._loop.watch(self._woken.fileno(), 1, lambda events: self._loop.stop())
        self._thread = threading.Thread(target=self._loop.run, daemon=True)
        self._thread.start()

    def ask(self, name: str, seconds: float = 10.0) -> tuple[int, bytes]:
        """(code, the last four bytes: the address)."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(seconds)
            client.sendto(question(name), self.place)
            answer = client.recv(65535)
        return answer[3] & 15, answer[-4:]

    def ask_by_stream(self, *names: str) -> list[bytes]:
        with socket.create_connection(self.place, 5) as client:
            found = []
            for name in names:
                client.sendall(len(question(name)).to_bytes(2, "big") + question(name))
                stream = client.recv(65535)
                found.append(stream[-4:])
            return found

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join(5)
        self._server.close()


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Names]:
    made = Names(tmp_path)
    yield made
    made.close()


@pytest.fixture
def elsewhere(names: Names) -> Iterator[Elsewhere]:
    made = Elsewhere("127.0.0.2", names.place[1])
    yield made
    made.close()


def test_names_of_services_are_answered_here_and_never_asked_for_elsewhere(names: Names, elsewhere: Elsewhere) -> None:
    assert names.ask(HOST) == (0, bytes((10, 96, 1, 0)))
    assert names.ask(f"nobody.{HOST}")[0] == dnswire.NO_SUCH_NAME
    assert elsewhere.asked == 0


def test_other_names_are_asked_for_where_the_board_asks(names: Names, elsewhere: Elsewhere) -> None:
    assert names.ask("example.com") == (0, bytes((192, 0, 2, 1)))
    assert names.ask_by_stream("example.com") == [bytes((192, 0, 2, 1))]
    assert elsewhere.asked == 2


def test_over_tcp_one_question_follows_the_other(names: Names) -> None:
    assert names.ask_by_stream(HOST, HOST) == [bytes((10, 96, 1, 0))] * 2


def test_a_server_that_is_silent_is_passed_over(names: Names) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.3", names.place[1]))
    other = Elsewhere("127.0.0.4", names.place[1])
    try:
        names.resolv_conf.write_text("nameserver 127.0.0.3\nnameserver 127.0.0.4\n")
        assert names.ask("example.com") == (0, bytes((192, 0, 2, 1)))
    finally:
        silent.close()
        other.close()


def test_without_anybody_to_ask_the_answer_is_a_failure_at_once_and_services_go_on(names: Names) -> None:
    names.resolv_conf.write_text("")
    assert names.ask("example.com", seconds=1.0)[0] == dnswire.SERVER_FAILURE
    names.resolv_conf.unlink()
    assert names.ask("example.com", seconds=1.0)[0] == dnswire.SERVER_FAILURE
    assert names.ask(HOST)[0] == 0


def test_the_boards_servers_are_read_again_when_they_change(names: Names, elsewhere: Elsewhere) -> None:
    names.resolv_conf.write_text("")
    assert names.ask("example.com")[0] == dnswire.SERVER_FAILURE
    names.resolv_conf.write_text("nameserver 127.0.0.2\n# moved\n")
    until(lambda: names.ask("example.com")[0] == 0)


@pytest.mark.parametrize("junk", [b"", b"x", b"\0" * 12, b"\xff" * 600, question("a")[:-2], b"\0\7\x80\0\0\1\0\0\0\0\0\0"])
def test_junk_on_the_port_changes_nothing(names: Names, junk: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(junk, names.place)
    with socket.create_connection(names.place, 5) as stream:
        stream.sendall(len(junk).to_bytes(2, "big") + junk)
    assert names.ask(HOST) == (0, bytes((10, 96, 1, 0)))
