"""The one door for writes of clients: straight to the verb where no webhook has a say, else drafted, reviewed, converted and stored."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace

from cloudstub.errors import Conflict
from cloudstub.kinds.webhook_rules import Asked
from cloudstub.store.store import Store
from cloudstub.verbs import reviewed
from cloudstub.verbs.delete import Deleted, DeleteOptions, delete
from cloudstub.verbs.reviewed import Draft, Moved, Verb
from cloudstub.verbs.reviews import User
from cloudstub.verbs.update import existing
from cloudstub.verbs.world import Target, World, WriteOptions, Written, details
from cloudstub.webhooks.admission import Admission
from cloudstub.webhooks.caller import Caller
from cloudstub.webhooks.conversion import Conversion, is_in
from cloudstub.webhooks.review import Subject

TRIES = 8
REVIEWED_SUBRESOURCES = ("", "status")
"""Those of which an admission webhook hears; scale, binding and finalize go past it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A write as the client asked for it. ``operation`` is CREATE or UPDATE."""

    target: Target
    subresource: str
    operation: str
    user: User
    options: WriteOptions


class Webhooks:
    """``conversion`` shows objects in a client's version; ``write`` and ``delete`` ask whoever has a say."""

    def __init__(self, store: Store) -> None:
        self._caller = Caller(store)
        self.conversion = Conversion(self._caller)
        self._admission = Admission(store, self._caller, self.conversion)

    async def close(self) -> None:
        await self._caller.close()

    async def write(self, world: World, attempt: Attempt, verb: Verb) -> Written:
        """Stage what ``verb`` does; the caller awaits the commit.

        Raises:
            ApiError: what the client did wrong, or a webhook that refused or failed.
        """
        if not self._has_a_say(world, attempt):
            return verb(world, attempt.target, attempt.options)
        for turn in range(TRIES):
            try:
                return await self._review(world, attempt, verb)
            except Moved:
                await asyncio.sleep(random.uniform(0, 0.01 * turn))
        target = attempt.target
        reason = "the object has been modified; please apply your changes to the latest version and try again"
        raise Conflict(f'Operation cannot be fulfilled on {target.kind.resource} "{target.name}": {reason}', details=details(target))

    async def delete(self, world: World, target: Target, user: User, options: DeleteOptions) -> Deleted:
        """Stage a deletion, after whoever has a say in it.

        Raises:
            ApiError: as of the verb, or a webhook that refused or failed.
        """
        kind = target.kind
        asked = Asked("DELETE", kind.group, target.version, kind.plural, namespaced=kind.namespaced)
        subject = Subject(kind, target.version, asked, target.namespace or "", target.name, None, None, user.as_json(), options.dry_run)
        if not self._admission.concerns(subject):
            return delete(world, target, options)
        for _ in range(TRIES):
            record = existing(world, target)
            shown = (await self.conversion.objects(kind, target.version, [record.value]))[0]
            subject = replace(subject, old=shown)
            await self._admission.mutate(subject)
            await self._admission.validate(subject)
            if existing(world, target).revision == record.revision:
                return delete(world, target, options)
        raise Conflict(f'Operation cannot be fulfilled on {kind.resource} "{target.name}": it changes too fast', details=details(target))

    def _has_a_say(self, world: World, attempt: Attempt) -> bool:
        if attempt.subresource not in REVIEWED_SUBRESOURCES:
            return False
        return _is_converted(world, attempt.target) or self._admission.concerns(self._subject(attempt, None))

    async def _review(self, world: World, attempt: Attempt, verb: Verb) -> Written:
        target, kind = attempt.target, attempt.target.kind
        before = world.store.peek(target.key) if attempt.operation == "UPDATE" else None
        old = (await self.conversion.objects(kind, target.version, [before.value]))[0] if before is not None else None
        drafted = reviewed.draft(world, target, verb, before, old, attempt.options)
        drafted = await self._admitted(world, attempt, drafted)
        if kind.converter is None or target.version == kind.storage:
            return reviewed.store(world, drafted, drafted.obj, attempt.options)
        if not drafted.changes:
            return reviewed.store(world, drafted, drafted.obj, attempt.options)
        stored = (await self.conversion.objects(kind, kind.storage, [drafted.obj]))[0]
        return reviewed.store(world, drafted, stored, attempt.options)

    async def _admitted(self, world: World, attempt: Attempt, drafted: Draft) -> Draft:
        # A server-side apply of what is not there yet is a creation.
        operation = "UPDATE" if drafted.before is not None else "CREATE"
        subject = self._subject(replace(attempt, operation=operation), drafted)
        if not self._admission.concerns(subject):
            return drafted
        obj, warnings = await self._admission.mutate(subject)
        if obj is not None and obj != drafted.obj:
            drafted = reviewed.mutated(world, drafted, obj, attempt.options)
        more = await self._admission.validate(replace(subject, new=drafted.obj))
        return replace(drafted, warnings=(*drafted.warnings, *warnings, *more))

    def _subject(self, attempt: Attempt, drafted: Draft | None) -> Subject:
        target = drafted.target if drafted is not None else attempt.target
        kind = target.kind
        asked = Asked(attempt.operation, kind.group, target.version, kind.plural, attempt.subresource, kind.namespaced)
        return Subject(
            kind,
            target.version,
            asked,
            target.namespace or "",
            target.name,
            drafted.obj if drafted is not None else None,
            drafted.old if drafted is not None else None,
            attempt.user.as_json(),
            attempt.options.dry_run,
        )


def _is_converted(world: World, target: Target) -> bool:
    kind = target.kind
    if kind.converter is None:
        return False
    record = world.store.peek(target.key)
    # What was stored before the storage version changed is converted for clients of the storage version, too.
    return target.version != kind.storage or (record is not None and not is_in(record, kind, kind.storage))
