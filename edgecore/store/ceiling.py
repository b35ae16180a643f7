"""Keeps events, uploads and samples under their caps, in the very transaction that would exceed them (promise D7).

States are not capped: a newer one replaces the older, so there are as many as there are objects, and an old one is as true as ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgecore.store import history, outbox
from edgecore.store.outbox import Rank
from edgecore.store.transaction import Transaction

logger = logging.getLogger(__name__)

_DROPPED_FIRST = (Rank.UPLOAD, Rank.EVENT)
_SAY_AGAIN = 3600.0


@dataclass(frozen=True, slots=True)
class Caps:
    """``max_age``: seconds that this node has run since, so that a clock which is set does not make anything old."""

    max_bytes: int = 64 * 1024 * 1024
    max_age: int = 30 * 24 * 3600


class Ceiling:
    """Used in the store's thread. What was handed out to be sent is left alone: the cloud may have it, and then it was not dropped.

    ``lock`` is held from the look at the caps until the commit, and while events are read to be sent: so none is both sent and dropped.
    """

    def __init__(self, caps: Caps, samples: history.Caps | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.Lock()
        self._caps = caps
        self._samples = samples or history.Caps()
        self._clock = clock
        self._handed_out: dict[Rank, int] = {}
        self._said: dict[str, float] = {}

    def hand_out(self, rank: Rank, last_id: int) -> None:
        """EdgeHub has events up to this id in its hands. They are few, and gone when the cloud has answered. Called under ``lock``."""
        self._handed_out[rank] = max(last_id, self._handed_out.get(rank, 0))

    def keep(self, tx: Transaction) -> None:
        """Drop what exceeds the caps: what is too old, then of what is too much the uploads first, in each rank the oldest. Samples have
        caps of their own."""
        self._keep_events(tx)
        if tx.keeps_more:
            self._keep_samples(tx)

    def _keep_samples(self, tx: Transaction) -> None:
        for reason, number in history.keep_caps(tx, self._samples, handed_out=self._handed_out.get(Rank.SAMPLES, 0)).items():
            outbox.count_dropped(tx, reason, number)
            if number:
                cap = self._samples.max_bytes >> 20, self._samples.max_age // 86_400
                self._tell(
                    reason, "the history is over its cap (%d MB, %d days): samples that the cloud has not got are dropped and counted", *cap
                )

    def _keep_events(self, tx: Transaction) -> None:
        self._drop(tx, "age", [(rank, self._too_old(tx, rank)) for rank in _DROPPED_FIRST])
        excess = sum(held.bytes for held in outbox.held_events(tx).values()) - self._caps.max_bytes
        for rank in _DROPPED_FIRST:
            if excess <= 0:
                return
            last_id, freed = self._oldest(tx, rank, excess)
            excess -= freed
            self._drop(tx, "size", [(rank, last_id)])

    def _drop(self, tx: Transaction, reason: str, up_to: list[tuple[Rank, int]]) -> None:
        for rank, last_id in up_to:
            after = self._handed_out.get(rank, 0)
            if last_id > after and outbox.drop_events(tx, rank, after, last_id, reason):
                self._say(reason, rank)

    def _too_old(self, tx: Transaction, rank: Rank) -> int:
        found = 0
        for id_, _, stamp in outbox.events_in_order(tx, rank, self._handed_out.get(rank, 0)):
            if tx.stamp - stamp <= self._caps.max_age:
                break
            found = id_
        return found

    def _oldest(self, tx: Transaction, rank: Rank, excess: int) -> tuple[int, int]:
        """(last id, bytes) of the oldest events that free ``excess`` bytes, or of all."""
        found = freed = 0
        for id_, size, _ in outbox.events_in_order(tx, rank, self._handed_out.get(rank, 0)):
            found, freed = id_, freed + size
            if freed >= excess:
                break
        return found, freed

    def _say(self, reason: str, rank: Rank) -> None:
        cap = f"{self._caps.max_bytes >> 20} MB" if reason == "size" else f"{self._caps.max_age // 86_400} days"
        self._tell(reason, "the outbox is over its cap of %s: the oldest %ss are dropped and counted", cap, rank.name.lower())

    def _tell(self, reason: str, text: str, *values: object) -> None:
        """Once, and again after an hour in which it goes on: a flood would fill the log as well."""
        now = self._clock()
        if now - self._said.get(reason, -_SAY_AGAIN) < _SAY_AGAIN:
            return
        self._said[reason] = now
        logger.warning(text, *values)
