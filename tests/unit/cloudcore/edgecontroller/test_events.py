from __future__ import annotations

from typing import Any

import pytest

from cloudcore.edgecontroller.events import event_object, event_report, repeated
from cloudcore.errors import Refused
from viaduct.resource import ResourcePath

PATH = ResourcePath("default", "event", "web.0123456789abcdef")
POD = {"metadata": {"namespace": "default", "name": "web", "uid": "u1"}}


def content(**changes: Any) -> dict[str, Any]:
    made = {
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web", "uid": "u1", "fieldPath": "spec.containers{c}"},
        "reason": "BackOff",
        "message": "Back-off",
        "type": "Warning",
        "count": 3,
        "firstTimestamp": "2020-02-07T09:00:00Z",
        "lastTimestamp": "2020-02-07T09:01:00Z",
    }
    return {**made, **changes}


def test_who_tells_an_event_is_written_by_the_cloud() -> None:
    claimed = content(source={"component": "kubelet", "host": "other"}, reportingInstance="other", metadata={"name": "x"})
    made = event_object("edge1", PATH, event_report(PATH, claimed), POD)
    assert made["source"] == {"component": "edged", "host": "edge1"}
    assert (made["reportingComponent"], made["reportingInstance"], made["metadata"]["name"]) == ("edged", "edge1", PATH.name)
    assert made["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "web",
        "namespace": "default",
        "uid": "u1",
        "fieldPath": "spec.containers{c}",
    }
    assert (made["reason"], made["type"], made["count"]) == ("BackOff", "Warning", 3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "content: expected an Event"),
        (content(involvedObject={"kind": "Secret", "name": "web"}), "content.involvedObject.kind: expected Pod or Node"),
        (content(involvedObject={"kind": "Pod"}), "content.involvedObject.name: expected text of at most 253 characters"),
        (content(involvedObject={"kind": "Pod", "name": "db"}), "begins with that of what it is about, 'db'"),
        (content(reason=""), "content.reason: expected text of at most 128 characters"),
        (content(message="x" * 2000), "content.message: expected text of at most 1024 characters"),
        (content(type="Odd"), "content.type: expected Normal or Warning"),
        (content(count=0), "content.count: expected 1 to 1000000"),
        (content(count=True), "content.count: expected 1 to 1000000"),
        (content(firstTimestamp="yesterday"), "content.firstTimestamp: expected a time (RFC 3339)"),
    ],
)
def test_an_event_that_cannot_be_read_says_which_field(value: Any, text: str) -> None:
    with pytest.raises(Refused) as caught:
        event_report(PATH, value)
    assert text in str(caught.value)


def test_the_same_name_again_raises_the_count_and_an_older_count_changes_nothing() -> None:
    stored = event_object("edge1", PATH, event_report(PATH, content(count=3)), POD)
    newer = event_object("edge1", PATH, event_report(PATH, content(count=9, lastTimestamp="2020-02-07T10:00:00Z")), POD)
    changed = repeated(stored, newer)
    assert changed is not None and (changed["count"], changed["lastTimestamp"]) == (9, "2020-02-07T10:00:00Z")
    assert repeated(newer, stored) is None
    assert repeated(stored, stored) is None


def test_an_event_of_somebody_else_is_left_alone() -> None:
    wanted = event_object("edge1", PATH, event_report(PATH, content(count=9)), POD)
    for foreign in (wanted | {"source": {"component": "scheduler"}}, wanted | {"involvedObject": {"uid": "u2"}}):
        with pytest.raises(Refused, match="not one of this node"):
            repeated(foreign, wanted)
