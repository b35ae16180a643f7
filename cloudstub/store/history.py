"""The past, told from the change log: pure functions from logged rows to changes and to older states."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from cloudstub.store.records import DELETED, Change, Key, Record, encode, with_revision


class Logged(Protocol):
    """A row of the log: ``before`` is the body that the change replaced, None where there was none."""

    @property
    def revision(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def key(self) -> Key: ...
    @property
    def before(self) -> bytes | None: ...


def replay(logged: Sequence[Logged], current: Callable[[Key], Record | None]) -> list[Change]:
    """The changes with both their sides. What a change made is what the key's next change replaced, or what is there now."""
    following: dict[Key, Record | None] = {}
    changes: list[Change] = []
    for row in reversed(logged):
        before = _record(row.key, row.before) if row.before is not None else None
        after = following[row.key] if row.key in following else current(row.key)
        if row.type == DELETED and before is not None:
            after = _tombstone(before, row.revision)
        if after is not None:
            changes.append(Change(row.type, before, after))
        following[row.key] = before
    changes.reverse()
    return changes


def state_at(current: Iterable[Record], later: Iterable[Logged], namespace: str | None) -> list[Record]:
    """The records as they were before the changes in ``later`` (oldest first) happened to them."""
    state = {record.key: record for record in current}
    seen: set[Key] = set()
    for row in later:
        if row.key in seen or (namespace is not None and row.key.namespace != namespace):
            continue
        seen.add(row.key)
        if row.before is None:
            state.pop(row.key, None)
        else:
            state[row.key] = _record(row.key, row.before)
    return [state[key] for key in sorted(state)]


def _record(key: Key, body: bytes) -> Record:
    metadata = json.loads(body)["metadata"]
    return Record(key, metadata["uid"], int(metadata["resourceVersion"]), body)


def _tombstone(last: Record, revision: int) -> Record:
    return Record(last.key, last.uid, revision, encode(with_revision(last.value, revision)))
