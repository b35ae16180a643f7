"""Asks the admission webhooks that a write concerns: the mutating ones in turn, then the validating ones together."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cloudstub.errors import ApiError
from cloudstub.kinds.kind import Object
from cloudstub.kinds.webhook_rules import GROUP, MUTATING, VALIDATING, Webhook, webhooks_of
from cloudstub.patches import json_patch
from cloudstub.store.records import Key, Record
from cloudstub.store.store import Store
from cloudstub.webhooks.caller import Caller, WebhookUnanswered
from cloudstub.webhooks.conversion import Conversion
from cloudstub.webhooks.review import Subject, Unreadable, Verdict, question, refusal, verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Hook:
    webhook: Webhook
    version: str


class Admission:
    def __init__(self, store: Store, caller: Caller, conversion: Conversion) -> None:
        self._store = store
        self._caller = caller
        self._conversion = conversion
        self._read: dict[Key, tuple[int, tuple[Webhook, ...]]] = {}

    def concerns(self, subject: Subject) -> bool:
        """Whether any webhook may have a say; cheap where there is no configuration. Labels are not looked at."""
        return any(self._by_rules(resource, subject) for resource in (MUTATING, VALIDATING))

    async def mutate(self, subject: Subject) -> tuple[Object | None, tuple[str, ...]]:
        """The new object as the mutating webhooks leave it, and their warnings.

        Raises:
            ApiError: one denied, or failed and is not to be ignored.
        """
        obj, warnings = subject.new, list[str]()
        asked: list[tuple[_Hook, Object | None]] = []
        for hook in self._selected(MUTATING, subject):
            obj, said = await self._changed(hook, replace(subject, new=obj))
            asked.append((hook, obj))
            warnings += said
        for hook, seen in asked:
            if hook.webhook.again and seen != obj:
                obj, said = await self._changed(hook, replace(subject, new=obj))
                warnings += said
        return obj, tuple(warnings)

    async def validate(self, subject: Subject) -> tuple[str, ...]:
        """Warnings of the validating webhooks.

        Raises:
            ApiError: one denied, or failed and is not to be ignored.
        """
        hooks = list(self._selected(VALIDATING, subject))
        answers = await asyncio.gather(*(self._ask(hook, subject, may_patch=False) for hook in hooks), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            raise failures[0]
        return tuple(text for answer in answers if isinstance(answer, Verdict) for text in answer.warnings)

    async def _changed(self, hook: _Hook, subject: Subject) -> tuple[Object | None, tuple[str, ...]]:
        said = await self._ask(hook, subject, may_patch=True)
        if said is None or not said.patch or subject.new is None:
            return subject.new, said.warnings if said is not None else ()
        shown = (await self._conversion.objects(subject.kind, hook.version, [subject.new]))[0]
        try:
            patched = json_patch.apply(shown, said.patch)
            if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
                raise ApiError("the patch leaves no object")
        except ApiError as exc:
            raise ApiError(f'Internal error occurred: the patch of webhook "{hook.webhook.name}" does not fit: {exc.message}') from exc
        back = (await self._conversion.objects(subject.kind, subject.asked.version, [patched]))[0]
        return back, said.warnings

    async def _ask(self, hook: _Hook, subject: Subject, *, may_patch: bool) -> Verdict | None:
        """None: it failed, and the request goes on without it."""
        uid = str(uuid.uuid4())
        webhook = hook.webhook
        try:
            there = [obj for obj in (subject.new, subject.old) if obj is not None]
            shown = iter(await self._conversion.objects(subject.kind, hook.version, there))
            new = next(shown) if subject.new is not None else None
            old = next(shown) if subject.old is not None else None
            review = question(uid, replace(subject, version=hook.version, new=new, old=old))
            said = verdict(await self._caller.post(webhook.client, review, seconds=webhook.seconds), uid, may_patch=may_patch)
        except (WebhookUnanswered, Unreadable) as exc:
            if webhook.fails_closed:
                text = f'Internal error occurred: failed calling webhook "{webhook.name}": failed to call webhook: {exc}'
                raise ApiError(text) from exc
            logger.warning("webhook %s failed and is ignored: %s", webhook.name, exc)
            return None
        if not said.allowed:
            raise refusal(webhook.name, said)
        return said

    def _by_rules(self, resource: str, subject: Subject) -> list[_Hook]:
        if subject.kind.group == GROUP or not self._store.count(resource):
            return []
        versions = tuple(subject.kind.preferred)
        found = []
        for record in self._store.ordered(resource):
            for webhook in self._webhooks_of(record):
                version = webhook.version_for(subject.asked, versions)
                if version is not None:
                    found.append(_Hook(webhook, version))
        return found

    def _webhooks_of(self, record: Record) -> tuple[Webhook, ...]:
        """Read once for each version of a configuration: every write asks."""
        known = self._read.get(record.key)
        if known is None or known[0] != record.revision:
            known = self._read[record.key] = (record.revision, tuple(webhooks_of(record.value)))
        return known[1]

    def _selected(self, resource: str, subject: Subject) -> Iterator[_Hook]:
        labels = [(obj.get("metadata") or {}).get("labels") or {} for obj in (subject.new, subject.old) if obj is not None]
        namespace = self._namespace_labels(subject)
        return (hook for hook in self._by_rules(resource, subject) if hook.webhook.selects(labels, namespace))

    def _namespace_labels(self, subject: Subject) -> dict[str, str] | None:
        name = subject.name if subject.kind.resource == "namespaces" else subject.namespace
        if not name:
            return None
        record = self._store.get(Key("namespaces", "", name))
        obj = record.value if record is not None else (subject.new or {}) if subject.kind.resource == "namespaces" else {}
        return (obj.get("metadata") or {}).get("labels") or {}
