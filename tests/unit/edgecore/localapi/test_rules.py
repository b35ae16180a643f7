"""``edgecore rules``: a file is judged by line and column, and rules show as a person reads them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecore import cli
from edgecore.errors import EdgeCoreError
from edgecore.localapi import rulecommands, ruletables
from edgecore.localapi.rulefile import Remark, examine

HEAD = "apiVersion: rules.devices.bramble.io/v1alpha1\nkind: DeviceRule\nmetadata: {name: cool}\nspec:\n"
THEN = "  then:\n  - {device: fan, property: power, value: 'on'}\n"
LONG = "and `a.b`.c"


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        (f"{HEAD}  when: sensor.t => 30\n{THEN}", 5, 18, "spec.when: '=>' is not known here"),
        (f"{HEAD}  when: 'sensor.t => 30'\n{THEN}", 5, 19, "spec.when: '=>' is not known here"),
        (f'{HEAD}  when: "sensor.mode == \\"x\\" andd door.open"\n{THEN}', 5, 31, "got 'andd'"),
        (f"{HEAD}  when: >-\n    sensor.t > 30\n    {LONG}\n    andd door.open\n{THEN}", 8, 5, "got 'andd'"),
        (f"{HEAD}  when: |\n    sensor.t > 30\n\n    and door.open >\n{THEN}", 8, 20, "expected a value"),
        (f"{HEAD}  when: sensor.t > 30\n    and door.open\n    nonsense\n{THEN}", 7, 5, "got 'nonsense'"),
        (f"{HEAD}  when: sensor.t >\n{THEN}", 5, 19, "expected a value"),
        (f"{HEAD}  for: 10\n  when: sensor.t > 3\n{THEN}", 5, 8, "spec.for: expected a time"),
        (f"{HEAD}  when: sensor.t > 3\n  then:\n  - {{device: fan, property: power}}\n", 7, 5, "spec.then[0].value: expected a text"),
        (f"{HEAD}  when: sensor.t > 3\n", 5, 3, "spec.then: expected a list"),
        ("kind: [\n", 2, 1, "not YAML"),
        ("", 0, 0, "there is no rule in it"),
        ("- 1\n", 1, 1, "expected a DeviceRule"),
        ("\x00", 0, 0, "not YAML"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(text: str, line: int, column: int, words: str) -> None:
    found = examine(text)
    assert [(remark.line, remark.column) for remark in found.faults][:1] == [(line, column)]
    assert words in found.faults[0].text


def test_what_yaml_takes_for_a_truth_value_is_noted() -> None:
    found = examine(f"{HEAD}  when: sensor.t > 3\n  then:\n  - {{device: fan, property: power, value: on}}\n")
    assert found.faults == () and found.rules == ("default/cool",)
    assert found.notes == (Remark(7, 43, 'note: YAML takes on for true; where the text is meant write "on"'),)


def test_two_rules_of_one_name_in_a_file_are_told() -> None:
    rule = f"{HEAD}  when: sensor.t > 3\n{THEN}"
    assert [remark.text for remark in examine(f"{rule}---\n{rule}").faults] == [
        "metadata.name: there are two rules default/cool in the file"
    ]


@given(st.one_of(st.text(max_size=80), st.text(max_size=40).map(lambda text: f"{HEAD}  when: |\n    {text}\n{THEN}")))
def test_whatever_a_file_is_it_is_judged(text: str) -> None:
    found = examine(text)
    assert found.faults or found.rules


def test_check_says_it_as_a_compiler_does_and_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    well, wrong = tmp_path / "well.yaml", tmp_path / "wrong.yaml"
    well.write_text(f"{HEAD}  when: sensor.t > 3\n{THEN}")
    wrong.write_text(f"{HEAD}  when: sensor.t >\n{THEN}")
    assert cli.main(["rules", "check", str(well)]) == 0
    assert capsys.readouterr().out == f"{well}: rule default/cool is well\n"
    assert cli.main(["rules", "check", str(well), str(wrong), str(tmp_path / "none.yaml")]) == 1
    said = capsys.readouterr()
    assert said.out == f"{well}: rule default/cool is well\n"
    assert said.err.startswith(f"{wrong}:5:19: spec.when: expected a value")
    assert said.err.endswith(f"{tmp_path}/none.yaml: No such file or directory\n")


RULE: dict[str, Any] = {
    "name": "cool",
    "namespace": "default",
    "from": "cloud",
    "spec": {
        "when": "sensor.t > 30\n  and door.open",
        "for": "10s",
        "then": [{"device": "fan", "property": "power", "value": "on"}],
        "else": 3,
    },
    "status": {"state": "Setting", "since": "2020-09-13T12:26:40Z", "fired": 2, "lastFired": "2020-09-13T12:25:40Z", "error": "why"},
}


def test_rules_are_listed_with_what_is_wrong_below() -> None:
    lines = ruletables.listing([RULE], now=1_600_000_060.0).splitlines()
    assert lines[0].split() == ["NAMESPACE", "NAME", "STATE", "SINCE", "LAST", "FIRED", "TIMES", "FROM", "WHEN"]
    assert lines[1].split()[:7] == ["default", "cool", "Setting", "60s", "120s", "2", "cloud"]
    assert lines[1].endswith("sensor.t > 30 and door.open")
    assert lines[2] == "cool: why"


def test_one_rule_is_told_whole() -> None:
    text = ruletables.described(RULE, now=1_600_000_060.0)
    for line in ("For:         10s", "Then:        fan.power = on", "State:       Setting, since 60s", "Error:       why"):
        assert line in text
    assert "Last fired:  120s ago, 2 times" in text
    assert "never" in ruletables.described(RULE | {"spec": {}, "status": {"state": "Invalid", "fired": 0}}, now=0.0)


def test_check_without_a_file_is_told_how_to_check_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(path: str, request: object) -> object:
        raise EdgeCoreError("EdgeCore does not run on this machine")

    monkeypatch.setattr(rulecommands.client, "ask", nobody)
    with pytest.raises(EdgeCoreError, match="edgecore rules check FILE"):
        rulecommands.show("socket", argparse.Namespace(what=["check"], output=""))
