"""When a probe is due and what its answers mean, by a kubelet's rules. Pure; times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from edgecore.edged.errors import ConfigProblem
from edgecore.edged.handlers import Handler, handler_of


class ProbeKind(StrEnum):
    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True)
class Probe:
    """Seconds; thresholds count answers in a row. ``grace``: what the container gets when this probe ends it, None: the pod's."""

    kind: ProbeKind
    handler: Handler
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """``verdict`` None: none yet. ``streak``: how many answers in a row were like ``last``."""

    verdict: bool | None = None
    last: bool | None = None
    streak: int = 0
    text: str = ""


UNASKED = Progress()


def probes_of(container: dict[str, Any]) -> tuple[Probe, ...]:
    """Raises:
    ConfigProblem: a probe that this node cannot make; the text names the field.
    """
    found = []
    for kind in ProbeKind:
        document = container.get(f"{kind}Probe")
        if isinstance(document, dict):
            found.append(_probe(kind, document, container))
    return tuple(found)


def answered(progress: Progress, probe: Probe, *, ok: bool, text: str = "") -> Progress:
    """A verdict changes when enough answers in a row say so."""
    streak = progress.streak + 1 if progress.last is ok else 1
    progress = replace(progress, last=ok, streak=streak, text=text)
    enough = probe.successes if ok else probe.failures
    return replace(progress, verdict=ok) if streak >= enough else progress


def first_due(probe: Probe, started: float) -> float:
    return started + probe.initial_delay


def is_over(probe: Probe, progress: Progress) -> bool:
    """A startup probe that has succeeded, and one whose container has to go, are asked no more."""
    if probe.kind is ProbeKind.STARTUP:
        return progress.verdict is not None
    return probe.kind is ProbeKind.LIVENESS and progress.verdict is False


def _probe(kind: ProbeKind, document: dict[str, Any], container: dict[str, Any]) -> Probe:
    field = f"{kind}Probe"
    grace = document.get("terminationGracePeriodSeconds") if kind is not ProbeKind.READINESS else None
    return Probe(
        kind,
        handler_of(document, container, field),
        initial_delay=_number(document, "initialDelaySeconds", 0, field, least=0),
        period=_number(document, "periodSeconds", 10, field),
        timeout=_number(document, "timeoutSeconds", 1, field),
        successes=int(_number(document, "successThreshold", 1, field)),
        failures=int(_number(document, "failureThreshold", 3, field)),
        grace=None if grace is None else _number(document, "terminationGracePeriodSeconds", 0, field),
    )


def _number(document: dict[str, Any], key: str, default: int, field: str, *, least: int = 1) -> float:
    """0 and absent both mean the default, as in Kubernetes."""
    value = document.get(key) or default
    if not isinstance(value, int | float) or isinstance(value, bool) or value < least:
        raise ConfigProblem(f"{field}.{key}: expected a number from {least}, got {str(value)[:20]!r}")
    return float(value)
