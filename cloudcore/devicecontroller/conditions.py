"""What is wrong with a device, as a condition of its status (P6.17): one that kubectl shows and can wait for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cloudcore.objects import stamp
from cloudcore.ports import JsonObject
from viaduct.faults import DESCRIPTION, Fault

HEALTHY = "Healthy"
WELL = "NoProblem"
MAX_MESSAGE = 1024


def with_health(known: Any, faults: Sequence[Fault], said_ms: int) -> list[JsonObject]:
    """``known`` with the condition ``Healthy`` as ``faults`` have it. ``lastTransitionTime`` is when it began to be so; conditions of
    others stay as they are."""
    entries = [entry for entry in known if isinstance(entry, dict)] if isinstance(known, list) else []
    before = next((entry for entry in entries if entry.get("type") == HEALTHY), {})
    status = "False" if faults else "True"
    since = stamp(datetime.fromtimestamp(said_ms / 1000, UTC))
    if before.get("status") == status and isinstance(before.get("lastTransitionTime"), str):
        since = before["lastTransitionTime"]
    health = {
        "type": HEALTHY,
        "status": status,
        "reason": _first(faults).code if faults else WELL,
        "message": _message(faults),
        "lastTransitionTime": since,
    }
    return [entry for entry in entries if entry.get("type") != HEALTHY] + [health]


def _first(faults: Sequence[Fault]) -> Fault:
    """What a person has to mend comes before what may come back by itself."""
    return min(faults, key=lambda fault: (fault.code != DESCRIPTION, fault))


def _message(faults: Sequence[Fault]) -> str:
    ordered = sorted(faults, key=lambda fault: (fault.code != DESCRIPTION, fault))
    text = "; ".join(": ".join(part for part in (fault.property, fault.reason or fault.code) if part) for fault in ordered)
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"
