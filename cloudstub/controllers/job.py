"""Jobs: pods until enough of them succeeded, or until too many failed or it took too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cloudstub.controllers import conditions, indexes, pods
from cloudstub.controllers.objects import (
    Object,
    by_controller,
    created_at,
    is_deleting,
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

READS = ("jobs.batch", "pods")
DEFAULT_BACKOFF_LIMIT = 6
_FIRST_WAIT_SECONDS = 10
_MOST_WAIT_SECONDS = 600


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    if not snapshot["jobs.batch"]:
        return []
    owned = by_controller(snapshot["pods"])
    writes: list[Write] = []
    for job in snapshot["jobs.batch"]:
        if not is_deleting(job):
            writes += _Look(job, owned.get(uid_of(job), []), now).writes()
    return writes


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """The next end of a wait after a failure, of a deadline, or of a finished job's time to live."""
    if not snapshot["jobs.batch"]:
        return None
    owned = by_controller(snapshot["pods"])
    moments = [
        moment for job in snapshot["jobs.batch"] if not is_deleting(job) for moment in _Look(job, owned.get(uid_of(job), []), now).moments()
    ]
    return min((moment for moment in moments if moment > now), default=None)


class _Look:
    """One look at one job and its pods."""

    def __init__(self, job: Object, owned: list[Object], now: datetime) -> None:
        self._job = job
        self._spec = spec_of(job)
        self._now = now
        self._pods = owned
        self._active = [pod for pod in owned if pods.is_active(pod)]
        done = [pod for pod in owned if pods.phase_of(pod) == "Succeeded"]
        self._done = indexes.of(done) if indexes.is_indexed(job) else frozenset()
        self._succeeded = len(self._done) if indexes.is_indexed(job) else len(done)
        # A pod that was deleted before it ended counts as failed once it is gone; until then it is only leaving.
        self._failed = [pod for pod in owned if pods.phase_of(pod) == "Failed"]

    def writes(self) -> list[Write]:
        if self._is_finished():
            return self._after_the_end()
        ended = self._end()
        running = [] if ended or self._spec.get("suspend") else self._starts()
        stopping = self._active if ended or self._spec.get("suspend") else self._surplus()
        deletes = [Delete("pods", namespace_of(pod), name_of(pod), uid_of(pod)) for pod in stopping]
        status = self._status(ended)
        changed = [] if status == status_of(self._job) else [UpdateStatus("jobs.batch", with_status(self._job, status))]
        return [*deletes, *running, *changed]

    def moments(self) -> list[datetime]:
        if self._is_finished():
            end = self._expires_at()
            return [] if end is None else [end]
        return [moment for moment in (self._deadline(), self._retry_at()) if moment is not None]

    def _is_finished(self) -> bool:
        return any(conditions.is_true(status_of(self._job), kind) for kind in ("Complete", "Failed"))

    def _after_the_end(self) -> list[Write]:
        expires = self._expires_at()
        if expires is not None and expires <= self._now:
            return [Delete("jobs.batch", namespace_of(self._job), name_of(self._job), uid_of(self._job))]
        return [Delete("pods", namespace_of(pod), name_of(pod), uid_of(pod)) for pod in self._active]

    def _end(self) -> dict[str, Any] | None:
        """The condition that ends the job now, None while it goes on."""
        deadline = self._deadline()
        if len(self._failed) > int(self._spec.get("backoffLimit", DEFAULT_BACKOFF_LIMIT)):
            return _ended("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        if deadline is not None and deadline <= self._now:
            return _ended("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
        wanted = self._spec.get("completions")
        enough = self._succeeded >= wanted if wanted is not None else self._succeeded > 0 and not self._active
        return _ended("Complete", "CompletionsReached", "Reached expected number of succeeded pods") if enough else None

    def _starts(self) -> list[Write]:
        retry = self._retry_at()
        if retry is not None and retry > self._now:
            return []
        count = max(0, self._wanted() - len(self._active))
        if indexes.is_indexed(self._job):
            open_ = indexes.open_ones(self._job, self._done | indexes.of(self._active))[:count]
            return [Create("pods", namespace_of(self._job), indexes.given(self._pod(""), self._job, index, self._now)) for index in open_]
        names = pods.fresh_names(self._job, count, self._now)
        return [Create("pods", namespace_of(self._job), self._pod(name)) for name in names]

    def _surplus(self) -> list[Object]:
        excess = len(self._active) - self._wanted()
        newest_first = sorted(self._active, key=lambda pod: (pods.is_ready(pod), -created_at(pod).timestamp()))
        return newest_first[: max(0, excess)]

    def _wanted(self) -> int:
        """How many pods should run now."""
        parallelism = int(self._spec.get("parallelism", 1))
        completions = self._spec.get("completions")
        if completions is None:
            return parallelism if self._succeeded == 0 else min(parallelism, len(self._active))
        return min(parallelism, int(completions) - self._succeeded)

    def _pod(self, name: str) -> Object:
        reference = owner_reference(self._job, "batch/v1", "Job")
        own = {"job-name": name_of(self._job), "controller-uid": uid_of(self._job)}
        labels = {**own, **{f"batch.kubernetes.io/{key}": value for key, value in own.items()}}
        template = self._spec.get("template") or {}
        return pods.from_template(self._job, template, reference=reference, name=name, labels=labels)

    def _status(self, ended: dict[str, Any] | None) -> dict[str, Any]:
        counts = {
            "active": 0 if ended else len(self._active),
            "succeeded": self._succeeded,
            "failed": len(self._failed),
            "ready": 0 if ended else sum(pods.is_ready(pod) for pod in self._active),
        }
        kept = {key: value for key, value in status_of(self._job).items() if key not in counts}
        if self._spec.get("suspend"):
            kept.pop("startTime", None)
        else:
            kept.setdefault("startTime", text_of(self._now))
        status = {**kept, **{key: value for key, value in counts.items() if value or key == "ready"}}
        if indexes.is_indexed(self._job) and self._done:
            status["completedIndexes"] = indexes.text(self._done)
        if ended is None:
            return status
        if ended["type"] == "Complete":
            status["completionTime"] = text_of(self._now)
        return conditions.put(status, {**ended, "lastProbeTime": text_of(self._now)}, self._now)

    def _retry_at(self) -> datetime | None:
        """When the wait after the last failure is over; it doubles with every failure."""
        if not self._failed:
            return None
        wait = min(_MOST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(len(self._failed) - 1, 16))
        return max(_ended_at(pod) for pod in self._failed) + timedelta(seconds=wait)

    def _deadline(self) -> datetime | None:
        """None while it is suspended: the time begins anew when it goes on."""
        if self._spec.get("suspend"):
            return None
        started, seconds = time_of(status_of(self._job).get("startTime")), self._spec.get("activeDeadlineSeconds")
        return None if started is None or seconds is None else started + timedelta(seconds=int(seconds))

    def _expires_at(self) -> datetime | None:
        seconds = self._spec.get("ttlSecondsAfterFinished")
        ends = [
            time_of(one.get("lastTransitionTime"))
            for one in status_of(self._job).get("conditions") or ()
            if one.get("type") in ("Complete", "Failed") and one.get("status") == "True"
        ]
        if seconds is None or not ends or ends[0] is None:
            return None
        return ends[0] + timedelta(seconds=int(seconds))


def _ended(kind: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def _ended_at(pod: Object) -> datetime:
    statuses = status_of(pod).get("containerStatuses") or ()
    ends = [time_of(((one.get("state") or {}).get("terminated") or {}).get("finishedAt")) for one in statuses]
    return max((end for end in ends if end is not None), default=created_at(pod))
