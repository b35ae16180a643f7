"""What a kubelet is asked, as requests of a stream."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.cloudstream.kubelet import (
    Place,
    command_request,
    container_place,
    logs_request,
    node_of_host,
    pod_place,
    port_request,
    status_of,
)
from cloudcore.errors import StreamError
from viaduct.streamrequest import Verb
from viaduct.tunnel import End

WEB = Place("default", "web", "main", "u1")
NOW = 1_600_000_000.0


def test_logs_are_asked_for_in_the_words_of_kubectl() -> None:
    query = {"follow": "true", "previous": "1", "timestamps": "True", "tailLines": "7", "limitBytes": "100", "sinceSeconds": "60"}
    asked = logs_request(WEB, query, now=NOW)
    assert asked.as_json() == {
        "verb": "logs",
        "namespace": "default",
        "pod": "web",
        "uid": "u1",
        "container": "main",
        "follow": True,
        "previous": True,
        "timestamps": True,
        "tail": 7,
        "limit": 100,
        "since": 1_599_999_940,
    }


def test_a_moment_is_taken_with_its_zone() -> None:
    assert logs_request(WEB, {"sinceTime": "2020-09-13T14:26:40+02:00"}, now=NOW).since == 1_600_000_000


def test_no_lines_are_no_lines_and_not_all() -> None:
    assert logs_request(WEB, {"tailLines": "0"}, now=NOW).tail == 0
    assert logs_request(WEB, {}, now=NOW).tail == -1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"tailLines": "-1"}, "tailLines"),
        ({"tailLines": "9" * 30}, "tailLines"),
        ({"sinceSeconds": "1.5"}, "sinceSeconds"),
        ({"sinceTime": "yesterday"}, "sinceTime"),
        ({"sinceTime": "2020-09-13T14:26:40Z", "sinceSeconds": "5"}, "sinceTime"),
        ({"follow": "perhaps"}, "follow"),
    ],
)
def test_what_cannot_be_read_is_named(query: dict[str, str], field: str) -> None:
    with pytest.raises(StreamError, match=field) as refused:
        logs_request(WEB, query, now=NOW)
    assert refused.value.code == 400


def test_a_command_keeps_its_words_as_they_are() -> None:
    asked = command_request(Verb.EXEC, WEB, {"input": "1", "output": "1", "tty": "1"}, ["sh", "-c", "echo 'a b'", ""])
    assert (asked.command, asked.stdin, asked.stdout, asked.stderr, asked.tty) == (("sh", "-c", "echo 'a b'", ""), True, True, False, True)


@pytest.mark.parametrize(
    ("verb", "query", "command", "field"),
    [
        (Verb.EXEC, {"output": "1"}, [], "command"),
        (Verb.EXEC, {}, ["ls"], "at least one of input"),
        (Verb.EXEC, {"output": "1"}, ["a\0b"], "command"),
        (Verb.EXEC, {"output": "1"}, ["x"] * 1001, "command"),
        (Verb.ATTACH, {"output": "maybe"}, [], "output"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused(verb: Verb, query: dict[str, str], command: list[str], field: str) -> None:
    with pytest.raises(StreamError, match=field):
        command_request(verb, WEB, query, command)


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "http", "８０", "1" * 30])
def test_a_port_is_a_number_of_a_port(port: str) -> None:
    with pytest.raises(StreamError, match="port"):
        port_request(WEB, port)


def test_a_uid_may_stand_before_the_container() -> None:
    assert container_place(["default", "web", "main"]) == Place("default", "web", "main")
    assert container_place(["default", "web", "u1", "main"]) == WEB


@pytest.mark.parametrize(
    ("pod", "place"),
    [
        (None, None),
        ({"metadata": {"uid": "u1"}, "spec": {}}, None),
        ({"metadata": {"uid": "u1"}, "spec": {"nodeName": "edge1"}}, ("edge1", "u1")),
        ({"metadata": {"uid": "u1", "annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"nodeName": "edge1"}}, ("edge1", "")),
    ],
)
def test_a_pod_is_found_where_it_is_bound(pod: Any, place: Any) -> None:
    assert pod_place(pod) == place


@pytest.mark.parametrize(
    ("host", "node"),
    [
        ("edge1.localhost:10003", "edge1"),
        ("edge1.rack2.localhost", "edge1.rack2"),
        ("EDGE1.LOCALHOST:1", "edge1"),
        ("localhost:10003", ""),
        ("127.0.0.1:10003", ""),
        ("[::1]:10003", ""),
        ("edge1.localhost.evil.example", ""),
        ("", ""),
    ],
)
def test_the_host_tells_the_node(host: str, node: str) -> None:
    assert node_of_host(host, "localhost") == node


@pytest.mark.parametrize(
    ("end", "verb", "status", "said"),
    [
        (End(1, 200, "", 0), Verb.EXEC, "Success", None),
        (End(1, 200, "", None), Verb.EXEC, "Success", None),
        (End(1, 200, "", 7), Verb.EXEC, "Failure", [{"reason": "ExitCode", "message": "7"}]),
        (End(1, 200, "", 7), Verb.ATTACH, "Success", None),
        (End(1, 503, "the connection broke"), Verb.EXEC, "Failure", None),
    ],
)
def test_the_last_word_has_the_exit_code_where_clients_look_for_it(end: End, verb: Verb, status: str, said: Any) -> None:
    found = status_of(end, verb)
    assert found["status"] == status
    assert found.get("details", {}).get("causes") == said
    if end.reason:
        assert found["message"] == end.reason
