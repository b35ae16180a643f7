"""What a device said by itself, kept until it is asked for: the last of each property, in bounded memory. For any thread; tells no time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mappers.serialport import nmea
from mappers.serialport.visitors import Positioned, Told, Visitor

NEWS_SECONDS = 0.1
"""At most so often a property is told of as news; what comes between is read with the next poll."""


@dataclass(frozen=True, slots=True)
class Heard:
    """``what`` None: the device says that it does not know. ``at``: seconds of the clock that was given."""

    what: nmea.Known
    at: float


class Ear:
    """``told`` is called with each property that has changed."""

    def __init__(self, visitors: Mapping[str, Visitor], encoding: str, told: Callable[[str], None]) -> None:
        self.heard_at = 0.0
        self.complaint = ""
        self.wanted: tuple[str, ...] = tuple(name for name, visitor in visitors.items() if isinstance(visitor.source, Told | Positioned))
        self.is_complete = threading.Event()
        self._visitors = visitors
        self._encoding = encoding
        self._told = told
        self._is_nmea = any(isinstance(visitor.source, Positioned) for visitor in visitors.values())
        self._kept: dict[str, Heard] = {}
        self._told_at: dict[str, float] = {}

    def hear(self, line: bytes, now: float) -> None:
        try:
            found = self._positions(line) if self._is_nmea else self._matches(line)
        except (nmea.NotASentence, UnicodeDecodeError) as exc:
            self.complaint = str(exc)[:200]
            return
        for name, what in found:
            self.heard_at = now
            self._keep(name, Heard(what, now))
        if len(self._kept) == len(self.wanted):
            self.is_complete.set()

    def last(self, name: str) -> Heard | None:
        return self._kept.get(name)

    def forget(self) -> None:
        self._kept = {}
        self.heard_at = 0.0
        self.complaint = ""
        self.is_complete.clear()

    def _positions(self, line: bytes) -> Iterable[tuple[str, nmea.Known]]:
        sentence = nmea.sentence_of(line)
        # Also a sentence of no interest shows that the receiver is there.
        found = nmea.quantities(sentence)
        return [
            (name, found[visitor.source.quantity])
            for name, visitor in self._visitors.items()
            if isinstance(visitor.source, Positioned) and visitor.source.quantity in found
        ]

    def _matches(self, line: bytes) -> Iterable[tuple[str, nmea.Known]]:
        text = line.decode(self._encoding)
        matches = (
            (name, visitor.source.pattern.find(text)) for name, visitor in self._visitors.items() if isinstance(visitor.source, Told)
        )
        return [(name, found) for name, found in matches if found is not None]

    def _keep(self, name: str, heard: Heard) -> None:
        before, self._kept[name] = self._kept.get(name), heard
        if before is not None and before.what == heard.what:
            return
        if heard.at - self._told_at.get(name, -NEWS_SECONDS) >= NEWS_SECONDS:
            self._told_at[name] = heard.at
            self._told(name)
