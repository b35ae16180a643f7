"""The store in numbers: what is owed, what was dropped, how long commits take (promise D7)."""

from __future__ import annotations

from collections.abc import Iterator

from edgecore.metrics.exposition import Family, Kind, counter, gauge, histogram
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.outbox import Rank


def families(database: Database) -> Iterator[Family]:
    """Raises StoreError."""
    held, dropped, stamp = database.read(lambda tx: (outbox.held(tx), outbox.dropped(tx), tx.stamp))
    names = {rank: rank.name.lower() for rank in Rank}
    ages = {rank: 0 if found.oldest is None else max(0, stamp - found.oldest) for rank, found in held.items()}
    yield _by_rank("outbox_rows", "What waits for the cloud", {names[rank]: found.rows for rank, found in held.items()})
    yield _by_rank("outbox_bytes", "Its size", {names[rank]: found.bytes for rank, found in held.items()})
    yield _by_rank("outbox_oldest_seconds", "Running time since the oldest of it was owed", {names[rank]: ages[rank] for rank in held})
    yield Family("dropped_total", "What will never reach the cloud, since the database was made", Kind.COUNTER, dropped, "reason")
    yield histogram("commit_seconds", "How long commits took", database.commit_times)
    yield counter("commits_failed_total", "Commits that failed", database.commits_failed)
    yield gauge("store_writable", "0 while the disk is full or read-only", 0 if database.trouble else 1)


def _by_rank(name: str, help_: str, samples: dict[str, int]) -> Family:
    return Family(name, help_, Kind.GAUGE, samples, "class")
