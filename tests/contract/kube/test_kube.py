"""What controllers rely on, of the API in memory and of CloudCore's client against cloudstub alike."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeInvalid, KubeNotFound, KubeUnreachable
from cloudcore.kube.client import KubeClient, PatchType
from cloudcore.kube.informer import Informer
from cloudcore.kube.kubeconfig import Access, read_kubeconfig
from cloudcore.kube.resources import CONFIGMAPS, NODES, PODS
from cloudstub import app as cloudstub
from cloudstub.config import Config
from tests.fakes.kube import FakeKube

Scenario = Callable[[Any], Awaitable[None]]


@asynccontextmanager
async def fake() -> AsyncIterator[FakeKube]:
    kube = FakeKube()
    yield kube
    await kube.stop()


@asynccontextmanager
async def real(**settings: Any) -> AsyncIterator[KubeClient]:
    with tempfile.TemporaryDirectory() as folder:
        running = await cloudstub.start(Config(Path(folder), port=0, runs_controllers=False))
        client = KubeClient(read_kubeconfig(running.kubeconfig), **settings)
        try:
            yield client
        finally:
            await client.close()
            await running.stop()


@pytest.fixture(params=[fake, real])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Runs a scenario on the one or the other."""

    def go(scenario: Scenario) -> None:
        async def main() -> None:
            async with request.param() as kube, asyncio.timeout(20):
                await scenario(kube)

        asyncio.run(main())

    return go


def configmap(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def test_what_was_created_is_read_updated_and_deleted(run: Callable[[Scenario], None]) -> None:
    async def scenario(kube: Any) -> None:
        made = await kube.create(CONFIGMAPS, "default", configmap("a", x="1"))
        assert made["metadata"]["uid"] and made["metadata"]["resourceVersion"]
        assert (await kube.get(CONFIGMAPS, "default", "a"))["data"] == {"x": "1"}
        changed = await kube.update(CONFIGMAPS, "default", made | {"data": {"x": "2"}})
        assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        await kube.delete(CONFIGMAPS, "default", "a")
        with pytest.raises(KubeNotFound):
            await kube.get(CONFIGMAPS, "default", "a")

    run(scenario)


def test_a_second_creation_an_old_version_and_another_uid_are_refused(run: Callable[[Scenario], None]) -> None:
    async def scenario(kube: Any) -> None:
        made = await kube.create(CONFIGMAPS, "default", configmap("a", x="1"))
        with pytest.raises(KubeAlreadyExists):
            await kube.create(CONFIGMAPS, "default", configmap("a"))
        await kube.update(CONFIGMAPS, "default", made | {"data": {"x": "2"}})
        with pytest.raises(KubeConflict):
            await kube.update(CONFIGMAPS, "default", made | {"data": {"x": "3"}})
        with pytest.raises(KubeConflict):
            await kube.delete(CONFIGMAPS, "default", "a", uid="other")
        with pytest.raises(KubeNotFound):
            await kube.delete(CONFIGMAPS, "default", "none")
        assert (await kube.get(CONFIGMAPS, "default", "a"))["data"] == {"x": "2"}

    run(scenario)


def test_status_is_written_by_its_subresource_only(run: Callable[[Scenario], None]) -> None:
    async def scenario(kube: Any) -> None:
        container = {"name": "c", "image": "busybox"}
        made = await kube.create(
            PODS, "default", {"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "edge1", "containers": [container]}}
        )
        await kube.update(PODS, "default", made | {"status": {"phase": "Running"}}, subresource="status")
        after = await kube.get(PODS, "default", "web")
        assert after["status"]["phase"] == "Running"
        await kube.update(PODS, "default", after | {"status": {"phase": "Failed"}})
        assert (await kube.get(PODS, "default", "web"))["status"]["phase"] == "Running"

    run(scenario)


def test_a_pod_bound_to_a_node_goes_when_the_node_lets_it(run: Callable[[Scenario], None]) -> None:
    async def scenario(kube: Any) -> None:
        container = {"name": "c", "image": "busybox"}
        body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "edge1", "containers": [container]}}
        made = await kube.create(PODS, "default", body)
        await kube.delete(PODS, "default", "web")
        assert (await kube.get(PODS, "default", "web"))["metadata"]["deletionTimestamp"]
        await kube.delete(PODS, "default", "web", grace_seconds=0, uid=made["metadata"]["uid"])
        with pytest.raises(KubeNotFound):
            await kube.get(PODS, "default", "web")

    run(scenario)


def test_an_informer_sees_what_was_there_and_every_change(run: Callable[[Scenario], None]) -> None:
    async def scenario(kube: Any) -> None:
        await kube.create(NODES, None, {"metadata": {"name": "edge1"}})
        informer = Informer(kube, NODES)
        heard: list[tuple[bool, bool]] = []
        informer.follow(lambda old, new: heard.append((old is not None, new is not None)))
        task = asyncio.create_task(informer.run())
        await informer.synced.wait()
        node = await kube.get(NODES, None, "edge1")
        node["metadata"]["labels"] = {"a": "b"}
        await kube.update(NODES, None, node)
        await kube.create(NODES, None, {"metadata": {"name": "edge2"}})
        await kube.delete(NODES, None, "edge1")
        while len(heard) < 4:
            await asyncio.sleep(0.005)
        task.cancel()
        assert heard == [(False, True), (True, True), (False, True), (True, False)]
        assert [obj["metadata"]["name"] for obj in informer.values()] == ["edge2"]

    run(scenario)


def test_the_client_reads_long_lists_in_pages_and_selects() -> None:
    async def main() -> None:
        async with real() as kube:
            for index in range(7):
                await kube.create(CONFIGMAPS, "default", configmap(f"c{index}") | {})
            listing = await kube.list(CONFIGMAPS, "default", limit=3)
            assert len(listing.items) == 7 and listing.items[0]["kind"] == "ConfigMap"
            chosen = await kube.list(CONFIGMAPS, "default", field_selector="metadata.name=c3")
            assert [item["metadata"]["name"] for item in chosen.items] == ["c3"]
            assert (await kube.list(CONFIGMAPS, "kube-public")).items == []

    asyncio.run(main())


def test_the_client_patches_in_three_ways() -> None:
    async def main() -> None:
        async with real() as kube:
            await kube.create(CONFIGMAPS, "default", configmap("a", x="1", y="1"))
            await kube.patch(CONFIGMAPS, "default", "a", {"data": {"x": "2", "y": None}})
            await kube.patch(CONFIGMAPS, "default", "a", [{"op": "add", "path": "/data/z", "value": "3"}], PatchType.JSON)
            patched = await kube.patch(CONFIGMAPS, "default", "a", {"data": {"s": "4"}}, PatchType.STRATEGIC)
            assert patched["data"] == {"x": "2", "z": "3", "s": "4"}
            with pytest.raises(KubeInvalid):
                await kube.patch(CONFIGMAPS, "default", "a", {"data": {"x": 5}})

    asyncio.run(main())


def test_an_api_that_is_not_there_or_does_not_let_us_in_is_an_error_of_ours() -> None:
    async def main() -> None:
        nowhere = KubeClient(Access("https://127.0.0.1:1"), timeout=2)
        with pytest.raises(KubeUnreachable, match=r"127\.0\.0\.1"):
            await nowhere.get(PODS, "default", "a")
        await nowhere.close()
        async with real() as kube:
            stranger = KubeClient(Access(kube.server, insecure=True))
            with pytest.raises(KubeError) as refused:
                await stranger.get(PODS, "default", "a")
            assert refused.value.code == 401
            doubtful = KubeClient(Access(kube.server))
            with pytest.raises(KubeUnreachable, match="certificate"):
                await doubtful.get(PODS, "default", "a")
            await stranger.close()
            await doubtful.close()

    asyncio.run(main())


def test_a_server_that_never_answers_is_unreachable_after_the_time_limit() -> None:
    async def main() -> None:
        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        client = KubeClient(Access(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), timeout=0.2)
        with pytest.raises(KubeUnreachable, match="time limit"):
            await client.get(PODS, "default", "a")
        await client.close()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1,2]", b'{"half":', b"null"])
def test_an_answer_that_is_no_object_is_an_error_of_ours(body: bytes) -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        client = KubeClient(Access(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), timeout=2)
        with pytest.raises(KubeError):
            await client.get(PODS, "default", "a")
        with pytest.raises(KubeError):
            async for _ in client.watch(PODS, "1"):
                pass
            raise KubeError("an empty watch ends without an event")
        await client.close()
        server.close()

    asyncio.run(main())
