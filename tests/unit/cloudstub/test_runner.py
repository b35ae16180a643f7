"""The loop: what it promises whatever the controllers decide, and the real controllers through it on an in-memory cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudstub.controllers import runner
from cloudstub.controllers.ports import Controller, Snapshot
from cloudstub.controllers.writes import Create, Update, Write
from cloudstub.errors import Conflict, Invalid
from tests.fakes.cluster import FakeCluster
from tests.unit.cloudstub import made


def play(story: Callable[[FakeCluster], Awaitable[None]], *, now: Callable[[], datetime] = lambda: made.NOW, **options: Any) -> FakeCluster:
    """Run ``story`` while the controllers run, all in one loop, with a limit."""

    async def scene() -> FakeCluster:
        cluster = FakeCluster(now)
        task = asyncio.create_task(runner.run(cluster, now=now, **options))
        try:
            async with asyncio.timeout(10):
                await story(cluster)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return cluster

    return asyncio.run(scene())


def config_map(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}}


def maker(name: str, wanted: Callable[[Snapshot], list[Write]]) -> Controller:
    return Controller(name, ("configmaps",), lambda snapshot, now: wanted(snapshot))


def test_a_bug_in_one_controller_does_not_stop_the_others() -> None:
    def broken(snapshot: Snapshot, now: datetime) -> list[Write]:
        raise ZeroDivisionError

    def working(snapshot: Snapshot) -> list[Write]:
        return [] if len(snapshot["configmaps"]) != 1 else [Create("configmaps", "default", config_map("answer"))]

    async def story(cluster: FakeCluster) -> None:
        await cluster.put("configmaps", config_map("question"))
        await cluster.until(lambda: len(cluster.listed("configmaps")) == 2)

    play(story, controllers=[Controller("broken", ("configmaps",), broken), maker("working", working)])


def test_an_object_that_is_refused_again_and_again_delays_no_other() -> None:
    def wanted(snapshot: Snapshot) -> list[Write]:
        there = {obj["metadata"]["name"] for obj in snapshot["configmaps"]}
        return [Create("configmaps", "default", config_map(n)) for n in ("bad", "good") if n not in there]

    async def story(cluster: FakeCluster) -> None:
        cluster.refuse = lambda write: Invalid("no") if "bad" in str(write) else None
        await cluster.put("configmaps", config_map("start"))
        await cluster.until(lambda: ("configmaps", "default", "good") in cluster.objects)
        for turn in range(20):
            await cluster.put("configmaps", config_map(f"turn-{turn}"))
            await asyncio.sleep(0.005)
        assert sum("bad" in str(write) for write in cluster.writes) <= 5

    play(story, controllers=[maker("maker", wanted)])


def test_a_conflict_means_look_again_until_it_is_done() -> None:
    tries = 0

    def wanted(snapshot: Snapshot) -> list[Write]:
        return [Update("configmaps", {**one, "spec": "set"}) for one in snapshot["configmaps"] if "spec" not in one]

    def refuse(write: Write) -> Conflict | None:
        nonlocal tries
        tries += 1
        return Conflict("stale") if tries <= 2 else None

    async def story(cluster: FakeCluster) -> None:
        cluster.refuse = refuse
        await cluster.put("configmaps", config_map("one"))
        await cluster.until(lambda: "spec" in cluster.get("configmaps", "default", "one"))

    play(story, controllers=[maker("setter", wanted)])
    assert tries == 3


def test_a_controller_wakes_by_time_alone() -> None:
    opened = datetime.now(UTC) + timedelta(seconds=0.3)

    def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
        return [Create("configmaps", "default", config_map("late"))] if now >= opened else []

    async def story(cluster: FakeCluster) -> None:
        await cluster.until(lambda: ("configmaps", "default", "late") in cluster.objects)

    due = Controller("late", ("pods",), decide, lambda snapshot, now: opened if now < opened else None)
    play(story, controllers=[due], now=lambda: datetime.now(UTC))


def test_nothing_is_looked_at_while_nothing_changes() -> None:
    looks = 0

    def count(snapshot: Snapshot, now: datetime) -> list[Write]:
        nonlocal looks
        looks += 1
        return []

    async def story(cluster: FakeCluster) -> None:
        await cluster.put("configmaps", config_map("one"))
        await cluster.until(lambda: looks > 0)
        await asyncio.sleep(0.05)
        before = (looks, cluster.snapshots)
        await asyncio.sleep(0.3)
        assert (looks, cluster.snapshots) == before
        await cluster.put("secrets", config_map("other"))
        await cluster.until(lambda: cluster.snapshots > before[1])
        assert looks == before[0]

    play(story, controllers=[Controller("counter", ("configmaps",), count)])


def test_a_deployment_becomes_pods_on_nodes_and_no_pod_is_made_twice() -> None:
    async def story(cluster: FakeCluster) -> None:
        await cluster.put("nodes", made.node("n1"))
        await cluster.put("nodes", made.node("n2"))
        await cluster.put("deployments.apps", made.workload("Deployment", "web", replicas=150))
        await cluster.until(lambda: len(cluster.listed("pods")) == 150)
        await cluster.until(lambda: all(p["spec"].get("nodeName") for p in cluster.listed("pods")))
        await asyncio.sleep(0.1)
        assert len(cluster.listed("pods")) == 150
        assert {p["spec"]["nodeName"] for p in cluster.listed("pods")} == {"n1", "n2"}

    cluster = play(story)
    assert sum(isinstance(w, Create) and w.resource == "pods" for w in cluster.writes) == 150


def test_a_rollout_ends_with_pods_of_the_wanted_template_only() -> None:
    async def story(cluster: FakeCluster) -> None:
        kubelet = asyncio.create_task(run_pods(cluster))
        await cluster.put("nodes", made.node("n1"))
        deployment = made.workload("Deployment", "web", replicas=4, revisionHistoryLimit=10)
        await cluster.put("deployments.apps", deployment)
        await cluster.until(lambda: available(cluster) == 4)
        least = 4
        changed = {**cluster.get("deployments.apps", "default", "web")}
        changed["spec"] = {**changed["spec"], "template": made.template("i:2")}
        await cluster.put("deployments.apps", {**changed, "metadata": {**changed["metadata"], "generation": 2}})
        while not is_rolled_out(cluster, "i:2", 4):
            least = min(least, sum(p.get("status", {}).get("phase") == "Running" for p in cluster.listed("pods")))
            await asyncio.sleep(0.002)
        assert least >= 3
        kubelet.cancel()

    play(story)


async def run_pods(cluster: FakeCluster) -> None:
    """A node's part: bound pods run and are ready; those that are deleted go."""
    while True:
        for where in [key for key in cluster.objects if key[0] == "pods"]:
            pod = cluster.objects.get(where)
            if pod is None:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                await cluster.remove(*where)
            elif pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") != "Running":
                ready = {"type": "Ready", "status": "True", "lastTransitionTime": made.ago(0)}
                await cluster.put("pods", {**pod, "status": {"phase": "Running", "conditions": [ready]}})
        await asyncio.sleep(0.002)


def available(cluster: FakeCluster) -> int:
    status = cluster.get("deployments.apps", "default", "web").get("status") or {}
    return int(status.get("availableReplicas") or 0)


def is_rolled_out(cluster: FakeCluster, image: str, count: int) -> bool:
    images = [pod["spec"]["containers"][0]["image"] for pod in cluster.listed("pods")]
    status = cluster.get("deployments.apps", "default", "web").get("status") or {}
    return images == [image] * count and status.get("availableReplicas") == count == status.get("updatedReplicas")
