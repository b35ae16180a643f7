from __future__ import annotations

from typing import Any

import pytest

from edgecore.edged.errors import ConfigProblem
from edgecore.edged.handlers import Exec, HttpGet, Sleep, TcpConnect, handler_of
from edgecore.edged.probes import Probe, ProbeKind, Progress, answered, is_over, probes_of

PORTS = {"name": "web", "ports": [{"name": "http", "containerPort": 8080}]}


@pytest.mark.parametrize(
    ("document", "handler"),
    [
        ({"exec": {"command": ["cat", "/ok"]}}, Exec(("cat", "/ok"))),
        ({"httpGet": {"port": "http"}}, HttpGet("", 8080, "/", False)),
        ({"httpGet": {"port": 81, "path": "ok?x=1", "scheme": "HTTPS", "host": "h"}}, HttpGet("h", 81, "/ok?x=1", True)),
        ({"httpGet": {"port": 81, "httpHeaders": [{"name": "A", "value": "b"}]}}, HttpGet("", 81, "/", False, (("A", "b"),))),
        ({"tcpSocket": {"port": "8081"}}, TcpConnect("", 8081)),
        ({"sleep": {"seconds": 2}}, Sleep(2.0)),
    ],
)
def test_a_handler_is_read(document: dict[str, Any], handler: object) -> None:
    assert handler_of(document, PORTS, "livenessProbe") == handler


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "livenessProbe: expected one of exec, httpGet, tcpSocket"),
        ({"grpc": {"port": 9}}, "livenessProbe.grpc: not supported on this node: use exec, httpGet or tcpSocket"),
        ({"exec": {"command": []}}, "livenessProbe.exec.command: expected at least one word"),
        ({"exec": {"command": "ls"}}, "livenessProbe.exec.command: expected at least one word"),
        ({"httpGet": {"port": "none"}}, "livenessProbe.httpGet.port: expected 1 to 65535 or the name of a port, got 'none'"),
        ({"httpGet": {"port": 0}}, "livenessProbe.httpGet.port: expected 1 to 65535 or the name of a port, got '0'"),
        ({"httpGet": {"port": 80, "scheme": "ftp"}}, "livenessProbe.httpGet.scheme: expected HTTP or HTTPS, got 'FTP'"),
        ({"httpGet": {"port": 80, "path": "/ x"}}, "livenessProbe.httpGet: path and headers must not hold blanks or line ends"),
        (
            {"httpGet": {"port": 80, "httpHeaders": [{"name": "A", "value": "b\r\nC: d"}]}},
            "livenessProbe.httpGet: path and headers must not hold blanks or line ends",
        ),
        ({"sleep": {"seconds": -1}}, "livenessProbe.sleep.seconds: expected seconds, got '-1'"),
    ],
)
def test_a_handler_that_cannot_be_read_says_which_field(document: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        handler_of(document, PORTS, "livenessProbe")
    assert str(caught.value) == text


def test_a_probe_has_kubernetes_defaults_and_a_grace_of_its_own() -> None:
    tcp = {"tcpSocket": {"port": 80}}
    (probe,) = probes_of({"readinessProbe": {**tcp, "terminationGracePeriodSeconds": 5}})
    assert probe == Probe(ProbeKind.READINESS, TcpConnect("", 80), 0.0, 10.0, 1.0, 1, 3, None)
    (probe,) = probes_of({"livenessProbe": {**tcp, "periodSeconds": 2, "failureThreshold": 1, "terminationGracePeriodSeconds": 5}})
    assert (probe.period, probe.failures, probe.grace) == (2.0, 1, 5.0)
    with pytest.raises(ConfigProblem, match=r"startupProbe.timeoutSeconds: expected a number from 1, got 'soon'"):
        probes_of({"startupProbe": {**tcp, "timeoutSeconds": "soon"}})


def test_a_verdict_needs_its_number_of_answers_in_a_row() -> None:
    probe = Probe(ProbeKind.READINESS, TcpConnect("", 80), successes=2, failures=3)
    assert verdicts(probe, "+") == [None]
    assert verdicts(probe, "++") == [None, True]
    assert verdicts(probe, "+-++") == [None, None, None, True]
    assert verdicts(probe, "++--+---") == [None, True, True, True, True, True, True, False]


def test_startup_ends_with_its_verdict_and_liveness_with_the_death_sentence() -> None:
    startup, liveness, readiness = (Probe(kind, TcpConnect("", 80)) for kind in ProbeKind)
    assert is_over(startup, Progress(True)) and is_over(startup, Progress(False)) and not is_over(startup, Progress())
    assert is_over(liveness, Progress(False)) and not is_over(liveness, Progress(True))
    assert not is_over(readiness, Progress(False))


def verdicts(probe: Probe, answers: str) -> list[bool | None]:
    progress, found = Progress(), []
    for answer in answers:
        progress = answered(progress, probe, ok=answer == "+")
        found.append(progress.verdict)
    return found
