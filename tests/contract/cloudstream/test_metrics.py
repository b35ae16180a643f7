"""metrics.k8s.io as CloudCore serves it to an API server that aggregates: what is asked, who may ask."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from cloudcore.kube.resources import CONFIGMAPS, NODES, PODS
from tests.cluster.papers import Papers
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import World, pod_body, world
from tests.contract.cloudstream.ground import api_server
from tests.fakes.edge import runs, until
from tests.fakes.streamboard import StreamBoard
from viaduct.streamrequest import Verb

GROUP = "/apis/metrics.k8s.io/v1beta1"
ADMIN = {"X-Remote-User": "kubernetes-admin", "X-Remote-Group": "system:masters"}


class Aggregator:
    """An API server that passes on what it is asked."""

    def __init__(self, made: World, board: StreamBoard, papers: Papers) -> None:
        self.world = made
        self.board = board
        self.papers = papers
        self.session = self.as_client("front-proxy-client")

    def as_client(self, name: str) -> aiohttp.ClientSession:
        return api_server(self.papers.certificate(name), self.papers.key(name))

    async def ask(self, path: str, session: aiohttp.ClientSession | None = None, **headers: str) -> tuple[int, Any]:
        url = f"https://127.0.0.1:{self.world.core.metrics_port}{path}"
        async with (session or self.session).get(url, headers=headers or ADMIN) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else await answer.text()


@asynccontextmanager
async def aggregator() -> AsyncIterator[Aggregator]:
    async with world() as (made, kube):
        papers = Papers(made.folder / "front-proxy")
        for name in ("front-proxy-client", "somebody"):
            papers.make_client(name, name)
        data = {"requestheader-client-ca-file": papers.ca.read_text(), "requestheader-allowed-names": json.dumps(["front-proxy-client"])}
        await kube.patch(CONFIGMAPS, "kube-system", "extension-apiserver-authentication", {"data": data})
        await made.core.stop()
        made.metrics_service = "kubeedge/cloudcore-metrics"
        await made.start_core()
        edge, context = await made.board("edge1")
        board = StreamBoard("edge1", edge, made.core.hub_port, context)
        await kube.create(PODS, "default", pod_body("two"))
        body = pod_body("web")
        body["metadata"]["labels"] = {"app": "web"}
        await kube.create(PODS, "default", body)
        await kube.patch(PODS, "default", "web", {"status": {"phase": "Running"}}, subresource="status")
        await kube.create(NODES, None, {"metadata": {"name": "elsewhere"}})
        found = Aggregator(made, board, papers)
        try:
            while (await found.ask(f"{GROUP}/namespaces/default/pods/web"))[0] == 404:  # CloudCore hears of pods by a watch
                pass
            yield found
        finally:
            await found.session.close()
            await board.close()


@runs
async def test_boards_and_their_pods_have_figures_and_other_nodes_have_none() -> None:
    async with aggregator() as it:
        status, nodes = await it.ask(f"{GROUP}/nodes")
        assert (status, nodes["kind"], [(item["metadata"]["name"], item["usage"]) for item in nodes["items"]]) == (
            200,
            "NodeMetricsList",
            [("edge1", {"cpu": "250000000n", "memory": "10240Ki"})],
        )
        for path in ("pods", "namespaces/default/pods", "pods?labelSelector=app%3Dweb"):
            status, pods = await it.ask(f"{GROUP}/{path}")
            assert [(pod["metadata"]["name"], [c["name"] for c in pod["containers"]]) for pod in pods["items"]] == [("web", ["c"])]
        for path in ("namespaces/other/pods", "pods?labelSelector=app%3Dother"):
            assert (await it.ask(f"{GROUP}/{path}"))[1]["items"] == []
        assert (await it.ask(f"{GROUP}/nodes/edge1"))[1]["kind"] == "NodeMetrics"
        assert (await it.ask(f"{GROUP}/namespaces/default/pods/web"))[1]["containers"][0]["usage"]["memory"] == "10240Ki"
        for path in ("nodes/elsewhere", "nodes/nosuch", "namespaces/default/pods/two", "namespaces/default/pods/nosuch"):
            status, said = await it.ask(f"{GROUP}/{path}")
            assert (status, said["kind"], "not found" in said["message"]) == (404, "Status", True)
        assert len([asked for asked in it.board.asked if asked.verb is Verb.STATS]) == 1


@runs
async def test_what_is_served_is_discovered() -> None:
    async with aggregator() as it:
        status, found = await it.ask(GROUP)
        assert (status, found["kind"], found["groupVersion"]) == (200, "APIResourceList", "metrics.k8s.io/v1beta1")
        assert {(one["name"], one["kind"], one["namespaced"]) for one in found["resources"]} == {
            ("nodes", "NodeMetrics", False),
            ("pods", "PodMetrics", True),
        }
        assert (await it.ask("/openapi/v2"))[0] == 404


@runs
async def test_a_board_that_is_away_is_left_out() -> None:
    async with aggregator() as it:
        await it.board.close()
        await it.world.clients[0].close()
        await until(lambda: not it.world.core.hub.connected())
        assert (await it.ask(f"{GROUP}/nodes"))[1]["items"] == []


@runs
async def test_only_an_api_server_that_aggregates_may_ask_and_only_to_read() -> None:
    async with aggregator() as it:
        stub = it.world.folder / "stub"
        for stranger in (api_server(), api_server(stub / "kubelet-client.crt", stub / "kubelet-client.key")):
            async with stranger:
                with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                    await it.ask(f"{GROUP}/nodes", stranger)
        async with it.as_client("somebody") as somebody:
            status, said = await it.ask(f"{GROUP}/nodes", somebody)
            assert (status, "requestheader-allowed-names" in said["message"]) == (401, True)
        assert (await it.ask(f"{GROUP}/nodes", **{"X-Other": "1"}))[0] == 401
        assert (await it.ask(f"{GROUP}/nodes?watch=1"))[0] == 405
        kubelet = f"https://127.0.0.1:{it.world.core.kubelet_port}/containerLogs/default/web/c"
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await it.session.get(kubelet, headers=ADMIN)
