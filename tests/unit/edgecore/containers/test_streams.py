"""Podman's multiplexed output, and which container a person means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecore.containers.choosing import choose, newest
from edgecore.containers.labels import CONTAINER, RECORD, RESTARTS
from edgecore.containers.model import Container, State
from edgecore.containers.streams import READ_SIZE, deframed, socket_of
from edgecore.errors import NotFound


def made(id_: str, name: str, restarts: int = 0, created: float = 1.0) -> Container:
    return Container(id_, id_, "i", "i", State.RUNNING, {CONTAINER: name, RECORD: json.dumps({"restarts": restarts})}, created)


def ended(id_: str, policy: str, exit_code: int = 1) -> Container:
    label = {CONTAINER: "main", RECORD: json.dumps({"restarts": 3}), RESTARTS: policy}
    return Container(id_, id_, "i", "i", State.ENDED, label, 1.0, exit_code=exit_code)


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_output_is_put_together_however_it_was_cut(size: int) -> None:
    raw = b"\x01\0\0\0\0\0\0\x05hello\x02\0\0\0\0\0\0\x03err\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01!"
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
    shown: dict[int, bytes] = {}
    for channel, data in deframed(iter(pieces)):
        shown[channel] = shown.get(channel, b"") + data
    assert shown == {1: b"hello!", 2: b"err"}


def test_a_long_piece_is_passed_on_in_parts() -> None:
    raw = b"\x01\0\0\0" + (3 * READ_SIZE).to_bytes(4, "big") + b"x" * (3 * READ_SIZE)
    assert [len(data) for _, data in deframed(iter([raw]))] == [READ_SIZE] * 3


def test_the_newest_container_of_a_name_is_meant_though_both_were_made_in_one_second() -> None:
    found = [made("new", "main", restarts=2), made("old", "main", restarts=1)]
    assert choose(found, "p", "main").id == "new"
    assert choose(found, "p", "main", previous=True).id == "old"


@pytest.mark.parametrize(("policy", "exit_code"), [("Always", 0), ("Always", 1), ("OnFailure", 1)])
def test_one_that_waits_to_be_started_again_is_itself_the_previous_one(policy: str, exit_code: int) -> None:
    assert choose([ended("dead", policy, exit_code)], "p", "main", previous=True).id == "dead"


@pytest.mark.parametrize(("policy", "exit_code"), [("Never", 1), ("OnFailure", 0), ("", 1)])
def test_one_that_has_ended_for_good_is_not_the_previous_one(policy: str, exit_code: int) -> None:
    with pytest.raises(NotFound):
        choose([ended("dead", policy, exit_code)], "p", "main", previous=True)
    assert choose([ended("dead", policy, exit_code), made("older", "main")], "p", "main", previous=True).id == "older"


def test_the_newest_of_each_name_are_those_that_are_not_kept_for_their_logs() -> None:
    found = [made("new", "main", restarts=2), made("old", "main", restarts=1), made("side", "side")]
    assert {c.id for c in newest(found)} == {"new", "side"}


def test_an_only_container_needs_no_name() -> None:
    assert choose([made("a", "main")], "p", "").id == "a"


@pytest.mark.parametrize(
    ("found", "name", "previous", "says"),
    [
        ([], "", False, "pod p has no containers on this node"),
        ([made("a", "one"), made("b", "two", created=2.0)], "", False, "name one of one, two"),
        ([made("a", "one")], "two", False, "it has one"),
        ([made("a", "one")], "one", True, "previous terminated container one in pod p not found"),
    ],
)
def test_a_container_that_is_not_there_is_named(found: list[Container], name: str, previous: bool, says: str) -> None:
    with pytest.raises(NotFound, match=says):
        choose(found, "p", name, previous=previous)


def test_the_socket_is_the_configured_one_else_our_own_else_the_systems(tmp_path: Path) -> None:
    assert socket_of("unix:///run/x.sock", str(tmp_path)) == "/run/x.sock"
    assert socket_of("", str(tmp_path), "/sys.sock") == "/sys.sock"
    (tmp_path / "podman.sock").touch()
    assert socket_of("", str(tmp_path), "/sys.sock") == str(tmp_path / "podman.sock")
