"""CronJobs: a Job whenever the schedule says so, by the clock of this server; finished ones go when there are more than wanted."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from cloudstub.controllers import conditions, events
from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    by_controller,
    created_at,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    spec_of,
    status_of,
    text_of,
    time_of,
    uid_of,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Create, Delete, UpdateStatus, Write
from cloudstub.kinds import schedules

CRONJOBS, JOBS = "cronjobs.batch", "jobs.batch"
READS = (CRONJOBS, JOBS)
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_COMPONENT = "cronjob-controller"


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    if not snapshot[CRONJOBS]:
        return []
    owned = by_controller(snapshot[JOBS])
    looks = (_Look(one, owned.get(uid_of(one), []), now) for one in snapshot[CRONJOBS] if not is_deleting(one))
    return [write for look in looks for write in look.writes()]


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """The next time of any schedule."""
    waiting = (one for one in snapshot[CRONJOBS] if not is_deleting(one) and not spec_of(one).get("suspend"))
    moments = (schedules.following(spec_of(one)["schedule"], spec_of(one).get("timeZone") or "", now) for one in waiting)
    return min((moment for moment in moments if moment is not None), default=None)


class _Look:
    """One look at one cron job and the jobs that it made."""

    def __init__(self, cronjob: Object, jobs: list[Object], now: datetime) -> None:
        self._cronjob = cronjob
        self._spec = spec_of(cronjob)
        self._jobs = jobs
        self._active = [job for job in jobs if not _end(job) and not is_deleting(job)]
        self._now = now

    def writes(self) -> Iterator[Write]:
        yield from self._surplus()
        scheduled = self._scheduled()
        started: list[Object] = []
        gone: list[Object] = []
        if scheduled is not None:
            policy = self._spec.get("concurrencyPolicy", "Allow")
            if policy == "Forbid" and self._active:
                message = "Not starting job because prior execution is running and concurrency policy is Forbid"
                yield self._say("JobAlreadyActive", message)
                scheduled = None
            else:
                gone = self._active if policy == "Replace" else []
                started = [self._job(scheduled)]
        yield from (_delete(job) for job in gone)
        yield from (Create(JOBS, namespace_of(self._cronjob), job) for job in started if name_of(job) not in map(name_of, self._jobs))
        status = self._status([job for job in self._active if job not in gone], scheduled)
        if status != status_of(self._cronjob):
            yield UpdateStatus(CRONJOBS, with_status(self._cronjob, status))
        for job in started:
            yield self._say("SuccessfulCreate", f"Created job {name_of(job)}")

    def _scheduled(self) -> datetime | None:
        """The time for which a job is to be started now. Of several that were missed only the last counts."""
        if self._spec.get("suspend"):
            return None
        since = time_of(status_of(self._cronjob).get("lastScheduleTime")) or created_at(self._cronjob)
        found = schedules.latest(self._spec["schedule"], self._spec.get("timeZone") or "", after=since, until=self._now)
        deadline = self._spec.get("startingDeadlineSeconds")
        if found is None or deadline is None or found + timedelta(seconds=int(deadline)) >= self._now:
            return found
        return None

    def _job(self, scheduled: datetime) -> Object:
        template = self._spec.get("jobTemplate") or {}
        minutes = int(scheduled.timestamp()) // 60
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                # The same time gives the same name, so that no time is served twice.
                "name": f"{name_of(self._cronjob)}-{minutes}",
                "namespace": namespace_of(self._cronjob),
                "labels": dict(labels_of(template)),
                "annotations": {**annotations_of(template), SCHEDULED: text_of(scheduled)},
                "ownerReferences": [owner_reference(self._cronjob, "batch/v1", "CronJob")],
            },
            "spec": copy.deepcopy(spec_of(template)),
        }

    def _status(self, active: list[Object], scheduled: datetime | None) -> dict[str, Any]:
        status = {key: value for key, value in status_of(self._cronjob).items() if key != "active"}
        ends = [end for job in self._jobs if (end := _end(job)) and conditions.is_true(status_of(job), "Complete")]
        if active:
            status["active"] = [_reference(job) for job in sorted(active, key=name_of)]
        if scheduled is not None:
            status["lastScheduleTime"] = text_of(scheduled)
        if ends:
            status["lastSuccessfulTime"] = max(ends)
        return status

    def _surplus(self) -> Iterator[Write]:
        """Finished jobs beyond the limits, the oldest first."""
        for kind, field, default in (("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)):
            limit = int(self._spec.get(field, default))
            finished = [job for job in self._jobs if conditions.is_true(status_of(job), kind) and not is_deleting(job)]
            finished.sort(key=lambda job: (created_at(job), name_of(job)))
            yield from (_delete(job) for job in finished[: max(0, len(finished) - limit)])

    def _say(self, reason: str, message: str) -> Create:
        return events.about(
            self._cronjob,
            kind="CronJob",
            api_version="batch/v1",
            reason=reason,
            message=message,
            component=_COMPONENT,
            now=self._now,
        )


def _end(job: Object) -> str:
    """When a job ended; empty while it goes on."""
    status = status_of(job)
    ended = next((c for kind in ("Complete", "Failed") if (c := conditions.find(status, kind)) and c.get("status") == "True"), None)
    return str(status.get("completionTime") or ended.get("lastTransitionTime") or "-") if ended else ""


def _delete(job: Object) -> Delete:
    return Delete(JOBS, namespace_of(job), name_of(job), uid_of(job))


def _reference(job: Object) -> dict[str, Any]:
    return {"apiVersion": "batch/v1", "kind": "Job", "namespace": namespace_of(job), "name": name_of(job), "uid": uid_of(job)}
