"""Which node holds which task (P9.2): a node has it from the moment in which the job tells it until the node has said how it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cloudcore.cluster import Clock, Informer
from cloudcore.objects import epoch_ms, identity, uid_of, version_of
from cloudcore.ports import Downlink, Holding, JsonObject, Notice, Owed
from cloudcore.upgradecontroller.job import active_nodes, told_task
from viaduct.errors import MalformedResource
from viaduct.message import new_message
from viaduct.resource import CLUSTER_SCOPE, ResourcePath, parse_resource
from viaduct.upgrades.task import task_spec
from viaduct.vocabulary import Group, Operation, ResourceType, Source


class Downstream:
    """A task is owed at the version at which the job told its node: what nodes report does not send it down again."""

    def __init__(self, *, jobs: Informer, downlink: Downlink, now: Clock, noticed: Notice) -> None:
        self._jobs = jobs
        self._downlink = downlink
        self._now = now
        self._noticed = noticed
        self._versions: defaultdict[str, dict[str, str]] = defaultdict(dict)

    @property
    def is_listed(self) -> bool:
        return self._jobs.synced.is_set()

    def job(self, name: str) -> JsonObject | None:
        return self._jobs.get("", name)

    def jobs(self) -> list[JsonObject]:
        """Oldest first."""
        return sorted(self._jobs.values(), key=lambda job: (str(job["metadata"].get("creationTimestamp")), identity(job)[1]))

    def holdings(self, node: str) -> Iterator[Holding]:
        for name in list(self._versions.get(node, ())):
            found = self.holding(node, _key(name))
            if found is not None:
                yield found

    def holding(self, node: str, key: str) -> Holding | None:
        name = _name_of(key)
        job = self.job(name) if name else None
        version = self._versions.get(node, {}).get(name)
        return (key, uid_of(job), version) if job is not None and version is not None else None

    def owed_one(self, node: str, key: str) -> Owed | None:
        found = self.holding(node, key)
        job = self.job(_name_of(key))
        return self._telling(job, found[2]) if found is not None and job is not None else None

    def removal(self, key: str, uid: str) -> Owed | None:
        """None where ``key`` is no task, and while nobody knows which there are."""
        name = _name_of(key)
        if not name or not self.is_listed:
            return None
        return self._removing({"metadata": {"name": name} | ({"uid": uid} if uid else {})})

    def job_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        job = new if new is not None else old or {}
        name = identity(job)[1]
        holders = active_nodes(new) if new is not None and told_task(new) is not None else set()
        for node in sorted(node for node, tasks in self._versions.items() if name in tasks and node not in holders):
            del self._versions[node][name]
            self._offer(node, self._removing(job))
        for node in sorted(node for node in holders if name not in self._versions[node]):
            self._versions[node][name] = version_of(job)
            self._offer(node, self._telling(job, version_of(job)))

    def _telling(self, job: JsonObject, version: str) -> Owed | None:
        task = told_task(job)
        if task is None:
            return None
        content = {"metadata": {"name": identity(job)[1], "uid": uid_of(job), "resourceVersion": version}, "spec": task_spec(task)}
        return self._owed(job, Operation.INSERT, content, version)

    def _removing(self, job: JsonObject) -> Owed:
        metadata = {"name": identity(job)[1], "uid": uid_of(job)}
        return self._owed(job, Operation.DELETE, {"metadata": metadata}, version_of(job))

    def _owed(self, job: JsonObject, operation: Operation, content: JsonObject, version: str) -> Owed:
        key = _key(identity(job)[1])
        message = new_message(
            source=Source.UPGRADECONTROLLER,
            group=Group.RESOURCE,
            operation=operation,
            resource=key,
            now_ms=epoch_ms(self._now()),
            content=content,
            resource_version=version,
        )
        return Owed(key, uid_of(job), version, message, removal=operation is Operation.DELETE)

    def _offer(self, node: str, owed: Owed | None) -> None:
        if owed is not None:
            self._noticed(node, owed.key)
            self._downlink.offer(node, owed)


def _key(name: str) -> str:
    return str(ResourcePath(CLUSTER_SCOPE, ResourceType.NODEUPGRADEJOB, name))


def _name_of(key: str) -> str:
    """Empty where ``key`` is none of ours."""
    try:
        path = parse_resource(key)
    except MalformedResource:
        return ""
    return path.name if path.type == ResourceType.NODEUPGRADEJOB else ""
