"""The whole road on real parts: kubectl, the API server, CloudCore, EdgeCore, Podman, Mosquitto. Promises A1, A2, D3, D5, D7."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.parts import Board, Site
from demo.stage import answers, free_port, wait_for
from demo.steps import EXAMPLES
from tests.system.conftest import IMAGE
from tests.system.mqtt import Client, actual
from viaduct import topics

pytestmark = pytest.mark.system

MODEL = """
apiVersion: devices.kubeedge.io/v1alpha1
kind: DeviceModel
metadata: {name: probe-model, namespace: default}
spec:
  properties:
  - {name: level, description: "", type: {string: {accessMode: ReadWrite, defaultValue: ""}}}
"""

DEVICE = """
apiVersion: devices.kubeedge.io/v1alpha1
kind: Device
metadata: {name: NAME, namespace: default}
spec:
  deviceModelRef: {name: probe-model}
  nodeSelector:
    nodeSelectorTerms:
    - matchExpressions:
      - {key: "", operator: In, values: [NODE]}
status:
  twins:
  - {propertyName: level, desired: {value: "", metadata: {type: string}}, reported: {value: "", metadata: {type: string}}}
"""


@pytest.fixture(scope="module")
def web(site: Site, board: Board) -> Iterator[int]:
    """The example Deployment on the board; the host port that it answers on."""
    port = free_port()
    text = (EXAMPLES / "web.yaml").read_text().replace("hostPort: 8088", f"hostPort: {port}").replace("localhost/bramble-web:1", IMAGE)
    site.kubectl("apply", "-f", "-", stdin=text)
    site.wait("the web pod ready", lambda: _ready(site), within=60)
    wait_for("its page", lambda: "Hello" in _page(port), within=20)
    yield port
    site.kubectl("delete", "deployment", "web", "--wait=false")


@pytest.fixture(scope="module")
def probe(site: Site, board: Board) -> Iterator[str]:
    """A device on the board whose property ``level`` a test reports."""
    name = "probe"
    site.kubectl("apply", "-f", "-", stdin=MODEL)
    with Client(board.mqtt, topics.twin_get_result(name)) as client:
        site.kubectl("apply", "-f", "-", stdin=DEVICE.replace("NAME", name).replace("NODE", board.node))

        def known() -> bool:
            client.publish(topics.twin_get(name), {"event_id": "x", "timestamp": 0})
            return "twin" in client.wait(lambda topic, value: True, within=2)

        wait_for("the device at the edge", known, within=30)
    yield name
    site.kubectl("delete", "device", name)


def _ready(site: Site) -> dict[str, Any] | None:
    for pod in site.pods("app=web"):
        statuses = pod["status"].get("containerStatuses", [])
        if statuses and all(status["ready"] for status in statuses) and "deletionTimestamp" not in pod["metadata"]:
            return pod
    return None


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cgi-bin/page", timeout=3) as answer:
        return str(answer.read().decode())


def _started(board: Board) -> dict[str, str]:
    listed = json.loads(board.podman("inspect", *board.containers()))
    return {container["Id"]: container["State"]["StartedAt"] for container in listed}


def test_a_changed_configmap_shows_in_the_running_container(site: Site, web: int) -> None:
    site.kubectl("patch", "configmap", "web-page", "--type=merge", "-p", json.dumps({"data": {"greeting.txt": "Changed.\n"}}))
    wait_for("the changed page", lambda: "Changed." in _page(web), within=60)


def test_what_happened_to_a_pod_is_among_kubectls_events(site: Site, web: int) -> None:
    def reasons() -> set[str]:
        items = json.loads(site.kubectl("get", "events", "-o", "json"))["items"]
        return {item["reason"] for item in items if item["source"].get("component") == "edged"}

    wait_for("the events", lambda: {"Pulled", "Created", "Started"} <= reasons(), within=30)


def test_edgecore_killed_and_started_again_leaves_every_container_as_it_is(site: Site, board: Board, web: int) -> None:
    before = _started(board)
    board.kill()
    assert "pod:" in _page(web)
    board.start()
    site.wait("the node Ready", board.ready, within=60)
    with Client(board.mqtt):
        pass
    wait_for("the same containers", lambda: _started(board) == before, within=20)
    assert _ready(site)["status"]["containerStatuses"][0]["restartCount"] == 0  # type: ignore[index]


def test_without_the_cloud_edgecore_brings_its_pods_back_and_with_the_cloud_the_statuses_converge(
    site: Site, board: Board, web: int
) -> None:
    site.stop()
    board.kill()
    board.remove_containers()
    assert board.containers() == []
    board.start()
    wait_for("the page, made by a board without a cloud", lambda: "pod:" in _page(web), within=60)
    new = set(board.containers())
    site.start()

    def converged() -> bool:
        pod = _ready(site)
        return pod is not None and pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2] in new

    site.wait("the true container id in the API", converged, within=60)
    assert set(board.containers()) == new


def test_a_deleted_deployment_leaves_no_container(site: Site, board: Board) -> None:
    text = (
        (EXAMPLES / "web.yaml").read_text().replace("hostPort: 8088", f"hostPort: {free_port()}").replace("localhost/bramble-web:1", IMAGE)
    )
    text = text.replace("name: web\n", "name: gone\n").replace("app: web", "app: gone")
    before = set(board.containers())
    site.kubectl("apply", "-f", "-", stdin=text)
    site.wait("a further container", lambda: set(board.containers()) - before, within=60)
    site.kubectl("delete", "deployment", "gone")
    site.wait("the pod gone from the API", lambda: not site.pods("app=gone"), within=60)
    wait_for("no further container", lambda: set(board.containers()) <= before, within=30)


def test_of_two_values_in_quick_succession_the_last_wins_at_the_edge_and_in_the_api_a_thousand_times(
    site: Site, board: Board, probe: str
) -> None:
    with Client(board.mqtt, topics.twin_update_result(probe), topics.twin_get_result(probe)) as client:
        for number in range(1000):
            client.publish(topics.twin_update(probe), actual("level", f"first-{number}"))
            client.publish(topics.twin_update(probe), actual("level", f"last-{number}"))
        answered = []
        while len(answered) < 2000:
            topic, payload = client.arrivals.get(timeout=30)
            if topic == topics.twin_update_result(probe):
                answered.append(json.loads(payload)["twin"]["level"]["actual"]["value"])
        assert answered == [f"{which}-{number}" for number in range(1000) for which in ("first", "last")]
        client.publish(topics.twin_get(probe), {})
        got = client.wait(lambda topic, value: topic == topics.twin_get_result(probe))
        assert got["twin"]["level"]["actual"]["value"] == "last-999"
    site.wait("the last value in the API", lambda: site.reported(probe, "level") == "last-999", within=30)


def test_in_every_pair_with_a_pause_after_it_the_api_ends_with_the_last_value(site: Site, board: Board, probe: str) -> None:
    with Client(board.mqtt) as client:
        for number in range(20):
            client.publish(topics.twin_update(probe), actual("level", f"a-{number}"))
            client.publish(topics.twin_update(probe), actual("level", f"b-{number}"))
            site.wait("the second value", lambda number=number: site.reported(probe, "level") == f"b-{number}", within=20)


def test_values_and_statuses_of_an_outage_reach_the_api_within_seconds_of_the_reconnect(
    site: Site, board: Board, web: int, probe: str
) -> None:
    site.stop()
    with Client(board.mqtt, topics.twin_update_result(probe)) as client:
        client.publish(topics.twin_update(probe), actual("level", "said-offline"))
        client.wait(lambda topic, value: "twin" in value)
    victim = board.containers()[0]
    board.podman("kill", victim)
    wait_for("the container back", lambda: "pod:" in _page(web), within=60)
    site.start()
    back = time.monotonic()
    site.wait("the value of the outage", lambda: site.reported(probe, "level") == "said-offline", within=20)
    assert time.monotonic() - back < 15
    site.wait(
        "the restart of the outage", lambda: (_ready(site) or _none())["status"]["containerStatuses"][0]["restartCount"] >= 1, within=30
    )


def test_the_board_is_back_within_two_seconds_of_the_hub_being_reachable(site: Site, board: Board) -> None:
    links = board.links()
    site.stop()
    site.launch()
    wait_for("the hub's port", lambda: answers(site.hub), within=30, every=0.02)
    reachable = time.monotonic()
    wait_for("the link", lambda: board.links() > links, within=20, every=0.02)
    took = time.monotonic() - reachable
    site.wait_started()
    assert took < 2.0


def test_a_desired_value_reaches_mqtt_as_a_delta(site: Site, board: Board, probe: str) -> None:
    with Client(board.mqtt, topics.twin_update_delta(probe)) as client:
        site.desire(probe, "level", "wanted")
        delta = client.wait(lambda topic, value: value["delta"].get("level") == "wanted")
        assert delta["twin"]["level"]["expected"]["value"] == "wanted"


def test_a_model_outside_the_schema_is_refused_with_the_field(site: Site) -> None:
    wrong = MODEL.replace("accessMode: ReadWrite", "accessMode: Sometimes").replace("probe-model", "wrong-model")
    with pytest.raises(Exception, match=r"accessMode.*Sometimes"):
        site.kubectl("apply", "-f", "-", stdin=wrong)


def _none() -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"restartCount": 0}]}}


def test_the_board_tells_its_numbers(site: Site, board: Board) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{board.metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    samples = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    assert samples["bramble_edgecore_connected"] == 1
    assert samples["bramble_edgecore_links_total"] >= 1
    assert samples["bramble_edgecore_commit_seconds_count"] > 0
