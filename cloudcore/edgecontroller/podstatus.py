"""What a node reports of a pod, laid over what the API has (contract 4.3, 4.4). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudcore.errors import Refused
from cloudcore.objects import identity, stamp, uid_of
from cloudcore.ports import JsonObject

TERMINAL = ("Succeeded", "Failed")
_CONTAINER_LISTS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_CONTAINER_STATES = ("running", "terminated")
_CONTAINER_TIMES = ("startedAt", "finishedAt")


@dataclass(frozen=True, slots=True)
class PodReport:
    """``uid`` "" where the node does not know it."""

    name: str
    uid: str
    status: JsonObject


def pod_report(content: Any, *, field: str = "content", name: str = "") -> PodReport:
    """``{"UID","Name","Status"}`` as a report.

    Raises:
        Refused: another shape; the text names the field.
    """
    if not isinstance(content, dict):
        raise Refused(f"{field}: expected an object with UID, Name and Status")
    status = content.get("Status")
    if not isinstance(status, dict):
        raise Refused(f"{field}.Status: expected an object")
    _check_shape(status, f"{field}.Status")
    uid, named = content.get("UID") or "", content.get("Name") or name
    if not isinstance(uid, str) or not isinstance(named, str) or not named:
        raise Refused(f"{field}.UID and {field}.Name: expected text")
    if name and named != name:
        raise Refused(f"{field}.Name: {named[:64]!r} is not the pod of the resource, {name!r}")
    return PodReport(named, uid, status)


def pod_reports(content: Any) -> list[PodReport]:
    """The batch form: an array of them."""
    if not isinstance(content, list):
        raise Refused("content: expected an array of pod statuses")
    return [pod_report(item, field=f"content[{index}]") for index, item in enumerate(content)]


def _check_shape(status: JsonObject, field: str) -> None:
    for key in _CONTAINER_LISTS:
        items = status.get(key)
        if items is not None and not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
            raise Refused(f"{field}.{key}: expected an array of objects")
    check_conditions(status, field)
    if not isinstance(status.get("phase", ""), str):
        raise Refused(f"{field}.phase: expected text")


def check_conditions(status: JsonObject, field: str) -> None:
    """Raises Refused: ``conditions`` are no objects that their ``type`` tells apart."""
    items = status.get("conditions")
    if items is None:
        return
    if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
        raise Refused(f"{field}.conditions: expected an array of objects")
    for index, item in enumerate(items):
        if not isinstance(item.get("type"), str):
            raise Refused(f"{field}.conditions[{index}].type: expected text")


def merged_pod(pod: JsonObject, report: PodReport, now: datetime) -> JsonObject | None:
    """The pod with the reported status, ready for an update of its ``status``; None where nothing would change.

    A pod that has ended stays so: a late "Running" changes nothing, as with a kubelet.
    """
    old = pod.get("status") or {}
    if old.get("phase") in TERMINAL and report.status.get("phase") not in TERMINAL:
        return None
    status = _ordered(report.status)
    if old.get("phase") in TERMINAL:
        status |= {key: old[key] for key in ("phase", "reason", "message") if key in old}
    status["conditions"] = merged_conditions(old.get("conditions") or [], status.get("conditions") or [], now)
    status["startTime"] = old.get("startTime") or as_stamp(status.get("startTime")) or stamp(now)
    for key in ("qosClass", "nominatedNodeName"):
        if old.get(key) and not status.get(key):
            status[key] = old[key]
    return None if status == old else pod | {"status": status}


def merged_conditions(old: list[JsonObject], reported: list[JsonObject], now: datetime) -> list[JsonObject]:
    """The reported ones, and those of others that the node does not name. While a status stays, so does its time (bug C14)."""
    known = {condition.get("type"): condition for condition in old}
    named = {condition.get("type") for condition in reported}
    merged = [condition | {"lastTransitionTime": _transition(known.get(condition.get("type")), condition, now)} for condition in reported]
    return merged + [condition for condition in old if condition.get("type") not in named]


def _transition(old: JsonObject | None, reported: JsonObject, now: datetime) -> str:
    """The node's own word for a change counts, unless its clock runs ahead: it may tell days later."""
    if old is not None and old.get("status") == reported.get("status") and old.get("lastTransitionTime"):
        return str(old["lastTransitionTime"])
    said = as_stamp(reported.get("lastTransitionTime"))
    return said if said and said <= stamp(now) else stamp(now)


def _ordered(status: JsonObject) -> JsonObject:
    """A copy, containers by name, their times to the second."""
    ordered = dict(status)
    for key in _CONTAINER_LISTS:
        if ordered.get(key):
            containers = sorted(ordered[key], key=lambda container: str(container.get("name")))
            ordered[key] = [_with_times(container) for container in containers]
    return ordered


def _with_times(container: JsonObject) -> JsonObject:
    return container | {key: _state(container[key]) for key in ("state", "lastState") if isinstance(container.get(key), dict)}


def _state(state: JsonObject) -> JsonObject:
    timed = dict(state)
    for key in _CONTAINER_STATES:
        if isinstance(timed.get(key), dict):
            timed[key] = timed[key] | {name: as_stamp(timed[key][name]) for name in _CONTAINER_TIMES if as_stamp(timed[key].get(name))}
    return timed


def as_stamp(value: Any) -> str:
    """Any RFC 3339 time as UTC to the second; "" for what is none."""
    if not isinstance(value, str):
        return ""
    try:
        moment = datetime.fromisoformat(value)
        return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):  # the first and the last hours of the calendar are none in UTC
        return ""


def has_ended(pod: JsonObject) -> bool:
    """Asked to go, and gone: no container of it runs, so the API may forget it."""
    status = pod.get("status") or {}
    if not (pod.get("metadata") or {}).get("deletionTimestamp") or status.get("phase") not in TERMINAL:
        return False
    return all("running" not in (container.get("state") or {}) for container in _containers(status))


def _containers(status: JsonObject) -> Iterator[JsonObject]:
    for key in _CONTAINER_LISTS:
        yield from status.get(key) or []


def is_doubted(pod: JsonObject) -> bool:
    """Whether somebody else than its node says that it is not ready: the node says so of its containers too, or of a gate."""
    status = pod.get("status") or {}
    said = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or []}
    gates = [gate.get("conditionType") for gate in (pod.get("spec") or {}).get("readinessGates") or []]
    reasons = ("ContainersReady", *gates)
    return status.get("phase") == "Running" and said.get("Ready") == "False" and all(said.get(one) == "True" for one in reasons)


def trusted(pod: JsonObject, now: datetime) -> JsonObject:
    """The pod, ready as its node said it last; for an update of its ``status``."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp(now)}
    conditions = [ready if condition.get("type") == "Ready" else condition for condition in pod["status"]["conditions"]]
    return pod | {"status": pod["status"] | {"conditions": conditions}}


def is_same(pod: JsonObject, report: PodReport, node: str) -> bool:
    """Whether the report is about this very pod, which is bound to the node that reports (bug C15, X2)."""
    return (not report.uid or uid_of(pod) == report.uid) and (pod.get("spec") or {}).get("nodeName") == node and bool(identity(pod)[1])
