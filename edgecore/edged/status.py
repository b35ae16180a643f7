"""The true status of a pod, as a kubelet tells it (contract 8.3, 4.3). Pure; times are epoch seconds, written as RFC 3339."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edgecore.containers.model import Container, State
from edgecore.edged import restarts
from edgecore.edged.health import UNPROBED, Health
from edgecore.edged.pod import PodPlan, Wanted
from edgecore.edged.quantity import quantity
from edgecore.edged.restarts import Ended

ENGINE_SCHEME = "podman"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run now."""

    reason: str
    message: str = ""


CREATING = Waiting("ContainerCreating")
INITIALIZING = Waiting("PodInitializing")
CRASH_LOOP = "CrashLoopBackOff"
_GONE = Ended(restarts.UNSEEN_EXIT_CODE, restarts.UNSEEN, 0.0, 0.0, "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the node ended the pod, which has thereby failed."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a pod's containers at one moment.

    ``containers``: by name, those that exist. ``waiting``: by name, why one is not made (again). ``ends``: by name, how those ended that
    are removed already. ``gone``: the pod is being deleted and none of its containers exists any more. ``verdict``: why the node
    ended it; a container that is not there then is none that waits.
    """

    containers: Mapping[str, Container]
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    ends: Mapping[str, Ended] = field(default_factory=dict)
    gone: bool = False
    verdict: Verdict | None = None
    health: Health = UNPROBED
    warnings: tuple[str, ...] = ()


def crash_loop(plan: PodPlan, name: str, pause: float) -> Waiting:
    """In a kubelet's words, down to the form of the time: ``10s``, ``1m20s``, ``5m0s``."""
    minutes, seconds = divmod(round(pause), 60)
    text = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    return Waiting(CRASH_LOOP, f"back-off {text} restarting failed container={name} pod={plan.name}_{plan.namespace}({plan.uid})")


def pod_status(plan: PodPlan, sight: Sight, *, host_address: str, started: float, before: dict[str, Any], now: float) -> dict[str, Any]:
    """core/v1 PodStatus. ``before`` is the status last told: its transition times stand where nothing changed, its end is final."""
    if before.get("phase") in ("Succeeded", "Failed") and not sight.containers and not sight.gone:
        return dict(before)
    inits = [_container_status(plan, wanted, sight, begun=True) for wanted in plan.inits]
    initialized = _initialized(plan, sight)
    mains = [_container_status(plan, wanted, sight, begun=initialized) for wanted in plan.containers]
    phase = _phase(plan, sight, inits, mains, initialized, before)
    address = host_address if plan.host_network else next((c.address for c in sight.containers.values() if c.address), "")
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": _conditions(phase, initialized, [*inits, *mains], plan, sight, before, now),
        "hostIP": host_address,
        "startTime": timestamp(started),
        "containerStatuses": mains,
        "qosClass": qos_class(plan),
    }
    if plan.inits:
        status["initContainerStatuses"] = inits
    if sight.verdict is not None:
        status |= {"reason": sight.verdict.reason, "message": sight.verdict.message}
    if address and not sight.gone:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    return status


def qos_class(plan: PodPlan) -> str:
    """Guaranteed, Burstable or BestEffort, by Kubernetes' rules."""
    guaranteed, any_set = True, False
    for wanted in plan.wanted:
        resources = wanted.document.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            limit, request = _amount(limits.get(name)), _amount(requests.get(name, limits.get(name)))
            any_set = any_set or bool(limit or request)
            guaranteed = guaranteed and bool(limit) and request == limit
    return "Guaranteed" if guaranteed and any_set else "Burstable" if any_set else "BestEffort"


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _container_status(plan: PodPlan, wanted: Wanted, sight: Sight, *, begun: bool) -> dict[str, Any]:
    container = sight.containers.get(wanted.name)
    record = restarts.record_of(container) if container else restarts.Record()
    end = restarts.ended(container) if container else sight.ends.get(wanted.name)
    lost = None
    if end is None and container is None:
        over = sight.gone or sight.verdict is not None
        lost = None if over else restarts.lost(plan.statuses(init=wanted.init), wanted.name)
        end = _GONE if over else _end_that_stands(plan, wanted, sight)
    waiting = sight.waiting.get(wanted.name)
    last = lost.last if lost is not None and end is None else record.last
    running = container is not None and container.state is State.RUNNING
    if running and container is not None:
        state: dict[str, Any] = {"running": {"startedAt": timestamp(container.started)}}
    elif end is not None and (waiting is None or plan.deleting):
        state = {"terminated": _terminated(end)}
    else:
        state = {"waiting": _waiting(waiting or (CREATING if begun and not plan.inits else INITIALIZING))}
        last = end or last
    started = running and wanted.name not in sight.health.unstarted
    ready = started and wanted.name not in sight.health.unready
    if wanted.init and not wanted.sidecar:
        ready = end is not None and end.exit_code == 0
    known = container.id if container else end.id if end else last.id if lost is not None and last is not None else ""
    return {
        "name": wanted.name,
        "state": state,
        "lastState": {"terminated": _terminated(last)} if last else {},
        "ready": ready,
        "started": started,
        "restartCount": record.restarts if lost is None else lost.restarts - 1,
        "image": wanted.image,
        "imageID": container.image_id if container else "",
        "containerID": f"{ENGINE_SCHEME}://{known}" if known else "",
    }


def _end_that_stands(plan: PodPlan, wanted: Wanted, sight: Sight) -> Ended | None:
    """Of a container that had done its part and is gone: it will not be made again."""
    told = restarts.told_end(plan.statuses(init=wanted.init), wanted.name)
    if told is None or wanted.sidecar:
        return None
    if wanted.init:
        return told if told.exit_code == 0 and any(main.name in sight.containers for main in plan.containers) else None
    return None if restarts.should_run_again(plan.restart_policy, told.exit_code) else told


def _waiting(waiting: Waiting) -> dict[str, str]:
    return {"reason": waiting.reason, **({"message": waiting.message} if waiting.message else {})}


def _terminated(end: Ended) -> dict[str, Any]:
    state: dict[str, Any] = {"exitCode": end.exit_code, "reason": end.reason}
    if end.started:
        state |= {"startedAt": timestamp(end.started), "finishedAt": timestamp(end.finished)}
    if end.id:
        state["containerID"] = f"{ENGINE_SCHEME}://{end.id}"
    return state


def _initialized(plan: PodPlan, sight: Sight) -> bool:
    if any(wanted.name in sight.containers for wanted in plan.containers):
        return True
    return all(_has_done_its_part(wanted, sight) for wanted in plan.inits)


def _has_done_its_part(wanted: Wanted, sight: Sight) -> bool:
    """An init container that has succeeded, or a sidecar that has started."""
    if wanted.sidecar:
        found = sight.containers.get(wanted.name)
        return found is not None and found.state is State.RUNNING and wanted.name not in sight.health.unstarted
    end = _end_of(wanted, sight)
    return end is not None and end.exit_code == 0


def _end_of(wanted: Wanted, sight: Sight) -> Ended | None:
    container = sight.containers.get(wanted.name)
    return restarts.ended(container) if container else sight.ends.get(wanted.name)


def _phase(
    plan: PodPlan, sight: Sight, inits: list[dict[str, Any]], mains: list[dict[str, Any]], initialized: bool, before: dict[str, Any]
) -> str:
    if before.get("phase") in ("Succeeded", "Failed"):
        return str(before["phase"])
    if sight.verdict is not None:
        return "Failed"
    if sight.gone:
        succeeded = all(s["state"].get("terminated", {}).get("exitCode") == 0 for s in mains)
        return "Succeeded" if succeeded else "Failed"
    if not initialized:
        failures = {s["name"] for s in inits if (s["state"].get("terminated") or {}).get("exitCode")}
        failed = plan.restart_policy == "Never" and any(wanted.name in failures for wanted in plan.inits if not wanted.sidecar)
        return "Failed" if failed else "Pending"
    running = [s for s in mains if "running" in s["state"]]
    stopped = [s for s in mains if "terminated" in s["state"] or ("waiting" in s["state"] and s["lastState"])]
    if len(running) + len(stopped) < len(mains):
        return "Pending"
    sidecars = {wanted.name for wanted in plan.inits if wanted.sidecar}
    if running or any("running" in s["state"] for s in inits if s["name"] in sidecars) or plan.restart_policy == "Always" or plan.deleting:
        return "Running"
    if any("waiting" in s["state"] for s in stopped):
        return "Running"
    codes = [s["state"]["terminated"]["exitCode"] for s in stopped]
    if not any(codes):
        return "Succeeded"
    return "Failed" if plan.restart_policy == "Never" else "Running"


def _conditions(
    phase: str, initialized: bool, statuses: list[dict[str, Any]], plan: PodPlan, sight: Sight, before: dict[str, Any], now: float
) -> list[dict[str, Any]]:
    lasting = {wanted.name for wanted in plan.wanted if wanted.sidecar or not wanted.init}
    unready = sorted(status["name"] for status in statuses if not status["ready"] and status["name"] in lasting)
    over = phase in ("Succeeded", "Failed")
    reason = "PodCompleted" if over and phase == "Succeeded" else "PodFailed" if over else "ContainersNotReady"
    message = "" if over else f"containers with unready status: [{' '.join(unready)}]"
    not_ready = (False, reason, message)
    ready: tuple[bool, str, str] = (True, "", "") if not unready and not over else not_ready
    wanted = {
        "Initialized": (True, "", "")
        if initialized or phase == "Succeeded"
        else (
            False,
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(w.name for w in plan.inits if not _has_done_its_part(w, sight))}]",
        ),
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": (True, "", ""),
    }
    if sight.warnings:
        wanted["ResourceLimitsKept"] = (False, "CgroupMissing", "; ".join(sight.warnings))
    old = {str(c.get("type")): c for c in before.get("conditions") or [] if isinstance(c, dict)}
    return [_condition(kind, *value, old.get(kind), now) for kind, value in wanted.items()]


def _condition(kind: str, holds: bool, reason: str, message: str, old: dict[str, Any] | None, now: float) -> dict[str, Any]:
    status = "True" if holds else "False"
    since = str(old.get("lastTransitionTime") or "") if old and old.get("status") == status else ""
    condition = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since or timestamp(now)}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _amount(value: Any) -> object:
    if value is None:
        return None
    try:
        return quantity(value)
    except ValueError:
        return None
