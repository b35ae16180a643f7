"""Whether and when a container that ended runs again (contract 8.2). Pure.

What came before a container is written into its label when it is made, so counts survive EdgeCore and need no file of their own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from edgecore.containers import labels
from edgecore.containers.model import Container, State

FIRST_DELAY = 10.0
LONGEST_DELAY = 300.0
HEALTHY_AFTER = 600.0
"""A container that ran so long (seconds) begins with a clean slate."""

LOST_EXIT_CODE = 255
"""Of a container that the engine no longer knows how it ended: the machine went down under it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended. Times are epoch seconds."""

    exit_code: int
    reason: str
    started: float
    finished: float
    id: str


@dataclass(frozen=True, slots=True)
class Record:
    """``failures``: ends in a row that count for the back-off."""

    restarts: int = 0
    failures: int = 0
    last: Ended | None = None

    def text(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


def record_of(container: Container) -> Record:
    """What was written when the container was made; an empty record where the label is not readable."""
    try:
        value = json.loads(container.label(labels.RECORD) or "{}")
        last = Ended(**value["last"]) if value.get("last") else None
        return Record(int(value.get("restarts", 0)), int(value.get("failures", 0)), last)
    except (ValueError, TypeError, AttributeError):
        return Record()


def ended(container: Container) -> Ended | None:
    """How it ended, or None while it runs or has never run."""
    if container.state is State.ENDED:
        reason = "OOMKilled" if container.oom_killed else "Completed" if container.exit_code == 0 else "Error"
        return Ended(container.exit_code, reason, container.started, container.finished or container.started, container.id)
    if container.state is State.CREATED and container.started > 0:
        return Ended(LOST_EXIT_CODE, "Unknown", container.started, container.started, container.id)
    return None


def should_run_again(policy: str, exit_code: int, *, init: bool = False) -> bool:
    """``init`` containers that failed run again unless the policy is Never; those that succeeded are done."""
    succeeded_for_good = exit_code == 0 and (init or policy == "OnFailure")
    return policy != "Never" and not succeeded_for_good


def due(record: Record, end: Ended) -> float:
    """When it may run again (epoch seconds): at once after the first end, then 10 s doubling to 300 s."""
    failures = _failures(record, end)
    return end.finished + (min(FIRST_DELAY * 2.0 ** (failures - 1), LONGEST_DELAY) if failures else 0.0)


def following(record: Record, end: Ended | None) -> Record:
    """The record of the container that takes the place of one that ended, or was replaced while it ran (None)."""
    if end is None:
        return Record(record.restarts + 1, 0, record.last)
    return Record(record.restarts + 1, _failures(record, end) + 1, end)


def _failures(record: Record, end: Ended) -> int:
    return 0 if end.finished - end.started >= HEALTHY_AFTER else record.failures
