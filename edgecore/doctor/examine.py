"""Runs checks: a few at once, each within its time limit. One that hangs or crashes is told as such and stops no other."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check
from edgecore.doctor.verdict import Outcome, Verdict, needs_root, warning
from edgecore.errors import EdgeCoreError

AT_ONCE = 4
_REPORT = "please report it, with edgecore diag"


@dataclass(frozen=True, slots=True)
class Result:
    """``fixed``: what ``--fix`` did, ``not_fixed``: why it could not."""

    check: Check
    verdict: Verdict
    seconds: float
    fixed: str = ""
    not_fixed: str = ""


def examine(checks: Sequence[Check], case: Case, *, at_once: int = AT_ONCE) -> list[Result]:
    """In the order of ``checks``. Those that measure run last, one by one."""
    together = [check for check in checks if not check.alone]
    found = _run(together, case, at_once) | _run([check for check in checks if check.alone], case, 1)
    return [found[check.id] for check in checks]


def fix(results: Sequence[Result], case: Case) -> list[Result]:
    """Repair what is fixable, and look again."""
    return [_fixed(result, case) if result.verdict.fixable and result.check.repair else result for result in results]


def _fixed(result: Result, case: Case) -> Result:
    assert result.check.repair is not None
    try:
        done = result.check.repair(case)
    except (EdgeCoreError, OSError) as exc:
        return replace(result, not_fixed=str(exc))
    case.forget()
    return replace(examine([result.check], case)[0], fixed=done)


def _run(checks: Sequence[Check], case: Case, at_once: int) -> dict[str, Result]:
    """Threads are daemons: one that hangs for ever ends with the process."""
    found: dict[str, Result] = {}
    finished: queue.SimpleQueue[Result] = queue.SimpleQueue()
    waiting, running = list(checks), dict[str, tuple[Check, float]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            check = waiting.pop(0)
            running[check.id] = (check, time.monotonic())
            threading.Thread(target=lambda c=check: finished.put(_look(c, case)), name=check.id, daemon=True).start()
        deadline = min(begun + check.limit for check, begun in running.values())
        try:
            result = finished.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            for check, begun in [entry for entry in running.values() if time.monotonic() - entry[1] >= entry[0].limit]:
                del running[check.id]
                hung = warning(f"this check did not end within {check.limit:g} s: what it looks at hangs", _REPORT)
                found[check.id] = Result(check, hung, time.monotonic() - begun)
            continue
        if running.pop(result.check.id, None):
            found[result.check.id] = result
    return found


def _look(check: Check, case: Case) -> Result:
    begun = time.monotonic()
    try:
        verdict = check.look(case)
    except NeedsRoot as exc:
        verdict = needs_root(f"only root may look at {exc}")
    except EdgeCoreError as exc:
        verdict = Verdict(Outcome.SKIPPED, f"could not be looked at: {exc}")
    except Exception as exc:  # whatever a check stumbles over, the others are looked at
        verdict = warning(f"this check failed: {type(exc).__name__}: {exc}", _REPORT)
    return Result(check, verdict, time.monotonic() - begun)
