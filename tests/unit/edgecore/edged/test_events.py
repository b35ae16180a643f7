from __future__ import annotations

from typing import Any

from edgecore.edged.events import Events
from edgecore.edged.pod import PodPlan, read_pod
from edgecore.errors import Busy
from tests.unit.edgecore.edged.pods import container, pod


class Told:
    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.teller = Events("edge1", lambda *event: self.events.append(event), lambda: self.now)

    def say(self, plan: PodPlan, message: str = "Back-off") -> None:
        self.teller.about_pod(plan, "BackOff", message, container="web", warning=True)


PLAN = read_pod(pod(container("web"), initContainers=[container("first")]))


def test_an_event_names_what_it_is_about() -> None:
    told = Told()
    told.say(PLAN)
    told.teller.about_pod(PLAN, "Started", "Started container first", container="first")
    told.teller.about_node("DiskPressure", "little is left")
    (namespace, name, first), (_, _, second), (_, node_name, third) = told.events
    assert namespace == "default" and name.startswith("web-0.")
    assert first == {
        "involvedObject": {
            "kind": "Pod",
            "namespace": "default",
            "name": "web-0",
            "uid": "0d2c7a4e-1",
            "fieldPath": "spec.containers{web}",
        },
        "reason": "BackOff",
        "message": "Back-off",
        "type": "Warning",
        "count": 1,
        "firstTimestamp": "1970-01-01T00:16:40Z",
        "lastTimestamp": "1970-01-01T00:16:40Z",
    }
    assert (second["type"], second["involvedObject"]["fieldPath"]) == ("Normal", "spec.initContainers{first}")
    assert (third["involvedObject"], node_name.startswith("edge1.")) == ({"kind": "Node", "name": "edge1"}, True)


def test_the_same_fact_keeps_its_name_counts_on_and_is_told_less_and_less_often() -> None:
    told = Told()
    for _ in range(1200):
        told.say(PLAN)
        told.now += 1.0
    counts = [event["count"] for _, _, event in told.events]
    assert counts == [1, 11, 31, 71, 151, 311, 611, 911]
    assert len({name for _, name, _ in told.events}) == 1
    told.say(PLAN, "something else")
    assert told.events[-1][2]["count"] == 1


def test_another_edgecore_tells_under_another_name_and_a_clock_that_goes_back_silences_nothing() -> None:
    first, second = Told(), Told()
    second.now += 0.5
    first.say(PLAN)
    second.say(PLAN)
    assert first.events[0][1] != second.events[0][1]
    second.now -= 900.0
    second.say(PLAN)
    assert [event["count"] for _, _, event in second.events] == [1, 2]


def test_a_failure_to_tell_harms_nobody() -> None:
    def refuse(*event: object) -> None:
        raise Busy("full")

    Events("edge1", refuse).about_pod(PLAN, "Started", "Started container web")
