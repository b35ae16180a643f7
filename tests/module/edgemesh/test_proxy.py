"""The proxy between clients and backends, as a real process on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter

import pytest

from edgecore.edgemesh.proxy.table import CLIENT, written
from tests.module.edgemesh.conftest import Server, Stand, free_place, greeting, until


def test_connections_go_to_the_backends_in_turn(stand: Stand) -> None:
    one, other, place = Server("one"), Server("other"), free_place()
    stand.listen(place, one.place, other.place)
    assert stand.lay() == {}
    assert Counter(greeting(place) for _ in range(10)) == {"one": 5, "other": 5}


def test_a_client_keeps_its_backend_where_that_is_asked_for(stand: Stand) -> None:
    servers = [Server(str(number)) for number in range(4)]
    place = free_place()
    stand.listen(place, *(server.place for server in servers), affinity=CLIENT)
    stand.lay()
    assert len({greeting(place) for _ in range(8)}) == 1


def test_a_backend_that_does_not_answer_is_passed_over(stand: Stand) -> None:
    server, place = Server("good"), free_place()
    stand.listen(place, free_place(), server.place)
    stand.lay()
    assert [greeting(place) for _ in range(4)] == ["good"] * 4


def test_where_nobody_answers_the_client_is_refused(stand: Stand) -> None:
    place, empty = free_place(), free_place()
    stand.listen(place, free_place(), free_place())
    stand.listen(empty, free_place())
    stand.lay()
    with pytest.raises(ConnectionResetError), socket.create_connection(place, 5) as client:
        client.recv(1)
    del stand.table.listeners[("tcp", *empty)]
    stand.lay()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(empty, 5)


def test_much_data_goes_both_ways_whole_and_a_half_closed_end_hears_the_rest(stand: Stand) -> None:
    server, place = Server("x"), free_place()
    stand.listen(place, server.place)
    stand.lay()
    sent = os.urandom(8 * 1024 * 1024)
    with socket.create_connection(place, 5) as client:
        client.settimeout(20)
        assert client.makefile("rb", buffering=0).readline() == b"x\n"

        def say() -> None:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)

        threading.Thread(target=say, daemon=True).start()
        heard = bytearray()
        while piece := client.recv(65536):
            heard += piece
    assert bytes(heard) == sent


def test_a_slow_reader_holds_nobody_else_up_and_costs_no_memory(stand: Stand) -> None:
    flood, server, place, other = Server("f"), Server("fine"), free_place(), free_place()
    stand.listen(place, flood.place)
    stand.listen(other, server.place)
    stand.lay()
    before = _resident(stand.pid)
    with socket.create_connection(place, 5) as client:
        client.setblocking(False)
        sent = 0
        while True:
            try:
                sent += client.send(b"x" * 65536)
            except BlockingIOError:
                break
        assert sent > 65536 and greeting(other) == "fine"
        assert _resident(stand.pid) - before < 4 * 1024


def test_a_change_of_backends_leaves_connections_as_they_are(stand: Stand) -> None:
    old, fresh, place = Server("old"), Server("fresh"), free_place()
    stand.listen(place, old.place)
    stand.lay()
    with socket.create_connection(place, 5) as client, client.makefile("rwb", buffering=0) as stream:
        assert stream.readline() == b"old\n"
        stand.listen(place, fresh.place)
        stand.lay()
        assert greeting(place) == "fresh"
        del stand.table.listeners[("tcp", *place)]
        stand.lay()
        stream.write(b"still there\n")
        assert stream.readline() == b"still there\n"


def test_datagrams_of_a_client_go_to_one_backend_and_its_answers_back_to_it(stand: Stand) -> None:
    place = free_place()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as backend, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        backend.bind(("127.0.0.1", 0))
        for end in (backend, client):
            end.settimeout(5)
        stand.listen(place, backend.getsockname(), protocol="udp")
        stand.lay()
        for word in (b"one", b"two"):
            client.sendto(word, place)
            said, asker = backend.recvfrom(100)
            backend.sendto(said.upper(), asker)
            assert client.recvfrom(100) == (word.upper(), place)


def test_what_cannot_be_listened_to_is_said_and_tried_again(stand: Stand) -> None:
    server = Server("late")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        place = ("127.0.0.1", holder.getsockname()[1])
        stand.listen(place, server.place)
        assert stand.lay() == {f"listen tcp 127.0.0.1 {place[1]}": "Address already in use"}

    def answered() -> bool:
        try:
            return greeting(place) == "late"
        except OSError:
            return False

    until(answered)


def test_a_table_that_cannot_be_read_changes_nothing(stand: Stand) -> None:
    server, place = Server("as before"), free_place()
    stand.listen(place, server.place)
    stand.lay()
    (stand.directory / "table").write_text("bramble-edgemesh 99\nlisten\n")
    os.kill(stand.pid, signal.SIGHUP)
    until(lambda: "unread" in (stand.directory / "state").read_text())
    assert greeting(place) == "as before"


def test_the_next_edgecore_finds_the_proxy_at_work(stand: Stand) -> None:
    server, place = Server("x"), free_place()
    stand.listen(place, server.place)
    stand.lay()
    pid = stand.pid
    successor = Stand(stand.directory)
    assert successor.child.adopt()
    successor.table = stand.table
    successor.lay()
    assert stand.pid == pid and greeting(place) == "x"


def test_a_proxy_of_another_version_makes_room_and_lets_its_connections_end(stand: Stand) -> None:
    server, place = Server("x"), free_place()
    stand.listen(place, server.place)
    stand.lay()
    old = stand.pid
    with socket.create_connection(place, 5) as client, client.makefile("rwb", buffering=0) as stream:
        assert stream.readline() == b"x\n"
        successor = Stand(stand.directory)
        successor.child._version = "another"
        successor.table = stand.table
        successor.lay()
        assert successor.pid != old and greeting(place) == "x"
        stream.write(b"through the old one\n")
        assert stream.readline() == b"through the old one\n"
    until(lambda: not stand.child.alive())
    successor.end()


def test_it_outlives_edgecore_as_long_as_a_container_that_it_is_there_for(stand: Stand) -> None:
    server, place = Server("x"), free_place()
    edgecore, container = (subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2))
    stand.table.edgecore, stand.table.serve = edgecore.pid, {container.pid}
    stand.listen(place, server.place)
    stand.lay()
    edgecore.kill()
    edgecore.wait()
    assert greeting(place) == "x"
    container.kill()
    container.wait()
    until(lambda: not stand.child.alive())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, 5)


def test_a_killed_proxy_is_replaced_by_the_next_table(stand: Stand) -> None:
    server, place = Server("x"), free_place()
    stand.listen(place, server.place)
    stand.lay()
    os.kill(stand.pid, signal.SIGKILL)
    until(lambda: not stand.child.alive())
    assert stand.lay() == {}
    assert greeting(place) == "x"


def test_two_hundred_connections_at_once(stand: Stand) -> None:
    server, place = Server("x"), free_place()
    stand.listen(place, server.place)
    stand.lay()
    clients = [socket.create_connection(place, 10) for _ in range(200)]
    try:
        assert all(client.makefile().readline() == "x\n" for client in clients)
    finally:
        for client in clients:
            client.close()


def test_the_text_of_a_table_is_all_that_the_proxy_is_told(stand: Stand) -> None:
    stand.listen(free_place(), free_place())
    stand.lay()
    assert (stand.directory / "table").read_text() == written(stand.table)
    assert oct((stand.directory).stat().st_mode & 0o777) == "0o700"


def _resident(pid: int) -> int:
    """KiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
