"""Deployments: one ReplicaSet per template, rolled from the old to the new by ``rollout``, remembered by ``revisions``."""

from __future__ import annotations

from datetime import datetime

from cloudstub.controllers import deployment_status, events, pods, revisions, rollout
from cloudstub.controllers.deployment_status import replicas_of
from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    by_controller,
    controller_uid,
    created_at,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    owners_of,
    spec_of,
    status_of,
    uid_of,
    with_meta,
    with_spec,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Create, Delete, Update, UpdateStatus, Write
from cloudstub.kinds import label_selector

READS = ("deployments.apps", "replicasets.apps", "pods")


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    sets = by_controller(snapshot["replicasets.apps"])
    orphans = [one for one in snapshot["replicasets.apps"] if controller_uid(one) is None and not is_deleting(one)]
    pods_by_set = by_controller(snapshot["pods"])
    writes: list[Write] = []
    for deployment in snapshot["deployments.apps"]:
        if is_deleting(deployment):
            continue
        mine = [one for one in sets.get(uid_of(deployment), []) if not is_deleting(one)]
        adoptions = _adoptions(deployment, orphans)
        writes += adoptions or _Look(deployment, mine, pods_by_set, now).writes()
    return writes


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the next rollout passes its deadline."""
    moments = (deployment_status.deadline(one) for one in snapshot["deployments.apps"])
    return min((moment for moment in moments if moment is not None), default=None)


def _adoptions(deployment: Object, orphans: list[Object]) -> list[Write]:
    selector = spec_of(deployment).get("selector")
    reference = owner_reference(deployment, "apps/v1", "Deployment")
    return [
        Update("replicasets.apps", with_meta(one, ownerReferences=[*owners_of(one), reference]))
        for one in orphans
        if namespace_of(one) == namespace_of(deployment) and label_selector.matches(selector, labels_of(one))
    ]


class _Look:
    """One look at one deployment: what its sets should be next. At most one write per object, so that none is stale."""

    def __init__(self, deployment: Object, replicasets: list[Object], pods_by_set: dict[str, list[Object]], now: datetime) -> None:
        self._deployment = deployment
        self._all = sorted(replicasets, key=created_at)
        self._pods_by_set = pods_by_set
        self._now = now
        self._newest = revisions.newest_of(deployment, self._all)
        self._old = [one for one in self._all if one is not self._newest]
        self._replicas = replicas_of(deployment)
        strategy = spec_of(deployment).get("strategy") or {}
        self._recreates = strategy.get("type") == "Recreate"
        surge, unavailable = rollout.limits(self._replicas, strategy.get("rollingUpdate") or {})
        # Recreate may be without any pod for a while, but then it never calls fewer than all of them available.
        self._surge, self._unavailable = (0, 0) if self._recreates else (surge, unavailable)

    def writes(self) -> list[Write]:
        writes = self._create_newest() if self._newest is None else self._settle(self._newest)
        return [*writes, *self._deployment_itself()]

    def _create_newest(self) -> list[Write]:
        if spec_of(self._deployment).get("paused"):
            return []
        revision = revisions.next_revision(None, self._all)
        if self._recreates and self._old_still_run():
            return self._rescale({name_of(one): 0 for one in self._old})
        replicas = rollout.grown(rollout.Set("", 0, 0), self._figures(self._old), replicas=self._replicas, surge=self._surge)
        newest = self._annotated(revisions.first_set(self._deployment, replicas=replicas), revision, is_newest=True)
        create = Create("replicasets.apps", namespace_of(self._deployment), newest)
        return [create, self._scaling_event(name_of(newest), 0, replicas)] if replicas else [create]

    def _settle(self, newest: Object) -> list[Write]:
        if spec_of(self._deployment).get("paused"):
            return self._rescale(self._paused_scale())
        if self._recreates:
            target = replicas_of(newest) if self._old_still_run() else self._replicas
            return self._rescale({**{name_of(one): 0 for one in self._old}, name_of(newest): target})
        mine, others = self._figures([newest])[0], self._figures(self._old)
        target = rollout.grown(mine, others, replicas=self._replicas, surge=self._surge)
        wanted = {mine.name: target}
        if target == mine.replicas:
            wanted |= rollout.shrunk(mine, others, replicas=self._replicas, unavailable=self._unavailable)
        return [*self._rescale(wanted), *self._forget()]

    def _paused_scale(self) -> dict[str, int]:
        """A paused deployment still scales, while only one set runs: there is no choice to make then."""
        active = [one for one in self._all if replicas_of(one) > 0] or ([self._newest] if self._newest else [])
        return {name_of(active[0]): self._replicas} if len(active) == 1 else {}

    def _rescale(self, wanted: dict[str, int]) -> list[Write]:
        revision = revisions.next_revision(self._newest, self._all)
        writes: list[Write] = []
        for one in self._all:
            is_newest = one is self._newest
            before, after = replicas_of(one), wanted.get(name_of(one), replicas_of(one))
            changed = one if before == 0 == after and not is_newest else self._annotated(one, revision, is_newest=is_newest)
            changed = self._with_min_ready(changed) if is_newest else changed
            if after != before:
                changed = with_spec(changed, replicas=after)
                writes.append(self._scaling_event(name_of(one), before, after))
            if changed is not one:
                writes.append(Update("replicasets.apps", changed))
        return writes

    def _with_min_ready(self, newest: Object) -> Object:
        wanted = spec_of(self._deployment).get("minReadySeconds") or None
        same = (spec_of(newest).get("minReadySeconds") or None) == wanted
        return newest if same else with_spec(newest, minReadySeconds=wanted)

    def _forget(self) -> list[Write]:
        limit = spec_of(self._deployment).get("revisionHistoryLimit")
        if limit is None or not deployment_status.is_done(self._deployment, self._newest, self._all):
            return []
        return [
            Delete("replicasets.apps", namespace_of(one), name_of(one), uid_of(one)) for one in revisions.surplus(self._old, int(limit))
        ]

    def _deployment_itself(self) -> list[Write]:
        status = deployment_status.status(self._deployment, self._newest, self._all, unavailable=self._unavailable, now=self._now)
        if status != status_of(self._deployment):
            return [UpdateStatus("deployments.apps", with_status(self._deployment, status))]
        if self._newest is None:
            return []
        revision = str(revisions.next_revision(self._newest, self._all))
        if annotations_of(self._deployment).get(revisions.REVISION) == revision:
            return []
        annotations = {**annotations_of(self._deployment), revisions.REVISION: revision}
        return [Update("deployments.apps", with_meta(self._deployment, annotations=annotations))]

    def _old_still_run(self) -> bool:
        return any(not pods.is_finished(pod) for one in self._old for pod in self._pods_by_set.get(uid_of(one), ()))

    def _figures(self, replicasets: list[Object]) -> list[rollout.Set]:
        return [rollout.Set(name_of(one), replicas_of(one), int(status_of(one).get("availableReplicas") or 0)) for one in replicasets]

    def _annotated(self, replicaset: Object, revision: int, *, is_newest: bool) -> Object:
        return revisions.annotated(
            replicaset,
            self._deployment,
            revision=revision,
            replicas=self._replicas,
            maximum=self._replicas + self._surge,
            is_newest=is_newest,
        )

    def _scaling_event(self, name: str, before: int, after: int) -> Create:
        way = "up" if after >= before else "down"
        return events.about(
            self._deployment,
            kind="Deployment",
            api_version="apps/v1",
            reason="ScalingReplicaSet",
            message=f"Scaled {way} replica set {name} from {before} to {after}",
            component="deployment-controller",
            now=self._now,
        )
