"""The columns of pods. A pod's STATUS is not a field: kubectl's word for it is worked out from phase, reasons and containers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cloudstub.kinds.ages import age, parse_time
from cloudstub.kinds.kind import Column, Object

NONE = "<none>"


def _status(obj: Object) -> Object:
    return obj.get("status") or {}


def _statuses(obj: Object, field: str = "containerStatuses") -> Iterable[Object]:
    return _status(obj).get(field) or ()


def status_word(obj: Object) -> str:
    """What `kubectl get pods` prints under STATUS."""
    status = _status(obj)
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    starting = _init_word(obj)
    if starting is not None:
        word = starting
    else:
        word = _containers_word(obj, word)
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return word


def _inits(obj: Object) -> list[Object]:
    return (obj.get("spec") or {}).get("initContainers") or []


def _sidecars(obj: Object) -> set[str]:
    """Init containers that go on running beside the others."""
    return {str(one.get("name")) for one in _inits(obj) if one.get("restartPolicy") == "Always"}


def _lasting(obj: Object) -> list[Object]:
    """The statuses of all containers but those that come before the others and end."""
    sidecars = _sidecars(obj)
    return [*(one for one in _statuses(obj, "initContainerStatuses") if one.get("name") in sidecars), *_statuses(obj)]


def _init_word(obj: Object) -> str | None:
    total, sidecars = len(_inits(obj)), _sidecars(obj)
    for done, container in enumerate(_statuses(obj, "initContainerStatuses")):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if (ended is not None and not ended.get("exitCode")) or (container.get("name") in sidecars and container.get("started")):
            continue
        if ended is not None:
            return f"Init:{_ended_word(ended)}"
        if waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{done}/{total}"
    return None


def _containers_word(obj: Object, word: str) -> str:
    is_running = False
    for container in reversed(list(_statuses(obj))):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting is not None and waiting.get("reason"):
            word = str(waiting["reason"])
        elif ended is not None:
            word = _ended_word(ended)
        elif state.get("running") is not None and container.get("ready"):
            is_running = True
    if word == "Completed" and is_running:
        return "Running" if _is_ready(obj) else "NotReady"
    return word


def _ended_word(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _is_ready(obj: Object) -> bool:
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in _status(obj).get("conditions") or ())


def _ready(obj: Object, now: datetime) -> str:
    ready = sum(1 for container in _lasting(obj) if container.get("ready"))
    return f"{ready}/{len((obj.get('spec') or {}).get('containers') or ()) + len(_sidecars(obj))}"


def _restarts(obj: Object, now: datetime) -> str:
    lasting = _lasting(obj)
    count = sum(int(c.get("restartCount") or 0) for c in lasting)
    ends = [((c.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for c in lasting]
    times = [moment for moment in map(parse_time, ends) if moment]
    return f"{count} ({age(max(times).isoformat(), now)} ago)" if count and times else str(count)


def _gates(obj: Object, now: datetime) -> str:
    gates = (obj.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return NONE
    wanted = {gate.get("conditionType") for gate in gates}
    conditions = _status(obj).get("conditions") or ()
    return f"{sum(1 for c in conditions if c.get('type') in wanted and c.get('status') == 'True')}/{len(gates)}"


def _at(part: str, field: str) -> Any:
    return lambda obj, now: (obj.get(part) or {}).get(field) or NONE


POD_COLUMNS = (
    Column("Name", lambda o, now: o["metadata"].get("name", ""), format="name"),
    Column("Ready", _ready, description="Containers that are ready, of all."),
    Column("Status", lambda o, now: status_word(o)),
    Column("Restarts", _restarts, description="How often containers were restarted, and when last."),
    Column("Age", lambda o, now: age(o["metadata"].get("creationTimestamp"), now)),
    Column("IP", _at("status", "podIP"), priority=1),
    Column("Node", _at("spec", "nodeName"), priority=1),
    Column("Nominated Node", _at("status", "nominatedNodeName"), priority=1),
    Column("Readiness Gates", _gates, priority=1),
)
