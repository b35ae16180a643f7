"""What an upload is on the wire, and what of it is refused (P5.9)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cloudcore.errors import Refused
from cloudcore.records.record import MAX_TOPIC, Record, greediest, record_of, topic_of
from tests.wire.recording import recordings
from viaduct.codec import decode
from viaduct.message import Message, new_message


def _upload(resource: str = "SYS/dis/upload_records", content: Any = "x") -> Message:
    return new_message(source="bus", group="user", operation="upload", resource=resource, now_ms=5, content=content, msg_id="m1")


def test_the_recorded_upload_becomes_a_record_of_its_node() -> None:
    (recorded,) = [each for each in recordings("core") if each.name == "mqtt-upload-named"]
    record = record_of("edge1", decode(recorded.text), 9)
    assert record == Record("edge1", "$hw/events/upload/shift/1", "v-1", 1581066000000, 9, "payload as text")


@pytest.mark.parametrize(
    ("resource", "topic"),
    [
        ("SYS/dis/upload_records", "SYS/dis/upload_records"),
        ("JGh3L2V2ZW50cy91cGxvYWQvc2hpZnQvMQ==", "$hw/events/upload/shift/1"),
        ("$hw/events/upload/é", "$hw/events/upload/é"),
        ("lamp", "lamp"),
        (base64.urlsafe_b64encode(b"factory/1").decode(), base64.urlsafe_b64encode(b"factory/1").decode()),
    ],
)
def test_a_topic_is_read_as_it_is_or_from_base64url_where_that_gives_an_upload_topic(resource: str, topic: str) -> None:
    assert topic_of(resource) == topic


@pytest.mark.parametrize("resource", ["", "a/+", "a/#", "a\0b", "a\nb", "a\x1b[2J", "t" * (MAX_TOPIC + 1)])
def test_what_is_no_topic_is_refused_by_the_name_of_the_field(resource: str) -> None:
    with pytest.raises(Refused, match=r"^route\.resource: "):
        record_of("edge1", _upload(resource), 1)


@pytest.mark.parametrize("content", [None, 1, {"a": 1}, ["x"], True])
def test_what_is_no_text_is_refused_by_the_name_of_the_field(content: Any) -> None:
    with pytest.raises(Refused, match=r"^content: "):
        record_of("edge1", _upload(content=content), 1)


def test_the_size_of_a_record_is_that_of_its_bytes() -> None:
    assert Record("n", "t", "m", 1, 1, "é").size - Record("n", "t", "m", 1, 1, "").size == 2


def test_room_is_made_by_the_node_that_has_most() -> None:
    assert greediest({"a": 5, "b": 9, "c": 1}) == "b"
