"""A rule on the whole road: kubectl apply, a value over MQTT, a delta over MQTT; with the cloud away; over a kill; and back up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from demo.parts import BIN, Board, Site
from demo.stage import wait_for
from tests.system.mqtt import Client
from viaduct import topics

pytestmark = pytest.mark.system

DEVICES = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: rules-model, namespace: default}
spec:
  protocol: made-up
  properties:
  - {name: temperature, type: INT, accessMode: ReadOnly}
  - {name: speed, type: INT, accessMode: ReadWrite, minimum: "0", maximum: "3"}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: rules-sensor, namespace: default}
spec: {deviceModelRef: {name: rules-model}, nodeName: NODE, protocol: {protocolName: made-up}, properties: [{name: temperature}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: rules-fan, namespace: default}
spec:
  deviceModelRef: {name: rules-model}
  nodeName: NODE
  protocol: {protocolName: made-up}
  properties: [{name: speed, desired: {value: "0", metadata: {type: int}}}]
"""

RULE = """
apiVersion: rules.devices.bramble.io/v1alpha1
kind: DeviceRule
metadata: {name: cool, namespace: default}
spec:
  nodeName: NODE
  when: rules-sensor.temperature > 30
  for: 1s
  then: [{device: rules-fan, property: speed, value: 3}]
  else: [{device: rules-fan, property: speed, value: 0}]
"""
RULES = "devicerules.rules.devices.bramble.io"


def edgecore(board: Board, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "edgecore", *arguments, "--config", board.config], capture_output=True, text=True, timeout=30, check=False)


def on_board(board: Board, name: str = "cool") -> dict[str, Any]:
    done = edgecore(board, "rules", "-o", "json", name)
    return dict(json.loads(done.stdout)[0]["status"]) if done.returncode == 0 else {"state": ""}


def in_cloud(site: Site, name: str = "cool") -> dict[str, Any]:
    nodes = site.get(RULES, name).get("status", {}).get("nodes", [])
    return dict(nodes[0]) if nodes else {"state": ""}


@pytest.fixture(scope="module")
def rule(site: Site, board: Board) -> Iterator[str]:
    site.kubectl("apply", "-f", "-", stdin=DEVICES.replace("NODE", board.node))
    site.kubectl("apply", "-f", "-", stdin=RULE.replace("NODE", board.node))
    site.wait("the rule at the edge", lambda: on_board(board)["state"] == "Unknown", within=30)
    wait_for("the devices", lambda: edgecore(board, "twin", "get", "rules-fan", "speed").returncode == 0, within=30)
    yield "cool"
    site.kubectl("delete", RULES, "--all")
    site.kubectl("delete", "devices.v1alpha1.devices.kubeedge.io", "rules-sensor", "rules-fan")


def report(client: Client, value: int) -> None:
    body = {"event_id": "", "timestamp": 0, "twin": {"temperature": {"actual": {"value": str(value)}, "metadata": {"type": "int"}}}}
    client.publish(topics.twin_update("rules-sensor"), body)


def speed_of(value: Any) -> str:
    return str(value["delta"].get("speed", ""))


def test_a_value_over_mqtt_sets_another_over_mqtt_and_the_cloud_hears_of_it(site: Site, board: Board, rule: str) -> None:
    with Client(board.mqtt, topics.twin_update_delta("rules-fan")) as client:
        report(client, 31)
        client.wait(lambda topic, value: speed_of(value) == "3")
        site.wait("the state in the cloud", lambda: in_cloud(site)["state"] == "Fired", within=30)
        assert in_cloud(site)["name"] == board.node and in_cloud(site)["fired"] == 1
        report(client, 29)
        client.wait(lambda topic, value: speed_of(value) == "0")
    assert rule in site.kubectl("get", RULES)


def test_it_works_without_the_cloud_and_what_has_fired_does_not_fire_again_after_a_kill(site: Site, board: Board, rule: str) -> None:
    times = on_board(board)["fired"]
    site.stop()
    with Client(board.mqtt, topics.twin_update_delta("rules-fan")) as client:
        report(client, 35)
        client.wait(lambda topic, value: speed_of(value) == "3")
    wait_for("the rule fired", lambda: on_board(board)["fired"] == times + 1, within=20)
    wait_for("the rule settled", lambda: on_board(board)["state"] == "Fired", within=20)
    board.kill()
    board.start()
    wait_for("the rule again", lambda: on_board(board)["state"] == "Fired", within=60)
    with Client(board.mqtt, topics.twin_update_delta("rules-fan")) as client:
        report(client, 36)
        report(client, 20)
        client.wait(lambda topic, value: speed_of(value) == "0")
    assert on_board(board)["fired"] == times + 1
    site.start()
    site.wait(
        "the state of the outage", lambda: in_cloud(site).get("fired") == times + 1 and in_cloud(site)["state"] == "Waiting", within=40
    )


def test_kubectl_says_where_a_condition_is_wrong(site: Site, rule: str) -> None:
    wrong = RULE.replace("temperature > 30", "temperature > 30 andd door.open").replace("name: cool", "name: wrong")
    with pytest.raises(Exception, match=r"spec\.when: line 1, column 31: expected 'and', 'or', a comparison or the end, got 'andd'"):
        site.kubectl("apply", "-f", "-", stdin=wrong)
    with pytest.raises(Exception, match=r"spec\.for"):
        site.kubectl("apply", "-f", "-", stdin=RULE.replace("for: 1s", "for: soon").replace("name: cool", "name: wrong"))


def test_a_refused_action_is_an_event_of_the_rule(site: Site, board: Board, rule: str) -> None:
    wanted = (
        RULE.replace("NODE", board.node).replace("name: cool", "name: greedy").replace("value: 3", "value: 9").replace("for: 1s", "for: 0s")
    )
    site.kubectl("apply", "-f", "-", stdin=wanted)
    with Client(board.mqtt) as client:
        report(client, 40)
        site.wait("the refusal in the cloud", lambda: "allows 0 to 3" in in_cloud(site, "greedy").get("error", ""), within=30)
    events = json.loads(site.kubectl("get", "events", "-o", "json"))["items"]
    assert [event["reason"] for event in events if event["involvedObject"].get("name") == "greedy"] == ["ActionRefused"]


def test_a_file_is_checked_before_it_is_laid_down_and_then_holds(board: Board, rule: str) -> None:
    folder = board.folder / "rules"
    folder.mkdir(exist_ok=True)
    file = folder / "own.yaml"
    text = RULE.replace("name: cool", "name: own").replace("  nodeName: NODE\n", "").replace("for: 1s", "for: 1h")
    file.write_text(text.replace("temperature > 30", "temperature => 30"))
    done = edgecore(board, "rules", "check", str(file))
    assert (done.returncode, done.stderr) == (1, f"{file}:6:34: spec.when: '=>' is not known here; write '>='\n")
    wait_for("the broken one told", lambda: on_board(board, "own")["state"] == "Invalid", within=20)
    file.write_text(text)
    assert edgecore(board, "rules", "check", str(file)).returncode == 0
    wait_for("the rule of the file", lambda: on_board(board, "own")["state"] in ("Unknown", "Holding"), within=20)
    assert str(file) in edgecore(board, "rules").stdout
    file.unlink()
    wait_for("no rule of the file", lambda: on_board(board, "own")["state"] == "", within=20)
