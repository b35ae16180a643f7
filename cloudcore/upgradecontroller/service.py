"""UpgradeController: NodeUpgradeJobs, which bring boards to another version of Bramble in batches (P9).

    UpgradeController(kube, jobs=…, nodes=…, downlink=hub, now=utc_clock, noticed=sync.notice)

All that it knows of a job is in the job's status, so that it goes on where the last CloudCore ended. An ``Uplink``. Where the jobs of
the cluster cannot be listed (an older rbac.yaml) everything else goes on, and boards keep the tasks that they have.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from cloudcore.cluster import Clock, Cluster, Informer
from cloudcore.errors import Denied, KubeAlreadyExists, KubeConflict, KubeError, KubeNotFound, Refused
from cloudcore.keeper import keep
from cloudcore.kube.resources import EVENTS, NODE_UPGRADE_JOBS
from cloudcore.objects import identity, uid_of
from cloudcore.ports import Downlink, Holding, JsonObject, Notice, Owed
from cloudcore.upgradecontroller import reports, rollout
from cloudcore.upgradecontroller.downstream import Downstream
from cloudcore.upgradecontroller.job import active_nodes, chosen, entries
from cloudcore.upgradecontroller.reports import UpgradeReport
from cloudcore.upgradecontroller.rollout import FINAL, NodeFact
from viaduct.errors import MalformedResource
from viaduct.message import Message
from viaduct.resource import parse_resource
from viaduct.vocabulary import Operation, ResourceType

logger = logging.getLogger(__name__)

_ATTEMPTS = 8
_RETRY_SECONDS = 5.0
_LONGEST_REST = 3600.0
_EDGE_LABEL = "node-role.kubernetes.io/edge"


class UpgradeController:
    def __init__(
        self,
        kube: Cluster,
        *,
        jobs: Informer,
        nodes: Informer,
        downlink: Downlink,
        now: Clock,
        noticed: Notice = lambda node, key: None,
    ) -> None:
        self._kube = kube
        self._jobs = jobs
        self._nodes = nodes
        self._now = now
        self._downstream = Downstream(jobs=jobs, downlink=downlink, now=now, noticed=noticed)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._jobs.follow(self._job_event)
        self._nodes.follow(self._node_event)
        self._task = keep(self._run, "upgrades of nodes")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def holdings(self, node: str) -> Iterator[Holding]:
        return self._downstream.holdings(node)

    def holding(self, node: str, key: str) -> Holding | None:
        return self._downstream.holding(node, key)

    def owed_one(self, node: str, key: str) -> Owed | None:
        return self._downstream.owed_one(node, key)

    def removal(self, node: str, key: str, uid: str) -> Owed | None:
        return self._downstream.removal(key, uid)

    def node_changed(self, node: str, connected: bool) -> None:
        """The Node's own condition is what counts."""

    async def take(self, node: str, message: Message) -> Message | None:
        try:
            path = parse_resource(message.route.resource)
        except MalformedResource as exc:
            raise Refused(str(exc)) from exc
        if path.type != ResourceType.NODEUPGRADEJOBSTATUS or message.route.operation != Operation.UPDATE:
            raise Refused(f"a node does not {message.route.operation} {path.type}", code=405, why="operation")
        report = reports.upgrade_report(message.content)
        job = self._downstream.job(path.name)
        for _ in range(_ATTEMPTS):
            if job is None or uid_of(job) != report.uid or node not in entries(job):
                job = await self._own_job(node, path.name, report)
            wanted = reports.merged(job, node, report, self._now())
            try:
                if wanted is not None:
                    await self._write(job, wanted)
                return None
            except (KubeConflict, KubeNotFound):
                job = None
        raise KubeConflict(f"{path}: changed {_ATTEMPTS} times while it was written", code=409)

    async def _own_job(self, node: str, name: str, report: UpgradeReport) -> JsonObject:
        try:
            job = await self._kube.get(NODE_UPGRADE_JOBS, "", name)
        except KubeNotFound:
            job = {}
        if uid_of(job) != report.uid:
            raise Refused(f"NodeUpgradeJob {name} is gone", code=404, why="gone")
        if node not in entries(job):
            raise Denied(f"NodeUpgradeJob {name} does not mean node {node}", "another_node")
        return job

    def _job_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        self._downstream.job_event(old, new)
        self._wake.set()

    def _node_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        if old is None or new is None or _fact_of(old) != _fact_of(new) or _labels_of(old) != _labels_of(new):
            self._wake.set()

    async def _run(self) -> None:
        """Until cancelled: after each change, and when something comes due by itself."""
        await self._nodes.synced.wait()
        while True:
            self._wake.clear()
            rest = await self._advance_all()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), rest)

    async def _advance_all(self) -> float:
        rest = _LONGEST_REST
        for job in self._downstream.jobs():
            try:
                await self._advance(job)
            except (KubeConflict, KubeNotFound):
                logger.debug("NodeUpgradeJob %s has changed, its event comes", identity(job)[1])
            except KubeError as exc:
                logger.warning("NodeUpgradeJob %s: %s", identity(job)[1], exc)
                rest = min(rest, _RETRY_SECONDS)
            ends = rollout.pause_ends(job, self._now())
            rest = rest if ends is None else min(rest, ends + 0.1)
        return rest

    async def _advance(self, job: JsonObject) -> None:
        is_over = (job.get("status") or {}).get("state") in FINAL
        labels = {identity(node)[1]: _labels_of(node) for node in self._nodes.values() if _fact_of(node) is not None}
        nodes = list(entries(job)) if is_over else chosen(job, labels)
        status = rollout.advanced(job, nodes, {} if is_over else self._facts(job), self._now())
        if status != (job.get("status") or {}):
            await self._write(job, job | {"status": status})

    async def _write(self, job: JsonObject, wanted: JsonObject) -> None:
        """The Events first: what is said twice is there already, what was never said is lost."""
        for event in reports.events(job, wanted, self._now()):
            with contextlib.suppress(KubeAlreadyExists):
                await self._kube.create(EVENTS, "default", event)
            logger.info("NodeUpgradeJob %s: %s: %s", identity(job)[1], event["reason"], event["message"])
        await self._kube.update(NODE_UPGRADE_JOBS, "", wanted, subresource="status")

    def _facts(self, job: JsonObject) -> dict[str, NodeFact]:
        busy = {
            node: identity(other)[1] for other in self._downstream.jobs() if uid_of(other) != uid_of(job) for node in active_nodes(other)
        }
        found = {}
        for node in self._nodes.values():
            ready, name = _fact_of(node), identity(node)[1]
            if ready is not None:
                found[name] = NodeFact(ready, busy.get(name, ""))
        return found


def _fact_of(node: JsonObject) -> bool | None:
    """Whether a board of ours is in touch, well or not: an update may be what it needs. None for a node of a kubelet."""
    if _EDGE_LABEL not in _labels_of(node):
        return None
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") in ("True", "False") for one in conditions)


def _labels_of(node: JsonObject) -> dict[str, str]:
    labels: dict[str, str] = (node.get("metadata") or {}).get("labels") or {}
    return labels
