"""Probes of many containers over a container engine in memory and real sockets (promise I1)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from edgecore.containers.model import Container, Executed
from edgecore.edged.handlers import HttpGet, TcpConnect
from edgecore.edged.handling import handle
from edgecore.edged.pod import read_pod
from edgecore.edged.prober import Prober
from tests.fakes.runtime import FakeRuntime
from tests.module.edged.conftest import Stage
from tests.unit.edgecore.edged.pods import container, pod

FAST = {"periodSeconds": 1, "failureThreshold": 1}


@dataclass
class Server:
    """Says ``answer`` to whoever connects, one letter every ``pause`` seconds."""

    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n"
    pause: float = 0.0
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
                with peer:
                    self.asked.append(peer.recv(4096) if self.answer else b"")
                    for letter in self.answer:
                        peer.sendall(bytes([letter]))
                        time.sleep(self.pause)
            except OSError:
                if self._listener.fileno() < 0:
                    return


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*args: Any, **fields: Any) -> Server:
        made.append(Server(*args, **fields))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ask(handler: HttpGet | TcpConnect, timeout: float = 1.0) -> tuple[bool, str]:
    outcome = handle(handler, runtime=FakeRuntime, container="c", address="127.0.0.1", timeout=timeout)
    return outcome.ok, outcome.text


def test_http_and_tcp_are_asked_of_the_pods_address(server: Callable[..., Server]) -> None:
    good, bad = server(), server(b"HTTP/1.1 503 Busy\r\n\r\n")
    assert ask(HttpGet("", good.port, "/ok", False, (("Host", "me"),))) == (True, "")
    assert good.asked[0].startswith(b"GET /ok HTTP/1.1\r\n") and b"Host: me\r\n" in good.asked[0] and good.asked[0].count(b"Host") == 1
    assert ask(HttpGet("", bad.port, "/", False)) == (False, "HTTP probe failed with statuscode: 503")
    assert ask(TcpConnect("", good.port)) == (True, "")
    good.close()


@pytest.mark.parametrize(("answer", "pause"), [(b"HTTP/1.1 200 OK\r\n" * 9, 0.2), (b"SSH-2.0\r\n", 0.0), (b"", 0.0)])
def test_an_answer_that_is_late_or_no_http_is_a_failure(server: Callable[..., Server], answer: bytes, pause: float) -> None:
    slow = server(answer, pause=pause)
    began = time.monotonic()
    ok, text = ask(HttpGet("", slow.port, "/", False))
    assert not ok and text.startswith(f'Get "http://127.0.0.1:{slow.port}/":')
    assert time.monotonic() - began < 5


def test_nobody_listening_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert not ask(HttpGet("", port, "/", False))[0]
    assert not ask(TcpConnect("", port))[0]


def test_a_readiness_probe_makes_ready_and_unready_and_touches_nothing(stage: Stage) -> None:
    answers = [1]
    stage.runtime.commands = lambda words: Executed(answers[0], b"not yet")
    stage.apply(pod(container(readinessProbe={"exec": {"command": ["check"]}, **FAST})))
    stage.wait(lambda: stage.runtime.executed)
    assert web(stage)["ready"] is False
    answers[0] = 0
    stage.wait(lambda: web(stage)["ready"])
    answers[0] = 1
    stage.wait(lambda: not web(stage)["ready"])
    assert web(stage)["restartCount"] == 0


def test_a_liveness_probe_ends_the_container_and_the_restart_rule_does_the_rest(stage: Stage) -> None:
    stage.runtime.commands = lambda words: Executed(0 if len(stage.runtime.executed) > 1 else 1, b"dead")
    stage.apply(pod(container(livenessProbe={"exec": {"command": ["check"]}, **FAST})))
    stage.wait(lambda: web(stage).get("restartCount") == 1)
    assert web(stage)["lastState"]["terminated"]["exitCode"] == 143
    assert [reason for reason in stage.meta.reasons("web-0") if reason in ("Unhealthy", "Killing")] == ["Unhealthy", "Killing"]
    stage.wait(lambda: len(stage.runtime.executed) > 1 and web(stage)["ready"])
    assert web(stage)["restartCount"] == 1


def test_the_other_probes_wait_for_the_startup_probe(stage: Stage) -> None:
    started = threading.Event()
    stage.runtime.commands = lambda words: Executed(0 if words[0] != "start" or started.is_set() else 1, b"")
    probes = {
        "startupProbe": {"exec": {"command": ["start"]}, "periodSeconds": 1, "failureThreshold": 100},
        "livenessProbe": {"exec": {"command": ["live"]}, **FAST},
        "readinessProbe": {"exec": {"command": ["ready"]}, **FAST},
    }
    stage.apply(pod(container(**probes)))
    stage.wait(lambda: stage.runtime.executed.count(("web", ("start",))) >= 2)
    assert {words for _, words in stage.runtime.executed} == {("start",)}
    assert (web(stage)["started"], web(stage)["ready"]) == (False, False)
    started.set()
    stage.wait(lambda: web(stage)["started"] and web(stage)["ready"])
    count = stage.runtime.executed.count(("web", ("start",)))
    stage.wait(lambda: stage.runtime.executed.count(("web", ("live",))) >= 2)
    assert stage.runtime.executed.count(("web", ("start",))) == count


def test_a_probe_that_hangs_delays_nobody(stage: Stage) -> None:
    release = threading.Event()

    def commands(words: tuple[str, ...]) -> Executed:
        if words[0] == "hang":
            release.wait(20)
        return Executed(0, b"")

    stage.runtime.commands = commands
    hanging = container(readinessProbe={"exec": {"command": ["hang"]}, **FAST})
    stage.apply(pod(hanging, name="stuck", uid="55555555-1"))
    stage.wait(lambda: ("web", ("hang",)) in stage.runtime.executed)
    stage.apply(pod(container(readinessProbe={"exec": {"command": ["check"]}, **FAST})))
    stage.wait(lambda: web(stage).get("ready"))
    assert stage.meta.last_status("stuck")["containerStatuses"][0]["ready"] is False
    stage.delete("stuck")
    stage.wait(lambda: not stage.running("stuck"))
    release.set()


def test_a_restart_of_edged_makes_no_container_unready(stage: Stage) -> None:
    probe = {"exec": {"command": ["check"]}, "initialDelaySeconds": 0, "periodSeconds": 1}
    stage.apply(pod(container(readinessProbe=probe)))
    stage.wait(lambda: web(stage).get("ready"))
    stage.stop()
    hang = threading.Event()
    stage.runtime.commands = lambda words: Executed(int(not hang.wait(20)), b"")
    told = len(stage.meta.statuses)
    stage.start()
    stage.wait(lambda: len(stage.meta.statuses) > told)
    assert all(status["containerStatuses"][0]["ready"] for _, status in stage.meta.statuses[told:])
    hang.set()


def test_a_probe_that_this_node_cannot_make_is_said_before_the_container_is_made(stage: Stage) -> None:
    stage.apply(pod(container(livenessProbe={"grpc": {"port": 9000}})))
    stage.wait(lambda: stage.waiting_reason("web-0") == "CreateContainerConfigError")
    message = stage.meta.last_status("web-0")["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message == "livenessProbe.grpc: not supported on this node: use exec, httpGet or tcpSocket"
    assert stage.runtime.everything() == []


def test_pods_without_probes_cost_no_thread() -> None:
    prober = Prober(FakeRuntime)
    before = threading.active_count()
    there: dict[str, Container] = {}
    prober.watch(read_pod(pod()), there, "", age=lambda _: 0.0, wake=lambda: None, complain=lambda *_: None)
    assert threading.active_count() == before


def test_hooks_run_after_the_start_and_before_the_end(stage: Stage) -> None:
    lifecycle = {"postStart": {"exec": {"command": ["hello"]}}, "preStop": {"exec": {"command": ["bye"]}}}
    stage.apply(pod(container(lifecycle=lifecycle)))
    stage.wait_phase("web-0", "Running")
    assert stage.runtime.executed == [("web", ("hello",))]
    stage.delete("web-0")
    stage.wait(lambda: not stage.runtime.everything())
    assert stage.runtime.executed == [("web", ("hello",)), ("web", ("bye",))]


def test_a_post_start_hook_that_fails_ends_its_container_and_one_that_hangs_does_not_hold_a_deletion(stage: Stage) -> None:
    stage.runtime.commands = lambda words: Executed(1, b"no")
    stage.apply(pod(container(lifecycle={"postStart": {"exec": {"command": ["hello"]}}}), restartPolicy="Never"))
    stage.wait_phase("web-0", "Failed")
    release = threading.Event()
    stage.runtime.commands = lambda words: Executed(int(not release.wait(30)), b"")
    stage.apply(pod(container(lifecycle={"postStart": {"exec": {"command": ["hang"]}}}), name="stuck", uid="66666666-1"))
    stage.wait(lambda: ("web", ("hang",)) in stage.runtime.executed)
    stage.delete("stuck")
    stage.wait(lambda: not stage.running("stuck"))
    release.set()


def web(stage: Stage) -> dict[str, Any]:
    statuses: list[dict[str, Any]] = stage.meta.last_status("web-0").get("containerStatuses") or [{}]
    return statuses[0]
