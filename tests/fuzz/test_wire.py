"""Hostile frames, resources, topics and device payloads: read or refused with the field, never anything else (X7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudcore.cloudhub import admission
from cloudcore.cloudhub.difference import held_from
from cloudcore.cloudhub.routing import kind_of, lane_of, target_of
from cloudcore.devicecontroller import reports
from cloudcore.edgecontroller import nodestatus, podstatus
from cloudcore.errors import Refused
from edgecore.eventbus import routing
from edgecore.metamanager.decisions import read_arrival
from edgecore.servicebus.calls import BadCall, parse_call
from mappers.sdk import twin
from tests.fuzz.hostile import each_spoilt, encoded, fuzzed, is_unicode, json_bodies, junk, refuses_well, spoilt, texts
from tests.wire.recording import recordings
from viaduct import deviceparse, topics
from viaduct.codec import decode, encode
from viaduct.errors import MalformedMessage, MalformedPayload, MalformedResource
from viaduct.resource import parse_device_resource, parse_resource

TWIN_UPDATE = {
    "event_id": "e",
    "timestamp": 1,
    "uid": "u",
    "twin": {
        "temperature": {
            "expected": {"value": "1", "metadata": {"timestamp": 2}},
            "actual": {"value": "2", "metadata": {"timestamp": 3}},
            "optional": True,
            "metadata": {"type": "int"},
            "expected_version": {"cloud": 4, "edge": 5},
            "actual_version": {"cloud": 4, "edge": 5},
        },
        "gone": None,
        "deleted": {"metadata": {"type": "deleted"}},
    },
}
DEVICE = {"id": "d", "name": "d", "attributes": {"a": {"value": "v", "optional": True, "metadata": {"type": "string"}}}, **TWIN_UPDATE}
MEMBERSHIP = {"event_id": "e", "timestamp": 1, "added_devices": [DEVICE], "removed_devices": [DEVICE]}
DETAIL = {"event_id": "e", "timestamp": 1, "devices": [DEVICE]}
STATE = {"event_id": "e", "timestamp": 1, "state": "online"}
CONTAINER = {"name": "c", "state": {"running": {"startedAt": "2024-01-01T00:00:00Z"}}, "lastState": {"terminated": {"finishedAt": ""}}}
CONDITION = {"type": "Ready", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"}
POD_STATUS = {
    "phase": "Running",
    "startTime": "2024-01-01T00:00:00Z",
    "conditions": [CONDITION],
    "initContainerStatuses": [CONTAINER],
    "containerStatuses": [CONTAINER],
}
HEADER = {"msg_id": "m", "timestamp": 1, "parent_msg_id": "p", "resourceversion": "5", "sync": True}
FRAMES = [
    {"header": HEADER, "route": route, "content": content}
    for route, content in (
        ({"source": "edged", "group": "meta", "operation": "update", "resource": "default/podstatus/web"}, POD_STATUS),
        (
            {"source": "edgecontroller", "group": "resource", "operation": "update", "resource": "default/pod/web"},
            {"metadata": {"name": "w", "resourceVersion": "5"}},
        ),
        ({"source": "twin", "group": "resource", "operation": "update", "resource": "device/d/twin/edge_updated"}, TWIN_UPDATE),
        ({"source": "router_rest", "group": "user", "operation": "POST", "resource": "8080:/a"}, {"header": {"a": ["b"]}, "body": "YQ=="}),
        ({"source": "eventbus", "group": "user", "operation": "publish", "resource": "a/b"}, {"message": {"topic": "t"}}),
    )
]


def read_and_written_again(frame: str | bytes) -> None:
    message = refuses_well(lambda: decode(frame), MalformedMessage)
    if message is not None:
        text = encode(message)
        assert text.encode("utf-8")
        assert decode(text) == message


def received_by_everyone(text: str | bytes) -> None:
    message = refuses_well(lambda: decode(text), MalformedMessage)
    if message is None:
        return
    kind_of(message)
    if refuses_well(lambda: target_of(message), Refused) is not None:
        assert isinstance(lane_of(message), str)
        refuses_well(lambda: admission.check("edge1", message, lambda node, resource: False), Refused)
    refuses_well(lambda: read_arrival(message), MalformedResource, MalformedPayload)
    refuses_well(lambda: parse_call(message), BadCall)
    match routing.order(message, "edge1"):
        case routing.PublishOrder(topic, payload):
            assert 0 < len(topic.encode()) <= 65_535 and isinstance(payload, bytes)
        case routing.Subscribe(topic):
            assert 0 < len(topic.encode()) <= 65_535
        case routing.Refused(reason):
            assert reason.encode()


FRAME_READERS = [read_and_written_again, received_by_everyone]


@pytest.mark.parametrize("reader", FRAME_READERS)
@pytest.mark.parametrize("good", FRAMES)
def test_a_frame_with_junk_in_any_place_is_read_or_refused_with_the_field(reader: Callable[[str], None], good: Any) -> None:
    for bad in each_spoilt(good):
        reader(encoded(bad))


@pytest.mark.parametrize("reader", FRAME_READERS)
@fuzzed
@given(data=st.data())
def test_a_damaged_frame_is_read_or_refused_with_the_field(reader: Callable[[bytes], None], data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([*FRAMES, *(recording.frame for recording in recordings("core"))]))
    reader(data.draw(json_bodies(good)))


@fuzzed
@given(text=junk.map(str) | texts | st.lists(texts, max_size=8).map("/".join))
def test_resources_and_topics_are_matched_or_refused(text: str) -> None:
    found = refuses_well(lambda: parse_resource(text), MalformedResource)
    assert found is None or (str(found) == text and text.isprintable())
    device = refuses_well(lambda: parse_device_resource(text), MalformedResource)
    assert device is None or device[0].isprintable()
    topics.match(text)
    topics.filter_matches(text, "a/b")
    topics.filter_matches("a/+/#", text)


PAYLOADS: list[tuple[Callable[[Any], Any], Any]] = [
    (deviceparse.parse_request, STATE),
    (deviceparse.parse_twin_update, TWIN_UPDATE),
    (deviceparse.parse_twin_sync, TWIN_UPDATE),
    (deviceparse.parse_state_update, STATE),
    (deviceparse.parse_membership, MEMBERSHIP),
    (deviceparse.parse_membership_detail, DETAIL),
    (lambda content: twin.hear(topics.twin_get_result("d"), content), TWIN_UPDATE),
    (lambda content: twin.hear(topics.twin_update_delta("d"), content), {**TWIN_UPDATE, "delta": {"temperature": "1"}}),
    (lambda content: twin.hear(topics.twin_update_result("d"), content), {"event_id": "e", "code": 404, "reason": "r"}),
]


@pytest.mark.parametrize(("read", "good"), PAYLOADS)
def test_a_device_payload_with_junk_in_any_place_is_read_or_refused(read: Callable[[Any], Any], good: Any) -> None:
    for bad in each_spoilt(good):
        found = refuses_well(lambda bad=bad: read(encoded(bad).encode()), MalformedPayload)
        assert is_unicode(repr(found))


@pytest.mark.parametrize(("read", "good"), PAYLOADS)
@fuzzed
@given(data=st.data())
def test_a_device_payload_is_read_or_refused_with_the_field(read: Callable[[Any], Any], good: Any, data: st.DataObject) -> None:
    body = data.draw(json_bodies(good))
    found = refuses_well(lambda: read(body), MalformedPayload)
    assert is_unicode(repr(found))


REPORTS: list[tuple[Callable[[Any], Any], Any]] = [
    (podstatus.pod_report, {"UID": "u", "Name": "web", "Status": POD_STATUS}),
    (podstatus.pod_reports, [{"UID": "u", "Name": "web", "Status": POD_STATUS}]),
    (nodestatus.node_report, {"metadata": {"labels": {"a": "b"}}, "status": {"conditions": [CONDITION]}}),
    (nodestatus.node_report, {"UID": "u", "Status": {"conditions": [CONDITION]}, "ExtendResources": None}),
    (reports.twin_report, TWIN_UPDATE),
    (reports.state_report, {"device": {"state": "online", "last_online": "2024-01-01 00:00:00"}}),
    (held_from, {"objects": [{"key": "default/pod/web", "uid": "u", "version": "5"}]}),
]


@pytest.mark.parametrize(("read", "good"), REPORTS)
@fuzzed
@given(data=st.data())
def test_what_a_node_reports_is_laid_over_what_is_known_or_refused_with_the_field(
    read: Callable[[Any], Any], good: Any, data: st.DataObject
) -> None:
    reported(read, data.draw(spoilt(good)))


@pytest.mark.parametrize(("read", "good"), REPORTS)
def test_a_report_with_junk_in_any_place_is_laid_over_what_is_known_or_refused(read: Callable[[Any], Any], good: Any) -> None:
    for bad in each_spoilt(good):
        reported(read, bad)


def reported(read: Callable[[Any], Any], content: Any) -> None:
    """As it comes in a frame: what no frame can hold is not reported."""
    try:
        frame = decode(encoded({"header": {"msg_id": "m"}, "route": {}, "content": content}))
    except MalformedMessage:
        return
    found = refuses_well(lambda: read(frame.content), Refused, MalformedPayload)
    for report in found if isinstance(found, list) else [found]:
        lay_over(report)


def lay_over(report: Any) -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    match report:
        case podstatus.PodReport():
            pod = podstatus.merged_pod({"metadata": {"name": "web", "uid": "u"}, "status": POD_STATUS}, report, now)
            assert pod is None or podstatus.has_ended(pod) in (True, False)
        case nodestatus.NodeReport():
            nodestatus.registered_node("edge1", report)
            nodestatus.merged_node({"status": {"conditions": [CONDITION]}}, report.status, now)
        case reports.Report():
            device = {"status": {"twins": [{"propertyName": "temperature", "desired": {"value": "1"}}]}}
            json.dumps(reports.merged(device, report, frozenset({"temperature"})), allow_nan=False)
