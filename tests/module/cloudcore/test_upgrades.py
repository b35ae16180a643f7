"""NodeUpgradeJobs: which boards get the task, what they say, what the job becomes (P9), on a fake API server with real informers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudcore.errors import Denied, KubeUnreachable, Refused
from cloudcore.kube.resources import EVENTS, NODE_UPGRADE_JOBS, NODES, PODS
from tests.fakes.downlink import until
from tests.fakes.kube import FakeKube
from tests.module.cloudcore.building import NOW, Cloud, cloud, in_loop, upstream

KEY = "null/nodeupgradejob/up"


def node(name: str, *, ready: bool = True, **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"metadata": {"name": name, "labels": {"node-role.kubernetes.io/edge": ""} | labels}, "status": {"conditions": conditions}}


def boards(*names: str) -> FakeKube:
    kube = FakeKube()
    for name in names:
        kube.put(NODES, node(name))
    return kube


def put(at: Cloud, *nodes: str, name: str = "up", **spec: Any) -> str:
    made = at.kube.put(NODE_UPGRADE_JOBS, {"metadata": {"name": name}, "spec": {"version": "0.2.0", "nodeNames": list(nodes)} | spec})
    return str(made["metadata"]["uid"])


def status(at: Cloud, name: str = "up") -> dict[str, Any]:
    found: dict[str, Any] = at.kube.peek(NODE_UPGRADE_JOBS, "", name).get("status", {})
    return found


def states(at: Cloud) -> dict[str, str]:
    return {entry["nodeName"]: entry["state"] for entry in status(at).get("nodeStatus", [])}


async def says(at: Cloud, who: str, uid: str, state: str, **more: str) -> None:
    message = upstream("null/nodeupgradejobstatus/up", {"uid": uid, "status": {"state": state} | more}, source="upgrade")
    await at.upgrade.take(who, message)


def held(at: Cloud, who: str) -> set[str]:
    return {key for key, _, _ in at.upgrade.holdings(who)}


@in_loop
async def test_boards_get_their_task_in_batches_and_lose_it_when_they_have_ended() -> None:
    async with cloud("edge1", "edge2", kube=boards("edge1", "edge2")) as at:
        uid = put(at, "edge1", "edge2", checkItems=["disk"])
        await until(lambda: held(at, "edge1") == {KEY})
        content = at.upgrade.owed_one("edge1", KEY).message.content  # type: ignore[union-attr]
        assert content["spec"] == {"version": "0.2.0", "timeoutSeconds": 300, "checkItems": ["disk"]}
        assert held(at, "edge2") == set()
        version = at.upgrade.holding("edge1", KEY)
        await says(at, "edge1", uid, "Checking")
        await says(at, "edge1", uid, "Upgrading", fromVersion="0.1.0", toVersion="0.2.0")
        await until(lambda: states(at)["edge1"] == "Upgrading")
        assert at.upgrade.holding("edge1", KEY) == version
        await says(at, "edge1", uid, "Successful", fromVersion="0.1.0", toVersion="0.2.0")
        await until(lambda: held(at, "edge2") == {KEY} and held(at, "edge1") == set())
        assert at.hub.said("edge1") == [("insert", KEY), ("delete", KEY)]
        await says(at, "edge2", uid, "Successful")
        await until(lambda: status(at)["state"] == "Successful")
        assert status(at)["progress"] == "2/2"
        assert [entry["fromVersion"] for entry in status(at)["nodeStatus"] if entry["nodeName"] == "edge1"] == ["0.1.0"]


@in_loop
async def test_a_board_that_goes_back_halts_the_job_and_the_next_board_is_not_told() -> None:
    async with cloud("edge1", "edge2", kube=boards("edge1", "edge2")) as at:
        uid = put(at, "edge1", "edge2")
        await until(lambda: held(at, "edge1") == {KEY})
        await says(at, "edge1", uid, "RolledBack", reason="EdgeCore does not run")
        await until(lambda: status(at).get("state") == "Halted")
        assert (held(at, "edge1"), held(at, "edge2")) == (set(), set())
        told = [
            (event["type"], event["reason"], event["message"])
            for (plural, _, _), event in at.kube.objects.items()
            if plural == EVENTS.plural
        ]
        assert ("Warning", "NodeUpgradeRolledBack", "edge1: EdgeCore does not run") in told
        assert ("Warning", "UpgradeHalted", "1 of 2 nodes failed, spec.failureTolerate is 0.1") in told
        await says(at, "edge1", uid, "Verifying")
        assert states(at)["edge1"] == "RolledBack"


@in_loop
async def test_another_cloudcore_goes_on_where_the_last_one_ended() -> None:
    kube = boards("edge1", "edge2")
    async with cloud("edge1", kube=kube) as at:
        uid = put(at, "edge1", "edge2")
        await until(lambda: held(at, "edge1") == {KEY})
    async with cloud("edge1", "edge2", kube=kube) as at:
        await until(lambda: held(at, "edge1") == {KEY})
        await says(at, "edge1", uid, "Successful")
        await until(lambda: held(at, "edge2") == {KEY})


@in_loop
async def test_a_board_that_comes_back_or_gets_the_label_has_its_turn() -> None:
    kube = boards()
    kube.put(NODES, node("edge1", ready=False))
    kube.put(NODES, {"metadata": {"name": "server"}, "status": node("server")["status"]})
    async with cloud("edge1", kube=kube) as at:
        put(at, labelSelector={"matchLabels": {"ring": "1"}})
        await until(lambda: status(at).get("state") == "Init")
        kube.put(NODES, node("edge1", ready=False, ring="1"))
        await until(lambda: states(at) == {"edge1": "Pending"})
        kube.put(NODES, node("edge1", ring="1"))
        await until(lambda: held(at, "edge1") == {KEY})


@in_loop
async def test_of_two_jobs_a_board_does_one_at_a_time() -> None:
    async with cloud("edge1", kube=boards("edge1")) as at:
        uid = put(at, "edge1")
        await until(lambda: held(at, "edge1") == {KEY})
        put(at, "edge1", name="second")
        await until(lambda: "busy with up" in str(status(at, "second")))
        await says(at, "edge1", uid, "Successful")
        await until(lambda: held(at, "edge1") == {"null/nodeupgradejob/second"})


@in_loop
async def test_a_board_without_an_end_times_out_by_the_clock_of_the_cloud() -> None:
    clock = [NOW]
    kube = boards("edge1", "edge2")
    async with cloud("edge1", kube=kube, now=lambda: clock[0]) as at:
        put(at, "edge1", "edge2", failureTolerate="0.5")
        await until(lambda: held(at, "edge1") == {KEY})
        clock[0] += timedelta(hours=1)
        kube.put(NODES, node("edge2", ring="1"))
        await until(lambda: states(at) == {"edge1": "TimedOut", "edge2": "Started"})
        assert ("delete", KEY) in at.hub.said("edge1")


@in_loop
async def test_a_node_speaks_of_the_jobs_that_mean_it_alone() -> None:
    async with cloud("edge1", "edge2", kube=boards("edge1", "edge2")) as at:
        uid = put(at, "edge1")
        await until(lambda: held(at, "edge1") == {KEY})
        with pytest.raises(Denied):
            await says(at, "edge2", uid, "Successful")
        with pytest.raises(Refused, match="is gone"):
            await says(at, "edge1", "another", "Successful")
        for state in ("Pending", "TimedOut", "Well", ""):
            with pytest.raises(Refused):
                await says(at, "edge1", uid, state)


@in_loop
async def test_where_jobs_cannot_be_listed_boards_keep_their_tasks_and_pods_go_on() -> None:
    kube = boards("edge1")
    kube.fail = lambda verb, plural, name: KubeUnreachable("forbidden") if plural == "nodeupgradejobs" else None
    async with cloud("edge1", kube=kube) as at:
        kube.put(PODS, {"metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "edge1"}})
        await until(lambda: [key for key, _, _ in at.edge.holdings("edge1")] == ["default/pod/web"])
        assert (list(at.upgrade.holdings("edge1")), at.upgrade.removal("edge1", KEY, "u"), at.edge.removal("edge1", KEY, "u")) == (
            [],
            None,
            None,
        )
