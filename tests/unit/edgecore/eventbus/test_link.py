"""What can be published at all (promise X7)."""

from __future__ import annotations

import pytest

from edgecore.eventbus.link import is_topic


@pytest.mark.parametrize(
    ("topic", "publishable"),
    [
        ("$hw/events/device/d1/twin/update/result", True),
        ("a", True),
        ("é" * 100, True),
        ("", False),
        ("a/+", False),
        ("a/#", False),
        ("a\0b", False),
        ("a" * 65536, False),
    ],
)
def test_only_a_topic_that_mqtt_knows_is_published_on(topic: str, publishable: bool) -> None:
    assert is_topic(topic) is publishable
