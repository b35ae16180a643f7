"""A device's thread: reads, reports, writes what is desired; promises I1, D5."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from mappers.sdk import twin
from mappers.sdk.conversation import Pace
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Limits
from mappers.sdk.worker import INBOX, BrokerBack, Described, Worker
from tests.fakes.driver import FakeBatchingDevice, FakeBroker, FakeDevice
from tests.unit.mappers.made import encoded, wanted
from viaduct import topics
from viaduct.faults import Fault

GET, DELTA, UPDATE = twin.subscriptions("d")
PROPERTIES = (
    wanted(name="temperature", writable=False),
    wanted(name="setpoint", limits=Limits(50, 350)),
    wanted(DataType.INT, name="missing"),
)


def eventually(claim: Callable[[], object], within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.002)


class Bench:
    """A worker with a device and an EdgeCore in memory. ``answers``: whether EdgeCore answers; ``expected``: its desired values."""

    def __init__(self, *, poll: float = 0.02, properties: tuple[Property, ...] = PROPERTIES) -> None:
        self.device = FakeDevice({"temperature": 215, "setpoint": 180})
        self.broker = FakeBroker()
        self.answers = True
        self.knows = True
        self.expected: dict[str, str] = {}
        self.actual: dict[str, str] = {}
        self.worker = Worker("d", self.device, properties, self._publish, Pace(poll=poll))

    def delta(self, **values: str) -> None:
        self.expected |= values
        self.hear(DELTA, {"twin": {}, "delta": values})

    def hear(self, topic: str, body: Any) -> None:
        self.worker.tell(twin.hear(topic, encoded(body)))

    def said(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for found, payload in self.broker.said if found == topic]

    def states(self) -> list[str]:
        return [body["state"] for body in self.said(topics.state_update("d"))]

    def _publish(self, topic: str, payload: str) -> bool:
        if not self.broker.publish(topic, payload):
            return False
        body = json.loads(payload)
        if not self.answers:
            return True
        if not self.knows:
            answer = {"event_id": body["event_id"], "code": 404, "reason": "not found"}
            self.hear(GET if topic == topics.twin_get("d") else UPDATE, answer)
        elif topic == topics.twin_get("d"):
            self.hear(GET, {"event_id": body["event_id"], "twin": {n: {"expected": {"value": v}} for n, v in self.expected.items()}})
        elif topic == topics.twin_update("d"):
            self.actual |= {name: entry["actual"]["value"] for name, entry in body["twin"].items()}
            self.hear(UPDATE, {"event_id": body["event_id"], "twin": {}})
        return True


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.worker.stop()
    made.worker.join(2.0)


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.worker.start()
    eventually(lambda: bench.actual == {"temperature": "215", "setpoint": "180"})
    return bench


def test_values_and_state_are_reported_and_a_property_that_cannot_be_read_does_not_hide_the_others(running: Bench) -> None:
    assert running.states() == ["online"]


def test_a_change_is_reported_and_no_change_is_not(running: Bench) -> None:
    before = len(running.said(topics.twin_update("d")))
    running.device.held["temperature"] = 321
    eventually(lambda: running.actual["temperature"] == "321")
    opened = time.monotonic()
    eventually(lambda: time.monotonic() > opened + 0.1)
    assert len(running.said(topics.twin_update("d"))) == before + 1


def test_a_desired_value_is_written_read_back_and_reported(running: Bench) -> None:
    running.delta(setpoint="185")
    eventually(lambda: running.actual["setpoint"] == "185")
    assert running.device.written == [("setpoint", 185)]


def test_a_device_that_cannot_tell_what_it_holds_before_it_was_written_is_written(running: Bench) -> None:
    running.device.mute = {"setpoint"}
    running.delta(setpoint="185")
    eventually(lambda: running.actual["setpoint"] == "185")
    assert running.device.written == [("setpoint", 185)]


def test_what_a_device_tells_by_itself_is_reported_before_the_next_poll() -> None:
    bench = Bench(poll=3600)
    bench.worker.start()
    eventually(lambda: bench.actual.get("temperature") == "215")
    bench.device.held |= {"temperature": 222, "setpoint": 60}
    bench.device.told("temperature")
    bench.device.told("nonsense")
    eventually(lambda: bench.actual["temperature"] == "222")
    assert bench.actual["setpoint"] == "180"
    bench.worker.stop()
    bench.worker.join(5)


def test_a_property_with_a_cycle_of_its_own_is_read_at_that_and_the_others_at_the_mappers_pace() -> None:
    quick, slow = (replace(one, cycle=cycle) for one, cycle in zip(PROPERTIES[:2], (0.02, 0.0), strict=True))
    bench = Bench(poll=3600, properties=(quick, slow))
    bench.worker.start()
    eventually(lambda: len(bench.actual) == 2)
    bench.device.held |= {quick.name: 222, slow.name: 60}
    eventually(lambda: bench.actual[quick.name] == "222")
    bench.device.held[quick.name] = 223
    eventually(lambda: bench.actual[quick.name] == "223")
    assert bench.actual[slow.name] == "180"
    bench.worker.stop()
    bench.worker.join(5)


def test_a_driver_that_reads_all_at_once_is_asked_once_for_all_and_one_refusal_does_not_hide_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.device = device = FakeBatchingDevice({"temperature": 215, "setpoint": 180})
    bench.worker = Worker("d", device, PROPERTIES, bench._publish, Pace(poll=0.02))
    bench.worker.start()
    eventually(lambda: bench.actual == {"temperature": "215", "setpoint": "180"} and len(device.questions) > 3)
    assert set(device.questions) == {("temperature", "setpoint", "missing")}
    assert [r.getMessage() for r in caplog.records if "cannot be read" in r.getMessage()] == [
        "d: missing cannot be read: there is no such register"
    ]
    bench.worker.stop()
    bench.worker.join(5)


def test_a_driver_that_knows_when_trying_again_makes_sense_is_asked_then(bench: Bench) -> None:
    bench.device.is_away, bench.device.again_in = True, 0.0
    began = time.monotonic()
    bench.worker.start()
    eventually(lambda: bench.device.opened >= 12)
    # Left to the SDK the waits would have doubled each time: 0.02 s x 2^11 is 40 s.
    assert time.monotonic() - began < 5
    bench.device.again_in = 3600.0
    tried = bench.device.opened
    eventually(lambda: bench.device.opened == tried + 1)
    assert not bench.worker._stopped.wait(0.2) and bench.device.opened == tried + 1


def test_what_was_desired_before_the_mapper_came_is_written(bench: Bench) -> None:
    bench.expected = {"setpoint": "190"}
    bench.worker.start()
    eventually(lambda: bench.actual.get("setpoint") == "190")
    assert bench.device.written == [("setpoint", 190)]


def test_a_desired_value_that_the_device_holds_is_reported_and_not_written(running: Bench) -> None:
    running.expected = {"setpoint": "180"}
    running.worker.tell(BrokerBack())
    eventually(lambda: len(running.said(topics.twin_get("d"))) == 2 and len(running.said(topics.twin_update("d"))) == 2)
    assert running.device.written == []


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("temperature", "3", "read-only"),
        ("setpoint", "49", "minimum 50"),
        ("setpoint", "20 °C", "without a unit"),
        ("nonsense", "1", "no such property"),
    ],
)
def test_what_cannot_be_written_is_logged_once_and_nothing_else_happens(
    name: str, text: str, why: str, running: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        running.delta(**{name: text})
    running.device.held["temperature"] = 500
    eventually(lambda: running.actual["temperature"] == "500")
    found = [record.getMessage() for record in caplog.records if "is not written" in record.getMessage()]
    assert len(found) == 1 and why in found[0] and name in found[0]
    assert running.device.written == []


def test_a_device_that_takes_a_value_and_does_not_keep_it_is_tried_again_later(running: Bench, caplog: pytest.LogCaptureFixture) -> None:
    running.device.sticky = {"setpoint"}
    running.delta(setpoint="185")
    eventually(lambda: len(running.device.written) == 1)
    running.device.sticky = set()
    eventually(lambda: running.actual["setpoint"] == "185")
    assert len(running.device.written) == 2
    assert "it took the value but holds 180" in caplog.text


def test_a_device_that_goes_away_is_reported_offline_and_its_return_online(running: Bench) -> None:
    running.device.is_away = True
    eventually(lambda: running.states()[-1] == "offline")
    running.device.is_away = False
    eventually(lambda: running.states()[-1] == "online")


def test_one_lost_answer_is_no_news(running: Bench) -> None:
    opened = running.device.opened
    running.device.is_away = True
    eventually(lambda: running.device.opened > opened)
    running.device.is_away = False
    running.device.held["temperature"] = 1
    eventually(lambda: running.actual["temperature"] == "1")
    assert running.states() == ["online"]


def test_a_wish_for_a_device_that_is_away_is_fulfilled_when_it_returns(running: Bench) -> None:
    running.device.is_away = True
    running.delta(setpoint="185")
    eventually(lambda: running.states()[-1] == "offline")
    running.device.is_away = False
    eventually(lambda: running.actual["setpoint"] == "185")


def test_a_wish_that_was_withdrawn_while_the_device_was_away_is_not_written(running: Bench) -> None:
    running.device.is_away = True
    running.delta(setpoint="185")
    eventually(lambda: running.states()[-1] == "offline")
    running.expected = {}
    asked = len(running.said(topics.twin_get("d")))
    running.device.is_away = False
    eventually(lambda: len(running.said(topics.twin_get("d"))) > asked and running.states()[-1] == "online")
    assert running.device.written == []


def test_a_device_that_edgecore_does_not_know_yet_is_asked_for_until_it_does(bench: Bench) -> None:
    bench.knows = False
    bench.worker.start()
    eventually(lambda: len(bench.said(topics.twin_get("d"))) == 2)
    assert bench.said(topics.twin_update("d")) == [] and bench.states() == []
    bench.knows = True
    eventually(lambda: bench.actual == {"temperature": "215", "setpoint": "180"})


def test_everything_is_reported_again_after_edgecore_forgot_the_device(running: Bench) -> None:
    running.knows = False
    running.device.held["temperature"] = 1
    eventually(lambda: len(running.said(topics.twin_get("d"))) == 2)
    running.knows, running.actual = True, {}
    eventually(lambda: running.actual == {"temperature": "1", "setpoint": "180"})
    assert running.states() == ["online", "online"]


def test_what_is_newest_is_said_when_the_broker_returns(running: Bench) -> None:
    running.broker.is_away = True
    for value in range(50):
        running.device.held["temperature"] = value
    polls = running.device.opened
    running.broker.is_away = False
    running.worker.tell(BrokerBack())
    eventually(lambda: running.actual["temperature"] == "49")
    assert running.device.opened == polls


def test_a_thread_that_has_nothing_to_do_uses_no_time(bench: Bench) -> None:
    bench.worker = Worker("d", bench.device, PROPERTIES, bench._publish, Pace(poll=3600.0))
    bench.worker.start()
    eventually(lambda: "setpoint" in bench.actual)
    bench.broker.is_away = True
    bench.delta(setpoint="185")
    eventually(lambda: bench.device.written == [("setpoint", 185)])
    before, until = time.process_time(), time.monotonic() + 0.3
    eventually(lambda: time.monotonic() > until)
    # The waiting itself, in steps of 2 ms, costs some.
    assert time.process_time() - before < 0.15


def test_a_flood_of_messages_for_a_busy_device_is_bounded_and_ends_with_the_newest_wish(running: Bench) -> None:
    running.device.hold_up = threading.Event()
    for number in range(INBOX * 4):
        running.delta(setpoint=str(100 + number % 200))
    assert running.worker._inbox.qsize() <= INBOX
    running.device.hold_up.set()
    newest = running.expected["setpoint"]
    eventually(lambda: running.actual["setpoint"] == newest)


def test_a_fault_of_ours_costs_one_device_a_pause(
    running: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mappers.sdk.worker.FAULT_SECONDS", 0.05)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(running.device, "read", lambda wanted: 1 // 0)
        eventually(lambda: "a fault of ours" in caplog.text)
    running.device.held["temperature"] = 7
    eventually(lambda: running.actual["temperature"] == "7")


def test_a_worker_that_waits_ends_at_once(running: Bench) -> None:
    started = time.monotonic()
    running.worker.stop()
    running.worker.join(2.0)
    assert time.monotonic() - started < 0.5


def test_every_value_of_a_property_that_is_marked_for_collection_is_published_as_it_is_read() -> None:
    bench = Bench(properties=(replace(PROPERTIES[0], collected=True, report=60.0), PROPERTIES[1]))
    bench.worker.start()
    try:
        eventually(lambda: bench.actual == {"temperature": "215", "setpoint": "180"})
        bench.device.held["temperature"] = 321
        eventually(lambda: len(bench.said(topics.data_update("d"))) >= 5)
        bodies = [body["data"] for body in bench.said(topics.data_update("d"))]
        assert all(body.keys() == {"temperature"} for body in bodies)
        assert bodies[-1]["temperature"]["value"] == "321" and bodies[-1]["temperature"]["metadata"]["type"] == "int"
        assert bench.actual["temperature"] == "215", "the twin hears of it once in its cycle"
    finally:
        bench.worker.stop()
        bench.worker.join(2.0)


def _faults(bench: Bench) -> list[tuple[str, str]]:
    """What EdgeCore was told last, by property and code."""
    told = bench.said(topics.state_update("d"))
    return [(fault.get("property", ""), fault["code"]) for fault in told[-1]["faults"]] if told else []


def test_a_property_that_cannot_be_read_is_told_as_a_fault_while_the_device_is_online(bench: Bench) -> None:
    bench.worker.start()
    eventually(lambda: _faults(bench) == [("missing", "ReadRefused")])
    assert bench.states()[-1] == "online"
    bench.device.held["missing"] = 1
    eventually(lambda: bench.said(topics.state_update("d"))[-1]["faults"] == [])


def test_a_fault_that_stays_is_told_once(bench: Bench) -> None:
    bench.worker.start()
    eventually(lambda: _faults(bench) == [("missing", "ReadRefused")])
    told = len(bench.said(topics.state_update("d")))
    time.sleep(0.5)
    assert len(bench.said(topics.state_update("d"))) == told


def test_a_device_that_is_away_is_told_with_why_and_all_is_well_when_it_is_back(bench: Bench) -> None:
    bench.device.held["missing"] = 1
    bench.worker.start()
    eventually(lambda: bench.states() == ["online"])
    bench.device.is_away = True
    eventually(lambda: (bench.states()[-1], _faults(bench)) == ("offline", [("", "DeviceAway")]))
    assert bench.said(topics.state_update("d"))[-1]["faults"][0]["reason"] == "it is switched off"
    bench.device.is_away = False
    eventually(lambda: (bench.states()[-1], _faults(bench)) == ("online", []))


@pytest.mark.parametrize(
    ("value", "code"),
    [("400", "OutOfRange"), ("warm", "ValueRefused")],
)
def test_a_desired_value_that_can_never_be_is_told_until_another_one_is_desired(value: str, code: str, bench: Bench) -> None:
    bench.device.held["missing"] = 1
    bench.worker.start()
    eventually(lambda: bench.states() == ["online"])
    bench.delta(setpoint=value)
    eventually(lambda: _faults(bench) == [("setpoint", code)])
    assert value in bench.said(topics.state_update("d"))[-1]["faults"][0]["reason"]
    bench.delta(setpoint="200")
    eventually(lambda: _faults(bench) == [])


def test_a_desired_value_that_is_withdrawn_is_no_fault_any_more_within_a_minute(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.sdk.worker.RECALL_SECONDS", 0.3)
    bench.device.held["missing"] = 1
    bench.worker.start()
    eventually(lambda: bench.states() == ["online"])
    bench.delta(temperature="1")
    eventually(lambda: _faults(bench) == [("temperature", "ReadOnly")])
    bench.expected.clear()
    eventually(lambda: _faults(bench) == [])


def test_what_is_described_wrongly_is_told_and_follows_the_profile(bench: Bench) -> None:
    bench.device.held["missing"] = 1
    bench.worker.tell(Described((Fault("x", "DescriptionError", "register: is missing"),)))
    bench.worker.start()
    eventually(lambda: _faults(bench) == [("x", "DescriptionError")])
    bench.worker.tell(Described(()))
    eventually(lambda: _faults(bench) == [])


def test_a_fault_of_ours_is_told_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mappers.sdk.worker.FAULT_SECONDS", 0.05)
    bench.device.held["missing"] = 1
    bench.worker.start()
    eventually(lambda: bench.states() == ["online"])
    read, bench.device.read = bench.device.read, lambda wanted: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    eventually(lambda: _faults(bench) == [("", "InternalError")])
    bench.device.read = read  # type: ignore[method-assign]
    eventually(lambda: _faults(bench) == [])


def test_what_is_done_is_counted(bench: Bench) -> None:
    bench.worker.start()
    bench.delta(setpoint="200")
    eventually(lambda: bench.device.written == [("setpoint", 200)])
    bench.device.is_away = True
    eventually(lambda: bench.worker.tally.failures["DeviceAway"] > 0)
    tally = bench.worker.tally
    assert (tally.reads > 1, tally.writes, tally.reports > 0) == (True, 1, True)
    assert tally.failures["ReadRefused"] > 0
    assert sum(tally.writing.counts) == 1 and sum(tally.reading.counts) >= tally.reads
