"""Whether and when a container that ended runs again (contract 8.2). Pure.

What came before a container is written into its label when it is made, so counts survive EdgeCore and need no file of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from edgecore.containers import labels
from edgecore.containers.model import Container, State

FIRST_DELAY = 10.0
LONGEST_DELAY = 300.0
HEALTHY_AFTER = 600.0
"""A container that ran so long (seconds) begins with a clean slate."""

LOST_EXIT_CODE, LOST = 255, "Unknown"
"""Of a container that the engine no longer knows how it ended: the machine went down under it."""


UNSEEN_EXIT_CODE, UNSEEN = 137, "ContainerStatusUnknown"
"""Of a container that was gone when next looked for."""


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
    if went_down(container):
        return Ended(LOST_EXIT_CODE, LOST, container.started, container.started, container.id)
    return None


def lost(statuses: Sequence[dict[str, Any]], name: str) -> Record | None:
    """The record for the container that takes the place of one which only a status (core/v1 ContainerStatuses) remembers: its count goes
    on, and how it ended is told as far as it is known. None: there never was one."""
    status = _told(statuses, name)
    return Record(int(status.get("restartCount") or 0) + 1, 0, _last_end(status)) if status else None


def told_end(statuses: Sequence[dict[str, Any]], name: str) -> Ended | None:
    """How a container ended whose end was told in a status: that stands when the container itself is gone."""
    status = _told(statuses, name)
    return _last_end(status) if status and (status.get("state") or {}).get("terminated") else None


def went_down(container: Container) -> bool:
    """Whether it ran when the machine went down."""
    return container.state is State.CREATED and container.started > 0


def should_run_again(policy: str, exit_code: int, *, init: bool = False) -> bool:
    """``init`` containers that failed run again unless the policy is Never; those that succeeded are done."""
    succeeded_for_good = exit_code == 0 and (init or policy == "OnFailure")
    return policy != "Never" and not succeeded_for_good


def pause(record: Record, end: Ended) -> float:
    """Seconds between its end and its next start: none after the first end, then 10 s doubling to 300 s."""
    failures = _failures(record, end)
    return min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), LONGEST_DELAY) if failures else 0.0


def following(record: Record, end: Ended | None) -> Record:
    """The record of the container that takes the place of one that ended, or was replaced while it ran (None)."""
    if end is None:
        return Record(record.restarts + 1, 0, record.last)
    return Record(record.restarts + 1, _failures(record, end) + 1, end)


def _failures(record: Record, end: Ended) -> int:
    went_down_with_machine = end.exit_code == LOST_EXIT_CODE and end.reason == LOST
    return 0 if went_down_with_machine or end.finished - end.started >= HEALTHY_AFTER else record.failures


def _told(statuses: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((one for one in statuses if one.get("name") == name and one.get("containerID")), None)


def _last_end(status: dict[str, Any]) -> Ended:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    told = state.get("terminated") or ({} if state.get("running") else last.get("terminated")) or {}
    id_ = str(told.get("containerID") or status["containerID"]).rpartition("//")[2]
    if "exitCode" not in told:
        return Ended(UNSEEN_EXIT_CODE, UNSEEN, 0.0, 0.0, id_)
    return Ended(int(told["exitCode"]), str(told.get("reason", "")), _seconds(told.get("startedAt")), _seconds(told.get("finishedAt")), id_)


def _seconds(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


class Ends:
    """When each container ended, by a clock that nobody sets: the wall clock is asked once, when the end is first seen.

    So a board that boots in 1970 does not wait until the year that its containers remember, and a clock that jumps ends no wait: what had
    not ended at the last look has not ended before it.
    """

    def __init__(self) -> None:
        self._moments: dict[str, float] = {}
        self._looked = float("-inf")

    def look(self, observed: Iterable[Container], *, wall: float, running: float) -> Mapping[str, float]:
        """Container id to when it ended, by the steady clock. ``wall``: epoch seconds now; ``running``: the steady clock now."""
        ends = {container.id: end for container in observed if (end := ended(container)) is not None}
        first_seen = {id_: max(self._looked, running - max(0.0, wall - end.finished)) for id_, end in ends.items()}
        self._moments = {id_: self._moments.get(id_, moment) for id_, moment in first_seen.items()}
        self._looked = running
        return self._moments
