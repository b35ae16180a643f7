"""Samples on the whole road: a mapper, Mosquitto, the ring, the command line without a cloud, the outbox, the file of the cloud.

P5.12, P6.15; promises A4, D1, D3, D5, D7."""

from __future__ import annotations

import csv
import io
import json
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from demo.parts import Board, Site
from demo.stage import BIN, answers, run, wait_for
from tests.system.mqtt import Client, actual
from viaduct import topics

pytestmark = pytest.mark.system

DEVICE = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: gauge-model, namespace: default}
spec:
  properties:
  - {name: level, type: FLOAT, accessMode: ReadOnly}
  - {name: held, type: INT, accessMode: ReadOnly}
  - {name: private, type: INT, accessMode: ReadOnly}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: gauge, namespace: default}
spec:
  deviceModelRef: {name: gauge-model}
  nodeName: NODE
  protocol: {protocolName: any}
  properties:
  - {name: level, collectCycle: 100}
  - {name: held, collectCycle: 200, reportToCloud: true}
  - {name: private, collectCycle: 200, reportToCloud: false}
"""


@pytest.fixture(scope="module")
def gauge(site: Site, board: Board) -> Iterator[str]:
    """A device whose properties are marked, on a board that writes samples every second."""
    usual = board.config.read_text()
    board.stop()
    board.config.write_text(usual.replace("database:\n", "database:\n  history: {commitInterval: 1, flashBudget: 1000}\n"))
    board.start()
    site.wait("the node Ready", board.ready, within=60)
    wait_for("its broker", lambda: answers(board.mqtt), within=30)
    site.kubectl("apply", "-f", "-", stdin=DEVICE.replace("NODE", board.node))
    with Client(board.mqtt, topics.twin_get_result("gauge")) as client:

        def known() -> bool:
            client.publish(topics.twin_get("gauge"), {"event_id": "x", "timestamp": 0})
            return "twin" in client.wait(lambda topic, value: True, within=2)

        wait_for("the device at the edge", known, within=30)

        def marked() -> bool:
            client.publish(topics.data_update("gauge"), _measured(time.time_ns() // 1_000_000, "0"))
            return bool(_on_board(board, "level"))

        wait_for("its marks at the edge", marked, within=30, every=0.5)
    yield "gauge"
    site.kubectl("delete", "device", "gauge")
    board.stop()
    board.config.write_text(usual)
    board.start()
    site.wait("the node Ready", board.ready, within=60)


def _measured(moment: int, value: str) -> dict[str, object]:
    return {"event_id": "", "timestamp": moment, "data": {"level": {"value": value, "metadata": {"timestamp": moment, "type": "float"}}}}


def _on_board(board: Board, name: str) -> dict[str, str]:
    said = run(BIN / "edgecore", "history", "gauge", name, "--since", "1h", "-o", "csv", "--config", board.config)
    return {row["time"]: row["value"] for row in csv.DictReader(io.StringIO(said))}


def _in_cloud(site: Site, board: Board, name: str) -> dict[str, str]:
    file = site.folder / "site" / "history.db"
    said = run(BIN / "cloudcore", "history", f"{board.node}/gauge", name, "--since", "1h", "-o", "json", "--file", file)
    found = json.loads(said)
    assert len({one["time"] for one in found}) == len(found), "each once"
    return {one["time"]: one["value"] for one in found}


def _say(client: Client, number: int, *, first: int = 0) -> None:
    for each in range(first, first + number):
        client.publish(topics.data_update("gauge"), _measured(time.time_ns() // 1_000_000, f"{each}.5"))
        time.sleep(0.1)


def test_what_a_mapper_measures_is_read_on_the_board_and_in_the_cloud(site: Site, board: Board, gauge: str) -> None:
    with Client(board.mqtt) as client:
        client.publish(topics.twin_update(gauge), actual("held", "7"))
        client.publish(topics.twin_update(gauge), actual("private", "9"))
        _say(client, 20)
    wait_for("all of it on the board", lambda: "19.5" in _on_board(board, "level").values(), within=20)
    assert {f"{each}.5" for each in range(20)} <= set(_on_board(board, "level").values())
    wait_for("the same in the cloud", lambda: _in_cloud(site, board, "level") == _on_board(board, "level"), within=30)
    wait_for("what was reported once, sampled", lambda: len(_in_cloud(site, board, "held")) >= 5, within=30)
    assert set(_in_cloud(site, board, "held").values()) == {"7"}
    assert set(_on_board(board, "private").values()) == {"9"}
    with pytest.raises(Exception, match="no samples of private"):
        _in_cloud(site, board, "private")


def test_samples_of_an_outage_are_read_offline_survive_a_kill_and_reach_the_cloud_each_once(site: Site, board: Board, gauge: str) -> None:
    site.stop()
    try:
        with Client(board.mqtt) as client:
            _say(client, 20, first=100)
        wait_for("them on the board, without a cloud", lambda: "119.5" in _on_board(board, "level").values(), within=20)
        _wait_for_two_commits(board)
        board.kill()
        board.start()
        wait_for("its command line", lambda: run(BIN / "edgecore", "status", "--config", board.config), within=30)
        wait_for("them on the board that was killed", lambda: "119.5" in _on_board(board, "level").values(), within=30)
        held = _on_board(board, "level")
        assert {f"{each}.5" for each in range(100, 120)} <= set(held.values())
    finally:
        site.start()
    wait_for("them in the cloud", lambda: held.items() <= _in_cloud(site, board, "level").items(), within=60)
    families = _figures(board)
    dropped = {sample.labels["reason"]: sample.value for sample in families["bramble_edgecore_dropped"].samples}
    assert not any(reason.startswith("samples") for reason in dropped)
    assert families["bramble_edgecore_history_samples"].samples[0].value > 40


def _wait_for_two_commits(board: Board) -> None:
    """The first may have begun before the last sample came. There are always more: of properties sampled by the clock."""
    _wait_for_a_commit(board)
    _wait_for_a_commit(board)


def _wait_for_a_commit(board: Board) -> None:
    before = _written(board)
    wait_for("the next commit of samples", lambda: _written(board) > before, within=30)


def _written(board: Board) -> float:
    return _figures(board)["bramble_edgecore_history_samples"].samples[0].value


def _figures(board: Board) -> dict[str, Metric]:
    with urllib.request.urlopen(f"http://127.0.0.1:{board.metrics}/metrics", timeout=10) as answer:
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
