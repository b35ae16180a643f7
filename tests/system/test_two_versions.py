"""Devices in both versions with real kubectl, a real site and a real board: what is shown, what works, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from demo.parts import Board, Site
from demo.stage import Failed, run, wait_for
from demo.steps import EXAMPLES
from tests.system.mqtt import Client, actual
from viaduct import topics

pytestmark = pytest.mark.system

NAME = "thermometer-2"
OLD, NEW = "devices.v1alpha1.devices.kubeedge.io", "devices.v1beta1.devices.kubeedge.io"
MANIFEST = EXAMPLES / "thermometer-v1beta1.yaml"


@pytest.fixture(scope="module")
def thermometer(site: Site, board: Board) -> Iterator[str]:
    """The v1beta1 example on the board, which knows it."""
    text = MANIFEST.read_text().replace("nodeName: edge1", f"nodeName: {board.node}")
    site.kubectl("apply", "-f", "-", stdin=text)
    with Client(board.mqtt, topics.twin_get_result(NAME)) as client:

        def known() -> bool:
            client.publish(topics.twin_get(NAME), {"event_id": "x", "timestamp": 0})
            return "setpoint" in client.wait(lambda topic, value: True, within=2).get("twin", {})

        wait_for("the device at the edge", known, within=30)
    yield text
    site.kubectl("delete", "-f", "-", stdin=text)


def test_a_device_of_v1beta1_is_served_by_the_board_and_shows_what_it_reports(site: Site, board: Board, thermometer: str) -> None:
    with Client(board.mqtt, topics.twin_update_delta(NAME), topics.state_update_result(NAME)) as client:
        client.publish(topics.state_update(NAME), {"event_id": "s", "timestamp": 0, "state": "online"})
        client.publish(topics.twin_update(NAME), actual("temperature", "21.5"))
        site.wait(
            "the value in v1beta1", lambda: "21.5" in site.kubectl("get", NEW, NAME, "-o", "jsonpath={.status.twins[*].reported.value}")
        )
        site.wait("its state", lambda: site.kubectl("get", NEW, NAME, "-o", "jsonpath={.status.state}") == "online")
        assert site.reported(NAME, "temperature") == "21.5"
        site.kubectl(
            *("patch", NEW, NAME, "--type=json", "-p"),
            json.dumps([{"op": "replace", "path": "/spec/properties/1/desired/value", "value": "190"}]),
        )
        client.wait(lambda topic, value: value.get("delta", {}).get("setpoint") == "190")


def test_kubectl_shows_where_a_device_is_how_it_is_reached_how_it_is_and_when_it_was_seen(
    site: Site, board: Board, thermometer: str
) -> None:
    wide = site.kubectl("get", "devices", NAME, "-o", "wide").splitlines()
    assert wide[0].split() == ["NAME", "MODEL", "NODE", "PROTOCOL", "STATE", "LAST", "SEEN", "PROBLEM", "AGE"]
    name, model, node, protocol, state, seen, *_, age = wide[1].split()
    assert (name, model, node, protocol, state) == (NAME, "thermometer-model-2", board.node, "modbus-tcp", "online")
    assert seen.endswith(("s", "m"))
    assert age.endswith(("s", "m"))
    old = site.kubectl("get", OLD, NAME).splitlines()
    assert old[0].split() == ["NAME", "MODEL", "NODE", "STATE", "LAST", "SEEN", "AGE"]


def test_each_version_is_shown_whole_and_applied_again_changes_nothing(site: Site, board: Board, thermometer: str) -> None:
    written = yaml.safe_load_all(thermometer)
    device = next(one for one in written if one["kind"] == "Device")
    shown = yaml.safe_load(site.kubectl("get", NEW, NAME, "-o", "yaml"))
    assert [one["name"] for one in shown["spec"]["properties"]] == ["temperature", "setpoint"]
    for field in ("nodeName", "protocol", "deviceModelRef"):
        assert shown["spec"][field] == device["spec"][field]
    assert shown["spec"]["properties"][0] == device["spec"]["properties"][0]
    old = yaml.safe_load(site.kubectl("get", OLD, NAME, "-o", "yaml"))
    assert old["spec"]["protocol"] == {"modbus": {"tcp": {"ip": "127.0.0.1", "port": 5020, "slaveID": "1"}}}
    site.kubectl("apply", "-f", "-", stdin=thermometer)
    assert "unchanged" in site.kubectl("apply", "-f", "-", stdin=thermometer)


def test_the_examples_of_v1alpha1_can_be_read_in_v1beta1_and_come_back_as_they_were(site: Site, thermometer: str) -> None:
    manifests = [EXAMPLES / "thermometer-model.yaml", EXAMPLES / "thermometer.yaml"]
    for manifest in manifests:
        site.kubectl("apply", "-f", manifest)
    try:
        before = json.loads(site.kubectl("get", OLD, "thermometer", "-o", "json"))
        shown = json.loads(site.kubectl("get", NEW, "thermometer", "-o", "json"))
        assert shown["spec"]["nodeName"] == "edge1"
        site.kubectl("replace", "-f", "-", stdin=json.dumps(shown))
        after = json.loads(site.kubectl("get", OLD, "thermometer", "-o", "json"))
        assert (after["spec"], after["status"]) == (before["spec"], before["status"])
    finally:
        for manifest in reversed(manifests):
            site.kubectl("delete", "-f", manifest)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("type: FLOAT", "type: FLUFF", r"spec\.properties\[0\]\.type"),
        ("accessMode: ReadWrite", "accessMode: Sometimes", r"spec\.properties\[1\]\.accessMode"),
        ("collectCycle: 5000", "collectCycle: often", r"spec\.properties\[0\]\.collectCycle"),
        ("protocolName: modbus-tcp", 'protocolName: ""', r"spec\.protocol\.protocolName"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(site: Site, old: str, new: str, field: str) -> None:
    text = MANIFEST.read_text()
    assert old in text
    with pytest.raises(Failed, match=field):
        site.kubectl("create", "--validate=false", "-f", "-", stdin=text.replace(old, new).replace("thermometer-", "wrong-"))
    site.kubectl("delete", "devicemodel,device", "wrong-model-2", "wrong-2", "--ignore-not-found")


def test_kubectl_shows_what_cloudcore_warns_of(site: Site, thermometer: str) -> None:
    text = MANIFEST.read_text().split("---")[1].replace("name: thermometer-model-2", "name: nobody").replace(NAME, "lonely")
    own = ("--kubeconfig", site.kubeconfig, "--cache-dir", site.folder / "kubectl-cache")
    said = run("sh", "-c", 'kubectl "$@" 2>&1', "sh", *own, "create", "--dry-run=server", "-f", "-", stdin=text)
    assert "Warning: spec.deviceModelRef.name: there is no DeviceModel 'nobody' in 'default' yet" in said
