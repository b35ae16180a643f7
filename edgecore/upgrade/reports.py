"""A NodeUpgradeJob's task as an order for the updater, and what this node says of it (P9.4). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecore.updates.order import STATE_OF_STEP, Journal, Order, Result, Source
from viaduct.errors import MalformedPayload
from viaduct.upgrades.state import State
from viaduct.upgrades.task import read_task


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task as it is stored. ``order`` is None where ``fault`` says what is wrong with it."""

    name: str
    uid: str
    order: Order | None
    fault: str = ""


def wanted(name: str, value: str, *, socket: str, database: str) -> Wanted:
    """Of the stored text of a NodeUpgradeJob."""
    try:
        obj = json.loads(value)
    except (ValueError, RecursionError):
        obj = {}
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    uid = str(metadata.get("uid") or "")[:64] if isinstance(metadata, dict) else ""
    try:
        task = read_task(obj)
    except MalformedPayload as exc:
        return Wanted(name, uid, None, str(exc))
    order = Order(
        id=f"job {uid}",
        source=Source.DEB if task.packages else Source.APT,
        version=task.version,
        packages=tuple((package.url, package.sha256) for package in task.packages),
        timeout=task.timeout,
        checks=task.checks,
        socket=socket,
        database=database,
        job=(name, uid),
    )
    return Wanted(name, uid, order)


def progress(journal: Journal | None) -> dict[str, Any]:
    """What is said while the order is under way; ``journal`` None: before the updater has begun."""
    if journal is None:
        return {"state": State.CHECKING.value}
    return {"state": STATE_OF_STEP.get(journal.step, journal.end).value} | _filled(
        {"reason": journal.reason[:1024], "fromVersion": journal.was, "toVersion": journal.version}
    )


def ending(result: Result) -> dict[str, Any]:
    return {"state": result.state.value} | _filled({"reason": result.reason[:1024], "fromVersion": result.was, "toVersion": result.version})


def refusal(reason: str) -> dict[str, Any]:
    return {"state": State.FAILED.value, "reason": reason[:1024]}


def _filled(fields: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in fields.items() if text}
