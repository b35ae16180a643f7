"""All rules together: which one a value concerns, what is saved and what is reported."""

from __future__ import annotations

import json
from typing import Any

from edgecore.beehive.letters import Seen
from edgecore.rules.engine import REPORT_EVERY, Asked, Engine
from edgecore.rules.sources import Source, from_cloud, from_file, from_folder
from edgecore.store.rules import RuleRow


def source(name: str = "cool", when: str = "sensor.t > 30", uid: str = "u1", **more: Any) -> Source:
    spec = {"when": when, "then": [{"device": "fan", "property": "power", "value": "on"}]} | more
    return from_cloud(f"default/devicerule/{name}", json.dumps({"metadata": {"name": name}, "spec": spec}), uid)


def engine(*sources: Source, rows: dict[str, RuleRow] | None = None) -> Engine:
    made = Engine(rows or {})
    for one in sources:
        made.put(one, now=0, now_ms=0)
    return made


def see(made: Engine, value: str | None, *, now: float = 1) -> list[Asked]:
    made.see({("sensor", "t"): Seen("int", value), ("fan", "power"): Seen("string", None)})
    return made.advance(now=now, now_ms=int(now * 1000))


def test_what_is_watched_is_what_rules_read_and_set() -> None:
    made = engine(source(), source("other", "door.open", **{"else": [{"device": "lamp", "property": "lit", "value": True}]}))
    assert made.places() == {("sensor", "t"), ("door", "open"), ("fan", "power"), ("lamp", "lit")}


def test_nothing_is_done_before_the_first_values_are_there() -> None:
    made = engine(source(when="not gone.x or true"))
    assert made.advance(now=5, now_ms=5000) == [] and made.next_time() is None


def test_a_rule_is_saved_when_all_it_set_was_taken() -> None:
    made = engine(source())
    (asked,) = see(made, "31")
    assert made.unsaved() == []
    assert made.answered(asked, "", now_ms=2000) is False
    (row,) = made.unsaved()
    assert (row.fired, row.fired_ms, row.times) == (True, 1000, 1)
    assert made.unsaved() == []
    made.not_saved([row.key], [])
    assert made.unsaved() == [row]


def test_a_refusal_is_news_once() -> None:
    made = engine(source())
    (asked,) = see(made, "31")
    assert made.answered(asked, "no", now_ms=2000) is True
    assert made.answered(asked, "no", now_ms=2000) is False
    assert made.shown()[0]["status"]["error"] == "fan.power: no"
    assert made.answered(asked, "", now_ms=2000) is False
    assert "error" not in made.shown()[0]["status"]


def test_what_was_refused_is_asked_again_at_once_when_its_device_comes() -> None:
    made = engine(source())
    made.see({("sensor", "t"): Seen("int", "31"), ("fan", "power"): None})
    (asked,) = made.advance(now=1, now_ms=1000)
    made.answered(asked, "this node has no device 'fan'", now_ms=1000)
    assert made.advance(now=2, now_ms=2000) == []
    made.see({("fan", "power"): Seen("string", None)})
    assert made.advance(now=3, now_ms=3000) == [asked]


def test_a_rule_that_says_the_same_goes_on_and_one_that_says_something_else_begins_anew() -> None:
    made = engine(source())
    (asked,) = see(made, "31")
    made.answered(asked, "", now_ms=2000)
    assert made.put(source(), now=3, now_ms=3000) is False
    assert see(made, "32", now=3) == []
    assert made.put(source(uid="u2"), now=4, now_ms=4000) is True
    assert len(see(made, "32", now=4)) == 1


def test_a_row_of_another_rule_under_the_key_counts_for_nothing() -> None:
    known = source()
    fired = RuleRow(known.key, known.digest, True, 500, 7)
    assert see(engine(known, rows={known.key: fired}), "31") == []
    assert len(see(engine(source(when="sensor.t > 29"), rows={known.key: fired}), "31")) == 1


def test_reports_are_held_to_one_in_ten_seconds_and_files_report_nothing() -> None:
    document = {
        "apiVersion": "rules.devices.bramble.io/v1alpha1",
        "kind": "DeviceRule",
        "metadata": {"name": "own"},
        "spec": {"when": "sensor.t > 30", "for": "1h", "then": [{"device": "fan", "property": "power", "value": "on"}]},
    }
    made = engine(source(**{"for": "1h"}), *from_file([document], "/rules/own.yaml", "edge1"))
    see(made, "20")
    told = made.reports(now=1)
    assert {key: (uid, status["state"]) for key, (uid, status) in told.items()} == {"default/devicerule/cool": ("u1", "Waiting")}
    see(made, "31", now=2)
    assert made.reports(now=2) == {}
    assert made.next_time() == 1 + REPORT_EVERY
    assert made.reports(now=1 + REPORT_EVERY)["default/devicerule/cool"][1]["state"] == "Holding"
    made.not_saved([], ["default/devicerule/cool"])
    assert made.reports(now=2 + 2 * REPORT_EVERY)


def test_an_invalid_rule_reports_at_once_and_disturbs_nobody() -> None:
    made = engine(source("broken", "sensor.t >"), source())
    assert list(made.reports(now=0)) == ["default/devicerule/broken"]
    assert len(see(made, "31")) == 1


def test_of_two_files_with_one_name_the_first_counts_and_the_other_says_so() -> None:
    rule = {"apiVersion": "rules.devices.bramble.io/v1alpha1", "kind": "DeviceRule", "metadata": {"name": "a"}} | _spec()
    one, two = from_file([rule], "/a", "n"), from_file([rule], "/b", "n")
    found = from_folder({"a": one, "b": two}, {"c.yaml": "not YAML"})
    assert [(each.origin, each.fault) for each in found] == [
        ("/a", ""),
        ("/b", "metadata.name: /a has a rule of this name too"),
        ("c.yaml", "not YAML"),
    ]


def _spec() -> dict[str, Any]:
    return {"spec": {"when": "a.b", "then": [{"device": "c", "property": "d", "value": 1}]}}
