"""The loop that follows the profile file; promises I1, X7."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mappers.sdk import twin
from mappers.sdk.conversation import Pace
from mappers.sdk.mapper import GONE_SECONDS, Mapper, description_faults
from mappers.sdk.profile import Device
from mappers.sdk.profilefile import ProfileFile
from tests.fakes.driver import FakeBroker, FakeDevice, FakeFamily
from tests.unit.mappers.made import encoded, profile, wanted
from tests.unit.mappers.test_worker import eventually
from viaduct import topics
from viaduct.faults import Fault


class Bench:
    """A mapper whose profile the test writes and whose clock it moves."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "devices" / "default" / "deviceProfile.json"
        self.family = FakeFamily()
        self.broker = FakeBroker()
        self.now = 0.0
        self.mapper = Mapper(self.family, self.broker, ProfileFile(self.path), Pace(poll=0.02), clock=lambda: self.now)

    def write(self, *names: str, port: int = 5020) -> None:
        body = profile()
        body["deviceInstances"] = [{"id": name, "name": name, "protocol": f"p-{name}", "model": "m"} for name in names]
        body["protocols"] = [
            {"name": f"p-{name}", "protocol": "modbus-tcp", "protocol_config": {"ip": "h", "port": port, "slaveID": "1"}} for name in names
        ]
        self.put(encoded(body))

    def put(self, content: bytes) -> None:
        """As EdgeCore does: a new file takes the place of the old one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".fresh")
        fresh.write_bytes(content)
        fresh.replace(self.path)
        self.mapper.look()

    def served(self) -> set[str]:
        return {topic.split("/")[3] for topic in self.broker.filters}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    ended = threading.Event()
    ended.set()
    made.mapper.run(ended)


def test_a_profile_that_is_not_there_yet_is_waited_for_with_one_clear_line(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(3):
        bench.mapper.look()
    assert [record.getMessage() for record in caplog.records] == [f"{bench.path} is not there yet; waiting for it"]
    bench.write("a")
    assert bench.served() == {"a"}


def test_devices_come_and_go_with_the_profile(bench: Bench) -> None:
    bench.write("a", "b")
    assert bench.served() == {"a", "b"}
    bench.write("b", "c")
    assert bench.served() == {"b", "c"}
    eventually(lambda: any(topic == topics.twin_get("c") for topic, _ in bench.broker.said))


def test_a_profile_that_is_swapped_by_a_symbolic_link_is_followed(bench: Bench) -> None:
    bench.write("a")
    target = bench.path.parent / "..2026"
    bench.path.replace(target)
    os.symlink(target, bench.path)
    bench.mapper.look()
    assert bench.served() == {"a"}
    bench.path.unlink()
    bench.write("b")
    assert bench.served() == {"b"}


def test_a_device_that_did_not_change_is_left_alone_and_one_that_did_begins_anew(bench: Bench) -> None:
    bench.write("a")
    eventually(lambda: bench.family.devices["a"].opened == 1)
    bench.write("a", "b")
    assert bench.family.devices["a"].opened == 1
    bench.write("a", "b", port=6000)
    eventually(lambda: bench.family.devices["a"].opened == 2)


def test_a_device_that_only_moves_in_the_profile_is_left_alone(bench: Bench) -> None:
    bench.write("b")
    eventually(lambda: bench.family.devices["b"].opened == 1)
    bench.write("a", "b")
    eventually(lambda: bench.family.devices["a"].opened == 1)
    assert bench.family.devices["b"].opened == 1


@pytest.mark.parametrize("content", [b"", b'{"deviceInstances": [', b"nonsense", b"[]"])
def test_a_profile_that_cannot_be_read_changes_nothing_and_is_complained_about_once(
    content: bytes, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.write("a")
    bench.put(content)
    bench.mapper.look()
    assert bench.served() == {"a"}
    assert len([record for record in caplog.records if "what was read before still holds" in record.getMessage()]) == 1
    bench.write("b")
    assert bench.served() == {"b"}


def test_a_profile_that_is_a_folder_is_complained_about(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.path.mkdir(parents=True)
    bench.mapper.look()
    assert f"{bench.path}: cannot be read: Is a directory" in caplog.text


def test_a_profile_that_is_gone_for_a_moment_changes_nothing_and_for_good_takes_its_devices_along(bench: Bench) -> None:
    bench.write("a")
    bench.path.unlink()
    bench.mapper.look()
    bench.now += GONE_SECONDS / 2
    bench.mapper.look()
    assert bench.served() == {"a"}
    bench.now += GONE_SECONDS
    bench.mapper.look()
    assert bench.served() == set()
    bench.write("a")
    assert bench.served() == {"a"}


def test_one_bad_device_is_named_once_and_never_stops_the_others(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    body = json.loads(encoded(profile()))
    body["deviceInstances"].append({"id": "x", "name": "x", "protocol": "p-x", "model": "m"})
    body["protocols"].append({"name": "p-x", "protocol": "modbus-tcp", "protocol_config": {}})
    bench.put(encoded(body))
    bench.put(encoded(body | {"more": 1}))
    assert set(bench.family.devices) == {"thermometer"}
    assert caplog.text.count("deviceProfile.json: protocols[1].protocol_config.ip: is missing: x is not served") == 1


def test_devices_of_another_protocol_are_none_of_ours(bench: Bench) -> None:
    body = profile()
    body["protocols"][0]["protocol"] = "bluetooth"
    bench.put(encoded(body))
    assert bench.served() == set()


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"delta": 5}', b"\xff", b"x" * 300_000])
def test_garbage_from_the_broker_is_logged_with_its_topic_and_changes_nothing(
    payload: bytes, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.write("a")
    topic = twin.subscriptions("a")[1]
    bench.mapper.take(topic, payload)
    assert topic in caplog.text and "the message is ignored" in caplog.text
    assert bench.family.devices["a"].written == []


def test_a_message_for_a_device_that_is_not_served_is_ignored(bench: Bench) -> None:
    bench.mapper.take(twin.subscriptions("nobody")[1], b"garbage")


def test_a_device_that_hangs_delays_no_other_one(bench: Bench) -> None:
    held = threading.Event()
    bench.family.devices["dead"] = FakeDevice({"temperature": 1, "setpoint": 1}, hold_up=held)
    bench.write("dead", "live")
    for name in ("dead", "live"):
        bench.mapper.take(twin.subscriptions(name)[1], encoded({"delta": {"setpoint": "99"}}))
    eventually(lambda: bench.family.devices["live"].written == [] and bench.family.devices["live"].opened == 1)
    bench.mapper.take(twin.subscriptions("live")[1], encoded({"delta": {"setpoint": "120"}}))
    eventually(lambda: bench.family.devices["live"].written == [("setpoint", 120)], within=1.0)
    held.set()


def test_a_mapper_that_is_told_to_end_ends_within_two_seconds_also_when_a_device_hangs(bench: Bench) -> None:
    held = threading.Event()
    bench.family.devices["dead"] = FakeDevice({"temperature": 1}, hold_up=held)
    bench.write("dead", "live")
    ended = threading.Event()
    ended.set()
    started = time.monotonic()
    bench.mapper.run(ended)
    assert time.monotonic() - started < 2.0
    held.set()


def told(bench: Bench, device: str) -> tuple[str, list[dict[str, str]]]:
    """State and faults as EdgeCore, which answers here, was told them last."""
    for topic, payload in list(bench.broker.said):
        if topic == topics.twin_get(device):
            answer = {"event_id": json.loads(payload)["event_id"], "twin": {}}
            bench.mapper.take(topics.twin_get_result(device), encoded(answer))
    said = [json.loads(payload) for topic, payload in bench.broker.said if topic == topics.state_update(device)]
    return (said[-1]["state"], said[-1]["faults"]) if said else ("", [])


def test_a_device_that_is_described_wrongly_is_told_offline_with_what_a_person_has_to_mend(bench: Bench) -> None:
    body = json.loads(encoded(profile()))
    body["protocols"][0]["protocol_config"] = {}
    bench.put(encoded(body))
    reason = {"code": "DescriptionError", "reason": "ip: is missing"}
    eventually(lambda: told(bench, "thermometer") == ("offline", [reason]))
    bench.put(encoded(profile()))
    eventually(lambda: told(bench, "thermometer") == ("online", []))


def test_a_device_whose_model_is_not_there_is_told_by_the_mapper_of_its_protocol(bench: Bench) -> None:
    bench.put(encoded(profile(deviceModels=[])))
    eventually(lambda: told(bench, "thermometer")[0] == "offline")
    assert told(bench, "thermometer")[1][0]["reason"] == "model: there is no model 'm' in deviceModels"


@pytest.mark.parametrize(
    ("place", "change", "reason"),
    [
        ("deviceModels", {"dataType": "bytes"}, "dataType: expected int, float, boolean, string, got 'bytes'"),
        ("propertyVisitors", {"collectCycle": "often"}, "collectCycle: expected a whole number, got text"),
    ],
)
def test_a_property_that_is_described_wrongly_is_named_and_the_device_is_served(
    place: str, change: dict[str, str], reason: str, bench: Bench
) -> None:
    body = json.loads(encoded(profile()))
    entries = body["deviceModels"][0]["properties"] if place == "deviceModels" else body["propertyVisitors"]
    entries[1] |= change
    bench.put(encoded(body))
    fault = {"property": "setpoint", "code": "DescriptionError", "reason": reason}
    eventually(lambda: told(bench, "thermometer") == ("online", [fault]))


def test_a_description_that_is_wrong_in_another_way_is_told_though_the_device_goes_on(bench: Bench) -> None:
    body = json.loads(encoded(profile()))
    for wrong in ("bytes", "stream"):
        body["deviceModels"][0]["properties"][1]["dataType"] = wrong
        bench.put(encoded(body))
        eventually(lambda: [fault["reason"][-7:].strip("' ") for fault in told(bench, "thermometer")[1]] == [wrong])  # noqa: B023
    assert bench.family.devices["thermometer"].opened == 1


def test_what_a_driver_says_of_a_property_is_told_without_the_place_in_a_profile_that_nobody_wrote() -> None:
    device = Device("d", "m", "p", path="protocols[3].protocol_config", properties=(wanted(name="level"),))
    problems = ("propertyVisitors[0].visitorConfig.offset: expected 0 to 65535, got 70000", "protocols[3].protocol_config.port: is taken")
    assert description_faults(device, problems) == (
        Fault("level", "DescriptionError", "offset: expected 0 to 65535, got 70000"),
        Fault("", "DescriptionError", "port: is taken"),
    )


def test_what_was_counted_of_a_device_that_is_gone_stays_counted(bench: Bench) -> None:
    bench.write("a")
    eventually(lambda: sum(tally.reads for tally in bench.mapper.tallies()) > 3)
    bench.write("b")
    assert sum(tally.reads for tally in bench.mapper.tallies()) > 3
    eventually(lambda: bench.mapper.states() == ["online"])
