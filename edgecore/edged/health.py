"""What probes found out about the containers of one pod. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sickness:
    """A container must be ended, because of ``why``. ``grace``: seconds that its probe grants, None: the pod's."""

    why: str
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """By container name. ``unstarted``: the startup probe has not succeeded yet. ``unready``: nor has the readiness probe, or no more."""

    unstarted: frozenset[str] = frozenset()
    unready: frozenset[str] = frozenset()
    sick: Mapping[str, Sickness] = field(default_factory=dict)


UNPROBED = Health()
