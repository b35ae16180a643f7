"""MQTT topics (contract 6.1)."""

from __future__ import annotations

import pytest

from viaduct import topics
from viaduct.topics import Matched, Request


@pytest.mark.parametrize(
    ("topic", "matched"),
    [
        ("$hw/events/device/d1/twin/update", Matched(Request.TWIN_UPDATE, "d1")),
        ("$hw/events/device/d1/twin/get", Matched(Request.TWIN_GET, "d1")),
        ("$hw/events/device/d1/twin/cloud_updated", Matched(Request.TWIN_CLOUD_UPDATED, "d1")),
        ("$hw/events/device/d1/state/update", Matched(Request.STATE_UPDATE, "d1")),
        ("$hw/events/node/n1/membership/get", Matched(Request.MEMBERSHIP_GET, "n1")),
        ("$hw/events/upload/any/thing", Matched(Request.UPLOAD, "$hw/events/upload/any/thing")),
        ("SYS/dis/upload_records", Matched(Request.UPLOAD, "SYS/dis/upload_records")),
        ("$hw/events/device/default/d1/twin/update", Matched(Request.TWIN_UPDATE, "d1", "default")),
        ("$hw/events/device/twin/get/twin/get", Matched(Request.TWIN_GET, "get", "twin")),
        ("$hw/events/device/default/d1/state/update", Matched(Request.STATE_UPDATE, "d1", "default")),
        *[
            (f"$hw/events/device/{name}/twin/update", Matched(Request.TWIN_UPDATE, name))
            for name in ("hw", "e", "device", "twin", "update")
        ],
    ],
)
def test_a_topic_is_matched_by_whole_levels_whatever_the_id(topic: str, matched: Matched) -> None:
    assert topics.match(topic) == matched


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "x",
        "$hw/events/device//twin/update",
        "$hw/events/device/d1/twin/update/result",
        "$hw/events/device/d1/twin/unknown",
        "$hw/events/device/default//twin/update",
        "$hw/events/device//d1/twin/update",
        "$hw/events/device/default/d1/twin/update/result",
        "$hw/events/node/default/n1/membership/get",
        "$hw/events/upload/",
    ],
)
def test_any_other_topic_is_nothing(topic: str) -> None:
    assert topics.match(topic) is None


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "$hw/x", False),
        ("$hw/#", "$hw/x", True),
        ("a/b", "a/b/c", False),
        ("+/b", "a/b", True),
    ],
)
def test_filters_match_as_mqtt_says(pattern: str, topic: str, matches: bool) -> None:
    assert topics.filter_matches(pattern, topic) is matches


@pytest.mark.parametrize(("address", "filters"), [("d", topics.PLAIN_SUBSCRIPTIONS), ("ns/d", topics.NAMESPACED_SUBSCRIPTIONS)])
def test_every_request_topic_is_among_the_subscriptions_of_its_form(address: str, filters: tuple[str, ...]) -> None:
    asked = [build(address) for build in (topics.twin_update, topics.twin_get, topics.state_update, topics.twin_cloud_updated)]
    for topic in (*asked, topics.membership_get("n")):
        assert topics.match(topic) is not None
        assert any(topics.filter_matches(pattern, topic) for pattern in (*topics.EDGE_SUBSCRIPTIONS, *filters))


@pytest.mark.parametrize("address", ["d", "ns/d", "twin/d", "d/twin", "state/twin"])
def test_what_we_publish_is_never_taken_for_a_request(address: str) -> None:
    said = (topics.twin_update_result, topics.twin_update_delta, topics.twin_update_document, topics.twin_get_result, topics.device_updated)
    for build in (*said, topics.state_update_result):
        assert topics.match(build(address)) is None
