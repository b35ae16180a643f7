"""What was found, for people and as JSON. Pure."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from edgecore.doctor.check import Check
from edgecore.doctor.examine import Result
from edgecore.doctor.verdict import Outcome

_MARKS = {Outcome.OK: "ok", Outcome.WARNING: "WARN", Outcome.WRONG: "WRONG", Outcome.SKIPPED: "skip"}
_COLOURS = {Outcome.OK: "32", Outcome.WARNING: "33", Outcome.WRONG: "31", Outcome.SKIPPED: "2"}
_INDENT = " " * 8


def as_text(results: Sequence[Result], *, verbose: bool, width: int, colour: bool) -> str:
    """Troubles in full, all else as a count, or with ``verbose`` as a line each."""
    lines: list[str] = []
    for group, found in itertools.groupby(results, key=lambda result: result.check.group):
        shown = [line for result in found for line in _told(result, verbose=verbose, width=width, colour=colour)]
        lines += [str(group), *shown, ""] if shown else []
    return "\n".join([*lines, *_summary(results, verbose=verbose, width=width)])


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    return {
        "well": not any(result.verdict.outcome is Outcome.WRONG for result in results),
        "counts": {str(outcome): sum(r.verdict.outcome is outcome for r in results) for outcome in Outcome},
        "checks": [
            {
                "id": result.check.id,
                "group": str(result.check.group),
                "outcome": str(result.verdict.outcome),
                "text": result.verdict.text,
                "why": result.check.why,
                "mend": result.verdict.mend,
                "fixable": result.verdict.fixable,
                "needsRoot": result.verdict.needs_root,
                "fixed": result.fixed,
                "notFixed": result.not_fixed,
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
    }


def listing(checks: Sequence[Check], *, width: int) -> str:
    lines: list[str] = []
    longest = max(len(check.id) for check in checks)
    for group, found in itertools.groupby(checks, key=lambda check: check.group):
        lines.append(str(group))
        for check in found:
            marks = "".join(f" [{mark}]" for mark, holds in (("root", check.root), ("--fix", check.repair)) if holds)
            lines += _wrapped(f"  {check.id:<{longest}}  {check.title}{marks}", " " * (longest + 4), width)
    return "\n".join(lines)


def _told(result: Result, *, verbose: bool, width: int, colour: bool) -> Iterator[str]:
    verdict = result.verdict
    if not (verbose or verdict.troubles or result.fixed):
        return
    mark = f"{_MARKS[verdict.outcome]:<5}"
    head = f"  {mark} {result.check.id}: {verdict.text}"
    first, *rest = _wrapped(head, _INDENT, width)
    yield first.replace(mark, f"\033[{_COLOURS[verdict.outcome]}m{mark}\033[0m", 1) if colour else first
    yield from rest
    if verdict.troubles:
        yield from _wrapped(f"{_INDENT}why:  {result.check.why}", _INDENT + " " * 6, width)
        if verdict.mend:
            yield from _wrapped(f"{_INDENT}mend: {verdict.mend}", _INDENT + " " * 6, width)
    if result.fixed:
        yield from _wrapped(f"{_INDENT}done: {result.fixed}", _INDENT + " " * 6, width)
    if result.not_fixed:
        yield from _wrapped(f"{_INDENT}--fix could not: {result.not_fixed}", _INDENT + " " * 6, width)


def _summary(results: Sequence[Result], *, verbose: bool, width: int) -> Iterator[str]:
    count = {outcome: [r for r in results if r.verdict.outcome is outcome] for outcome in Outcome}
    words = [f"{len(count[Outcome.OK])} well", f"{len(count[Outcome.WRONG])} wrong", f"{len(count[Outcome.WARNING])} warnings"]
    hidden = [r for r in count[Outcome.SKIPPED] if r.verdict.needs_root]
    words += [f"{len(count[Outcome.SKIPPED]) - len(hidden)} do not apply"]
    yield f"{len(results)} checks: {', '.join(words)}" + (f", {len(hidden)} need root" if hidden else "")
    if hidden:
        yield from _wrapped(f"Run as root for: {', '.join(r.check.id for r in hidden)}", "  ", width)
    fixable = [r.check.id for r in results if r.verdict.fixable and not (r.fixed or r.not_fixed)]
    if fixable:
        yield from _wrapped(f"edgecore doctor --fix mends: {', '.join(fixable)}", "  ", width)


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.lstrip(), width, initial_indent=lead, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [text]
