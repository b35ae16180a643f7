"""Every kind of message that the contract names for pods, nodes, configuration, MQTT, HTTP and volumes, as it stands on the wire."""

from __future__ import annotations

import json

import pytest

from tests.wire.recording import Recording, recordings
from viaduct.codec import decode, encode
from viaduct.message import acknowledge, is_acknowledgement
from viaduct.resource import KEEPALIVE_RESOURCE, parse_resource
from viaduct.vocabulary import WIRE_GROUP_TO_EDGE_GROUP, Operation

CORE = recordings("core")
_BY_NAME = {recording.name: recording for recording in CORE}
_OBJECTS = [
    r
    for r in CORE
    if "/" in r.frame["route"].get("resource", "") and r.frame["route"]["group"] in ("resource", "meta") and r.direction != "internal"
]


def test_there_is_a_recording_for_every_operation_that_crosses_the_wire() -> None:
    seen = {recording.frame["route"].get("operation") for recording in CORE}
    internal_or_devices = {Operation.GET, Operation.UPDATED, Operation.DISCONNECTED}
    assert {str(operation) for operation in Operation} - internal_or_devices - seen == set()


@pytest.mark.parametrize("recording", CORE, ids=lambda recording: recording.name)
def test_a_recording_is_read_and_written_again_as_it_was(recording: Recording) -> None:
    assert json.loads(encode(decode(recording.text))) == recording.frame


@pytest.mark.parametrize("recording", CORE, ids=lambda recording: recording.name)
def test_the_keys_of_an_envelope_stand_in_the_order_of_the_contract(recording: Recording) -> None:
    written = encode(decode(recording.text))
    assert list(json.loads(written)) == ["header", "route", "content"]
    assert written == recording.text


@pytest.mark.parametrize("recording", _OBJECTS, ids=lambda recording: recording.name)
def test_the_resource_of_an_object_is_within_the_grammar(recording: Recording) -> None:
    assert str(parse_resource(recording.frame["route"]["resource"])) == recording.frame["route"]["resource"]


@pytest.mark.parametrize("recording", [r for r in CORE if r.direction == "down"], ids=lambda recording: recording.name)
def test_what_goes_down_is_in_a_group_that_the_edge_knows_or_answers_a_question(recording: Recording) -> None:
    message = decode(recording.text)
    assert message.route.group in WIRE_GROUP_TO_EDGE_GROUP or message.header.parent_msg_id


def test_the_acknowledgement_that_we_make_is_the_recorded_one() -> None:
    made = acknowledge(decode(_BY_NAME["pod-insert"].text), now_ms=1581066000000)
    wanted = decode(_BY_NAME["acknowledgement"].text)
    assert (made.route, made.content, made.header.parent_msg_id) == (wanted.route, wanted.content, wanted.header.parent_msg_id)
    assert is_acknowledgement(made)


def test_a_keepalive_names_no_object() -> None:
    assert _BY_NAME["keepalive"].frame["route"]["resource"] == KEEPALIVE_RESOURCE
