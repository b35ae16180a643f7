"""All rules of the board together: which of them a changed value concerns, what is to be set, saved and reported. Pure, without a clock.

What is wrong with one rule is its own business: it stands in its ``error`` and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edgecore.beehive.letters import Seen
from edgecore.rules.progress import Progress, State, rest_of
from edgecore.rules.sources import CLOUD, Source
from edgecore.store.rules import RuleRow
from viaduct.rules.condition import Place, Reading
from viaduct.rules.fault import ExpressionFault
from viaduct.rules.rule import Action

REPORT_EVERY = 10.0
"""Seconds between two reports of one rule: a condition that flutters costs the API one write in this time."""

MOST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """``action`` is to be desired, as part of run ``run`` of the rule ``key``."""

    key: str
    run: int
    action: Action


class _Kept:
    """One rule. ``since_ms``: when it got into the state that it is in."""

    def __init__(self, source: Source, row: RuleRow | None, now: float, now_ms: int) -> None:
        self.source = source
        known = row if row is not None and row.digest == source.digest else None
        self.fired_ms, self.times = (known.fired_ms, known.times) if known is not None else (0, 0)
        self.error = source.fault
        self.progress: Progress | None = None
        if source.rule is not None:
            rest = rest_of(source.rule.cooldown, self.fired_ms, now_ms)
            self.progress = Progress(source.rule, now=now, fired=known is not None and known.fired, rest=rest)
        self.state = self.progress.state if self.progress is not None else State.INVALID
        self.since_ms = now_ms
        self.reported: tuple[Any, ...] | None = None
        self.report_at = now

    @property
    def row(self) -> RuleRow:
        fired = self.progress is not None and self.progress.fired
        return RuleRow(self.source.key, self.source.digest, fired, self.fired_ms, self.times)

    @property
    def told(self) -> tuple[Any, ...]:
        """What a status is made of: cheap to compare."""
        return self.state, self.since_ms, self.times, self.fired_ms, self.error

    def status(self) -> dict[str, Any]:
        """What the cloud is told (P8.6)."""
        told: dict[str, Any] = {"state": str(self.state), "since": _stamp(self.since_ms), "fired": self.times}
        if self.fired_ms:
            told["lastFired"] = _stamp(self.fired_ms)
        if self.error:
            told["error"] = self.error[:MOST_ERROR]
        return told


class Engine:
    def __init__(self, rows: Mapping[str, RuleRow]) -> None:
        self._rows = dict(rows)
        self._kept: dict[str, _Kept] = {}
        self._seen: dict[Place, Seen | None] = {}
        self._unsaved: set[str] = set()
        self._judge: set[str] = set()
        self._has_seen = False

    def put(self, source: Source, *, now: float, now_ms: int) -> bool:
        """Take a rule that is new or says something else; False where it says the same."""
        kept = self._kept.get(source.key)
        if kept is not None and (kept.source.digest, kept.source.fault) == (source.digest, source.fault):
            return False
        self._kept[source.key] = _Kept(source, self._rows.pop(source.key, None), now, now_ms)
        self._judge.add(source.key)
        return True

    def remove(self, key: str) -> None:
        self._kept.pop(key, None)
        self._rows.pop(key, None)
        self._judge.discard(key)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def has(self, key: str) -> bool:
        return key in self._kept

    def places(self) -> frozenset[Place]:
        """Every property that a rule reads or sets."""
        rules = [kept.source.rule for kept in self._kept.values() if kept.source.rule is not None]
        read = {place for rule in rules for place in rule.when.places}
        return frozenset(read | {action.place for rule in rules for action in (*rule.then, *rule.otherwise)})

    def see(self, seen: Mapping[Place, Seen | None]) -> None:
        self._has_seen = True
        came = {place for place, value in seen.items() if value is not None and self._seen.get(place) is None}
        self._seen.update(seen)
        for key, kept in self._kept.items():
            if came and kept.progress is not None and any(action.place in came for action in kept.progress.owed):
                kept.progress.ask_soon()
            if kept.source.rule is not None and not seen.keys().isdisjoint(kept.source.rule.when.places):
                self._judge.add(key)

    def advance(self, *, now: float, now_ms: int) -> list[Asked]:
        """What is to be asked of DeviceTwin now. Nothing is decided before the first values are there."""
        if not self._has_seen:
            return []
        asked: list[Asked] = []
        judged, self._judge = self._judge, set()
        for key, kept in self._kept.items():
            progress = kept.progress
            if progress is None:
                continue
            if key in judged:
                self._evaluate(kept, progress, now)
            due = progress.next_time()
            if key in judged or (due is not None and now >= due):
                asked += self._advance(kept, progress, now, now_ms)
            self._note(kept, now_ms)
        return asked

    def next_time(self) -> float | None:
        """When ``advance`` or ``reports`` may have something by itself."""
        if not self._has_seen:
            return None
        times = [kept.progress.next_time() for kept in self._kept.values() if kept.progress is not None]
        times += [kept.report_at for kept in self._kept.values() if self._is_to_report(kept)]
        return min((time for time in times if time is not None), default=None)

    def answered(self, asked: Asked, refusal: str, *, now_ms: int) -> bool:
        """DeviceTwin took (``refusal`` empty) or refused an action. True: that is news for a person."""
        kept = self._kept.get(asked.key)
        if kept is None or kept.progress is None or asked.run != kept.progress.run:
            return False
        if refusal:
            return self._fail(kept, f"{asked.action.device}.{asked.action.name}: {refusal}", now_ms)
        if kept.progress.taken(asked.run, asked.action):
            kept.error = ""
            self._unsaved.add(asked.key)
        self._note(kept, now_ms)
        return False

    def unsaved(self) -> list[RuleRow]:
        """Rows to write; they count as written."""
        rows = [self._kept[key].row for key in self._unsaved if key in self._kept]
        self._unsaved.clear()
        return rows

    def not_saved(self, saved: Iterable[str], reported: Iterable[str]) -> None:
        """The rows and reports of these rules could not be written."""
        self._unsaved.update(saved)
        for kept in (self._kept[key] for key in reported if key in self._kept):
            kept.reported = None

    def reports(self, *, now: float) -> dict[str, tuple[str, dict[str, Any]]]:
        """By key the uid and status of each rule of the cloud that is to be reported; it counts as reported."""
        found = {}
        for key, kept in self._kept.items():
            if self._is_to_report(kept) and now >= kept.report_at:
                kept.reported, kept.report_at = kept.told, now + REPORT_EVERY
                found[key] = (kept.source.uid, kept.status())
        return found

    def shown(self) -> list[dict[str, Any]]:
        """For ``edgecore rules``."""
        return [
            {
                "name": kept.source.name,
                "namespace": kept.source.namespace,
                "from": kept.source.origin,
                "spec": dict(kept.source.spec),
                "status": kept.status(),
            }
            for kept in sorted(self._kept.values(), key=lambda one: (one.source.namespace, one.source.name, one.source.key))
        ]

    def name_of(self, key: str) -> str:
        kept = self._kept.get(key)
        return f"{kept.source.namespace}/{kept.source.name}" if kept is not None else key

    def _evaluate(self, kept: _Kept, progress: Progress, now: float) -> None:
        try:
            truth = progress.rule.when.evaluate(self._reading)
        except ExpressionFault as exc:
            kept.error = f"spec.when: {exc}"
            progress.judge(None, now)
            return
        if kept.error.startswith("spec.when: "):
            kept.error = ""
        progress.judge(truth, now)

    def _advance(self, kept: _Kept, progress: Progress, now: float, now_ms: int) -> list[Asked]:
        before = (progress.run, progress.fired)
        actions = progress.advance(now)
        if (progress.run, progress.fired) != before:
            kept.error = ""
            if progress.fired:
                kept.fired_ms, kept.times = now_ms, kept.times + 1
            if not actions:
                self._unsaved.add(kept.source.key)
        if kept.state is State.STOPPED and progress.state is not State.STOPPED:
            kept.error = ""
        elif progress.state is State.STOPPED and kept.state is not State.STOPPED:
            kept.error = "stopped for 10 minutes: it acted 20 times within a minute; does it change what it reads?"
        return [Asked(kept.source.key, progress.run, action) for action in actions]

    def _fail(self, kept: _Kept, text: str, now_ms: int) -> bool:
        is_new, kept.error = kept.error != text, text
        self._note(kept, now_ms)
        return is_new

    def _note(self, kept: _Kept, now_ms: int) -> None:
        state = kept.progress.state if kept.progress is not None else State.INVALID
        if state is not kept.state:
            kept.state, kept.since_ms = state, now_ms

    def _is_to_report(self, kept: _Kept) -> bool:
        is_known = self._has_seen or kept.progress is None
        return kept.source.origin == CLOUD and is_known and kept.reported != kept.told

    def _reading(self, place: Place) -> Reading | None:
        seen = self._seen.get(place)
        return Reading(seen.type, seen.value) if seen is not None and seen.value is not None else None


def _stamp(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
