"""Streams on a real Podman: exec, attach and port-forward as a session serves them, whoever asked."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from edgecore.containers.sessions import Session
from edgecore.containers.streams import Streams
from tests.fakes.podman import ENDS_WHEN_ASKED
from tests.system.edged.conftest import Board, free_port
from viaduct.streamrequest import parse_request
from viaduct.tunnel import Channel, Data, End, Eof, Resize

pytestmark = pytest.mark.system

ECHO = ("/bin/sh", "-c", 'echo awake; while read line; do echo "you said $line"; [ "$line" = end ] && exit 3; done')
LOOPBACK = ("/bin/sh", "-c", "mkdir -p /www; echo from the pod > /www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /www")


@dataclass
class Asker:
    """A peer that keeps what it hears."""

    output: dict[Channel, bytes] = field(default_factory=dict)
    is_ready: threading.Event = field(default_factory=threading.Event)
    half_closed: threading.Event = field(default_factory=threading.Event)
    ends: queue.SimpleQueue[End] = field(default_factory=queue.SimpleQueue)

    def ready(self) -> None:
        self.is_ready.set()

    def data(self, channel: Channel, data: bytes) -> None:
        self.output[channel] = self.output.get(channel, b"") + data

    def eof(self, channel: Channel) -> None:
        self.half_closed.set()

    def consumed(self, count: int) -> None:
        """Nobody counts here."""

    def end(self, code: int, reason: str = "", exit_code: int | None = None) -> None:
        self.ends.put(End(1, code, reason, exit_code))

    @property
    def text(self) -> bytes:
        return self.output.get(Channel.STDOUT, b"")


class Asked:
    def __init__(self, board: Board, verb: str, pod: str, **request: Any) -> None:
        self.peer = Asker()
        streams = Streams(str(board.podman.root), node="edge1", system_socket="/nonexistent")
        self.session = Session(parse_request({"verb": verb, "namespace": "default", "pod": pod, **request}), streams, self.peer)
        threading.Thread(target=self.session.run, daemon=True).start()

    def says(self, data: bytes) -> None:
        self.session.take(Data(1, Channel.STDIN, data))

    def end_input(self) -> None:
        self.session.take(Eof(1, Channel.STDIN))

    def wait(self, claim: Callable[[], object], within: float = 20.0) -> None:
        deadline = time.monotonic() + within
        while not claim():
            assert time.monotonic() < deadline, (self.peer.output, "never came true")
            time.sleep(0.02)

    def end(self, within: float = 20.0) -> End:
        return self.peer.ends.get(timeout=within)


@pytest.fixture
def ask(board: Board) -> Iterator[Callable[..., Asked]]:
    made: list[Asked] = []

    def ask(verb: str, pod: str, **request: Any) -> Asked:
        made.append(Asked(board, verb, pod, **request))
        return made[-1]

    yield ask
    for asked in made:
        asked.session.close()


Ask = Callable[..., Asked]


def test_exit_codes_are_told_every_time(board: Board, ask: Ask) -> None:
    board.apply(board.pod("codes"))
    board.running("codes")
    for code in (0, 1, 42, 130):
        assert ask("exec", "codes", command=["/bin/sh", "-c", f"exit {code}"]).end() == End(1, 200, "", code)
    board.delete("codes")


def test_a_command_at_a_terminal_knows_its_size_and_hears_when_nobody_is_there_any_more(board: Board, ask: Ask) -> None:
    board.apply(board.pod("shell"))
    board.running("shell")
    shell = ask("exec", "shell", command=["/bin/sh"], stdin=True, tty=True)
    shell.session.take(Resize(1, 99, 33))
    assert shell.peer.is_ready.wait(20)
    shell.wait(lambda: "33 99" in board.inside("shell", "sh", "-c", "for t in /dev/pts/*; do stty size < $t; done 2>/dev/null; true"))
    shell.says(b"echo $((6 * 7)); sleep 1000\n")
    shell.wait(lambda: b"42" in shell.peer.text)
    assert "sleep 1000" in board.inside("shell", "ps")
    shell.session.take(End(1))
    shell.wait(lambda: "sleep 1000" not in board.inside("shell", "ps"))
    board.delete("shell")


def test_attach_hears_the_first_process_from_now_on_and_speaks_to_it(board: Board, ask: Ask) -> None:
    board.apply(board.pod("echo", *ECHO, stdin=True))
    board.running("echo")
    attached = ask("attach", "echo", stdin=True)
    assert attached.peer.is_ready.wait(20)
    attached.says(b"hello\n")
    attached.wait(lambda: b"you said hello\n" in attached.peer.text)
    assert b"awake" not in attached.peer.text
    attached.says(b"end\n")
    assert attached.end() == End(1, 200)
    board.delete("echo")


def test_attach_takes_the_terminal_that_the_container_was_made_with(board: Board, ask: Ask) -> None:
    board.apply(board.pod("terminal", "/bin/sh", stdin=True, tty=True))
    board.running("terminal")
    attached = ask("attach", "terminal", stdin=True, tty=True)
    assert attached.peer.is_ready.wait(20)
    attached.session.take(Resize(1, 77, 22))
    attached.says(b"\n")
    attached.wait(lambda: b"#" in attached.peer.text)
    attached.wait(lambda: "22 77" in board.inside("terminal", "sh", "-c", "stty size < /proc/1/fd/0"))
    attached.says(b"\x10stty size\n")  # the key that Podman takes for itself unless told otherwise
    attached.wait(lambda: b"22 77" in attached.peer.text)
    board.delete("terminal")


def fetch(asked: Asked) -> bytes:
    asked.says(b"GET / HTTP/1.0\r\n\r\n")
    assert asked.peer.half_closed.wait(20)
    asked.end_input()
    assert asked.end().code == 200
    return asked.peer.text


def test_a_port_that_listens_on_the_pods_loopback_alone_is_reached(board: Board, ask: Ask) -> None:
    board.apply(board.pod("closed", *LOOPBACK))
    board.running("closed")
    board.meta.wait_for(lambda: "8080" in board.inside("closed", "netstat", "-ltn"), 20)
    assert b"from the pod" in fetch(ask("portforward", "closed", port=8080))
    refused = ask("portforward", "closed", port=8081)
    end = refused.end()
    assert (end.code, end.reason) == (502, "port 8081 of the pod: Connection refused")
    assert not refused.peer.is_ready.is_set()
    board.delete("closed")


def test_a_port_of_the_host_is_reached_in_a_pod_on_the_hosts_network(board: Board, ask: Ask) -> None:
    port = free_port()
    document = board.pod("open", *LOOPBACK[:2], LOOPBACK[2].replace("8080", str(port)))
    document["spec"]["hostNetwork"] = True
    board.apply(document)
    board.running("open")
    board.meta.wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), 20)
    assert b"from the pod" in fetch(ask("portforward", "open", port=port))
    board.delete("open")


def test_input_that_ends_first_is_passed_on_and_what_comes_after_it_arrives(board: Board, ask: Ask) -> None:
    """As ``nc`` does it: the question ends, then the answer begins."""
    board.apply(board.pod("counter", "/bin/sh", "-c", "exec nc -ll -p 7000 -e wc -c"))
    board.running("counter")
    board.meta.wait_for(lambda: "7000" in board.inside("counter", "netstat", "-ltn"), 20)
    asked = ask("portforward", "counter", port=7000)
    assert asked.peer.is_ready.wait(20)
    for _ in range(4):
        asked.says(b"x" * 32_000)
    asked.end_input()
    assert asked.end().code == 200
    assert asked.peer.text.strip() == b"128000"
    board.delete("counter")


def test_nothing_is_reached_of_a_pod_that_does_not_run(board: Board, ask: Ask) -> None:
    document = board.pod("over", "/bin/true")
    document["spec"]["restartPolicy"] = "Never"
    board.apply(document)
    board.meta.wait_for(lambda: board.meta.last_status("over").get("phase") == "Succeeded", 30)
    for verb, more in (("exec", {"command": ["x"]}), ("attach", {}), ("portforward", {"port": 80})):
        assert ask(verb, "over", **more).end().code == 409
    assert ask("exec", "over", command=["x"], uid="another").end().code == 404
    board.delete("over")


def test_what_pods_use_is_told_by_pod_and_container(board: Board, ask: Ask) -> None:
    busy = board.pod("busy", "/bin/sh", "-c", 'trap "exit 0" TERM; while :; do :; done')
    busy["spec"]["containers"].append({"name": "idle", "image": board.podman.image, "command": list(ENDS_WHEN_ASKED)})
    board.apply(busy)
    board.running("busy")
    asked = ask("stats", "busy")
    assert asked.end().code == 200
    said = json.loads(asked.peer.text)
    (pod,) = [each for each in said["pods"] if each["podRef"]["name"] == "busy"]
    assert pod["podRef"] == {"name": "busy", "namespace": "default", "uid": busy["metadata"]["uid"]}
    cpu = {each["name"]: each["cpu"]["usageNanoCores"] for each in pod["containers"]}
    assert cpu["main"] > cpu["idle"]
    assert abs(pod["cpu"]["usageNanoCores"] - sum(cpu.values())) <= len(cpu)  # each is rounded
    assert said["node"]["cpu"]["usageNanoCores"] >= cpu["main"] * 0.5
    assert said["node"]["memory"]["workingSetBytes"] > 10_000_000
    board.delete("busy")
