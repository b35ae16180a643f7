"""When a pod has been active for as long as it may (``spec.activeDeadlineSeconds``). Pure; seconds of a clock that nobody sets.

Since when a pod is active is noted by that clock where a reboot takes the note away. Without a note the wall clock is asked, once: what it
says of the pod's start may be wrong in either direction, and a pod that lives too long is better than one that is ended for nothing.
"""

from __future__ import annotations

from typing import Any

REASON = "DeadlineExceeded"
MESSAGE = "Pod was active on the node longer than the specified deadline"

UNSET_CLOCK = 1_577_836_800.0
"""2020: a start before that was told by a clock that had not been set."""


def limit_of(spec: dict[str, Any]) -> float | None:
    """How long the pod may be active; None: for ever."""
    seconds = spec.get("activeDeadlineSeconds")
    usable = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    return float(seconds) if usable and seconds is not None else None


def active_since(noted: float | None, *, started: float, wall: float, running: float) -> float:
    """By the steady clock. ``noted``: what was noted in this boot; ``started`` (epoch seconds): what the status says; ``wall`` and
    ``running``: now, by both clocks."""
    if noted is not None and noted <= running:
        return noted
    return running if started < UNSET_CLOCK else running - max(0.0, wall - started)
