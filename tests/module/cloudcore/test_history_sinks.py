"""The sinks of samples on real servers: HTTP as Prometheus, InfluxDB and webhooks are asked, MQTT on a real broker (D7, D8)."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cloudcore.config import HistorySinks, InfluxSink, MqttSinkConfig, PrometheusSink, Webhook
from cloudcore.history.outlet import Outlet, SinkAway
from cloudcore.history.sample import Caps
from cloudcore.history.service import History
from cloudcore.history.sinks import outlets
from demo.stage import free_port, wait_for
from tests.module.cloudcore.building import in_loop
from tests.system.mqtt import Client
from tests.unit.cloudcore.history.batches import T0, batch, message, series
from tests.unit.cloudcore.history.test_outlet import until

CAPS = Caps(64 * 1024 * 1024, 86_400)
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Receiver:
    """An HTTP server that keeps what is posted; ``statuses``: what it answers, the last for ever."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.posted.append((request.path_qs, dict(request.headers), await request.read()))
        return web.Response(status=status, text="no more\nroom" if status >= 400 else "")


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/{tail:.*}", made.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def running(config: HistorySinks) -> AsyncIterator[list[Outlet]]:
    made = outlets(config)
    for outlet in made:
        outlet._first_pause = 0.01
        outlet.start()
    yield made
    for outlet in made:
        await outlet.stop()


@in_loop
async def test_each_is_asked_as_it_wants_to_be_asked() -> None:
    async with receiver() as there:
        config = HistorySinks(
            influxdb=InfluxSink(url=f"{there.url}/api/v2/write?org=o&bucket=b", token="secret"),
            prometheus=PrometheusSink(url=f"{there.url}/api/v1/write", username="me", password="ö"),
            webhook=Webhook(url=f"{there.url}/hook", token="secret"),
        )
        async with running(config) as made:
            for outlet in made:
                outlet.offer(batch("21.5", "on"))
            await until(lambda: len(there.posted) == 3 and not any(outlet.waiting for outlet in made))
            assert [(outlet.sent, dict(outlet.dropped)) for outlet in made] == [(2, {}), (1, {"unfit": 1}), (2, {})]
        posted = {path: (headers, body) for path, headers, body in there.posted}
    headers, body = posted["/api/v2/write?org=o&bucket=b"]
    assert headers["Authorization"] == "Token secret" and body.startswith(b"bramble,device=thermo,node=edge1,property=t value=21.5 ")
    headers, body = posted["/api/v1/write"]
    assert headers["Authorization"] == "Basic bWU6w7Y=" and headers["Content-Encoding"] == "snappy"
    assert headers["Content-Type"] == "application/x-protobuf" and headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    headers, body = posted["/hook"]
    assert headers["Authorization"] == "Bearer secret" and json.loads(body)["samples"][0]["points"] == [[T0, "21.5"], [T0 + 1000, "on"]]


@pytest.mark.parametrize(
    ("statuses", "sent", "dropped"), [([503, 429, 200], 1, {}), ([400], 0, {"refused": 1}), ([302], 0, {"refused": 1})]
)
@in_loop
async def test_what_can_be_mended_is_tried_again_and_what_cannot_is_counted(
    statuses: list[int], sent: int, dropped: dict[str, int]
) -> None:
    async with receiver() as there:
        there.statuses = list(statuses)
        async with running(HistorySinks(webhook=Webhook(url=there.url))) as (outlet,):
            outlet.offer(batch("1"))
            await until(lambda: not outlet.waiting)
            assert (outlet.sent, dict(outlet.dropped), len(there.posted)) == (sent, dropped, len(statuses))


@in_loop
async def test_a_server_that_comes_later_gets_all_of_it_and_the_board_was_never_kept_waiting(tmp_path: Path) -> None:
    port = free_port()
    made = outlets(HistorySinks(webhook=Webhook(url=f"http://127.0.0.1:{port}/hook")))
    made[0]._first_pause = 0.05
    history = History(tmp_path / "h.db", CAPS, made)
    await history.start()
    async with asyncio.timeout(5):
        for number in range(10):
            await history.take("edge1", message(series(str(number), first=T0 + number * 1000)))
    posted: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        posted.extend((await request.json())["samples"])
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await until(lambda: made[0].sent == 10)
    assert [one["points"][0][1] for one in posted] == [str(number) for number in range(10)]
    await history.stop()
    await runner.cleanup()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the broker", lambda: _answers(port), within=10)
    yield port
    process.terminate()
    process.wait(10)


def _answers(port: int) -> bool:
    with Client(port):
        return True


def test_a_broker_gets_each_property_on_its_topic_also_after_it_was_away(broker: int) -> None:
    @in_loop
    async def talk() -> None:
        config = HistorySinks(mqtt=MqttSinkConfig(server=f"tcp://127.0.0.1:{broker}", topic="site/a"))
        async with running(config) as (outlet,):
            outlet.offer(batch("21.5", name="a/b"))
            await until(lambda: outlet.sent == 1)
            outlet.offer(batch("5", "6", device="other"))
            await until(lambda: outlet.sent == 3)

    with Client(broker, "site/a/#") as client:
        talk()
        first, second = client.arrivals.get(timeout=5), client.arrivals.get(timeout=5)
    assert first[0] == "site/a/edge1/thermo/a%2Fb" and json.loads(first[1]) == {"type": "float", "samples": [[T0, "21.5"]]}
    assert second[0] == "site/a/edge1/other/t" and json.loads(second[1])["samples"] == [[T0, "5"], [T0 + 1000, "6"]]


@in_loop
async def test_a_broker_that_is_away_is_tried_again() -> None:
    config = replace(HistorySinks(), mqtt=MqttSinkConfig(server=f"tcp://127.0.0.1:{free_port()}"))
    (outlet,) = outlets(config)
    with pytest.raises(SinkAway):
        await outlet._sink.send([batch("1")])
    await outlet._sink.close()
