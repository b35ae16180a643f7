"""docs/rules.md tells the truth: its examples are well, and what it says that happens happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from edgecore.beehive.letters import Seen
from edgecore.localapi.rulefile import examine
from edgecore.rules.engine import Engine
from edgecore.rules.progress import MOST_RUNS, STOPPED_FOR, State
from edgecore.rules.sources import from_file
from viaduct.rules.condition import Condition
from viaduct.rules.parser import MAX_DEPTH, MAX_LENGTH
from viaduct.rules.rule import MAX_ACTIONS

TOP = Path(__file__).parents[4]
PAGE = (TOP / "docs/rules.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```\n\n```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"(\d+) s +(-> )?([\w.]+) (\S+)")

Told = tuple[float, str, str]


def told(story: str) -> list[tuple[float, bool, str, str]]:
    """(seconds, whether the rule sets it, what, value)"""
    found = [_LINE.fullmatch(line) for line in story.splitlines()]
    assert all(found), story
    return [(float(one[1]), bool(one[2]), one[3], one[4]) for one in found if one is not None]


def played(text: str, story: str) -> list[Told]:
    engine = Engine({})
    for source in from_file(list(yaml.safe_load_all(text)), "page", "edge1"):
        assert source.fault == ""
        engine.put(source, now=0, now_ms=0)
    done: list[Told] = []

    def advance(now: float) -> None:
        for asked in engine.advance(now=now, now_ms=int(now * 1000)):
            done.append((now, f"{asked.action.device}.{asked.action.name}", asked.action.value))
            engine.answered(asked, "", now_ms=int(now * 1000))

    def go_on(until: float) -> None:
        while (due := engine.next_time()) is not None and due < until:
            engine.reports(now=due)
            advance(due)

    engine.see({place: Seen("string", None) for place in engine.places()})
    steps = told(story)
    for now, is_set, what, value in steps:
        go_on(now)
        if not is_set:
            device, _, name = what.partition(".")
            engine.see({(device, name): Seen(_type_of(value), value)})
            advance(now)
    go_on(steps[-1][0] + 1)
    return done


def _type_of(value: str) -> str:
    if value in ("true", "false"):
        return "boolean"
    return "float" if value.replace(".", "").isdigit() else "string"


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(("text", "story"), EXAMPLES, ids=["fan", "heater", "pump"])
def test_an_example_does_what_the_page_says(text: str, story: str) -> None:
    found = examine(text)
    assert (found.faults, found.notes) == ((), ())
    assert played(text, story) == [(now, what, value) for now, is_set, what, value in told(story) if is_set]


def test_the_file_among_the_examples_is_the_first_of_the_page() -> None:
    assert yaml.safe_load((TOP / "examples/rule.yaml").read_text()) == yaml.safe_load(EXAMPLES[0][0])


def test_every_state_and_every_limit_is_on_the_page() -> None:
    assert {str(state) for state in State} == set(re.findall(r"^\| `(\w+)` \| ", PAGE.partition("| State |")[2], re.MULTILINE))
    assert f"acted {MOST_RUNS} times within a minute" in PAGE and f"{STOPPED_FOR / 60:g} minutes" in PAGE
    assert f"up to {MAX_LENGTH:,} characters" in PAGE and f"go {MAX_DEPTH} levels deep" in PAGE and f"up to {MAX_ACTIONS} values" in PAGE


def test_the_conditions_of_the_page_parse() -> None:
    for text in (
        'sensor.temperature > 30 and not (door.open or sensor.mode == "service")',
        "`1st-floor`.`relative humidity` > 1",
        "a.b - c.d > 0",
    ):
        assert text.replace(" > 1", "").replace(" > 0", "") in PAGE
        Condition(text)
