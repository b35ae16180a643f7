"""Twin updates spread over 10, 100 and 1,000 devices, beside the naive way in the same run: one process, a commit for each message."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from demo.stage import wait_for
from tests.bench.figure import Figure, Group, percentile
from tests.bench.stand import DEVICE, Stand
from tests.system.mqtt import Client
from viaduct import topics

SIZES = (10, 100, 1000)
_BURST = 2000
_RATE = 150
_PACED = 1500
_LIMIT = 120.0

_NAIVE = """
import json, sqlite3, sys
import paho.mqtt.client as paho
port, path = int(sys.argv[1]), sys.argv[2]
store = sqlite3.connect(path, check_same_thread=False)
store.execute("PRAGMA journal_mode=WAL")
store.execute("PRAGMA synchronous=FULL")
store.execute("CREATE TABLE twin (device TEXT, name TEXT, value TEXT, version INTEGER, PRIMARY KEY (device, name))")

def take(client, data, message):
    device, body = message.topic.split("/")[1], json.loads(message.payload)
    answer = {}
    for name, twin in body["twin"].items():
        held = store.execute("SELECT value, version FROM twin WHERE device = ? AND name = ?", (device, name)).fetchone()
        value, version = twin["actual"]["value"], (held[1] if held else -1) + 1
        store.execute("INSERT OR REPLACE INTO twin VALUES (?, ?, ?, ?)", (device, name, value, version))
        answer[name] = {"actual": {"value": value}, "actual_version": {"cloud": 0, "edge": version}, "metadata": {"type": "string"}}
    store.commit()
    client.publish(f"naive/{device}/result", json.dumps({"event_id": body["event_id"], "timestamp": 0, "twin": answer}), qos=1)
    client.publish(f"naive/{device}/document", json.dumps({"event_id": body["event_id"], "timestamp": 0, "twin": answer}), qos=1)

version = getattr(paho, "CallbackAPIVersion", None)
client = paho.Client(version.VERSION2) if version else paho.Client()
client.max_inflight_messages_set(1000)
client.on_message = take
client.connect("127.0.0.1", port)
client.subscribe("naive/+/update", 1)
client.loop_start()
print("ready", flush=True)
sys.stdin.read()
"""

_event = itertools.count()
_Road = tuple[Callable[[str], str], str]
"""The topic of a device's updates, and the filter of the answers."""

_OURS: _Road = (topics.twin_update, "$hw/events/device/+/twin/update/result")
_THEIRS: _Road = (lambda device: f"naive/{device}/update", "naive/+/result")


def measure(stand: Stand) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=stand.folder) as folder:
        naive = subprocess.Popen(
            [sys.executable, "-c", _NAIVE, str(stand.board.mqtt), str(Path(folder) / "naive.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert naive.stdout is not None
            naive.stdout.readline()
            for size in SIZES:
                devices = [f"fleet-{number}" for number in range(size)]
                _declare(stand, devices)
                for name, road in (("twin_fleet", _OURS), ("naive_fleet", _THEIRS)):
                    yield Figure(f"{name}.{size}.rate", _burst(stand.board.mqtt, devices, road), "updates/s")
                    yield Figure(f"{name}.{size}.p99", percentile(_paced(stand.board.mqtt, devices, road), 0.99) * 1000, "ms")
        finally:
            naive.kill()
            naive.wait()
            stand.site.kubectl("delete", "devices", "--ignore-not-found", *[f"fleet-{number}" for number in range(SIZES[-1])])


def _declare(stand: Stand, devices: list[str]) -> None:
    manifests = [DEVICE.replace("metadata: {name: bench,", f"metadata: {{name: {device},") for device in devices]
    stand.site.kubectl("apply", "-f", "-", stdin="---".join(manifests))
    with Client(stand.board.mqtt, "$hw/events/device/+/twin/get/result") as client:
        unknown = set(devices)

        def all_known() -> bool:
            for device in unknown:
                client.publish(topics.twin_get(device), {})
            deadline = time.monotonic() + 2
            while unknown and time.monotonic() < deadline:
                try:
                    topic, payload = client.arrivals.get(timeout=0.5)
                except queue.Empty:
                    continue
                if "twin" in json.loads(payload):
                    unknown.discard(topic.split("/")[3])
            return not unknown

        wait_for(f"{len(devices)} devices at the edge", all_known, within=_LIMIT)


class _Answers(Client):
    """``arrived``: event id and time of each answer."""

    def __init__(self, port: int, pattern: str) -> None:
        super().__init__(port, pattern)
        self.arrived: queue.Queue[tuple[str, float]] = queue.Queue()
        self._client.on_message = self._take

    def _take(self, _client: Any, _data: Any, message: Any) -> None:
        self.arrived.put((json.loads(message.payload)["event_id"], time.perf_counter()))

    def update(self, topic: str) -> str:
        event = f"event-{next(_event)}"
        twin = {"level": {"actual": {"value": event}, "metadata": {"type": "string"}}}
        self.publish(topic, {"event_id": event, "timestamp": 0, "twin": twin})
        return event


def _burst(port: int, devices: list[str], road: _Road) -> float:
    topic, pattern = road
    with _Answers(port, pattern) as client:
        began = time.perf_counter()
        waiting = {client.update(topic(devices[number % len(devices)])) for number in range(_BURST)}
        while waiting:
            waiting.discard(client.arrived.get(timeout=_LIMIT)[0])
        return _BURST / (time.perf_counter() - began)


def _paced(port: int, devices: list[str], road: _Road) -> list[float]:
    """Seconds from each publish to its answer, at a fixed rate."""
    topic, pattern = road
    sent: dict[str, float] = {}
    taken: list[float] = []
    with _Answers(port, pattern) as client:
        began = time.perf_counter()
        for number in range(_PACED):
            time.sleep(max(0.0, began + number / _RATE - time.perf_counter()))
            at = time.perf_counter()
            sent[client.update(topic(devices[number % len(devices)]))] = at
        while len(taken) < _PACED:
            event, at = client.arrived.get(timeout=_LIMIT)
            if event in sent:
                taken.append(at - sent.pop(event))
    return taken


NAMES = tuple(f"{kind}.{size}.{what}" for size in SIZES for kind in ("twin_fleet", "naive_fleet") for what in ("rate", "p99"))
GROUP = Group(NAMES, measure, needs_board=True)
