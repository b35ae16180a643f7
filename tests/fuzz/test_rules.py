"""DeviceRules, files of them and what boards say of them, with junk in any place: read, or refused with the field; nobody is harmed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudcore.admission.judgement import judge_rule
from cloudcore.edgecontroller import rulestatus
from cloudcore.errors import Refused
from edgecore.beehive.letters import Seen
from edgecore.localapi import ruletables
from edgecore.localapi.rulefile import examine
from edgecore.rules.engine import Engine
from edgecore.rules.sources import from_cloud, from_file, from_folder
from tests.fuzz.hostile import MOST_WORDS, each_spoilt, encoded, fuzzed, refuses_well, spoilt, texts
from viaduct.rules.rule import MalformedRule, nodes_of, read_file_rule

ACTION = {"device": "fan", "property": "power", "value": "on"}
RULE: dict[str, Any] = {
    "apiVersion": "rules.devices.bramble.io/v1alpha1",
    "kind": "DeviceRule",
    "metadata": {"name": "cool", "namespace": "default", "uid": "u"},
    "spec": {
        "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": ["edge1"]}]}]},
        "when": "sensor.temperature > 30 and not door.open",
        "for": "10s",
        "then": [ACTION],
        "else": [ACTION | {"value": 3}],
        "cooldown": "1h",
    },
}
STAMP = "2026-01-01T00:00:00Z"
STATUS = {"uid": "u", "status": {"state": "Fired", "since": STAMP, "fired": 3, "lastFired": STAMP, "error": "no"}}
HEAD = "apiVersion: rules.devices.bramble.io/v1alpha1\nkind: DeviceRule\nmetadata: {name: b}\nspec:\n"


def _bomb(indent: str) -> str:
    """A few lines that mean a thousand million values."""
    steps = zip("abcdefgh", "bcdefghi", strict=True)
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]", *(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in steps)]
    return "".join(f"{indent}{line}\n" for line in lines)


def read_everywhere(document: Any) -> None:
    """At the board's two doors and at the cloud's; whatever comes of it can be shown, saved and evaluated."""
    nodes_of(document)
    refuses_well(lambda: read_file_rule(document), MalformedRule)
    judged = judge_rule(document, "default") if isinstance(document, dict) else None
    assert judged is None or all(len(fault) < MOST_WORDS and fault.encode() for fault in judged.faults)
    sources = from_folder({"f": from_file([document], "/f", "edge1")}, {})
    sources.append(from_cloud("default/devicerule/cool", encoded(document), "u"))
    engine = Engine({})
    for source in sources:
        engine.put(source, now=0, now_ms=0)
    engine.see({place: Seen("int", "31") for place in engine.places()})
    engine.advance(now=1, now_ms=1)
    shown = engine.shown()
    json.dumps(shown)
    ruletables.listing(shown, now=0.0)
    for rule in shown:
        ruletables.described(rule, now=0.0)


def test_a_rule_with_junk_in_any_place_is_read_or_refused_and_shown() -> None:
    for bad in each_spoilt(RULE):
        read_everywhere(bad)


@fuzzed
@given(spoilt(RULE))
def test_a_spoilt_rule_is_read_or_refused_and_shown(document: Any) -> None:
    read_everywhere(document)


@pytest.mark.parametrize(
    "text",
    [
        _bomb(""),
        f"{HEAD}  when:\n{_bomb('    ')}",
        "a: &a [*a]\n",
        "[" * 3000,
        "a: !!bool x\n",
        "a: !!int [x]\n",
        "spec: {2020-01-01: x, then: 2020-01-01, ? [a] : b}\n",
        "metadata: {name: x}\nspec: {on: 1, 3: 2020-01-01, when: !!binary aGk=}\n",
    ],
)
def test_a_file_made_to_harm_its_reader_does_none(text: str) -> None:
    assert examine(text).faults
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError):
        return
    engine = Engine({})
    for source in from_folder({"f": from_file(documents, "/f", "edge1")}, {}):
        engine.put(source, now=0, now_ms=0)
    assert len(json.dumps(engine.shown())) < 100_000


@fuzzed
@given(texts)
def test_any_text_as_a_condition_is_taken_or_refused(text: str) -> None:
    read_everywhere(RULE | {"spec": RULE["spec"] | {"when": text}})


def test_what_a_board_says_of_a_rule_with_junk_in_any_place_is_taken_or_refused() -> None:
    for bad in each_spoilt(STATUS):
        report = refuses_well(lambda bad=bad: rulestatus.rule_report(bad), Refused)
        if report is not None:
            rulestatus.merged(RULE, "edge1", report)


@fuzzed
@given(st.one_of(spoilt(RULE), spoilt(RULE["spec"])))
def test_a_rule_that_is_stored_is_laid_under_a_status_whatever_it_is(rule: Any) -> None:
    report = rulestatus.rule_report(STATUS)
    if isinstance(rule, dict) and isinstance(rule.get("status", {}), dict):
        rulestatus.merged(rule, "edge1", report)
