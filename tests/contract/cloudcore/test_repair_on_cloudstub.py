"""Whatever is lost, cloud and board converge: the real CloudCore over a real cloudstub, the board played by hand (D5)."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Any

import aiohttp
import pytest

from cloudcore import app
from cloudcore.kube.client import KubeClient
from cloudcore.kube.kubeconfig import read_kubeconfig
from cloudcore.kube.resources import CLUSTER_OBJECT_SYNCS, CONFIGMAPS, DEVICE_MODELS, DEVICES, NODES, OBJECT_SYNCS, PODS
from cloudcore.synccontroller.service import SyncController
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import DEVICE, DEVICE_MODEL, World, eventually, pod_body, world
from tests.fakes.edge import Edge, runs
from viaduct.codec import decode
from viaduct.message import Message

Board = dict[str, tuple[str, str]]
"""key to (uid, version): the database of a board."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SyncController", partial(SyncController, period=0.2))


class Played:
    """A board: a database, and a task that stores and acknowledges as long as it is connected."""

    def __init__(self, made: World, context: ssl.SSLContext) -> None:
        self.made = made
        self.context = context
        self.database: Board = {}
        self.log: list[tuple[str, str]] = []
        self.edge: Edge | None = None
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        held = [(key, uid, version) for key, (uid, version) in self.database.items()]
        self.log.clear()
        self.edge = await self.made.connect(self.context, "edge1", *held)
        self._task = asyncio.create_task(self._live(self.edge))

    async def disconnect(self) -> None:
        assert self.edge is not None and self._task is not None
        await self.edge.socket.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _live(self, edge: Edge) -> None:
        while (message := await _heard(edge)) is not None:
            if message.route.operation in ("response", "error"):
                continue
            for key, uid, removal in _subjects(message.route.resource, message.route.operation, message.content):
                self.log.append(("delete" if removal else "store", key))
                if not removal:
                    self.database[key] = (uid, message.header.resource_version)
                elif uid in ("", self.database.get(key, (uid, ""))[0]):
                    self.database.pop(key, None)
            await edge.acknowledge(message)


async def _heard(edge: Edge) -> Message | None:
    """The next message; None once the link has ended."""
    frame = await edge.socket.receive()
    return decode(frame.data) if frame.type is aiohttp.WSMsgType.TEXT else None


def _subjects(resource: str, operation: str, content: Any) -> list[tuple[str, str, bool]]:
    if resource != "membership":
        return [(resource, content["metadata"].get("uid", ""), operation == "delete")]
    added = [(f"device/{device['id']}", device["uid"], False) for device in content.get("added_devices") or ()]
    return added + [(f"device/{device['id']}", device.get("uid", ""), True) for device in content.get("removed_devices") or ()]


async def wanted(kube: KubeClient) -> Board:
    """What the board should hold, by uid and at least at the version of the object's wish."""
    found: Board = {}
    for resource, kind in ((PODS, "pod"), (CONFIGMAPS, "configmap")):
        for obj in (await kube.list(resource, "default")).items:
            found[f"default/{kind}/{obj['metadata']['name']}"] = (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"])
    for obj in (await kube.list(DEVICES, "default")).items:
        found[f"device/{obj['metadata']['name']}"] = (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"])
    found.pop("default/configmap/kube-root-ca.crt", None)
    return found


async def records(kube: KubeClient) -> dict[str, tuple[str, str, bool]]:
    """uid to (kind and name, version, behind)."""
    found = {}
    for sync in (await kube.list(OBJECT_SYNCS)).items:
        spec, status = sync["spec"], sync.get("status") or {}
        uid = sync["metadata"]["name"].rpartition(".")[2]
        found[uid] = (f"{spec['objectKind']}/{spec['objectName']}", status.get("objectResourceVersion", ""), status.get("behind", True))
    return found


async def converged(board: Played, kube: KubeClient) -> bool:
    """The board holds what it should, and the records say so."""
    should, written = await wanted(kube), await records(kube)
    held = dict(board.database.values())
    return board.database == should and {uid: version for uid, (_, version, behind) in written.items() if not behind} == held


async def filled(made: World, kube: KubeClient) -> Played:
    """A board that holds five ConfigMaps, three pods and a device, all recorded."""
    edge, context = await made.board()
    await edge.socket.close()
    board = Played(made, context)
    await board.connect()
    await kube.create(DEVICE_MODELS, "default", DEVICE_MODEL)
    await kube.create(DEVICES, "default", DEVICE)
    names = [f"c{number}" for number in range(5)]
    for name in names:
        await kube.create(CONFIGMAPS, "default", {"metadata": {"name": name, "namespace": "default"}, "data": {"a": "b"}})
    sources = [{"configMapRef": {"name": name}} for name in names]
    for number in range(3):
        container = {"name": "c", "image": "busybox", "envFrom": sources}
        await kube.create(PODS, "default", pod_body(f"p{number}", containers=[container]))
    await eventually(lambda: converged(board, kube))
    return board


async def change_everything(kube: KubeClient) -> None:
    """One object of each sort that a board can have wrongly: changed, made anew under its name, deleted, new."""
    await kube.update(CONFIGMAPS, "default", {"metadata": {"name": "c0", "namespace": "default"}, "data": {"a": "changed"}})
    await kube.delete(CONFIGMAPS, "default", "c1")
    await kube.create(CONFIGMAPS, "default", {"metadata": {"name": "c1", "namespace": "default"}, "data": {"a": "another"}})
    await kube.delete(CONFIGMAPS, "default", "c2")
    await kube.delete(PODS, "default", "p1", grace_seconds=0)
    await kube.create(PODS, "default", pod_body("p1", containers=[{"name": "c", "image": "other"}]))
    await kube.delete(DEVICES, "default", "t1")
    await kube.create(DEVICES, "default", DEVICE)


@runs
async def test_records_that_were_removed_by_hand_come_back_while_the_board_stays_connected() -> None:
    async with world() as (made, kube):
        board = await filled(made, kube)
        for sync in (await kube.list(OBJECT_SYNCS)).items:
            await kube.delete(OBJECT_SYNCS, "default", sync["metadata"]["name"])
        await eventually(lambda: converged(board, kube))


@runs
async def test_what_changed_while_the_board_was_away_reaches_it_and_nothing_else() -> None:
    async with world() as (made, kube):
        board = await filled(made, kube)
        await board.disconnect()
        await change_everything(kube)
        await board.connect()
        await eventually(lambda: converged(board, kube))
        untouched = {"default/configmap/c3", "default/configmap/c4", "default/pod/p0", "default/pod/p2"}
        assert untouched.isdisjoint(key for _, key in board.log)
        for key in ("default/configmap/c1", "default/pod/p1", "device/t1"):
            assert board.log.index(("delete", key)) < board.log.index(("store", key))


@runs
async def test_a_board_whose_database_was_wiped_gets_everything_again() -> None:
    async with world() as (made, kube):
        board = await filled(made, kube)
        await board.disconnect()
        board.database.clear()
        await board.connect()
        await eventually(lambda: converged(board, kube))
        assert not any(word == "delete" for word, _ in board.log)


@runs
async def test_a_board_that_was_restored_from_an_old_copy_is_brought_up_to_date() -> None:
    async with world() as (made, kube):
        board = await filled(made, kube)
        copy = dict(board.database)
        await change_everything(kube)
        await eventually(lambda: converged(board, kube))
        await board.disconnect()
        board.database = copy | {"default/secret/long-gone": ("u-gone", "3")}
        await board.connect()
        await eventually(lambda: converged(board, kube))


@runs
async def test_a_cloudcore_that_lost_its_memory_and_every_record_finds_what_differs() -> None:
    async with world() as (made, kube):
        board = await filled(made, kube)
        await made.core.stop()
        for sync in (await kube.list(OBJECT_SYNCS)).items:
            await kube.delete(OBJECT_SYNCS, "default", sync["metadata"]["name"])
        await change_everything(kube)
        await made.start_core()
        await board.connect()
        await eventually(lambda: converged(board, kube))
        assert ("store", "default/configmap/c3") not in board.log


@runs
async def test_the_records_of_a_node_go_with_it_and_people_can_read_them_while_they_last() -> None:
    async with world() as (made, kube):
        board = await filled(made, kube)
        await board.disconnect()
        await kube.update(CONFIGMAPS, "default", {"metadata": {"name": "c0", "namespace": "default"}, "data": {"a": "changed"}})

        async def lags() -> bool:
            return [name for name, _, behind in (await records(kube)).values() if behind] == ["configmap/c0"]

        await eventually(lags)
        headers, rows = await _table(made)
        assert headers == ["Name", "Node", "Kind", "Object", "Version", "Behind"]
        (row,) = [row for row in rows if row[3] == "c0"]
        uid, version = board.database["default/configmap/c0"]
        assert row == [f"edge1.{uid}", "edge1", "configmap", "c0", version, True]
        assert sorted(row[5] for row in rows) == [False] * 9 + [True]
        await kube.delete(NODES, None, "edge1")

        async def collected() -> bool:
            return not (await kube.list(OBJECT_SYNCS)).items and not (await kube.list(CLUSTER_OBJECT_SYNCS)).items

        await eventually(collected)


async def _table(made: World) -> tuple[list[str], list[list[Any]]]:
    """What ``kubectl get objectsyncs -A`` is told."""
    access = read_kubeconfig(made.stub.kubeconfig)
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io", "Authorization": f"Bearer {access.token}"}
    context: ssl.SSLContext = KubeClient(access)._ssl  # type: ignore[assignment]
    async with aiohttp.ClientSession() as client, client.get(access.server + OBJECT_SYNCS.path(), headers=headers, ssl=context) as answer:
        table = await answer.json()
    columns = [column["name"] for column in table["columnDefinitions"]]
    return columns, [row["cells"] for row in table["rows"]]
