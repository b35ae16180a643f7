"""Desired values that the device does not hold yet, as far as anybody knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mappers.sdk.schedule import NEVER, Backoff

RETRY_SECONDS = 0.5
RETRY_LIMIT = 60.0


@dataclass(slots=True)
class _Wish:
    text: str
    due: float = 0.0
    is_doubtful: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(RETRY_SECONDS, RETRY_LIMIT))
    complaint: str = ""


@dataclass(slots=True)
class Wishes:
    """By property. EdgeCore repeats a wish with every report while it is not fulfilled; the same text is the same wish.

    EdgeCore says nothing when a wish is withdrawn. So one that could not be fulfilled at once is in doubt, and is not acted upon before
    EdgeCore was asked again: a device that comes back after an hour must not be told what somebody wanted an hour ago.
    """

    _open: dict[str, _Wish] = field(default_factory=dict)
    _hopeless: dict[str, str] = field(default_factory=dict)

    def ask(self, values: Mapping[str, str]) -> None:
        """These are desired now; a wish for another value takes the place of the one before."""
        for name, text in values.items():
            if self._hopeless.get(name) == text:
                continue
            self._hopeless.pop(name, None)
            if name in self._open and self._open[name].text == text:
                self._open[name].is_doubtful = False
            else:
                self._open[name] = _Wish(text)

    def keep_only(self, names: Mapping[str, str]) -> None:
        """All others were withdrawn."""
        self._open = {name: wish for name, wish in self._open.items() if name in names}
        self._hopeless = {name: text for name, text in self._hopeless.items() if name in names}

    def doubt(self) -> None:
        """The device is away."""
        for wish in self._open.values():
            wish.is_doubtful = True

    def due(self, now: float) -> list[tuple[str, str]]:
        return [(name, wish.text) for name, wish in self._open.items() if wish.due <= now and not wish.is_doubtful]

    def next_due(self) -> float:
        return min((wish.due for wish in self._open.values() if not wish.is_doubtful), default=NEVER)

    def ask_again_due(self) -> float:
        """When EdgeCore must be asked whether what is in doubt still holds."""
        return min((wish.due for wish in self._open.values() if wish.is_doubtful), default=NEVER)

    @property
    def hopeless(self) -> bool:
        """Something is desired that can never be."""
        return bool(self._hopeless)

    @property
    def unfulfilled(self) -> frozenset[str]:
        return frozenset((*self._open, *self._hopeless))

    def fulfilled(self, name: str) -> None:
        self._open.pop(name, None)

    def give_up(self, name: str) -> None:
        """This value can never be written: not tried again until another one is desired."""
        wish = self._open.pop(name, None)
        if wish is not None:
            self._hopeless[name] = wish.text

    def try_later(self, name: str, now: float, complaint: str) -> bool:
        """Whether ``complaint`` is worth a line in the log: the first time for this wish."""
        wish = self._open[name]
        wish.due = wish.backoff.after_failure(now)
        wish.is_doubtful = True
        is_news, wish.complaint = wish.complaint != complaint, complaint
        return is_news
