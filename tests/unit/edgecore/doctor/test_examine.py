"""One check that hangs or crashes stops no other, and what is told of it all."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from edgecore.doctor import report
from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.examine import Result, examine, fix
from edgecore.doctor.verdict import Outcome, Verdict, ok, skipped, warning, wrong
from edgecore.errors import EdgeCoreError
from tests.fakes.board import FakeBoard, case_of


def check(name: str, look: object, **more: object) -> Check:
    return Check(name, Group.KERNEL, f"title of {name}", f"why {name}", look, **more)  # type: ignore[arg-type]


def raising(error: Exception) -> object:
    def look(case: Case) -> Verdict:
        raise error

    return look


def test_one_that_hangs_and_one_that_crashes_stop_no_other(tmp_path: Path) -> None:
    case, forever = case_of(FakeBoard(tmp_path)), threading.Event()
    checks = [
        check("hangs", lambda case: ok(str(forever.wait(60))), limit=0.2),
        check("hangs-too", lambda case: ok(str(forever.wait(60))), limit=0.3),
        check("crashes", raising(ZeroDivisionError("nought"))),
        check("fails", raising(EdgeCoreError("no answer"))),
        check("forbidden", raising(NeedsRoot("/secret"))),
        *(check(f"good-{number}", lambda case: ok("well")) for number in range(5)),
    ]
    begun = time.monotonic()
    found = {result.check.id: result.verdict for result in examine(checks, case, at_once=2)}
    forever.set()
    assert time.monotonic() - begun < 10
    assert [found[f"good-{number}"].outcome for number in range(5)] == [Outcome.OK] * 5
    assert "did not end within 0.2 s" in found["hangs"].text
    assert "ZeroDivisionError: nought" in found["crashes"].text
    assert found["fails"] == skipped("could not be looked at: no answer")
    assert found["forbidden"].needs_root


def test_a_measurement_runs_when_all_others_have_ended(tmp_path: Path) -> None:
    order: list[str] = []

    def noted(name: str, seconds: float) -> object:
        def look(case: Case) -> Verdict:
            time.sleep(seconds)
            order.append(name)
            return ok("")

        return look

    checks = [check("measures", noted("measures", 0), alone=True), check("slow", noted("slow", 0.2)), check("quick", noted("quick", 0))]
    found = examine(checks, case_of(FakeBoard(tmp_path)))
    assert order == ["quick", "slow", "measures"]
    assert [result.check.id for result in found] == ["measures", "slow", "quick"]


def test_only_what_is_fixable_is_fixed_and_looked_at_again(tmp_path: Path) -> None:
    done: list[str] = []

    def repair(case: Case) -> str:
        done.append("x")
        return "it was mended"

    state = check("a", lambda case: ok("well") if done else wrong("broken", "mend it", fixable=True), repair=repair)
    other = check("b", lambda case: wrong("broken", "by hand"), repair=repair)
    case = case_of(FakeBoard(tmp_path))
    first, second = fix(examine([state, other], case), case)
    assert (first.verdict.outcome, first.fixed, second.fixed, done) == (Outcome.OK, "it was mended", "", ["x"])


RESULTS = [
    Result(check("fine", None), ok("all is well"), 0.1),
    Result(check("bad", None), wrong("it is broken", "mend it so", fixable=True), 0.1),
    Result(check("so-so", None), warning("it will break", "replace it"), 0.1),
    Result(check("hidden", None), Verdict(Outcome.SKIPPED, "only root", needs_root=True), 0.1),
    Result(check("elsewhere", None), skipped("not here"), 0.1),
]


def test_people_are_told_what_is_wrong_why_and_how_to_mend_it_and_the_rest_as_a_count() -> None:
    text = report.as_text(RESULTS, verbose=False, width=80, colour=False)
    for words in (
        "WRONG bad: it is broken",
        "why:  why bad",
        "mend: mend it so",
        "WARN  so-so",
        "Run as root for: hidden",
        "--fix mends: bad",
    ):
        assert words in text
    assert "5 checks: 1 well, 1 wrong, 1 warnings, 1 do not apply, 1 need root" in text
    assert "all is well" not in text and "not here" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_with_v_everything_is_told() -> None:
    text = report.as_text(RESULTS, verbose=True, width=80, colour=False)
    assert "ok    fine: all is well" in text and "skip  elsewhere: not here" in text


def test_colour_changes_no_word() -> None:
    plain, coloured = (report.as_text(RESULTS, verbose=True, width=80, colour=colour) for colour in (False, True))
    assert "\033[31m" in coloured
    for code in ("31", "32", "33", "2", "0"):
        coloured = coloured.replace(f"\033[{code}m", "")
    assert coloured == plain


def test_json_has_everything() -> None:
    found = json.loads(json.dumps(report.as_json(RESULTS)))
    assert found["well"] is False
    assert found["counts"] == {"ok": 1, "warning": 1, "wrong": 1, "skipped": 2}
    assert found["checks"][1] | {"seconds": 0} == {
        "id": "bad",
        "group": "Kernel",
        "outcome": "wrong",
        "text": "it is broken",
        "why": "why bad",
        "mend": "mend it so",
        "fixable": True,
        "needsRoot": False,
        "fixed": "",
        "notFixed": "",
        "seconds": 0,
    }
