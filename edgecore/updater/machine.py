"""The order of the steps of an update: what follows on success, on failure, and after a power cut. Pure; the journal is all it knows.

    FETCH -> KEEP -> CHECK -> SWITCH -> WATCH -> PROMOTE -> END Successful
                                 |        |
                                 v        v
                                  BACK -> SETTLE -> END RolledBack

Before SWITCH nothing is changed, so a failure ends there. SWITCH and BACK may be cut anywhere: both are done again from their beginning.
A cut while the new version is watched is taken as a sign against it when it happens again and again: it may be what ends the board.
"""

from __future__ import annotations

from dataclasses import replace

from edgecore.updates.order import Before, Journal, Order, Step
from viaduct.upgrades.state import State

MOST_TRIES = 3
MOST_FETCHES = 10

_NEXT = {
    Step.FETCH: Step.KEEP,
    Step.KEEP: Step.CHECK,
    Step.CHECK: Step.SWITCH,
    Step.SWITCH: Step.WATCH,
    Step.WATCH: Step.PROMOTE,
    Step.BACK: Step.SETTLE,
}
_UNCHANGED = (Step.FETCH, Step.KEEP, Step.CHECK)


def begun(order: Order, was: str) -> Journal:
    """``was``: the version that is installed."""
    return Journal(order.id, was=was, version=order.version)


def done(journal: Journal) -> Journal:
    """``journal.step`` was done."""
    match journal.step:
        case Step.PROMOTE:
            return _ended(journal, State.SUCCESSFUL)
        case Step.SETTLE:
            return _ended(journal, State.ROLLED_BACK)
        case step:
            return replace(journal, step=_NEXT[step], tries=1)


def failed(journal: Journal, reason: str) -> Journal:
    """``journal.step`` could not be done."""
    match journal.step:
        case Step.FETCH | Step.KEEP | Step.CHECK:
            return _ended(replace(journal, reason=reason), State.FAILED)
        case Step.SWITCH | Step.WATCH:
            return replace(journal, step=Step.BACK, tries=1, reason=reason)
        case Step.BACK if journal.tries < MOST_TRIES:
            return replace(journal, tries=journal.tries + 1)
        case Step.BACK | Step.SETTLE:
            text = f"{journal.reason}; going back to {journal.was}: {reason}"
            return _ended(replace(journal, reason=text), State.ROLLBACK_FAILED)
        case _:
            return _ended(replace(journal, reason=f"it runs, but its packages could not be kept: {reason}"), State.SUCCESSFUL)


def resumed(journal: Journal) -> Journal:
    """The updater begins and finds ``journal``: it was cut."""
    again = replace(journal, tries=journal.tries + 1)
    match journal.step:
        case Step.FETCH | Step.KEEP | Step.CHECK if journal.tries >= MOST_FETCHES:
            return failed(journal, f"cut {journal.tries} times before anything was changed")
        case step if step in _UNCHANGED:
            return replace(again, step=Step.FETCH, cut=True)
        case Step.SWITCH if journal.tries >= MOST_TRIES:
            return failed(journal, f"cut {journal.tries} times while the packages were exchanged")
        case Step.WATCH if journal.tries >= MOST_TRIES:
            return failed(journal, f"the board or the updater was cut off {journal.tries} times while {journal.version} was watched")
        case Step.SWITCH | Step.WATCH:
            return again
        case _:
            # A cut says nothing against going back: it is tried for as long as it takes.
            return journal


def with_before(journal: Journal, now: Before) -> Journal:
    """``now``: how the board is. What was seen earlier counts too: nothing is asked of an EdgeCore that was taken for off. Containers come
    and go meanwhile; those of earlier count after a cut alone, when the board has just started and is not yet as it was."""
    first = journal.before
    containers = tuple(sorted({*first.containers, *now.containers})) if journal.cut else now.containers
    return replace(journal, before=Before(first.active or now.active, first.connected or now.connected, containers))


def _ended(journal: Journal, state: State) -> Journal:
    return replace(journal, step=Step.END, tries=1, end=state)
