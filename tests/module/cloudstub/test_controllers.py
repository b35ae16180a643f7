"""The controllers on the real store and verbs: what a user asks for happens, once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloudstub.app import new_world
from cloudstub.controllers import runner
from cloudstub.controllers.objects import labels_of, name_of, namespace_of, spec_of, status_of, text_of, uid_of
from cloudstub.controllers.writes import Create, Delete, Update, UpdateStatus
from cloudstub.errors import Conflict, NotFound
from cloudstub.store.database import Database
from cloudstub.store.store import Store
from cloudstub.verbs.cluster import Cluster
from cloudstub.verbs.delete import DeleteOptions, delete
from cloudstub.verbs.world import Target, World

LABELS = {"app": "web"}


class Site:
    """A store with controllers, and a clock that a test may turn."""

    def __init__(self, world: World, ahead: list[timedelta]) -> None:
        self.world = world
        self.cluster = Cluster(world)
        self._ahead = ahead

    def pass_time(self, seconds: float) -> None:
        self._ahead[0] += timedelta(seconds=seconds)

    async def add(self, resource: str, obj: dict[str, Any], namespace: str = "default") -> None:
        await self.cluster.perform(Create(resource, namespace, obj))

    async def add_node(self, name: str) -> None:
        await self.add("nodes", {"metadata": {"name": name}}, "")
        node = next(one for one in self.all("nodes") if name_of(one) == name)
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": text_of(self.world.clock())}
        await self.cluster.perform(UpdateStatus("nodes", {**node, "status": {"conditions": [ready]}}))

    async def delete(self, resource: str, name: str, namespace: str = "default", propagation: str = "") -> None:
        kind = self.world.catalog.by_resource(resource)
        assert kind is not None
        delete(self.world, Target(kind, kind.storage, namespace, name), DeleteOptions(propagation=propagation))
        await self.world.store.committed()

    def all(self, resource: str) -> list[dict[str, Any]]:
        return self.cluster.snapshot(resource)[resource]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.005)

    async def play_nodes(self) -> None:
        """Every node's part: bound pods run, deleted ones end."""
        while True:
            for pod in self.all("pods"):
                # A controller may have written the pod meanwhile: then the next turn does it.
                with contextlib.suppress(Conflict, NotFound):
                    await self._play(pod)
            await asyncio.sleep(0.005)

    async def _play(self, pod: dict[str, Any]) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            await self.cluster.perform(Delete("pods", namespace_of(pod), name_of(pod), uid_of(pod), 0))
        elif spec_of(pod).get("nodeName") and status_of(pod).get("phase") == "Pending":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": text_of(self.world.clock())}
            running = {**status_of(pod), "phase": "Running", "conditions": [ready]}
            await self.cluster.perform(UpdateStatus("pods", {**pod, "status": running}))


def play(directory: Path, story: Callable[[Site], Awaitable[None]], *, nodes_play: bool = True) -> None:
    async def scene() -> None:
        ahead = [timedelta()]

        def clock() -> datetime:
            return datetime.now(UTC) + ahead[0]

        store = Store(Database(directory / "store.db"), now_ms=lambda: int(clock().timestamp() * 1000))
        site = Site(new_world(store, clock), ahead)
        for name in ("default", "other"):
            await site.add("namespaces", {"metadata": {"name": name}}, "")
        tasks = [asyncio.create_task(runner.run(site.cluster, now=clock))]
        if nodes_play:
            tasks.append(asyncio.create_task(site.play_nodes()))
        try:
            await story(site)
            assert not [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            store.close()

    asyncio.run(scene())


def deployment(replicas: int = 3, image: str = "web:1") -> dict[str, Any]:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template},
    }


def is_rolled_out(site: Site, replicas: int, image: str = "web:1") -> bool:
    images = [spec_of(pod)["containers"][0]["image"] for pod in site.all("pods")]
    statuses = [status_of(one) for one in site.all("deployments.apps")]
    counts = [(s.get("updatedReplicas"), s.get("availableReplicas"), s.get("replicas")) for s in statuses]
    return images == [image] * replicas and counts == [(replicas,) * 3]


def test_a_deployment_runs_rolls_scales_and_goes_with_all_that_it_made(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("n1")
        await site.add_node("n2")
        await site.add("deployments.apps", deployment())
        await site.until(lambda: is_rolled_out(site, 3))
        assert {spec_of(pod)["nodeName"] for pod in site.all("pods")} == {"n1", "n2"}
        (web,) = site.all("deployments.apps")
        await site.cluster.perform(Update("deployments.apps", {**web, "spec": deployment(4, "web:2")["spec"]}))
        await site.until(lambda: is_rolled_out(site, 4, "web:2"))
        assert len(site.all("replicasets.apps")) == 2
        (web,) = site.all("deployments.apps")
        await site.cluster.perform(Update("deployments.apps", {**web, "spec": deployment(4, "web:1")["spec"]}))
        await site.until(lambda: is_rolled_out(site, 4, "web:1"))
        assert len(site.all("replicasets.apps")) == 2
        await site.delete("deployments.apps", "web")
        await site.until(lambda: not site.all("pods") and not site.all("replicasets.apps"))

    play(tmp_path, story)


def test_a_settled_cluster_is_written_to_no_more(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("n1")
        await site.add("deployments.apps", deployment(10))
        await site.until(lambda: is_rolled_out(site, 10))
        await asyncio.sleep(0.3)
        before = site.world.store.revision
        await asyncio.sleep(0.5)
        assert site.world.store.revision == before
        made = [event for event in site.all("events") if event["reason"] == "SuccessfulCreate"]
        assert len(made) == 10

    play(tmp_path, story)


def test_foreground_deletion_ends_with_the_owner_last(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("n1")
        await site.add("deployments.apps", deployment())
        await site.until(lambda: is_rolled_out(site, 3))
        await site.delete("deployments.apps", "web", propagation="Foreground")
        await site.until(lambda: not site.all("deployments.apps"))
        assert not site.all("replicasets.apps")

    play(tmp_path, story)


def test_orphaning_leaves_the_pods_running(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("n1")
        await site.add("deployments.apps", deployment())
        await site.until(lambda: is_rolled_out(site, 3))
        await site.delete("deployments.apps", "web", propagation="Orphan")
        await site.until(lambda: not site.all("deployments.apps"))
        (replicaset,) = site.all("replicasets.apps")
        assert "ownerReferences" not in replicaset["metadata"]
        assert len(site.all("pods")) == 3

    play(tmp_path, story)


def test_a_namespace_goes_with_its_content(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("n1")
        await site.add("configmaps", {"metadata": {"name": "c"}}, "other")
        await site.add("deployments.apps", deployment(), "other")
        await site.until(lambda: is_rolled_out(site, 3))
        await site.delete("namespaces", "other", "")
        await site.until(lambda: [name_of(one) for one in site.all("namespaces")] == ["default"])
        left = [obj for objects in site.cluster.snapshot("*").values() for obj in objects if namespace_of(obj) == "other"]
        assert left == []

    play(tmp_path, story)


def test_a_board_that_is_away_for_weeks_keeps_its_pods_and_is_ready_again_when_it_is_heard_of(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("board")
        await site.add("deployments.apps", deployment(2))
        await site.until(lambda: is_rolled_out(site, 2))
        before = {uid_of(pod) for pod in site.all("pods")}
        site.pass_time(14 * 86400)
        await site.add("configmaps", {"metadata": {"name": "wakes-the-loop"}})
        await site.until(lambda: "taints" in spec_of(site.all("nodes")[0]))
        assert [c["status"] for c in status_of(site.all("nodes")[0])["conditions"]] == ["Unknown"]
        assert {uid_of(pod) for pod in site.all("pods")} == before
        node = site.all("nodes")[0]
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": text_of(site.world.clock())}
        await site.cluster.perform(UpdateStatus("nodes", {**node, "status": {"conditions": [ready]}}))
        await site.until(lambda: "taints" not in spec_of(site.all("nodes")[0]))
        assert {uid_of(pod) for pod in site.all("pods")} == before

    play(tmp_path, story)


def test_a_daemon_runs_on_every_node_and_a_job_runs_to_its_end(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        await site.add_node("n1")
        await site.add_node("n2")
        pod_template = deployment()["spec"]["template"]
        daemon = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": LABELS}, "template": pod_template}}
        await site.add("daemonsets.apps", daemon)
        await site.until(lambda: status_of(site.all("daemonsets.apps")[0]).get("numberAvailable") == 2)
        once = {**pod_template, "spec": {**pod_template["spec"], "restartPolicy": "Never"}, "metadata": {}}
        await site.add("jobs.batch", {"metadata": {"name": "j"}, "spec": {"template": once}})
        await site.until(lambda: len(workers(site)) == 1 and status_of(workers(site)[0]).get("phase") == "Running")
        done = {**workers(site)[0], "status": {"phase": "Succeeded"}}
        await site.cluster.perform(UpdateStatus("pods", done))
        await site.until(lambda: [c["type"] for c in status_of(site.all("jobs.batch")[0]).get("conditions", [])] == ["Complete"])

    play(tmp_path, story)


def workers(site: Site) -> list[dict[str, Any]]:
    return [pod for pod in site.all("pods") if labels_of(pod).get("job-name") == "j"]
