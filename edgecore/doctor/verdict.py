"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """WARNING: it works, at a price or until a date. SKIPPED: it does not apply here, or could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``text``: what is so. ``mend``: how a person mends it. ``fixable``: ``--fix`` can. ``needs_root``: skipped for the lack of it."""

    outcome: Outcome
    text: str
    mend: str = ""
    fixable: bool = False
    needs_root: bool = False

    @property
    def troubles(self) -> bool:
        return self.outcome in (Outcome.WARNING, Outcome.WRONG)


def ok(text: str) -> Verdict:
    return Verdict(Outcome.OK, text)


def wrong(text: str, mend: str, *, fixable: bool = False) -> Verdict:
    return Verdict(Outcome.WRONG, text, mend, fixable)


def warning(text: str, mend: str, *, fixable: bool = False) -> Verdict:
    return Verdict(Outcome.WARNING, text, mend, fixable)


def skipped(text: str) -> Verdict:
    return Verdict(Outcome.SKIPPED, text)


def needs_root(text: str) -> Verdict:
    return Verdict(Outcome.SKIPPED, text, needs_root=True)
