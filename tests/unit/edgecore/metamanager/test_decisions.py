"""What a message of the cloud does to what is stored, as a table (promises D2, D6)."""

from __future__ import annotations

from typing import Any

import pytest

from edgecore.metamanager import podstatus
from edgecore.metamanager.decisions import Arrival, Delete, Ignore, Known, Save, decide, read_arrival
from viaduct.errors import MalformedPayload, ViaductError
from viaduct.message import Message, new_message
from viaduct.resource import ResourcePath

PATH = ResourcePath("default", "pod", "web")


def _arrival(uid: str = "a", version: int | None = 5, removal: bool = False) -> Arrival:
    return Arrival(PATH, uid, version, "" if version is None else str(version), removal)


@pytest.mark.parametrize(
    ("stored", "buried", "arrival", "decision"),
    [
        (None, None, _arrival(), Save()),
        (Known("a", 4), None, _arrival(), Save()),
        (Known("a", 9), None, _arrival(version=10), Save()),
        (Known("a", 10), None, _arrival(version=9), "not newer"),
        (Known("a", 5), None, _arrival(), "not newer"),
        (Known("a", 5), None, _arrival(version=None), Save()),
        (Known("a", None), None, _arrival(), Save()),
        (Known("b", 4), None, _arrival(), Save(replaces=True)),
        (Known("b", 99), None, _arrival(), Save(replaces=True)),
        (Known("", 4), None, _arrival(), Save()),
        (Known("a", 4), None, _arrival(uid=""), Save()),
        (None, Known("a", 4), _arrival(), "deleted"),
        (None, Known("a", 4), _arrival(version=None), "deleted"),
        (None, Known("b", 4), _arrival(), Save()),
        (None, Known("b", 99), _arrival(), Save()),
        (None, Known("", 7), _arrival(), "deleted"),
        (None, Known("", 4), _arrival(), Save()),
        (Known("b", 8), Known("a", 4), _arrival(), "deleted"),
        (Known("a", 4), None, _arrival(removal=True), Delete(Known("a", 5))),
        (Known("a", 9), None, _arrival(removal=True), Delete(Known("a", 9))),
        (Known("a", 9), None, _arrival(uid="", version=None, removal=True), Delete(Known("a", 9))),
        (Known("b", 9), None, _arrival(removal=True), "another one"),
        (None, None, _arrival(removal=True), Delete(Known("a", 5))),
        (None, Known("a", 5), _arrival(removal=True), Delete(Known("a", 5))),
    ],
)
def test_decisions(stored: Known | None, buried: Known | None, arrival: Arrival, decision: object) -> None:
    made = decide(stored, buried, arrival)
    if isinstance(decision, str):
        assert isinstance(made, Ignore)
        assert decision in made.reason
    else:
        assert made == decision


@pytest.mark.parametrize("kind", ["configmap", "secret", "service", "endpoints"])
@pytest.mark.parametrize(
    ("buried", "arrival", "decision"),
    [
        (Known("a", 5), 5, Save()),
        (Known("a", 5), 6, Save()),
        (Known("a", None), 5, Save()),
        (Known("a", 5), 4, "deleted"),
    ],
)
def test_what_was_taken_away_because_nobody_needed_it_may_come_back_unchanged(
    kind: str, buried: Known, arrival: int, decision: object
) -> None:
    path = ResourcePath("default", kind, "web")
    made = decide(None, buried, Arrival(path, "a", arrival, str(arrival), removal=False))
    assert isinstance(made, Ignore) if decision == "deleted" else made == decision


def _message(operation: str, resource: str, content: Any, version: str = "") -> Message:
    return new_message(
        source="edgecontroller",
        group="resource",
        operation=operation,
        resource=resource,
        now_ms=1,
        content=content,
        resource_version=version,
    )


def test_the_version_comes_from_the_header_else_from_the_object() -> None:
    body = {"metadata": {"name": "web", "uid": "a", "resourceVersion": "7"}}
    assert read_arrival(_message("update", "default/pod/web", body, "9")).version == 9
    assert read_arrival(_message("update", "default/pod/web", body)).version == 7
    assert read_arrival(_message("delete", "default/pod/web", None)).removal
    endless = {"metadata": {"name": "web", "resourceVersion": "9" * 5000}}
    assert read_arrival(_message("update", "default/pod/web", endless)).version is None


@pytest.mark.parametrize(
    ("resource", "content", "field"),
    [
        ("default/pod/web", None, "content"),
        ("default/pod/web", "text", "content"),
        ("default/pod/web", {"metadata": []}, "content.metadata.name"),
        ("default/pod/web", {"metadata": {"name": 5}}, "content.metadata.name"),
        ("default/nothing/web", {}, "unknown type"),
        ("web", {}, "segments"),
        ("../pod/web", {}, "not a Kubernetes name"),
    ],
)
def test_what_cannot_be_stored_is_named(resource: str, content: Any, field: str) -> None:
    with pytest.raises(ViaductError, match=field):
        read_arrival(_message("update", resource, content))


def test_statuses_that_say_the_same_have_the_same_text() -> None:
    one = podstatus.canonical({"UID": "u", "Name": "n", "Status": {"a": 1, "b": 2}})
    other = podstatus.canonical({"Status": {"b": 2, "a": 1}, "Name": "n", "UID": "u"})
    assert one == other


@pytest.mark.parametrize(("content", "field"), [(None, "Status"), ({"Status": 1}, "Status"), ({"Status": {}, "UID": 5}, "UID")])
def test_a_status_of_another_shape_is_refused(content: Any, field: str) -> None:
    with pytest.raises(MalformedPayload, match=field):
        podstatus.canonical(content)


def test_full_reports_go_by_namespace() -> None:
    text = '{"UID":"u","Name":"n","Status":{}}'
    paths = [ResourcePath("a", "podstatus", "1"), ResourcePath("b", "podstatus", "2"), ResourcePath("a", "podstatus", "3")]
    reports = podstatus.full_reports([(path, text) for path in paths], now_ms=1)
    assert [(report.route.resource, len(report.content)) for report in reports] == [("a/podstatus", 2), ("b/podstatus", 1)]
