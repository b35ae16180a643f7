"""MQTT 3.1.1 as bytes: what we write, what we read in whatever pieces it comes, what we refuse."""

from __future__ import annotations

import pytest

from edgecore.eventbus import packets
from edgecore.eventbus.packets import Alive, BadPacket, Connected, Delivered, Parser, Received, Settled, Subscribed


@pytest.mark.parametrize(
    ("packet", "written"),
    [
        (packets.connect("id", keepalive=30), b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x1e\x00\x02id"),
        (packets.connect("i", keepalive=1, username="u", password="p"), b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x01\x00\x01i\x00\x01u\x00\x01p"),
        (packets.connect("i", keepalive=1, password="p"), b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x01\x00\x01i"),
        (packets.subscribe(5, ("a/#", "b"), 1), b"\x82\x0c\x00\x05\x00\x03a/#\x01\x00\x01b\x01"),
        (packets.publish("t", b"xy", qos=0, retain=False, packet_id=9), b"\x30\x05\x00\x01txy"),
        (packets.publish("t", b"xy", qos=1, retain=True, packet_id=9), b"\x33\x07\x00\x01t\x00\x09xy"),
        (packets.publish("t", b"", qos=2, retain=False, packet_id=65535), b"\x34\x05\x00\x01t\xff\xff"),
        (packets.publish("é", b"", qos=0, retain=False, packet_id=0), b"\x30\x04\x00\x02\xc3\xa9"),
        (packets.repeated(packets.publish("t", b"", qos=1, retain=False, packet_id=1)), b"\x3a\x05\x00\x01t\x00\x01"),
        (packets.acknowledge(258), b"\x40\x02\x01\x02"),
        (packets.release(258), b"\x62\x02\x01\x02"),
    ],
)
def test_a_packet_is_written_as_the_standard_says(packet: bytes, written: bytes) -> None:
    assert packet == written


@pytest.mark.parametrize("size", [0, 1, 120, 121, 200, 16_380, 16_381, 70_000, 2_097_152])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_message_of_any_length_is_read_as_it_was_written(size: int, qos: int) -> None:
    payload = bytes(size)
    packet = packets.publish("a/b", payload, qos=qos, retain=False, packet_id=7)
    assert Parser().feed(packet) == [Delivered("a/b", payload, 7 if qos else 0)]


_STREAM = b"".join(
    (
        b"\x20\x02\x00\x00",
        b"\x90\x04\x00\x05\x01\x80",
        packets.publish("$hw/events/device/d/twin/update", b"{}", qos=1, retain=False, packet_id=3),
        b"\x40\x02\x00\x09\x50\x02\x00\x0a\x70\x02\x00\x0b\xd0\x00",
        packets.publish("t", b"x" * 300, qos=0, retain=False, packet_id=0),
    )
)
_WANTED = [
    Connected(""),
    Subscribed(5, b"\x01\x80"),
    Delivered("$hw/events/device/d/twin/update", b"{}", 3),
    Settled(9),
    Received(10),
    Settled(11),
    Alive(),
    Delivered("t", b"x" * 300, 0),
]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, len(_STREAM)])
def test_packets_are_read_in_whatever_pieces_they_come(step: int) -> None:
    parser = Parser()
    found = [packet for at in range(0, len(_STREAM), step) for packet in parser.feed(_STREAM[at : at + step])]
    assert found == _WANTED


@pytest.mark.parametrize("step", [1000, 65536, 10**9])
def test_a_message_that_is_too_long_is_read_past_and_named(step: int) -> None:
    parser = Parser()
    stream = packets.publish("big", bytes(packets.MAX_PAYLOAD + packets.MAX_TOPIC + 1), qos=1, retain=False, packet_id=4) + b"\xd0\x00"
    found = [packet for at in range(0, len(stream), step) for packet in parser.feed(stream[at : at + step])]
    assert found == [Delivered("big", None, 4), Alive()]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\xff\xff\xff\xff\xff",
        b"\x30\x01\x00",
        b"\x32\x05\x00\x09t\x00\x01",
        b"\x34\x05\x00\x01t\x00\x01",
        b"\x30\x04\x00\x02\xff\xfe",
        b"\x10\x00",
        b"\x00\x00",
        b"\x40\x03\x00\x01\x02",
        b"\x20\x00",
        b"\xe0\x00",
    ],
)
def test_what_a_broker_does_not_send_is_refused(data: bytes) -> None:
    with pytest.raises(BadPacket):
        Parser().feed(data + bytes(120))


@pytest.mark.parametrize(("code", "words"), [(0, ""), (1, "3.1.1"), (4, "password"), (5, "authorised"), (77, "77")])
def test_a_refusal_of_the_broker_is_told_in_words(code: int, words: str) -> None:
    (packet,) = Parser().feed(bytes((0x20, 2, 0, code)))
    assert isinstance(packet, Connected)
    assert (packet.refusal == "") is (code == 0) and words in packet.refusal


def test_a_refused_subscription_is_seen() -> None:
    assert Subscribed(1, b"\x01\x80").refused and not Subscribed(1, b"\x01\x01").refused
