"""Our CloudCore over a real cloudstub, and an EdgeCore of KubeEdge that is played from a recording: it acknowledges late and twice, and
says everything again (P3.5, P4.3)."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from cloudcore.cloudhub import outbox
from cloudcore.kube.resources import DEVICE_MODELS, DEVICES, NODES, OBJECT_SYNCS, PODS
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import DEVICE, DEVICE_MODEL, World, eventually, pod_body, world
from tests.fakes.edge import Edge, runs
from tests.wire.recording import frame, talk
from viaduct.codec import decode
from viaduct.delivery import Timing
from viaduct.message import Message

RECORDED_POD = "8f2b7e9a-0d3c-4b52-9d0f-0a4f2f6f3b11"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PLAIN_TIMING", Timing(window=1, first_retry=0.2, min_retry=0.2, max_doubled=0.2))


class Player:
    def __init__(self, edge: Edge, given: dict[str, str]) -> None:
        self.edge = edge
        self.given = given
        self.heard: list[Message] = []

    async def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            if "says" in step:
                await self._say(step)
            else:
                await self._hear(step)

    async def _say(self, step: dict[str, Any]) -> None:
        text = frame(step["says"], **self.given)
        for _ in range(step["sends"]):
            await self.edge.socket.send_str(text)
            while "answered" in step:
                answer = await self._next()
                if answer.header.parent_msg_id == decode(text).id:
                    assert (answer.route.operation, answer.content) == ("response", step["answered"])
                    break

    async def _hear(self, step: dict[str, Any]) -> None:
        times: list[Message] = []
        while len(times) < step["heard"]:
            message = await self._next()
            if [message.route.operation, message.route.resource] == step["hears"]:
                times.append(message)
        assert len({message.id for message in times}) == 1
        for _ in range(step["acknowledgements"]):
            await self.edge.acknowledge(times[0])

    async def _next(self) -> Message:
        self.heard.append(await self.edge.hear())
        return self.heard[-1]


async def _dial(made: World, context: Any) -> Edge:
    client = aiohttp.ClientSession()
    made.clients.append(client)
    headers = {"Node_id": "edge1", "project_id": "p", "ConnectionUse": "msg"}
    return Edge(await client.ws_connect(f"https://127.0.0.1:{made.core.hub_port}/p/edge1/events", ssl=context, headers=headers))


@runs
async def test_it_is_told_one_thing_at_a_time_and_what_it_repeats_takes_effect_once() -> None:
    async with world() as (made, kube):
        device = DEVICE | {"metadata": {"name": "thermometer", "namespace": "default"}}
        await kube.create(DEVICE_MODELS, "default", DEVICE_MODEL)
        pods = [await kube.create(PODS, "default", pod_body(name, containers=[{"name": "c", "image": "busybox"}])) for name in ("p1", "p2")]
        player = Player(await _dial(made, context := await made.enrol("edge1")), {RECORDED_POD: pods[0]["metadata"]["uid"]})
        steps = talk("kubeedge-edge")
        await player.play(steps[:-2])
        await kube.create(DEVICES, "default", device)
        await player.play(steps[-2:])

        async def reported() -> bool:
            twins = (await kube.get(DEVICES, "default", "thermometer"))["status"]["twins"]
            return [twin.get("reported", {}).get("value") for twin in twins] == ["213"]

        await eventually(reported)
        assert (await kube.get(PODS, "default", "p1"))["status"]["phase"] == "Running"
        assert "node-role.kubernetes.io/edge" in (await kube.get(NODES, None, "edge1"))["metadata"]["labels"]
        objects = [message.route.resource for message in player.heard if "/pod/" in message.route.resource]
        assert objects == sorted(objects) and objects.count("default/pod/p2") == 1

        async def recorded() -> bool:
            syncs = (await kube.list(OBJECT_SYNCS)).items
            return {sync["spec"]["objectName"] for sync in syncs if not sync.get("status", {}).get("behind", True)} >= {"p1", "p2"}

        await eventually(recorded)
        await player.edge.socket.close()
        again = await _dial(made, context)
        while (message := await again.hear()).route.resource != "membership":
            assert "/pod/" not in message.route.resource
