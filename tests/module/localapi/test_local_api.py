"""The local socket on a real store and a real DeviceTwin, without pods and without a cloud (promises A4, X4, X7)."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.stage import wait_for
from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers.progress import Fetched, PullBoard
from edgecore.devicetwin.module import DeviceTwin
from edgecore.errors import EdgeCoreError
from edgecore.localapi import client, tables
from edgecore.localapi.module import LocalAPI, LocalSettings, listen
from edgecore.localapi.wire import FrameSocket
from edgecore.rules.module import Rules
from edgecore.store import metadata, twins
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.transaction import Transaction
from edgecore.store.twins import DeviceRow, TwinRow
from viaduct.faults import Fault, kept
from viaduct.tunnel import End, Frame

SECRET = """{"metadata": {"name": "s", "namespace": "default", "annotations":
 {"kubectl.kubernetes.io/last-applied-configuration": "czNjcmV0"}}, "type": "Opaque", "data": {"word": "czNjcmV0"}}"""

WAITING = """{"phase": "Pending", "containerStatuses": [
 {"name": "main", "image": "quay.io/slow:1", "state": {"waiting": {"reason": "ContainerCreating"}}}]}"""


class World:
    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "local.sock")
        self.pulls = PullBoard()
        self.database = Database(directory / "edgecore.db")
        self.database.write_and_wait(_fill)
        self.switchboard = Switchboard()
        self.keeper = Keeper(self.switchboard)
        settings = LocalSettings(self.path, "edge1", "0.1.0", None, self.keeper.report, self.pulls.read)
        self.keeper.keep("twin", "twin", lambda: DeviceTwin(self.switchboard, self.database, node="edge1"))
        self.keeper.keep("rules", "rules", lambda: Rules(self.switchboard, self.database, node="edge1", folder=str(directory / "rules")))
        self.keeper.keep("localapi", "local", lambda: LocalAPI(settings, self.switchboard, self.database))
        self.keeper.start()
        wait_for("the local socket", lambda: os.path.exists(self.path), within=10)

    def ask(self, **question: Any) -> Any:
        return client.ask(self.path, question)

    def raw(self, data: bytes) -> Frame | None:
        """What is said to ``data``."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.path)
            connection.sendall(data)
            return FrameSocket(connection).receive()


def _fill(tx: Transaction) -> None:
    pod = '{"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {}, "status": {"phase": "Pending"}}'
    metadata.save(tx, MetaRow("default/pod/web", "pod", pod, "u", "1"))
    metadata.save(tx, MetaRow("default/podstatus/web", "podstatus", '{"UID": "u", "Name": "web", "Status": {"phase": "Running"}}', "u"))
    slow = '{"metadata": {"name": "slow", "namespace": "default", "uid": "w"}, "spec": {}, "status": ' + WAITING + "}"
    metadata.save(tx, MetaRow("default/pod/slow", "pod", slow, "w", "1"))
    metadata.save(tx, MetaRow("default/secret/s", "secret", SECRET, "v", "1"))
    rule = '{"spec": {"when": "dial.level > 3", "then": [{"device": "dial", "property": "level", "value": 0}]}}'
    metadata.save(tx, MetaRow("default/devicerule/calm", "devicerule", rule, "r", "1"))
    twins.save_device(tx, DeviceRow("dial"))
    twins.save_twin(tx, TwinRow("dial", "level", attr_type="int"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    assert made.keeper.stop(10) == []
    made.database.close()
    assert not os.path.exists(made.path)


def test_the_socket_is_for_its_owner_only(world: World) -> None:
    assert stat.S_IMODE(os.stat(world.path).st_mode) == 0o600


def test_a_pod_shows_the_status_that_was_reported_last(world: World) -> None:
    assert world.ask(verb="get", kind="pods", namespace="default", name="web")[0]["status"]["phase"] == "Running"


def test_of_an_image_that_comes_it_is_said_how_far_it_has_come(world: World) -> None:
    def shown() -> str:
        table = tables.listing("pods", world.ask(verb="get", kind="pods", name="slow"), now=0.0, all_namespaces=False)
        return table.splitlines()[1]

    assert "  ContainerCreating  " in shown()
    world.pulls.note("quay.io/slow:1", Fetched(31_080_000, 84_000_000))
    assert "  Pulling 37 % of 84 MB  " in shown()
    assert "State:        waiting ContainerCreating Pulling 37 % of 84 MB" in tables.described(
        {**world.ask(verb="get", kind="pods", name="slow")[0], "spec": {"containers": [{"name": "main"}]}}, now=0.0
    )


def test_a_secret_gives_its_keys_and_no_value(world: World) -> None:
    shown = world.ask(verb="get", kind="secrets")
    assert shown[0]["keys"] == ["word"]
    assert "czNjcmV0" not in str(shown)


def test_a_desired_value_is_saved_before_the_answer(world: World) -> None:
    assert world.ask(verb="twin-set", device="dial", property="level", value="7")["twins"]["level"]["expected"]["value"] == "7"


def test_a_value_of_the_wrong_type_is_refused_and_changes_nothing(world: World) -> None:
    world.ask(verb="twin-set", device="dial", property="level", value="7")
    with pytest.raises(EdgeCoreError, match="level=warm: the value is not int"):
        world.ask(verb="twin-set", device="dial", property="level", value="warm")
    assert world.ask(verb="twin-get", device="dial")["twins"]["level"]["expected"]["value"] == "7"


def test_status_follows_the_link(world: World) -> None:
    assert not world.ask(verb="status")["link"]["connected"]
    world.switchboard.send("localapi", LinkChanged(True, ledger=True))
    wait_for("the link to show", lambda: world.ask(verb="status")["link"]["connected"], within=10)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({}, "verb: expected one of"),
        ({"verb": ["get"]}, "verb: expected one of"),
        ({"verb": "get", "kind": "dragons"}, "kind: expected one of"),
        ({"verb": "get", "kind": "pods", "name": 1}, "name: expected text"),
        ({"verb": "get", "kind": "pods", "name": "x"}, 'pods "x" not found on this node'),
        ({"verb": "describe"}, "name: is needed"),
        ({"verb": "twin-get", "device": "x"}, "device x is not known on this node"),
        ({"verb": "twin-set", "device": "dial", "property": "x", "value": "1"}, "has no property x: it has level"),
        ({"verb": "twin-set", "device": "dial", "property": "level", "value": 1}, "value: expected text"),
        ({"verb": "exec", "namespace": "d", "pod": "p"}, "command: is needed"),
        ({"verb": "logs", "namespace": "d", "pod": "p"}, "pods are switched off on this node"),
    ],
)
def test_a_bad_question_is_refused_by_field(world: World, question: dict[str, Any], says: str) -> None:
    with pytest.raises(EdgeCoreError, match=says):
        world.ask(**question)


@pytest.mark.parametrize("data", [struct.pack(">I", 2**31), struct.pack(">I", 3) + b"abc", struct.pack(">I", 5) + b"\x02\0\0\0\x01"])
def test_what_is_no_question_is_refused_and_the_next_one_answered(world: World, data: bytes) -> None:
    said = world.raw(data)
    assert isinstance(said, End)
    assert said.code == 400
    assert world.ask(verb="status")["node"] == "edge1"


def test_the_socket_of_a_dead_process_is_replaced_and_that_of_a_live_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    listen(path).close()
    living = listen(path)
    with pytest.raises(OSError, match="another EdgeCore answers there"):
        listen(path)
    living.close()


def test_nobody_at_the_socket_means_that_edgecore_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(EdgeCoreError, match="EdgeCore does not run on this machine"):
        client.ask(str(tmp_path / "none.sock"), {"verb": "status"})


def test_rules_are_asked_for_all_or_by_name(world: World) -> None:
    (rule,) = world.ask(verb="rules")
    assert (rule["name"], rule["namespace"], rule["from"], rule["spec"]["when"]) == ("calm", "default", "cloud", "dial.level > 3")
    assert rule["status"]["fired"] == 0
    assert world.ask(verb="rules", name="default/calm")[0]["name"] == "calm"
    with pytest.raises(EdgeCoreError, match='rule "wild" not found on this node'):
        world.ask(verb="rules", name="wild")


def test_what_is_wrong_with_a_device_shows_beside_its_twins(world: World) -> None:
    faults = [Fault("", "DeviceAway", "no answer"), Fault("level", "DescriptionError", "register: is missing")]
    world.database.write_and_wait(lambda tx: twins.save_device(tx, DeviceRow("dial", state="offline", faults=kept(faults))))
    found = world.ask(verb="describe", kind="devices", name="dial")
    text = tables.device(found)
    assert "State:          offline" in text and "level" in text
    assert text.splitlines()[-2:] == [
        "  (the device)      DeviceAway        no answer",
        "  level             DescriptionError  register: is missing",
    ]
    listed = tables.listing("devices", world.ask(verb="get", kind="devices"), now=0.0, all_namespaces=False)
    assert listed.splitlines()[1].endswith("DeviceAway: no answer (and 1 more)")


def test_a_device_without_trouble_says_so_and_one_that_is_not_there_is_named(world: World) -> None:
    assert tables.device(world.ask(verb="describe", kind="devices", name="dial")).endswith("Problems:       none")
    with pytest.raises(EdgeCoreError, match="device x is not known on this node"):
        world.ask(verb="describe", kind="devices", name="x")
