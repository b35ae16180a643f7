"""What controllers need of a cluster, and what a controller is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloudstub.controllers.objects import Object
from cloudstub.controllers.writes import Write

Snapshot = dict[str, list[Object]]
EVERY_KIND = "*"


class Cluster(Protocol):
    """The committed state and the way to change it."""

    def snapshot(self, *resources: str) -> Snapshot:
        """The objects by resource (``pods``, ``deployments.apps``; ``*``: every kind), read-only by convention."""
        ...

    async def perform(self, write: Write) -> None:
        """Do one write; the next snapshot shows it.

        Raises:
            ApiError: it was refused, and nothing changed.
        """
        ...

    async def wait_change(self, after: int) -> int:
        """Wait until the revision is above ``after``; the revision now."""
        ...


@dataclass(frozen=True, slots=True)
class Controller:
    """One decision and what it looks at.

    ``reads`` go into its snapshot; a change in ``wakes_on`` (or a time that ``due`` names) makes it look. Where ``reads`` is every
    kind, ``wakes_on`` names what does *not* wake it by ``sleeps_through``.
    """

    name: str
    reads: tuple[str, ...]
    decide: Callable[[Snapshot, datetime], list[Write]]
    due: Callable[[Snapshot, datetime], datetime | None] | None = None
    sleeps_through: frozenset[str] = frozenset()
