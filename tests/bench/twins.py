"""Device twins over MQTT QoS 1: saved (synchronous FULL) and answered with result and document, in order; on to the API and back."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.figure import Figure, Group, latencies
from tests.bench.stand import Stand
from tests.system.api import api_session
from tests.system.mqtt import Client, actual
from viaduct import topics

_BURST = 6000
_NAMES = (
    "twin_updates.rate",
    "twin_updates.echo_rate",
    "twin_updates.of_echo",
    "twin_updates.at_5.p50",
    "twin_updates.at_5.p99",
    "twin_updates.at_500.p50",
    "twin_updates.at_500.p99",
)

_ECHO = """
import sys
import paho.mqtt.client as paho
port, topic, answer = int(sys.argv[1]), sys.argv[2], sys.argv[3]
version = getattr(paho, "CallbackAPIVersion", None)
client = paho.Client(version.VERSION2) if version else paho.Client()
client.max_inflight_messages_set(1000)
client.on_message = lambda c, d, m: client.publish(answer, m.payload, qos=1)
client.connect("127.0.0.1", port)
client.subscribe(topic, 1)
print("ready", flush=True)
client.loop_forever()
"""

_value = itertools.count()


def measure(stand: Stand) -> Iterator[Figure]:
    device = "bench"
    rate = _burst(stand.board.mqtt, topics.twin_update(device), topics.twin_update_result(device))
    yield Figure("twin_updates.rate", rate, "updates/s")
    echo = subprocess.Popen(
        [sys.executable, "-c", _ECHO, str(stand.board.mqtt), "bench/in", "bench/out"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert echo.stdout is not None
        echo.stdout.readline()
        floor = _burst(stand.board.mqtt, "bench/in", "bench/out")
    finally:
        echo.kill()
        echo.wait()
    yield Figure("twin_updates.echo_rate", floor, "updates/s")
    yield Figure("twin_updates.of_echo", rate / floor, "ratio")
    yield from latencies("twin_updates.at_5", _paced(stand.board.mqtt, device, 5, 40))
    yield from latencies("twin_updates.at_500", _paced(stand.board.mqtt, device, 500, 5000))


def _burst(port: int, topic: str, answer: str) -> float:
    """Answers per second to a burst of publishes as fast as the client can."""
    with Client(port, answer) as client:
        wanted = [str(next(_value)) for _ in range(_BURST)]
        started = time.perf_counter()
        for value in wanted:
            client.publish(topic, actual("level", value))
        got = []
        while len(got) < _BURST:
            payload = json.loads(client.arrivals.get(timeout=30)[1])
            got.append(payload["twin"]["level"]["actual"]["value"])
        elapsed = time.perf_counter() - started
    assert got == wanted, "answers out of order"
    return _BURST / elapsed


def _paced(port: int, device: str, rate: float, count: int) -> list[float]:
    """Seconds from publish to result at a fixed rate."""
    sent: list[float] = []
    taken: list[float] = []
    with Client(port, topics.twin_update_result(device)) as client:
        client.stamp_arrivals()
        start = time.perf_counter()
        for number in range(count):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            sent.append(time.perf_counter())
            client.publish(topics.twin_update(device), actual("level", str(next(_value))))
        for number in range(count):
            taken.append(client.stamps.get(timeout=30) - sent[number])
    return taken


GROUP = Group(_NAMES, measure, needs_board=True)


def measure_report(stand: Stand) -> Iterator[Figure]:
    """From a twin update on MQTT to the watch event of the Device that carries it."""
    import asyncio

    yield from latencies("twin_to_api", asyncio.run(_reports(stand, 100)))


async def _reports(stand: Stand, count: int) -> list[float]:
    devices = "/apis/devices.kubeedge.io/v1alpha1/namespaces/default/devices"
    taken = []
    async with api_session(stand.site) as session, session.get(devices, params={"watch": "true"}) as events:
        with Client(stand.board.mqtt) as client:
            for _ in range(count):
                value = str(next(_value))
                sent = time.perf_counter()
                client.publish(topics.twin_update("bench"), actual("level", value))
                async for line in events.content:
                    if _reported(json.loads(line)["object"]) == value:
                        break
                taken.append(time.perf_counter() - sent)
    return taken


def _reported(device: dict) -> str:  # type: ignore[type-arg]
    return str(device["status"]["twins"][0].get("reported", {}).get("value", ""))


REPORT = Group(("twin_to_api.p50", "twin_to_api.p99"), measure_report, needs_board=True)


def measure_desired(stand: Stand) -> Iterator[Figure]:
    """From the PATCH of a desired value to the delta on MQTT."""
    import asyncio

    yield from latencies("desired_to_delta", asyncio.run(_desires(stand, 100)))


async def _desires(stand: Stand, count: int) -> list[float]:
    taken = []
    path = "/apis/devices.kubeedge.io/v1alpha1/namespaces/default/devices/bench"
    async with api_session(stand.site) as session:
        with Client(stand.board.mqtt, topics.twin_update_delta("bench")) as client:
            for _ in range(count):
                value = f"want-{next(_value)}"
                twin = {"propertyName": "level", "desired": {"value": value, "metadata": {"type": "string"}}}
                body = json.dumps({"status": {"twins": [twin]}})
                sent = time.perf_counter()
                async with session.patch(path, data=body, headers={"Content-Type": "application/merge-patch+json"}) as answer:
                    answer.raise_for_status()
                while json.loads(client.arrivals.get(timeout=30)[1])["delta"].get("level") != value:
                    pass
                taken.append(time.perf_counter() - sent)
    return taken


DESIRED = Group(("desired_to_delta.p50", "desired_to_delta.p99"), measure_desired, needs_board=True)
