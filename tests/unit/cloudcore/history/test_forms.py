"""Samples in the words of InfluxDB, Prometheus, webhooks and MQTT (P5.12)."""

from __future__ import annotations

import json

import pytest
import snappy

from cloudcore.errors import Refused
from cloudcore.history import remotewrite
from cloudcore.history.lineprotocol import lines
from cloudcore.history.sample import Batch, batch_of, number_of
from cloudcore.history.text import mqtt_messages, webhook_body
from tests.unit.cloudcore.history.batches import T0, batch, message, series


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("21.5", 21.5), ("-3", -3.0), ("+3", 3.0), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("true", 1.0), ("false", 0.0),
        ("", None), ("nan", None), ("inf", None), ("1e999", None), ("0x10", None), ("1_000", None), (" 1", None), ("1 2", None),
        ("١", None), ("on", None),
    ],
)  # fmt: skip
def test_what_counts_as_a_number(text: str, number: float | None) -> None:
    assert number_of(text) == number


def test_a_message_is_a_batch_of_the_node_in_the_certificate() -> None:
    found = batch_of("edge7", message(series("1", "2"), series("a", name="u", kind="string")))
    assert (found.node, found.number, [one.property for one in found.series]) == ("edge7", 3, ["t", "u"])


@pytest.mark.parametrize("content", ["text", {}, {"packed": "%"}, {"packed": "AAAA"}, []])
def test_what_is_no_batch_is_refused_for_good_and_names_the_field(content: object) -> None:
    with pytest.raises(Refused, match=r"content\.packed|samples") as caught:
        batch_of("edge1", message(content=content))
    assert caught.value.code == 400


def test_line_protocol_has_numbers_and_texts_in_fields_of_their_own() -> None:
    found = [batch("21.5", "true", 'a "b" \\'), Batch("edge 1", [series("7", device="a.b", name="x,y=z")], 1)]
    assert lines(found, "bram ble").splitlines() == [
        rf"bram\ ble,device=thermo,node=edge1,property=t value=21.5 {T0}000000",
        rf"bram\ ble,device=thermo,node=edge1,property=t value=1.0 {T0 + 1000}000000",
        rf'bram\ ble,device=thermo,node=edge1,property=t text="a \"b\" \\" {T0 + 2000}000000',
        rf"bram\ ble,device=a.b,node=edge\ 1,property=x\,y\=z value=7.0 {T0}000000",
    ]


def test_remote_write_has_each_time_once_in_order_and_leaves_out_what_is_no_number() -> None:
    again = batch("22.5", first=T0 - 1000)
    data, unfit = remotewrite.body([batch("21.5", "on", "1"), again, batch("21.5"), batch("5", device="a")])
    request = remotewrite.WriteRequest.FromString(snappy.uncompress(data))
    assert unfit == 1
    told = [
        ({label.name: label.value for label in one.labels}, [(sample.timestamp, sample.value) for sample in one.samples])
        for one in request.timeseries
    ]
    name = {"__name__": "bramble_device_value", "node": "edge1", "property": "t"}
    assert told == [
        (name | {"device": "a"}, [(T0, 5.0)]),
        (name | {"device": "thermo"}, [(T0 - 1000, 22.5), (T0, 21.5), (T0 + 2000, 1.0)]),
    ]
    assert [label.name for label in request.timeseries[0].labels] == sorted(label.name for label in request.timeseries[0].labels)


def test_remote_write_on_the_wire_is_what_the_schema_of_prometheus_says() -> None:
    """By hand from prompb/types.proto: series 1, labels 1 (name 1, value 2), samples 2 (value 1 as double, timestamp 2 as varint)."""
    data, _ = remotewrite.body([Batch("n", [series("1", device="d", name="p", first=5)], 1)])
    labels = b"".join(
        b"\x0a" + bytes([len(pair)]) + pair
        for pair in (
            b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(value)]) + value
            for name, value in ((b"__name__", b"bramble_device_value"), (b"device", b"d"), (b"node", b"n"), (b"property", b"p"))
        )
    )
    sample = b"\x12\x0b\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\x05"
    body = labels + sample
    assert snappy.uncompress(data) == b"\x0a" + bytes([len(body)]) + body


def test_webhooks_and_brokers_get_json() -> None:
    data, unfit = webhook_body([batch("21.5", "ö")])
    points = [[T0, "21.5"], [T0 + 1000, "ö"]]
    assert json.loads(data) == {"samples": [{"node": "edge1", "device": "thermo", "property": "t", "type": "float", "points": points}]}
    assert unfit == 0
    found = list(mqtt_messages([batch("1", name="a/b#c+d")], "site/x"))
    assert found == [("site/x/edge1/thermo/a%2Fb%23c%2Bd", f'{{"type":"float","samples":[[{T0},"1"]]}}')]
