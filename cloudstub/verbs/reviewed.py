"""A write that others have a say in: drafted first, shown to webhooks, and stored if nothing moved meanwhile.

Verbs never await. Where a webhook must be asked, the verb runs dry on a view in which the object stands in the client's version; what comes
out is reviewed and converted (slow, over the network), and then staged in one turn, if the object is still the one that the draft saw.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cloudstub.store.records import Key, Object, Record, encode, with_revision
from cloudstub.verbs import prepare
from cloudstub.verbs.create import require_namespace
from cloudstub.verbs.storing import is_finished_with, remove_object, store_object
from cloudstub.verbs.world import Target, World, WriteOptions, Written

Verb = Callable[[World, Target, WriteOptions], Written]
"""create, update, patch … with what the client sent."""


class Moved(Exception):
    """Somebody else wrote the object while it was reviewed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a write would leave: ``obj`` over ``old`` (None: there was none), in the client's version. ``before``: the record under it."""

    target: Target
    obj: Object
    old: Object | None
    before: Record | None
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return self.obj != self.old


class _View:
    """The store as a dry run sees it: one object stands in another version."""

    def __init__(self, store: Any, key: Key, record: Record | None) -> None:
        self._store, self._key, self._record = store, key, record

    def peek(self, key: Key) -> Record | None:
        found: Record | None = self._record if key == self._key else self._store.peek(key)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def seen_in(target: Target) -> Target:
    """``target``, its objects kept in the version in which the client speaks."""
    return replace(target, kind=replace(target.kind, storage=target.version)) if target.kind.custom else target


def draft(world: World, target: Target, verb: Verb, before: Record | None, old: Object | None, options: WriteOptions) -> Draft:
    """Run ``verb`` dry. ``before`` is the record of ``target`` now, ``old`` the same in the client's version.

    Raises:
        ApiError: what the client did wrong.
    """
    shown = Record(before.key, before.uid, before.revision, encode(old)) if before is not None and old is not None else None
    view = replace(world, store=_View(world.store, target.key, shown))  # type: ignore[arg-type]
    written = verb(view, seen_in(target), replace(options, dry_run=True))
    obj: Object = json.loads(written.body)
    named = replace(target, name=obj["metadata"]["name"])
    return Draft(named, obj, old, before, written.warnings)


def mutated(world: World, drafted: Draft, obj: Object, options: WriteOptions) -> Draft:
    """The draft with what webhooks made of it: defaulted, pruned and checked like anything that is sent."""
    target = seen_in(drafted.target)
    checked, warnings = prepare.finished(world, target, prepare.claimed(obj, target), drafted.old, options)
    return replace(drafted, obj=checked, warnings=(*drafted.warnings, *warnings))


def store(world: World, drafted: Draft, stored: Object, options: WriteOptions) -> Written:
    """Stage ``stored``, the draft in the storage version; the answer shows it as the client speaks.

    Raises:
        Moved: the object is not the one that was drafted any more.
    """
    target, before = drafted.target, drafted.before
    now = world.store.peek(target.key)
    if (now.revision if now else None) != (before.revision if before else None):
        raise Moved
    if before is None and target.kind.namespaced:
        require_namespace(world, target)
    if options.dry_run:
        return Written(encode(drafted.obj), created=before is None, warnings=drafted.warnings)
    if before is not None and not drafted.changes:
        return Written(encode(drafted.obj), warnings=drafted.warnings)
    store_object(world, target.key, stored, dry_run=False)
    record = world.store.peek(target.key)
    assert record is not None
    shown = encode(with_revision(drafted.obj, record.revision))
    if before is not None and is_finished_with(stored):
        remove_object(world, target.key, dry_run=False)
    return Written(shown, created=before is None, warnings=drafted.warnings)
