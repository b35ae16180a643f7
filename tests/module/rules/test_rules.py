"""Rules with the real DeviceTwin over one store: from a reported value to a desired one, over restarts, refusals and broken rules."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import Arrived, ConfigChanged, PublishAll, RulesAsked
from edgecore.beehive.switchboard import Switchboard
from edgecore.devicetwin.module import DeviceTwin
from edgecore.metamanager.module import MetaManager
from edgecore.rules.module import Rules
from edgecore.store import metadata, twins
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from tests.fakes.fakehub import wait_until
from viaduct import topics
from viaduct.codec import decode
from viaduct.device import Device, MsgTwin, TwinValue, Version, membership_content
from viaduct.message import new_message

LIMIT = 15.0
PROFILE = {
    "deviceInstances": [{"id": "fan", "name": "fan", "model": "fan-model"}],
    "deviceModels": [
        {
            "name": "fan-model",
            "properties": [
                {"name": "speed", "dataType": "int", "accessMode": "ReadWrite", "minimum": 0, "maximum": 100},
                {"name": "sealed", "dataType": "string", "accessMode": "ReadOnly"},
            ],
        }
    ],
}


class Board:
    """DeviceTwin, MetaManager and Rules, with mailboxes of nobody for EventBus and EdgeHub."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "rules"
        self.start()

    def start(self) -> None:
        self.database = Database(self.folder / "edgecore.db")
        self.switchboard = Switchboard()
        self.bus = self.switchboard.register("eventbus", "bus")
        self.hub = self.switchboard.register("websocket", "hub")
        self.keeper = Keeper(self.switchboard)
        self.keeper.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database))
        self.keeper.keep("twin", "twin", lambda: DeviceTwin(self.switchboard, self.database, node="edge1"))
        self.keeper.keep("rules", "rules", lambda: Rules(self.switchboard, self.database, node="edge1", folder=str(self.files)))
        self.keeper.start()

    def stop(self) -> None:
        assert self.keeper.stop(15) == []
        assert all(kept.restarts == 0 for kept in self.keeper.report())
        self.database.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def devices(self, *names: str, **twins_of: dict[str, str]) -> None:
        """Members of the node: property to type."""
        for number, name in enumerate(names):
            held = {prop: MsgTwin(TwinValue(""), None, False, kind, Version(1, 0)) for prop, kind in twins_of[name].items()}
            content = membership_content(added=(Device(name, name, twins=held, uid=f"uid-{name}"),), event_id="", timestamp=1)
            self.switchboard.send(
                "twin",
                new_message(
                    source="devicecontroller",
                    group="twin",
                    operation="update",
                    resource="membership",
                    now_ms=1,
                    content=content,
                    resource_version=str(number + 1),
                ),
            )

    def report(self, device: str, name: str, value: str) -> None:
        body = {"event_id": "", "twin": {name: {"actual": {"value": value}}}}
        self.switchboard.send("twin", Arrived(topics.twin_update(device), json.dumps(body).encode()))

    def state(self, device: str, state: str) -> None:
        self.switchboard.send("twin", Arrived(topics.state_update(device), json.dumps({"state": state}).encode()))

    def apply(self, name: str, when: str, then: list[dict[str, Any]], *, version: int = 1, uid: str = "", **more: Any) -> None:
        obj = {
            "metadata": {"name": name, "namespace": "default", "uid": uid or f"uid-{name}"},
            "spec": {"when": when, "then": then} | {key.rstrip("_"): value for key, value in more.items()},
        }
        self._say("insert", name, obj, version)

    def delete(self, name: str, version: int) -> None:
        self._say("delete", name, {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}}, version)

    def _say(self, operation: str, name: str, obj: dict[str, Any], version: int) -> None:
        self.switchboard.send(
            "metaManager",
            new_message(
                source="edgecontroller",
                group="resource",
                operation=operation,
                resource=f"default/devicerule/{name}",
                now_ms=1,
                content=obj,
                resource_version=str(version),
            ),
        )

    def desired(self, device: str, name: str) -> str | None:
        found = {(row.deviceid, row.name): row.expected for row in self.database.read(twins.load_all)[2]}
        return found.get((device, name))

    def rules(self) -> dict[str, dict[str, Any]]:
        came: queue.SimpleQueue[list[dict[str, Any]]] = queue.SimpleQueue()
        self.switchboard.send("rules", RulesAsked(came.put))
        return {str(rule["name"]): rule for rule in came.get(timeout=5)}

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.rules().get(name, {}).get("status", {"state": "", "error": ""}))

    def reported(self, name: str) -> dict[str, Any] | None:
        rows = self.database.read(lambda tx: tx.execute("SELECT message FROM outbox WHERE lane LIKE 'rulestatus/%'").fetchall())
        found = [decode(row[0]) for row in rows]
        return next((m.content for m in found if m.route.resource == f"default/devicerulestatus/{name}"), None)

    def published(self, topic: str) -> int:
        count = 0
        for letter in self.bus.take_ready(1000):
            if isinstance(letter, PublishAll):
                count += sum(publish.topic == topic for publish in letter.publishes)
        return count


def fan(value: Any = "on", prop: str = "power") -> list[dict[str, Any]]:
    return [{"device": "fan", "property": prop, "value": value}]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path)
    board.devices("sensor", "fan", sensor={"temperature": "int"}, fan={"power": "string", "speed": "int", "sealed": "string"})
    until(lambda: len(board.database.read(twins.held)) == 2)
    yield board
    board.stop()


def until(condition: Callable[[], object]) -> None:
    wait_until(condition, LIMIT)


def test_a_reported_value_sets_a_desired_one_and_mappers_hear_of_it(board: Board) -> None:
    board.apply("cool", "sensor.temperature > 30", fan(), else_=fan("off"))
    until(lambda: board.status("cool")["state"] == "Unknown")
    board.report("sensor", "temperature", "31")
    until(lambda: board.desired("fan", "power") == "on")
    until(lambda: board.status("cool")["state"] == "Fired")
    assert board.published(topics.twin_update_delta("fan")) >= 1
    board.report("sensor", "temperature", "29")
    until(lambda: board.desired("fan", "power") == "off")
    until(lambda: (board.reported("cool") or {}).get("uid") == "uid-cool")


def test_for_must_be_over_and_begins_anew_when_the_condition_was_false(board: Board) -> None:
    board.apply("cool", "sensor.temperature > 30", fan(), for_="800ms")
    board.report("sensor", "temperature", "31")
    until(lambda: board.status("cool")["state"] == "Holding")
    assert not board.desired("fan", "power")
    until(lambda: board.desired("fan", "power") == "on")
    assert board.status("cool")["fired"] == 1


def test_what_has_fired_does_not_fire_again_after_a_restart_until_it_was_false(board: Board) -> None:
    board.apply("cool", "sensor.temperature > 30", fan())
    board.report("sensor", "temperature", "31")
    until(lambda: board.desired("fan", "power") == "on" and board.status("cool")["state"] == "Fired")
    board.switchboard.send(
        "twin", Arrived(topics.twin_update("fan"), json.dumps({"twin": {"power": {"expected": {"value": "by-hand"}}}}).encode())
    )
    until(lambda: board.desired("fan", "power") == "by-hand")
    board.restart()
    until(lambda: board.status("cool")["state"] == "Fired")
    board.report("sensor", "temperature", "32")
    board.report("sensor", "temperature", "20")
    until(lambda: board.status("cool")["state"] == "Waiting")
    assert board.desired("fan", "power") == "by-hand"
    board.report("sensor", "temperature", "33")
    until(lambda: board.desired("fan", "power") == "on")
    assert board.status("cool")["fired"] == 2


def test_the_value_of_a_device_that_is_offline_is_unknown(board: Board) -> None:
    board.apply("cool", "sensor.temperature > 30", fan(), for_="1h")
    board.report("sensor", "temperature", "31")
    until(lambda: board.status("cool")["state"] == "Holding")
    board.state("sensor", "offline")
    until(lambda: board.status("cool")["state"] == "Unknown")
    board.state("sensor", "online")
    until(lambda: board.status("cool")["state"] == "Holding")


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ([{"device": "nobody", "property": "x", "value": "1"}], "this node has no device 'nobody'"),
        (fan("on", "colour"), "has no property 'colour'"),
        (fan("fast", "speed"), "the value is not int"),
        (fan(101, "speed"), "model fan-model allows 0 to 100"),
        (fan("x", "sealed"), "ReadOnly"),
    ],
)
def test_a_refused_action_is_the_error_of_its_rule_and_stops_no_other(board: Board, then: list[dict[str, Any]], words: str) -> None:
    configmap = {"data": {"deviceProfile.json": json.dumps(PROFILE)}}
    row = MetaRow("default/configmap/device-profile-config-edge1", "configmap", json.dumps(configmap))
    board.database.write_and_wait(lambda tx: metadata.save(tx, row))
    board.switchboard.send("twin", ConfigChanged(row.key))
    board.apply("a-wrong", "sensor.temperature > 30", then)
    board.apply("b-broken", "sensor.temperature >", fan())
    board.apply("c-typed", "sensor.temperature == 'hot'", fan())
    board.apply("d-well", "sensor.temperature > 30", fan())
    board.report("sensor", "temperature", "31")
    until(lambda: board.desired("fan", "power") == "on")
    until(lambda: words in board.status("a-wrong").get("error", ""))
    assert board.status("a-wrong")["state"] == "Setting"
    assert board.status("b-broken")["state"] == "Invalid" and "line 1, column 21" in board.status("b-broken")["error"]
    assert board.status("c-typed")["error"] == "spec.when: line 1, column 1: sensor.temperature is a number, not a text"
    assert "error" not in board.status("d-well")
    until(lambda: (board.reported("b-broken") or {"status": {}})["status"].get("state") == "Invalid")


def test_a_rule_of_a_file_holds_without_any_cloud_and_goes_with_its_file(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecore.beehive.folder.EVERY", 0.1)
    board.files.mkdir()
    head = "apiVersion: rules.devices.bramble.io/v1alpha1\nkind: DeviceRule\n"
    file = board.files / "fan.yaml"
    file.write_text(
        f"{head}metadata: {{name: hot}}\nspec:\n  when: sensor.temperature > 30\n"
        "  then:\n  - {device: fan, property: power, value: 'on'}\n"
        f"---\n{head}metadata: {{name: elsewhere}}\nspec: {{nodeName: edge2, when: a.b, then: [{{device: a, property: b, value: 1}}]}}\n"
        f"---\n{head}metadata: {{name: broken}}\nspec: {{when: a.b}}\n"
    )
    board.restart()
    until(lambda: board.status("hot")["state"] == "Unknown")
    board.report("sensor", "temperature", "31")
    until(lambda: board.desired("fan", "power") == "on")
    assert set(board.rules()) == {"hot", "broken"}
    assert board.status("broken")["error"] == "spec.then: expected a list of {device, property, value}"
    assert board.rules()["hot"]["from"] == str(file)
    until(lambda: board.status("hot")["state"] == "Fired")
    file.write_text("{")
    until(lambda: board.status("fan.yaml")["state"] == "Invalid")
    assert board.status("hot")["state"] == "Fired"
    file.unlink()
    until(lambda: board.rules() == {})
    assert board.reported("hot") is None
    until(lambda: board.database.read(lambda tx: tx.execute("SELECT count(*) FROM rule_state").fetchone()[0]) == 0)


def test_a_changed_rule_begins_anew_and_a_deleted_one_leaves_nothing(board: Board) -> None:
    board.apply("cool", "sensor.temperature > 30", fan())
    board.report("sensor", "temperature", "31")
    until(lambda: board.status("cool")["state"] == "Fired")
    board.apply("cool", "sensor.temperature > 30", fan("full"), version=2)
    until(lambda: board.desired("fan", "power") == "full")
    board.delete("cool", 3)
    until(lambda: board.rules() == {})
    until(lambda: board.reported("cool") is None)
    assert board.desired("fan", "power") == "full"


def test_rules_that_feed_each_other_are_stopped_and_say_so(board: Board) -> None:
    """The fan's mapper reports what is desired, as mappers do."""
    board.apply("up", "fan.speed == 0", fan(1, "speed"))
    board.apply("down", "fan.speed == 1", fan(0, "speed"))
    board.report("fan", "speed", "0")
    said = None
    for _ in range(2000):
        wanted = board.desired("fan", "speed")
        if wanted and wanted != said:
            said = wanted
            board.report("fan", "speed", wanted)
        if board.status("up")["state"] == "Stopped" or board.status("down")["state"] == "Stopped":
            break
    stopped = [rule for rule in board.rules().values() if rule["status"]["state"] == "Stopped"]
    assert stopped and "it acted 20 times within a minute" in stopped[0]["status"]["error"]
    assert stopped[0]["status"]["fired"] == 20


def test_devicetwin_that_began_anew_is_told_again_what_to_watch(board: Board) -> None:
    board.apply("cool", "sensor.temperature > 30", fan())
    until(lambda: board.status("cool")["state"] == "Unknown")
    board.switchboard.send("twin", Arrived(None, b""))  # type: ignore[arg-type]
    until(lambda: next(kept for kept in board.keeper.report() if kept.name == "twin").restarts == 1)
    board.report("sensor", "temperature", "31")
    until(lambda: board.desired("fan", "power") == "on")
    next(kept for kept in board.keeper.report() if kept.name == "twin").restarts = 0
