"""Which broker EdgeCore uses, and the one of its own (contract 7.1; promise X6)."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecore.errors import BrokerError
from edgecore.eventbus import mosquitto
from edgecore.eventbus.broker import MAX_PAYLOAD, BrokerAddress, BrokerClient, answers, client_id
from edgecore.eventbus.modes import BOTH, EXTERNAL, INTERNAL
from edgecore.eventbus.settings import BusSettings
from tests.system.eventbus.conftest import Broker, Edge, until
from tests.system.eventbus.test_mqtt import UPDATE, _body, _is_result
from tests.system.mqtt import Client

HOST = "127.0.0.1"
Start = Callable[..., Edge]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[Edge] = []

    def begin(**settings: object) -> Edge:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Edge(folder, BusSettings("edge1", folder / "broker", probe_seconds=0.3, **settings)))  # type: ignore[arg-type]
        made[-1].ready()
        return made[-1]

    yield begin
    for edge in made:
        edge.stop()


def _serves(port: int) -> None:
    with Client(port, f"{UPDATE}/result") as client:
        client.publish(UPDATE, _body("20"))
        client.wait(_is_result("20"))


def _address(port: int) -> BrokerAddress:
    return BrokerAddress(HOST, port)


def test_mode_0_runs_a_broker_of_our_own_that_ends_with_us(start: Start) -> None:
    port = mosquitto.free_port()
    edge = start(mode=INTERNAL, internal=_address(port))
    _serves(port)
    assert edge.ready().addresses == (_address(port),)
    edge.keeper.stop(10)
    assert answers(_address(port))


def test_our_own_broker_listens_on_loopback_only(start: Start) -> None:
    port = mosquitto.free_port()
    start(mode=INTERNAL, internal=_address(port))
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [entry[1] for entry in listening if entry[1].endswith(f":{port:04X}") and entry[3] == "0A"] == [f"0100007F:{port:04X}"]


def test_our_own_broker_is_started_again_when_it_is_killed(start: Start) -> None:
    port = mosquitto.free_port()
    edge = start(mode=INTERNAL, internal=_address(port))
    own = edge.ready()._own
    assert own is not None and own._process is not None
    first = own._process.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: own._process is not None and own._process.pid != first and not answers(_address(port), 0.2))
    edge.ready()
    _serves(port)


def test_where_the_port_is_taken_our_own_broker_takes_another(start: Start, broker: Broker) -> None:
    edge = start(mode=INTERNAL, internal=_address(broker.port))
    (address,) = edge.ready().addresses
    assert address.port != broker.port
    _serves(address.port)


def test_mode_1_serves_both_brokers(start: Start, broker: Broker) -> None:
    port = mosquitto.free_port()
    start(mode=BOTH, external=_address(broker.port), internal=_address(port))
    with Client(port, f"{UPDATE}/result") as inside, Client(broker.port, f"{UPDATE}/result") as outside:
        inside.publish(UPDATE, _body("1"))
        outside.wait(_is_result("1"))
        inside.wait(_is_result("1"))
        outside.publish(UPDATE, _body("2"))
        inside.wait(_is_result("2"))


def test_mode_2_uses_the_broker_that_answers(start: Start, broker: Broker) -> None:
    edge = start(mode=EXTERNAL, external=_address(broker.port), internal=_address(mosquitto.free_port()))
    assert edge.ready().addresses == (_address(broker.port),)
    _serves(broker.port)


def test_mode_2_without_a_broker_falls_back_on_our_own(start: Start) -> None:
    port = mosquitto.free_port()
    edge = start(mode=EXTERNAL, external=_address(mosquitto.free_port()), internal=_address(port))
    assert edge.ready().addresses == (_address(port),)
    _serves(port)


def test_a_broker_that_a_killed_edgecore_left_behind_is_ended_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    left = mosquitto.OwnBroker(folder, mosquitto.find_program(), mosquitto.free_port(), queue=100)
    left.start()
    left._stopping.set()
    assert left._process is not None
    reaper = threading.Thread(target=left._process.wait, daemon=True)
    reaper.start()
    assert mosquitto.end_orphan(folder)
    reaper.join(5)
    assert answers(_address(left.port), 0.2)
    assert not mosquitto.end_orphan(folder)


def test_a_broker_with_another_configuration_is_left_alone(tmp_path: Path) -> None:
    other = mosquitto.OwnBroker(tmp_path / "other", mosquitto.find_program(), mosquitto.free_port(), queue=100)
    other.start()
    try:
        assert not mosquitto.end_orphan(tmp_path / "mine")
        assert not answers(_address(other.port), 2.0)
    finally:
        other.stop()


def test_a_broker_that_cannot_start_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="did not start"):
        mosquitto.OwnBroker(tmp_path / "a", "/bin/false", mosquitto.free_port(), queue=1).start()
    with pytest.raises(BrokerError, match="cannot start /nowhere/mosquitto"):
        mosquitto.OwnBroker(tmp_path / "b", "/nowhere/mosquitto", mosquitto.free_port(), queue=1).start()


def test_user_name_and_password_are_given_to_the_broker(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch()
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "edge", "secret"], check=True, timeout=20)
    broker = Broker(tmp_path, f"user {getpass.getuser()}", f"password_file {passwords}", anonymous=False)
    try:
        assert answers(BrokerAddress(HOST, broker.port, username="edge", password="secret")) == ""
        for address in (_address(broker.port), BrokerAddress(HOST, broker.port, username="edge", password="wrong")):
            refusal = answers(address)
            assert "refuses us" in refusal and ("authorised" in refusal or "authorized" in refusal)
    finally:
        broker.kill()


def test_a_broker_behind_tls_is_used_and_must_prove_itself(start: Start, tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    port = mosquitto.free_port()
    lines = (f"user {getpass.getuser()}", f"listener {port} {HOST}", f"certfile {certificate}", f"keyfile {key}")
    broker = Broker(tmp_path, *lines)
    try:
        address = BrokerAddress(HOST, port, tls=True, ca_file=str(certificate))
        assert "TLS" in answers(BrokerAddress(HOST, port, tls=True))
        edge = start(mode=EXTERNAL, external=address, fallback=False)
        assert edge.ready().addresses == (address,)
        with Client(broker.port, f"{UPDATE}/result") as client:
            for number in range(300):
                client.publish(UPDATE, _body(str(number)))
            assert [json.loads(client.arrivals.get(timeout=20)[1])["event_id"] for _ in range(300)] == [str(n) for n in range(300)]
    finally:
        broker.kill()


def test_the_files_of_tls_are_named_when_they_cannot_be_used(tmp_path: Path, broker: Broker) -> None:
    missing = str(tmp_path / "missing.crt")
    for address in (
        BrokerAddress(HOST, broker.port, tls=True, ca_file=missing),
        BrokerAddress(HOST, broker.port, tls=True, cert_file=missing),
    ):
        assert answers(address).startswith(f"TLS with the broker at {address} cannot begin")


def test_the_longest_message_that_we_publish_passes_our_own_broker(start: Start) -> None:
    port = mosquitto.free_port()
    edge = start(mode=INTERNAL, internal=_address(port))
    with Client(port, "lamp/#") as client:
        edge.tell("eventbus", "user", "publish", "lamp/1", "x" * (MAX_PAYLOAD + 1))
        edge.tell("eventbus", "user", "publish", "lamp/1", "x" * MAX_PAYLOAD)
        assert len(client.arrivals.get(timeout=20)[1]) == MAX_PAYLOAD


def test_mqtt_qos_and_retain_are_honoured(start: Start, broker: Broker) -> None:
    start(mode=EXTERNAL, external=_address(broker.port), qos=2, retain=True)
    _serves(broker.port)
    command = ["mosquitto_sub", "-p", str(broker.port), "-t", f"{UPDATE}/result", "-q", "2", "-C", "1", "-W", "20", "-F", "%q %r"]
    assert subprocess.run(command, check=True, timeout=30, capture_output=True, text=True).stdout == "2 1\n"


def _self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=broker", "-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, timeout=20, capture_output=True)
    return certificate, key


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x05", b"\x20", b"\xd0\x00", b""])
def test_what_is_not_a_broker_is_told_apart(greeting: bytes) -> None:
    with socket.create_server((HOST, 0)) as server:
        thread = threading.Thread(target=_greet, args=(server, greeting), daemon=True)
        thread.start()
        with pytest.raises(BrokerError, match=str(server.getsockname()[1])):
            BrokerClient(_address(server.getsockname()[1]), client_id("sub"), timeout=0.5).connect()
        thread.join(5)


def _greet(server: socket.socket, greeting: bytes) -> None:
    stranger, _ = server.accept()
    with stranger:
        stranger.sendall(greeting)
        stranger.settimeout(2)
        try:
            while stranger.recv(1000):
                pass
        except OSError:
            pass
