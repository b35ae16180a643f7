"""When which property is sampled, and which value counts then (P6.15). Pure: the caller says what time it is.

A mapper that publishes readings (``$ke/events/device/<id>/data/update``) is taken at its word; of any other, the value that it reported
last is sampled at each cycle, for as long as the device is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from edgecore.devicetwin.models import Collected, Model, kind_of
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.store.recorder import Sample
from viaduct.device import Reading
from viaduct.samples import TYPES

STALE_MS = 15 * 60_000
"""A value that was reported longer ago says nothing of now: mappers say it again every ten minutes."""

_SILENT_CYCLES = 3
_LEAST_SILENCE = 5.0
"""Seconds, and cycles, after which a mapper that published readings counts as one that does not."""

_TOO_SOON = 0.5
"""Of a cycle: what comes sooner after the sample before is left out, so that a mapper that reads faster writes no more."""

_FARTHEST_MS = 86_400_000
"""A mapper's clock that is further from ours is not believed."""

_OFFLINE = "offline"


@dataclass(slots=True)
class _Marked:
    device: str
    property: str
    collected: Collected
    heard_at: float = -_FARTHEST_MS
    last_ms: int = 0


class Sampling:
    """What is marked, in beats: all properties of one cycle are sampled together."""

    def __init__(self) -> None:
        self._marked: dict[tuple[str, str], _Marked] = {}
        self._beats: dict[float, float] = {}

    def follow(self, collected: Mapping[str, Mapping[str, Collected]], now: float) -> None:
        """This is marked from now on. What was marked before keeps its beat."""
        before, self._marked = self._marked, {}
        for device, properties in collected.items():
            for name, how in properties.items():
                known = before.get((device, name))
                self._marked[device, name] = known if known and known.collected == how else _Marked(device, name, how)
        cycles = {one.collected.cycle for one in self._marked.values()}
        self._beats = {cycle: self._beats.get(cycle, now) for cycle in cycles}

    def next_time(self) -> float | None:
        """When ``due`` is wanted (monotonic seconds)."""
        return min(self._beats.values(), default=None)

    def due(self, now: float, now_ms: int, shadows: Mapping[str, Shadow], models: Mapping[str, Model]) -> list[Sample]:
        """What is to be sampled now. Beats that were missed are skipped, not made up for."""
        struck = {cycle for cycle, at in self._beats.items() if at <= now}
        for cycle in struck:
            self._beats[cycle] += ((now - self._beats[cycle]) // cycle + 1) * cycle
        return list(self._held(struck, now, now_ms, shadows, models))

    def hear(self, device: str, readings: Iterable[Reading], now: float, now_ms: int, shadow: Shadow | None, model: Model) -> list[Sample]:
        """What a mapper measured of ``device``, as far as it is marked."""
        found = []
        for reading in readings:
            marked = self._marked.get((device, reading.property))
            if marked is None:
                continue
            marked.heard_at = now
            said = reading.timestamp
            time = said if said is not None and abs(said - now_ms) <= _FARTHEST_MS else now_ms
            if abs(time - marked.last_ms) >= _TOO_SOON * marked.collected.cycle * 1000:
                twin = (shadow.twins.get(reading.property) if shadow is not None else None) or Twin()
                found.append(_sample(marked, twin, model, time, reading.value))
        return found

    def _held(
        self, struck: set[float], now: float, now_ms: int, shadows: Mapping[str, Shadow], models: Mapping[str, Model]
    ) -> Iterator[Sample]:
        if not struck:
            return
        for marked in self._marked.values():
            if marked.collected.cycle not in struck or now - marked.heard_at <= max(
                _LEAST_SILENCE, _SILENT_CYCLES * marked.collected.cycle
            ):
                continue
            shadow = shadows.get(marked.device)
            twin = shadow.twins.get(marked.property) if shadow is not None and shadow.state != _OFFLINE else None
            if twin is None or twin.gone or twin.actual is None or not twin.actual.value:
                continue
            if 0 <= now_ms - (twin.actual.timestamp or 0) <= max(STALE_MS, _SILENT_CYCLES * marked.collected.cycle * 1000):
                yield _sample(marked, twin, models.get(marked.device) or Model(), now_ms, twin.actual.value)


def _sample(marked: _Marked, twin: Twin, model: Model, time: int, value: str) -> Sample:
    marked.last_ms = time
    kind = kind_of(twin, model.facts(marked.property))
    return Sample(marked.device, marked.property, kind if kind in TYPES else "string", time, value, marked.collected.upward)
