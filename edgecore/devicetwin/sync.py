"""How a message from the cloud changes the twins of a device (contract 6.5, right column; P6). Pure.

Plain mode keeps KubeEdge's rule: a desired value that was set at the edge refuses the cloud's for ever. In ledger mode a newer version of
the Device always wins and takes the edge's part back to 0, so that an edge write never blocks the cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgecore.devicetwin.merge import Change, TwinRefused, check_value, is_type, tombstone
from edgecore.devicetwin.shadow import Twin
from viaduct.device import DELETED, MsgTwin, TwinValue, Version


@dataclass(frozen=True, slots=True)
class Synced:
    """``rejected``: what the edge keeps and tells the cloud again. ``skipped``: entries that cannot be taken, in words for the log."""

    changes: Mapping[str, Change]
    rejected: Mapping[str, Twin]
    skipped: tuple[str, ...]


def merge_sync(twins: Mapping[str, Twin], update: Mapping[str, MsgTwin | None], *, now_ms: int, ledger: bool) -> Synced:
    """What ``update`` of the cloud changes. Entries that cannot be taken are left out, the others count."""
    changes: dict[str, Change] = {}
    rejected: dict[str, Twin] = {}
    skipped: list[str] = []
    for name, entry in update.items():
        if entry is None:
            continue
        twin = twins.get(name)
        try:
            change = _entry(twin, entry, now_ms, ledger)
        except _Rejected as why:
            skipped.append(f"twin.{name}: {why}")
            if twin is not None:
                rejected[name] = twin
        except TwinRefused as why:
            skipped.append(f"twin.{name}: {why}")
        else:
            if change is not None:
                changes[name] = change
    return Synced(changes, rejected, tuple(skipped))


def missing_from(twins: Mapping[str, Twin], listed: Mapping[str, MsgTwin | None]) -> dict[str, Change]:
    """Ledger mode, where the cloud names every twin it wants: those that came from it and are no longer named become tombstones."""
    return {
        name: Change(twin, tombstone(twin), None)
        for name, twin in twins.items()
        if name not in listed and not twin.gone and twin.expected_version is not None and twin.expected_version.cloud > 0
    }


class _Rejected(Exception):
    pass


def _entry(twin: Twin | None, entry: MsgTwin, now_ms: int, ledger: bool) -> Change | None:
    if entry.type == DELETED:
        return _delete(twin, entry, ledger)
    if ledger and twin is not None and _is_known(twin, entry):
        return None
    expected_version = _adopted(twin.expected_version if twin else None, entry.expected, entry.expected_version, ledger)
    actual_version = _adopted(twin.actual_version if twin else None, entry.actual, entry.actual_version, ledger)
    if twin is None or twin.gone:
        return _add(twin, entry, expected_version, actual_version, now_ms)
    return _change(twin, entry, expected_version, actual_version, now_ms, ledger)


def _is_known(twin: Twin, entry: MsgTwin) -> bool:
    """The cloud says nothing that is newer than what it said before: a message that came twice, or too late."""
    ours, theirs = twin.expected_version, entry.expected_version
    if ours is None or theirs is None or entry.actual is not None:
        return False
    if theirs.cloud < ours.cloud:
        return True
    same = not twin.gone and entry.expected is not None and twin.expected is not None and twin.expected.value == entry.expected.value
    return theirs.cloud == ours.cloud and (ours.edge > 0 or same or twin.gone)


def _adopted(ours: Version | None, value: TwinValue | None, theirs: Version | None, ledger: bool) -> Version | None:
    """The version of a side after this message; untouched sides keep theirs. Raises _Rejected."""
    if value is None:
        return ours
    if theirs is None:
        raise _Rejected("Version not allowed be nil while syncing")
    if ours is None or (ledger and theirs.cloud > ours.cloud):
        return theirs
    if ours.cloud > theirs.cloud:
        raise _Rejected("Version not allowed")
    if ours.edge > theirs.edge:
        raise _Rejected("Version not allowed: version conflict")
    return theirs


def _add(
    grave: Twin | None, entry: MsgTwin, expected_version: Version | None, actual_version: Version | None, now_ms: int
) -> Change | None:
    declared = "string" if entry.type is None else entry.type
    _check(declared, entry)
    optional = True if entry.optional is None else entry.optional
    if grave is not None:
        optional = optional and grave.optional
    current = Twin(_stamped(entry.expected, now_ms), _stamped(entry.actual, now_ms), optional, declared, expected_version, actual_version)
    return Change(None, current, None)


def _change(
    twin: Twin, entry: MsgTwin, expected_version: Version | None, actual_version: Version | None, now_ms: int, ledger: bool
) -> Change | None:
    declared = entry.type if ledger and entry.type else twin.type
    _check(declared, entry)
    current = Twin(
        twin.expected if entry.expected is None else _stamped(entry.expected, now_ms),
        twin.actual if entry.actual is None else _stamped(entry.actual, now_ms),
        twin.optional and entry.optional is not False,
        declared,
        expected_version,
        actual_version,
    )
    return None if current == twin else Change(twin, current, None)


def _delete(twin: Twin | None, entry: MsgTwin, ledger: bool) -> Change | None:
    if twin is None or twin.gone:
        return None
    if ledger and entry.expected_version is not None and twin.expected_version is not None:
        if entry.expected_version.cloud < twin.expected_version.cloud:
            return None
        version: Version | None = entry.expected_version
    else:
        version = _adopted(twin.expected_version, TwinValue(""), entry.expected_version, ledger)
    return Change(twin, replace(tombstone(twin), expected_version=version), None)


def _check(declared: str, entry: MsgTwin) -> None:
    """An empty desired value stands for "nothing desired" whatever the type: that is how the cloud sends a twin without one."""
    if not is_type(declared):
        raise TwinRefused(f"the value type is not allowed: {declared[:64]!r}")
    for value in (entry.expected, entry.actual):
        if value is not None and value.value:
            check_value(declared, value.value)


def _stamped(value: TwinValue | None, now_ms: int) -> TwinValue | None:
    return None if value is None else TwinValue(value.value, now_ms)
