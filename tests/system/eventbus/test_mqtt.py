"""EventBus and DeviceTwin against a real Mosquitto and foreign clients (contract 6, 7; promises C3, X7)."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.system.eventbus.conftest import LIMIT, Broker, Edge, until
from tests.system.mqtt import Client

UPDATE = "$hw/events/device/d1/twin/update"


def _pub(broker: Broker, topic: str, payload: str | bytes, *options: str) -> None:
    command = ["mosquitto_pub", "-p", str(broker.port), "-t", topic, "-s" if payload else "-n", *options]
    subprocess.run(command, input=payload if isinstance(payload, bytes) else payload.encode(), check=True, timeout=LIMIT)


def _body(value: str, event_id: str = "") -> str:
    return json.dumps({"event_id": event_id or value, "twin": {"t": {"actual": {"value": value}, "metadata": {"type": "Updated"}}}})


def _is_result(event_id: str) -> Any:
    return lambda topic, payload: topic == f"{UPDATE}/result" and payload["event_id"] == event_id


@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_a_foreign_client_reports_and_is_answered(edge: Edge, broker: Broker, qos: str) -> None:
    with Client(broker.port, f"{UPDATE}/#") as client:
        _pub(broker, UPDATE, _body("20"), "-q", qos)
        assert client.wait(_is_result("20"))["twin"]["t"]["actual"]["value"] == "20"
        assert client.wait(lambda topic, _: topic.endswith("/document"))["twin"]["t"]["current"]["actual"]["value"] == "20"
        assert client.wait(lambda topic, _: topic.endswith("/delta"))["delta"] == {"t": "-1"}


def test_a_foreign_client_listens(edge: Edge, broker: Broker) -> None:
    command = ["mosquitto_sub", "-p", str(broker.port), "-t", "$hw/events/device/d1/twin/get/result", "-C", "1", "-W", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listening:
        while listening.poll() is None:
            _pub(broker, "$hw/events/device/d1/twin/get", '{"event_id":"g1"}')
        assert listening.stdout is not None
        assert json.loads(listening.stdout.read())["event_id"] == "g1"


def test_a_thousand_pairs_in_quick_succession_are_answered_in_order_and_the_last_value_wins(edge: Edge, broker: Broker) -> None:
    wanted = [f"{number}{half}" for number in range(1000) for half in (0, 1)]
    with Client(broker.port, f"{UPDATE}/result") as client:
        results: list[str] = []
        for start in range(0, len(wanted), 200):
            for value in wanted[start : start + 200]:
                client.publish(UPDATE, _body(value))
            while len(results) < start + 200:
                results.append(json.loads(client.arrivals.get(timeout=LIMIT)[1])["event_id"])
    assert results == wanted
    (report,) = edge.owed()
    assert report["content"]["twin"]["t"]["actual"]["value"] == wanted[-1]  # type: ignore[index]


_DEEP = b'{"twin":' + b"[" * 50_000 + b"]" * 50_000 + b"}"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x00\xff\xfe garbage", "Unmarshal update request body failed, Please check the request"),
        (b"", "Unmarshal update request body failed, Please check the request"),
        (b'{"event_id":"', "Unmarshal update request body failed, Please check the request"),
        (_DEEP, "Unmarshal update request body failed, Please check the request"),
        (
            b'{"twin":{"t":{"actual":{"value":"' + b"9" * 300_000 + b'"}}}}',
            "Unmarshal update request body failed, Please check the request",
        ),
        (b'{"event_id":"x"}', "Update twin error, the update request body not have key:twin"),
    ],
    ids=["garbage", "nothing", "half", "deep", "300 KB", "no twin"],
)
def test_a_bad_payload_is_answered_with_400_and_the_next_update_counts(edge: Edge, broker: Broker, payload: bytes, reason: str) -> None:
    with Client(broker.port, f"{UPDATE}/result") as client:
        _pub(broker, UPDATE, payload)
        error = client.wait(lambda _, answer: answer.get("code") == 400)
        assert error["reason"] == reason
        _pub(broker, UPDATE, _body("20"))
        client.wait(_is_result("20"))
    assert edge.restarts() == {"twin": 0, "eventbus": 0}


def test_a_message_of_six_megabytes_is_read_past(edge: Edge, broker: Broker) -> None:
    with Client(broker.port, f"{UPDATE}/result") as client:
        client.publish(UPDATE, bytes(6 * 1024 * 1024))
        client.publish(UPDATE, _body("20"))
        client.wait(_is_result("20"))
    assert edge.restarts() == {"twin": 0, "eventbus": 0}


def test_half_a_connect_packet_of_a_stranger_harms_nobody(edge: Edge, broker: Broker) -> None:
    with broker.raw() as stranger, broker.raw() as noise:
        stranger.sendall(b"\x10\x20\x00\x04MQ")
        noise.sendall(bytes(range(256)) * 20)
        with Client(broker.port, f"{UPDATE}/result") as client:
            client.publish(UPDATE, _body("20"))
            client.wait(_is_result("20"))


def test_topics_that_ask_nothing_are_ignored(edge: Edge, broker: Broker) -> None:
    with Client(broker.port, "$hw/events/#") as client:
        for topic in ("$hw/events/device/d1/twin/nothing", "$hw/events/device//twin/update", "$hw/events/device/d1/twin/cloud_updated"):
            client.publish(topic, _body("66"))
        client.publish(UPDATE, _body("20"))
        client.wait(_is_result("20"))
    assert edge.owed()[0]["content"]["twin"]["t"]["actual"]["value"] == "20"  # type: ignore[index]


def test_a_broker_that_is_killed_and_comes_back_finds_us_again_and_current_deltas_are_said(edge: Edge, broker: Broker) -> None:
    broker.kill()
    until(lambda: edge.bus is not None and not edge.bus.connected)
    broker.start()
    with Client(broker.port, f"{UPDATE}/#") as client:
        assert client.wait(lambda topic, _: topic.endswith("/delta"))["delta"] == {"t": "-1"}
        edge.ready()
        client.publish(UPDATE, _body("20"))
        client.wait(_is_result("20"))
    assert edge.restarts() == {"twin": 0, "eventbus": 0}


def test_what_is_said_while_no_broker_answers_is_dropped_and_counted(edge: Edge, broker: Broker) -> None:
    bus = edge.ready()
    broker.kill()
    until(lambda: not any(worker.connected for worker in bus._publishers))
    edge.add("d2")
    until(lambda: bus.dropped >= 3)


def test_uploads_wait_for_the_cloud_in_their_order(edge: Edge, broker: Broker) -> None:
    with Client(broker.port) as client:
        for number in range(50):
            client.publish("$hw/events/upload/camera", str(number))
        client.publish("SYS/dis/upload_records", b"\xff").wait_for_publish(LIMIT)
    messages = until(lambda: len(edge.owed()) == 51 and edge.owed())
    routes = {json.dumps(message["route"], sort_keys=True) for message in messages[:50]}
    assert routes == {'{"group": "user", "operation": "upload", "resource": "$hw/events/upload/camera", "source": "bus"}'}
    assert [message["content"] for message in messages[:50]] == [str(number) for number in range(50)]
    assert messages[50]["route"]["resource"] == "SYS/dis/upload_records" and messages[50]["content"] == "�"


def test_the_cloud_publishes_and_subscribes_and_its_subscription_outlives_the_broker(edge: Edge, broker: Broker) -> None:
    with Client(broker.port, "lamp/#") as client:
        edge.tell("eventbus", "user", "message", "", {"message": "garbage"})
        edge.tell("eventbus", "user", "get_result", "nonsense", None)
        edge.tell("eventbus", "user", "publish", "lamp/1", "on")
        assert client.arrivals.get(timeout=LIMIT) == ("lamp/1", b"on")
    edge.tell("eventbus", "user", "subscribe", "factory/+", None)
    until(lambda: edge.database.read(lambda tx: tx.execute("SELECT topic FROM sub_topics").fetchall()) == [("factory/+",)])
    broker.kill()
    until(lambda: edge.bus is not None and not edge.bus.connected)
    broker.start()
    edge.ready()
    with Client(broker.port) as client:
        client.publish("factory/1", "42").wait_for_publish(LIMIT)
    (upload,) = until(edge.owed)
    assert (upload["route"]["resource"], upload["content"]) == ("factory/1", "42")


def test_a_change_of_the_link_never_shows_on_mqtt(edge: Edge, broker: Broker) -> None:
    with Client(broker.port, "#", "$hw/#") as client:
        edge.link(True)
        edge.link(False)
        client.publish(UPDATE, _body("20"))
        client.wait(_is_result("20"))
        client.publish("end", "null")
        seen = set()
        while (topic := client.arrivals.get(timeout=LIMIT)[0]) != "end":
            seen.add(topic)
    assert not any("connection" in topic for topic in seen)


def test_a_flood_waits_at_the_door_and_nothing_is_lost(edge: Edge, broker: Broker) -> None:
    with Client(broker.port, f"{UPDATE}/result") as client:
        infos = [client.publish(UPDATE, _body(str(number))) for number in range(900)]
        infos[-1].wait_for_publish(LIMIT)
        results = [json.loads(client.arrivals.get(timeout=LIMIT)[1])["event_id"] for _ in range(900)]
    assert results == [str(number) for number in range(900)]
