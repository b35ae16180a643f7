"""What a deployment says of itself: counts, and the conditions Available and Progressing as ``kubectl rollout status`` reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cloudstub.controllers import conditions
from cloudstub.controllers.objects import Object, meta, name_of, spec_of, status_of, text_of, time_of

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
_DONE = "NewReplicaSetAvailable"


def status(deployment: Object, newest: Object | None, replicasets: list[Object], *, unavailable: int, now: datetime) -> dict[str, Any]:
    """The status now: ``unavailable`` is how many pods may be missing."""
    counts = _counts(newest, replicasets)
    kept = {key: value for key, value in status_of(deployment).items() if key not in _COUNTS}
    result = {
        **kept,
        **{key: value for key, value in counts.items() if value},
        "observedGeneration": meta(deployment).get("generation", 1),
    }
    wanted = replicas_of(deployment)
    result = conditions.put(result, _stamped(result, _available(counts, wanted - unavailable), now), now)
    progress = _progressing(deployment, newest, counts, now)
    if progress is None:
        return result
    return conditions.put(result, progress, now)


def deadline(deployment: Object) -> datetime | None:
    """When a rollout that stands still has failed; None where it is done, paused or has no deadline."""
    found = conditions.find(status_of(deployment), "Progressing")
    seconds = spec_of(deployment).get("progressDeadlineSeconds")
    if found is None or seconds is None or found.get("status") != "True" or found.get("reason") == _DONE:
        return None
    since = time_of(found.get("lastUpdateTime"))
    return None if since is None else since + timedelta(seconds=int(seconds))


def is_complete(deployment: Object, counts: dict[str, int]) -> bool:
    wanted = replicas_of(deployment)
    return counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted


def is_done(deployment: Object, newest: Object | None, replicasets: list[Object]) -> bool:
    return is_complete(deployment, _counts(newest, replicasets))


def replicas_of(obj: Object) -> int:
    return int(spec_of(obj).get("replicas", 1))


def _counts(newest: Object | None, replicasets: list[Object]) -> dict[str, int]:
    def total(key: str) -> int:
        return sum(int(status_of(one).get(key) or 0) for one in replicasets)

    asked = sum(replicas_of(one) for one in replicasets)
    return {
        "replicas": total("replicas"),
        "updatedReplicas": int(status_of(newest).get("replicas") or 0) if newest else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, asked - total("availableReplicas")),
    }


def _available(counts: dict[str, int], least: int) -> dict[str, Any]:
    enough = counts["availableReplicas"] >= least
    word = "has" if enough else "does not have"
    return {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {word} minimum availability.",
    }


def _progressing(deployment: Object, newest: Object | None, counts: dict[str, int], now: datetime) -> dict[str, Any] | None:
    before = conditions.find(status_of(deployment), "Progressing")
    if spec_of(deployment).get("paused"):
        return _stamped(status_of(deployment), _progress("Unknown", "DeploymentPaused", "Deployment is paused"), now)
    if spec_of(deployment).get("progressDeadlineSeconds") is None or newest is None:
        return None
    title = f'ReplicaSet "{name_of(newest)}"'
    if is_complete(deployment, counts):
        return _stamped(status_of(deployment), _progress("True", _DONE, f"{title} has successfully progressed."), now)
    settled = counts["replicas"] == counts["updatedReplicas"] and before is not None and before.get("reason") == _DONE
    if settled and before is not None and title in str(before.get("message")):
        return before  # a pod went away after the rollout: that is no rollout
    if before is None or before.get("reason") in (_DONE, "DeploymentPaused") or _moved(deployment, counts):
        moving = _progress("True", "ReplicaSetUpdated", f"{title} is progressing.")
        return {**moving, "lastUpdateTime": text_of(now)}
    limit = deadline(deployment)
    if limit is not None and now >= limit:
        failed = _progress("False", "ProgressDeadlineExceeded", f"{title} has timed out progressing.")
        return _stamped(status_of(deployment), failed, now)
    return before


def _moved(deployment: Object, counts: dict[str, int]) -> bool:
    before = status_of(deployment)

    def was(key: str) -> int:
        return int(before.get(key) or 0)

    old_now, old_before = counts["replicas"] - counts["updatedReplicas"], was("replicas") - was("updatedReplicas")
    return (
        counts["updatedReplicas"] > was("updatedReplicas")
        or old_now < old_before
        or counts["readyReplicas"] > was("readyReplicas")
        or counts["availableReplicas"] > was("availableReplicas")
    )


def _progress(value: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": "Progressing", "status": value, "reason": reason, "message": message}


def _stamped(before: dict[str, Any], condition: dict[str, Any], now: datetime) -> dict[str, Any]:
    """With ``lastUpdateTime``, which moves only when the condition says something else than before."""
    found = conditions.find(before, condition["type"])
    if found is not None and {**found, **condition} == found:
        return found
    return {**condition, "lastUpdateTime": text_of(now)}
