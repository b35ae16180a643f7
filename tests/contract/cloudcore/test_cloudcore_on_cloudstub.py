"""All of CloudCore over a real cloudstub, with a board that is played by hand: enrolment, pods, devices, outages of the API, restarts."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloudcore import app as cloudcore
from cloudcore.config import Admission, CloudCoreConfig, CloudStream, CommonConfig, HttpsServer, MonitorServer, WebSocketServer
from cloudcore.errors import ConfigError, KubeError, KubeNotFound
from cloudcore.kube.client import KubeClient
from cloudcore.kube.kubeconfig import read_kubeconfig
from cloudcore.kube.resources import CONFIGMAPS, DEVICE_MODELS, DEVICES, NODES, OBJECT_SYNCS, PODS, Resource
from cloudcore.pki.identity import open_identity
from cloudstub import app as cloudstub
from cloudstub.config import Config
from tests.fakes.edge import LEDGER, Edge, certificate_request, client_context, inventory, report, runs
from tests.fakes.rights import RightfulClient
from viaduct.message import Message
from viaduct.tokenrequest import TokenRequest, request_content


class World:
    """cloudstub and CloudCore in one loop; each can be stopped and started again where it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stub_config = Config(folder / "stub", port=0)
        self.clients: list[aiohttp.ClientSession] = []
        self.monitor = "127.0.0.1:0"
        self.admission = True
        self.metrics_service = ""

    async def start_stub(self) -> None:
        self.stub = await cloudstub.start(self.stub_config)
        self.stub_config = replace(self.stub_config, port=self.stub.port)

    async def start_core(self) -> None:
        config = CloudCoreConfig()
        hub = replace(config.modules.cloudhub, websocket=WebSocketServer("127.0.0.1", port=0), https=HttpsServer("127.0.0.1", port=0))
        admission = Admission(enable=self.admission, port=0)
        streams = CloudStream(stream_port=0, metrics_port=0, metrics_service=self.metrics_service)
        modules = replace(config.modules, cloudhub=hub, cloud_stream=streams, admission=admission)
        config = CloudCoreConfig(CommonConfig(MonitorServer(self.monitor)), modules=modules, state_dir=str(self.folder / "core"))
        self.core = await cloudcore.start(config, RightfulClient(read_kubeconfig(self.stub.kubeconfig)))

    async def enrol(self, node: str) -> ssl.SSLContext:
        """As a board does: pin the CA by the token, then have a certificate signed."""
        _, token = await self.core.identity.tokens.create(600, one_time=True, now=cloudcore.utc_now().timestamp())
        pin, _, bearer = token.partition(".")
        base = f"https://127.0.0.1:{self.core.https_port}"
        async with aiohttp.ClientSession() as client:
            async with client.get(f"{base}/ca.crt", ssl=False) as answer:
                ca = await answer.read()
            assert hashlib.sha256(ca).hexdigest() == pin
            request, key = certificate_request()
            headers = {"Authorization": f"Bearer {bearer}", "NodeName": node}
            async with client.get(f"{base}/edge.crt", ssl=ssl.create_default_context(cadata=ca), data=request, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return client_context(ca, await answer.read(), key)

    async def connect(self, context: ssl.SSLContext, node: str, *held: tuple[str, str, str]) -> Edge:
        client = aiohttp.ClientSession()
        self.clients.append(client)
        socket = await client.ws_connect(
            f"https://127.0.0.1:{self.core.hub_port}/p/{node}/events",
            ssl=context,
            headers={"node_id": node, "ConnectionUse": "msg"} | LEDGER,
        )
        edge = Edge(socket)
        await edge.say(inventory(*held))
        return edge

    async def board(self, node: str = "edge1") -> tuple[Edge, ssl.SSLContext]:
        """A registered board."""
        context = await self.enrol(node)
        edge = await self.connect(context, node)
        labels = {"node-role.kubernetes.io/edge": "", "kubernetes.io/hostname": node}
        conditions = [{"type": "Ready", "status": "True"}]
        node_object = {"metadata": {"labels": labels}, "status": {"capacity": {"cpu": "4"}, "conditions": conditions}}
        said = await edge.say(report(f"default/nodestatus/{node}", operation="insert", content=node_object))
        answer = await edge.hear()
        assert (answer.content, answer.header.parent_msg_id) == ("OK", said.id)
        return edge, context


@asynccontextmanager
async def world() -> AsyncIterator[tuple[World, KubeClient]]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(Path(folder))
        await made.start_stub()
        await made.start_core()
        kube = KubeClient(read_kubeconfig(made.stub.kubeconfig))
        try:
            yield made, kube
        finally:
            for client in made.clients:
                await client.close()
            await made.core.stop()
            await kube.close()
            await made.stub.stop()
        assert RightfulClient.denied == set(), "packaging/manifests/rbac.yaml grants too little"


async def eventually(look: Callable[[], Awaitable[Any]], limit: float = 8.0) -> Any:
    """The first true answer of the API."""
    async with asyncio.timeout(limit):
        while True:
            try:
                if value := await look():
                    return value
            except KubeError:
                pass
            await asyncio.sleep(0.02)


async def gone(kube: KubeClient, resource: Resource, namespace: str, name: str) -> bool:
    try:
        await kube.get(resource, namespace, name)
    except KubeNotFound:
        return True
    return False


def pod_body(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "busybox", "envFrom": [{"configMapRef": {"name": "settings"}}]}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"nodeName": "edge1", "containers": [container]} | spec}


async def hear_of(edge: Edge, resource: str, operation: str = "") -> Message:
    """The next message about ``resource``; everything that is heard until then is acknowledged, and it as well."""
    while True:
        message = await edge.hear()
        if message.route.operation not in ("response", "error"):
            await edge.acknowledge(message)
        if message.route.resource == resource and operation in ("", message.route.operation):
            return message


@runs
async def test_a_pod_goes_down_its_status_comes_up_and_its_end_is_told() -> None:
    async with world() as (made, kube):
        edge, _ = await made.board()
        node = await kube.get(NODES, None, "edge1")
        assert node["metadata"]["labels"]["node-role.kubernetes.io/edge"] == ""
        await kube.create(CONFIGMAPS, "default", {"metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "b"}})
        pod = await kube.create(PODS, "default", pod_body("web"))
        uid = pod["metadata"]["uid"]

        message = await hear_of(edge, "default/pod/web", "insert")
        assert message.content["metadata"]["uid"] == uid
        assert message.header.resource_version == pod["metadata"]["resourceVersion"]
        synced = await eventually(lambda: kube.get(OBJECT_SYNCS, "default", f"edge1.{uid}"))
        assert synced["spec"]["objectName"] == "web"

        said = await edge.say(report("default/configmap/settings", operation="query"))
        while (answer := await edge.hear()).header.parent_msg_id != said.id:
            await edge.acknowledge(answer)
        assert answer.content["data"] == {"a": "b"}

        await edge.say(report("default/podstatus/web", content={"UID": uid, "Name": "web", "Status": {"phase": "Running"}}))
        assert (await hear_of(edge, "default/podstatus/web")).content == "OK"
        assert (await kube.get(PODS, "default", "web"))["status"]["phase"] == "Running"

        await kube.delete(PODS, "default", "web")
        dying = await hear_of(edge, "default/pod/web", "update")
        assert dying.content["metadata"]["deletionTimestamp"]
        ended = {"phase": "Succeeded", "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}
        await edge.say(report("default/podstatus/web", content={"UID": uid, "Name": "web", "Status": ended}))
        await hear_of(edge, "default/pod/web", "delete")
        assert await gone(kube, PODS, "default", "web")
        await eventually(lambda: gone(kube, OBJECT_SYNCS, "default", f"edge1.{uid}"))


@runs
async def test_a_site_gives_pods_no_tokens_and_says_why() -> None:
    """Its API has no RBAC (decision 0094)."""
    source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    volumes = [{"name": "v", "projected": {"sources": [source]}}]
    async with world() as (made, kube):
        edge, _ = await made.board()
        pod = await kube.create(PODS, "default", pod_body("web", volumes=volumes))
        await hear_of(edge, "default/pod/web", "insert")
        content = request_content(TokenRequest("web", pod["metadata"]["uid"]))
        said = await edge.say(report("default/serviceaccounttoken/default", operation="query", content=content))
        while (answer := await edge.hear()).header.parent_msg_id != said.id:
            await edge.acknowledge(answer)
        assert (answer.route.operation, answer.content["code"], answer.content["retry"]) == ("error", 501, False)
        assert "this API server makes no tokens of service accounts" in answer.content["reason"]


DEVICE_MODEL = {
    "metadata": {"name": "thermometer", "namespace": "default"},
    "spec": {"properties": [{"name": "temperature", "type": {"int": {"accessMode": "ReadWrite", "maximum": 100}}}]},
}
DEVICE = {
    "metadata": {"name": "t1", "namespace": "default"},
    "spec": {
        "deviceModelRef": {"name": "thermometer"},
        "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": ["edge1"]}]}]},
    },
    "status": {"twins": [{"propertyName": "temperature", "desired": {"value": "20", "metadata": {"type": "int"}}}]},
}


@runs
async def test_a_device_goes_down_its_value_comes_up_and_a_new_wish_goes_down() -> None:
    async with world() as (made, kube):
        edge, _ = await made.board()
        await kube.create(DEVICE_MODELS, "default", DEVICE_MODEL)
        device = await kube.create(DEVICES, "default", DEVICE)
        message = await hear_of(edge, "membership")
        (entry,) = message.content["added_devices"]
        assert (entry["id"], entry["uid"]) == ("t1", device["metadata"]["uid"])
        assert entry["twin"]["temperature"]["expected"]["value"] == "20"

        actual = {"actual": {"value": "19", "metadata": {"timestamp": 1_700_000_000_000}}, "metadata": {"type": "int"}}
        said = await edge.say(
            report("device/t1/twin/edge_updated", source="twin", group="resource", content={"twin": {"temperature": actual}})
        )
        while (answer := await edge.hear()).header.parent_msg_id != said.id:
            await edge.acknowledge(answer)
        assert answer.content == "OK"
        stored = await kube.get(DEVICES, "default", "t1")
        assert stored["status"]["twins"][0]["reported"]["value"] == "19"
        assert stored["status"]["twins"][0]["desired"]["value"] == "20"

        stored["status"]["twins"][0]["desired"]["value"] = "25"
        await kube.update(DEVICES, "default", stored)
        again = await hear_of(edge, "membership")
        assert again.content["added_devices"][0]["twin"]["temperature"]["expected"]["value"] == "25"

        await kube.delete(DEVICES, "default", "t1")
        removed = await hear_of(edge, "membership")
        assert removed.content["removed_devices"][0]["id"] == "t1"


@runs
async def test_while_the_api_is_away_sessions_stay_and_reports_are_put_off() -> None:
    async with world() as (made, kube):
        edge, _ = await made.board()
        pod = await kube.create(PODS, "default", pod_body("web"))
        await hear_of(edge, "default/pod/web")
        await made.stub.stop()
        status = {"UID": pod["metadata"]["uid"], "Name": "web", "Status": {"phase": "Running"}}
        await edge.say(report("default/podstatus/web", content=status))
        refused = await hear_of(edge, "default/podstatus/web")
        assert refused.route.operation == "error"
        assert refused.content["retry"] is True

        await made.start_stub()

        async def accepted() -> bool:
            await edge.say(report("default/podstatus/web", content=status))
            return (await hear_of(edge, "default/podstatus/web")).content == "OK"

        await eventually(accepted)
        assert (await kube.get(PODS, "default", "web"))["status"]["phase"] == "Running"
        await kube.create(PODS, "default", pod_body("second"))
        assert (await hear_of(edge, "default/pod/second")).route.operation == "insert"
        assert made.core.hub.connected() == {"edge1"}


@runs
async def test_after_a_restart_of_cloudcore_a_board_that_holds_everything_is_sent_nothing() -> None:
    async with world() as (made, kube):
        edge, context = await made.board()
        pod = await kube.create(PODS, "default", pod_body("web"))
        message = await hear_of(edge, "default/pod/web")
        await made.core.stop()
        assert (await edge.hear_close())[0] == 1001
        deleted = await kube.create(PODS, "default", pod_body("meanwhile"))
        await kube.delete(PODS, "default", "meanwhile", grace_seconds=0)
        await made.start_core()
        edge = await made.connect(
            context,
            "edge1",
            ("default/pod/web", pod["metadata"]["uid"], message.header.resource_version),
            ("default/pod/meanwhile", deleted["metadata"]["uid"], "7"),
        )
        only = await edge.hear()
        assert (only.route.operation, only.route.resource) == ("delete", "default/pod/meanwhile")
        await edge.acknowledge(only)
        await edge.hears_nothing(0.3)


@runs
async def test_a_node_that_is_revoked_leaves_at_once() -> None:
    async with world() as (made, kube):
        edge, _ = await made.board()
        identity = await open_identity(kube, now=cloudcore.utc_now().timestamp())
        await identity.revocations.revoke("edge1", now=cloudcore.utc_now().timestamp() + 1)
        assert "revoked" in (await edge.hear_close())[1]


async def _metrics(made: World) -> dict[str, float]:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{made.core.monitor_port}/metrics") as answer:
        assert answer.status == 200 and answer.content_type == "text/plain"
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


@runs
async def test_the_metrics_count_what_went_down_what_came_up_and_what_was_denied() -> None:
    async with world() as (made, kube):
        edge, _ = await made.board()
        await kube.create(PODS, "default", pod_body("web"))
        await hear_of(edge, "default/pod/web", "insert")
        await edge.say(report("default/secret/foreign", operation="query"))
        assert (await hear_of(edge, "default/secret/foreign")).content["code"] == 403

        async def counted() -> bool:
            return (await _metrics(made))["bramble_cloudcore_acknowledged_total"] == 1

        await eventually(counted)
        found = await _metrics(made)
        assert (
            found['bramble_cloudcore_nodes_connected{mode="ledger"}']
            == found['bramble_cloudcore_sessions_opened_total{mode="ledger"}']
            == 1
        )
        assert found["bramble_cloudcore_queue_length"] == found["bramble_cloudcore_in_flight"] == 0
        assert found['bramble_cloudcore_denied_total{reason="not_named"}'] == 1
        assert found['bramble_cloudcore_api_requests_total{code="201",method="POST"}'] >= 2
        assert (
            found['bramble_cloudcore_api_request_seconds_bucket{le="+Inf",method="PUT"}']
            == found['bramble_cloudcore_api_request_seconds_count{method="PUT"}']
        )
        await edge.socket.close()

        async def closed() -> bool:
            return (await _metrics(made)).get('bramble_cloudcore_sessions_closed_total{reason="node"}') == 1

        await eventually(closed)


@runs
async def test_a_taken_port_for_metrics_keeps_no_node_out() -> None:
    async with world() as (made, _):
        await made.core.stop()
        taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        made.monitor = f"127.0.0.1:{taken.sockets[0].getsockname()[1]}"
        await made.start_core()
        assert made.core.monitor_port == 0
        await made.board()
        taken.close()


@runs
async def test_a_taken_port_is_named_by_its_setting_and_nothing_stays_behind() -> None:
    async with world() as (made, _):
        hub = CloudCoreConfig().modules.cloudhub
        taken = replace(hub, websocket=WebSocketServer("127.0.0.1", port=made.core.hub_port), https=HttpsServer("127.0.0.1", port=0))
        config = CloudCoreConfig(modules=replace(CloudCoreConfig().modules, cloudhub=taken), state_dir=str(made.folder / "other"))
        before = len(asyncio.all_tasks())
        with pytest.raises(ConfigError, match=r"modules\.cloudhub\.websocket\.port: cannot listen on 127\.0\.0\.1"):
            await cloudcore.start(config, KubeClient(read_kubeconfig(made.stub.kubeconfig)))
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > before:
                await asyncio.sleep(0.01)
