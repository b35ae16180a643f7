"""One profile after the other on one ground; a row of the table for each."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.ground import Account, Ground, Kind
from tests.faults.profiles import Profile, healed
from tests.faults.tally import Count

LOGS = Path(__file__).parents[2] / "build" / "faults"
"""Where the logs of a profile go that was not good."""


@dataclass(frozen=True)
class Row:
    """``converged``: seconds after the last fault, infinite where it never did. ``remarks``: what is not good, object by object.
    ``notes``: what was measured besides."""

    profile: str
    count: Count
    converged: float
    took: float
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return self.count.good and self.converged != float("inf")


def is_possible(profile: Profile) -> bool:
    """A file system of one's own takes root to mount."""
    return profile.kind is not Kind.SMALL_DISK or os.geteuid() == 0


def run(profiles: Sequence[Profile], *, full: bool) -> Iterator[Row]:
    """Boards of another kind stand on a ground of their own."""
    for kind, group in itertools.groupby(profiles, key=lambda profile: profile.kind):
        chosen = [profile for profile in group if is_possible(profile) and (full or profile.short.times)]
        if chosen:
            with Ground(kind) as ground:
                for profile in chosen:
                    yield one(ground, profile, full=full)


def one(ground: Ground, profile: Profile, *, full: bool) -> Row:
    began = time.monotonic()
    with Account(ground) as account:
        try:
            profile.run(ground, account, profile.full if full else profile.short)
            if not profile.lasting:
                healed(ground)
            count, converged = account.settle(profile.within)
        finally:
            healed(ground)
        row = Row(profile.name, count, converged, time.monotonic() - began, (*account.unsettled(), *account.broken), tuple(account.notes))
        if not row.good:
            _keep_logs(ground, profile)
        return row


def _keep_logs(ground: Ground, profile: Profile) -> None:
    """What the processes said, for whoever wants to know why."""
    place = LOGS / profile.name
    place.mkdir(parents=True, exist_ok=True)
    for log in ground.folder.glob("*.log"):
        shutil.copy(log, place)
