"""CloudStream: what API servers ask, what boards do wrong, who is kept out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest

from cloudcore.kube.resources import CONFIGMAPS, NODES, PODS
from cloudstub.api import certificates
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import pod_body
from tests.contract.cloudstream.ground import api_server, ground
from tests.fakes.edge import runs, until
from viaduct.streamrequest import Verb
from viaduct.tunnel import MAX_DATA, Open, encode


@runs
async def test_logs_come_from_the_board_over_a_connection_that_it_dials_once() -> None:
    async with ground() as it:
        assert await it.text("/containerLogs/default/web/c?tailLines=2") == (200, "line 8\nline 9\n")
        assert (await it.text("/containerLogs/default/web/c?previous=true"))[1] == "of the one before\n"
        assert it.board.dials == 1
        pod = await it.kube.get(PODS, "default", "web")
        assert {asked.uid for asked in it.board.asked if asked.pod == "web"} == {pod["metadata"]["uid"]}


@runs
async def test_the_node_says_where_an_api_server_finds_its_kubelet() -> None:
    async with ground() as it:
        status = (await it.kube.get(NODES, None, "edge1"))["status"]
        assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == it.world.core.kubelet_port
        assert {"type": "InternalDNS", "address": "edge1.localhost"} in status["addresses"]


@runs
async def test_logs_that_are_followed_end_when_the_client_leaves() -> None:
    async with ground() as it:
        async with it.get("/containerLogs/default/web/c?follow=true&tailLines=0") as answer:
            assert await answer.content.readuntil(b"later 3\n")
        await until(lambda: not it.board.work)


@runs
async def test_a_stream_that_breaks_is_no_whole_answer() -> None:
    async with ground() as it:
        async with it.get("/containerLogs/default/web/c?follow=true") as answer:
            await answer.content.readuntil(b"later 1\n")
            assert it.board.websocket is not None
            await it.board.websocket.close()
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
        assert (await it.text("/containerLogs/default/web/c?tailLines=1")) == (200, "line 9\n")
        assert it.board.dials == 2


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/containerLogs/default/two/broken", 404, "container broken has no log"),
        ("/containerLogs/default/nosuch/c", 404, 'pod "nosuch"'),
        ("/containerLogs/default/web/c?tailLines=x", 400, "tailLines"),
        ("/exec/default/web/c?output=1&command=ls", 400, "Upgrade request required"),
        ("/portForward/default/web", 400, "Upgrade request required"),
        ("/nosuch", 404, ""),
    ],
)
def test_what_cannot_be_served_says_why(path: str, status: int, said: str) -> None:
    @runs
    async def test() -> None:
        async with ground() as it:
            found = await it.text(path)
            assert (found[0], said in found[1]) == (status, True), found

    test()


@runs
async def test_a_node_that_is_away_is_named() -> None:
    async with ground() as it:
        await it.board.close()
        await it.world.clients[0].close()
        await until(lambda: not it.world.core.hub.connected())
        assert await it.text("/containerLogs/default/web/c") == (503, "node edge1 is not connected\n")


@runs
async def test_a_board_that_will_not_dial_says_why() -> None:
    async with ground() as it:
        assert it.board.websocket is not None
        await it.board.websocket.close()
        it.board.refuses = "modules.edgeStream is off"
        status, said = await it.text("/containerLogs/default/web/c")
        assert (status, said) == (503, "node edge1 opens no stream connection: modules.edgeStream is off\n")
        it.board.refuses = ""
        assert (await it.text("/containerLogs/default/web/c"))[0] == 200


@runs
async def test_only_who_the_api_knows_gets_in() -> None:
    async with ground() as it:
        url = f"https://127.0.0.1:{it.world.core.kubelet_port}/containerLogs/default/web/c"
        async with api_server() as nobody:
            assert (await nobody.get(url)).status == 401
            assert (await nobody.get(url, headers={"Authorization": "Bearer nosuch"})).status == 401
            assert (await nobody.get(url, headers={"Authorization": f"Bearer {it.world.stub.token}"})).status == 200
        (it.world.folder / "other").mkdir()
        other = certificates.ensure(it.world.folder / "other", [], now=datetime.now(UTC))
        async with api_server(other.kubelet_client, other.kubelet_client_key) as stranger:
            with pytest.raises(aiohttp.ClientError):
                await stranger.get(url)


@runs
async def test_a_client_that_does_not_read_holds_up_nobody_else_and_fills_no_memory() -> None:
    async with ground() as it:
        loud = {"output": "1", "error": "1"}
        headers = {"Host": "edge1.localhost"}
        query = [*loud.items(), *(("command", word) for word in ("yes", "no end of it"))]
        async with it.session.ws_connect(
            f"{it.base}/exec/default/web/c", params=query, headers=headers, protocols=["v4.channel.k8s.io"]
        ) as deaf:
            work = await until(lambda: next((w for w in it.board.work.values() if w.request.verb is Verb.EXEC), None))
            await until(lambda: work.allowance < MAX_DATA)
            async with asyncio.timeout(10):
                assert (await it.text("/containerLogs/default/web/c?tailLines=1")) == (200, "line 9\n")
            assert deaf.protocol == "v4.channel.k8s.io"
        await until(lambda: not it.board.work)


@runs
async def test_a_second_stream_connection_takes_the_place_of_the_first() -> None:
    async with ground() as it:
        first = it.board.websocket
        assert first is not None
        await it.board.dial()
        await until(lambda: first.closed)
        assert first.close_code == 4001
        assert (await it.text("/containerLogs/default/web/c?tailLines=1"))[0] == 200


@runs
async def test_a_revoked_node_loses_its_streams_too() -> None:
    async with ground() as it:
        websocket = it.board.websocket
        assert websocket is not None
        await it.world.core.identity.revocations.revoke("edge1", now=datetime.now(UTC).timestamp())
        await until(lambda: websocket.closed)
        assert websocket.close_code == 1008


@runs
async def test_a_board_opens_no_streams_itself() -> None:
    async with ground() as it:
        websocket = it.board.websocket
        assert websocket is not None
        await websocket.send_bytes(encode(Open(1, {"verb": "logs"})))
        await until(lambda: websocket.closed)
        assert websocket.close_code == 1008


@runs
async def test_the_api_gives_logs_in_its_own_words() -> None:
    async with ground() as it:
        pods = "/api/v1/namespaces/default/pods"
        assert await it.kubectl(f"{pods}/web/log?tailLines=1") == (200, "line 9\n")
        for path, status, said in (
            (f"{pods}/nosuch/log", 404, 'pods "nosuch" not found'),
            (f"{pods}/two/log", 400, "a container name must be specified for pod two, choose one of: [a broken]"),
            (f"{pods}/two/log?container=x", 400, "container x is not valid for pod two"),
            (f"{pods}/two/log?container=broken", 404, "container broken has no log"),
            (f"{pods}/web/log?tailLines=-1", 422, "tailLines"),
            (f"{pods}/web/exec?command=ls&stdout=1", 400, "Upgrade request required"),
            (f"{pods}/web/exec?stdout=1", 400, "at least 1 command"),
        ):
            found = await it.kubectl(path)
            assert (found[0], found[1]["code"], said in found[1]["message"]) == (status, status, True), found


@runs
async def test_a_pod_on_no_node_has_an_empty_log_and_no_terminal() -> None:
    async with ground() as it:
        await it.kube.create(PODS, "default", pod_body("new", nodeName="", schedulerName="nobody"))
        assert await it.kubectl("/api/v1/namespaces/default/pods/new/log") == (200, "")
        status, said = await it.kubectl("/api/v1/namespaces/default/pods/new/exec?command=ls&stdout=1")
        assert (status, said["message"]) == (400, "pod new does not have a host assigned")


@runs
async def test_a_kubelet_that_cannot_be_reached_is_named() -> None:
    async with ground() as it:
        await it.kube.create(NODES, None, {"metadata": {"name": "other"}})
        await it.kube.create(PODS, "default", pod_body("lost", nodeName="other"))
        status, said = await it.kubectl("/api/v1/namespaces/default/pods/lost/log")
        assert (status, "node other says no address" in said["message"]) == (502, True)
        where = {"addresses": [{"type": "Hostname", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}
        await it.kube.patch(NODES, None, "other", {"status": where}, subresource="status")
        status, said = await it.kubectl("/api/v1/namespaces/default/pods/lost/log")
        assert (status, "the kubelet of node other at 127.0.0.1:1" in said["message"]) == (502, True)


@runs
async def test_the_client_ca_is_published_as_kubernetes_does() -> None:
    async with ground() as it:
        found = await it.kube.get(CONFIGMAPS, "kube-system", "extension-apiserver-authentication")
        assert found["data"]["client-ca-file"] == it.world.stub.ca_file.read_text()


@runs
async def test_what_nodes_and_pods_use_is_told_as_metrics() -> None:
    async with ground() as it:
        await it.kube.patch(PODS, "default", "web", {"status": {"phase": "Running"}}, subresource="status")
        group = "/apis/metrics.k8s.io/v1beta1"
        status, nodes = await it.kubectl(f"{group}/nodes")
        assert (status, [(item["metadata"]["name"], item["usage"]) for item in nodes["items"]]) == (
            200,
            [("edge1", {"cpu": "250000000n", "memory": "10240Ki"})],
        )
        status, pods = await it.kubectl(f"{group}/namespaces/default/pods")
        assert [(pod["metadata"]["name"], [c["name"] for c in pod["containers"]]) for pod in pods["items"]] == [("web", ["c"])]
        assert (await it.kubectl(f"{group}/namespaces/default/pods/web"))[1]["containers"][0]["usage"]["memory"] == "10240Ki"
        assert (await it.kubectl(f"{group}/namespaces/default/pods/two"))[0] == 404
        assert (await it.kubectl(f"{group}/nodes/edge1"))[1]["kind"] == "NodeMetrics"
        assert len([asked for asked in it.board.asked if asked.verb is Verb.STATS]) == 1


@runs
async def test_a_board_that_is_away_has_no_metrics_and_holds_up_no_other() -> None:
    async with ground() as it:
        await it.kube.create(NODES, None, {"metadata": {"name": "other"}})
        status, nodes = await it.kubectl("/apis/metrics.k8s.io/v1beta1/nodes")
        assert (status, [item["metadata"]["name"] for item in nodes["items"]]) == (200, ["edge1"])


@runs
async def test_the_kubelet_port_serves_the_figures_of_the_node_in_the_host() -> None:
    async with ground() as it:
        status, said = await it.text("/metrics/resource")
        assert status == 200
        assert 'container_cpu_usage_seconds_total{container="c",namespace="default",pod="web"} 1.5 1767225600000' in said
        async with it.session.get(f"{it.base}/stats/summary") as answer:
            assert (answer.status, "<node>.localhost" in await answer.text()) == (404, True)


@runs
async def test_the_kubelet_port_serves_the_figures_of_the_node_under_whose_name_it_was_dialled() -> None:
    """As an API server does for nodes/proxy: the Host is its own."""
    async with ground() as it, it.session.get(f"{it.base}/metrics/resource", server_hostname="edge1.localhost") as answer:
        assert answer.status == 200
        assert 'pod="web"' in await answer.text()
