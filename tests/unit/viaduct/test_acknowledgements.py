"""One acknowledgement for many messages (P4.9)."""

from __future__ import annotations

import json

import pytest

from tests.wire.recording import recordings
from viaduct import acknowledgements
from viaduct.codec import decode, encode
from viaduct.errors import MalformedPayload
from viaduct.message import Message, acknowledge, new_message, reply_to


def _request(number: int) -> Message:
    return new_message(source="s", group="resource", operation="update", resource="default/pod/p", now_ms=1, msg_id=f"m-{number}")


def _many(content: object) -> Message:
    return new_message(source="s", group="resource", operation="response", resource="acknowledgements", now_ms=1, content=content)


def test_acknowledgements_become_one_and_come_after_what_else_is_said() -> None:
    answer = reply_to(_request(9), {"data": 1}, now_ms=1)
    said = acknowledgements.gathered([*(acknowledge(_request(n), now_ms=1) for n in (1, 2)), answer], source="edgehub", now_ms=1)
    assert said[0] is answer
    assert acknowledgements.names_many(said[1])
    assert acknowledgements.named_in(said[1]) == ["m-1", "m-2"]


def test_one_that_is_alone_is_the_acknowledgement_of_kubeedge() -> None:
    alone = acknowledge(_request(1), now_ms=1)
    assert acknowledgements.gathered([alone], source="edgehub", now_ms=1) == [alone]
    assert acknowledgements.gathered([], source="edgehub", now_ms=1) == []


def test_more_than_the_most_are_several_messages() -> None:
    said = acknowledgements.gathered((acknowledge(_request(n), now_ms=1) for n in range(1001)), source="edgehub", now_ms=1)
    assert [len(acknowledgements.named_in(message)) for message in said] == [500, 500, 1]


@pytest.mark.parametrize(("name", "source"), [("acknowledgement-of-many-up", "edgehub"), ("acknowledgement-of-many-down", "cloudhub")])
def test_what_we_say_is_what_was_recorded(name: str, source: str) -> None:
    recording = next(recording for recording in recordings("core") if recording.name == name)
    (made,) = acknowledgements.gathered((acknowledge(_request(n), now_ms=1) for n in (1, 2, 3)), source=source, now_ms=1581066000000)
    frame = json.loads(encode(made))
    assert (frame["route"], frame["content"]) == (recording.frame["route"], recording.frame["content"])
    assert acknowledgements.named_in(decode(recording.text)) == ["m-1", "m-2", "m-3"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "content.acknowledged"),
        ("OK", "content.acknowledged"),
        ({"acknowledged": "m-1"}, "content.acknowledged"),
        ({"acknowledged": ["m-1"] * 501}, "content.acknowledged"),
        ({"acknowledged": ["m-1", 2]}, "content.acknowledged[1]"),
        ({"acknowledged": [""]}, "content.acknowledged[0]"),
        ({"acknowledged": ["x" * 600]}, "content.acknowledged[0]"),
    ],
)
def test_what_is_no_list_of_ids_is_refused_by_name(content: object, field: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        acknowledgements.named_in(_many(content))
    assert refused.value.field == field
