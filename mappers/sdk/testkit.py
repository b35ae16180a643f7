"""The contract of a driver as tests, for whoever writes one. A class of one's own tests gives a ``bench`` and inherits the claims::

    class TestThermometer(DriverContract):
        @pytest.fixture
        def bench(self) -> Bench:
            return Bench(ThermometerDriver.family(), device, {"setpoint": (180, 215)}, absent, hanging, misdescribed)

Needs nothing but the SDK; pytest collects it, any other runner may call it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from mappers.sdk.driver import Batching, Driver, Family
from mappers.sdk.errors import Coded, DeviceAway, DeviceRefused, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.rehearsal import Rehearsal, rehearsal
from mappers.sdk.values import KINDS, DataType, Limits, Value, to_text
from viaduct.faults import DESCRIPTION, is_code

TIME_LIMIT = 10.0
"""Seconds within which every call must have ended: that long a device may keep its own thread, and the stop of the mapper."""

_WRONG: Mapping[DataType, Value] = {DataType.INT: "text", DataType.FLOAT: "text", DataType.BOOLEAN: "text", DataType.STRING: 7}


@dataclass(frozen=True, slots=True)
class Bench:
    """What the claims are tried on.

    Attributes:
        device: one that answers.
        samples: two values, one unlike the other, that each of its writable properties can hold.
        absent: a device that is not there, so that ``open`` or the first ``read`` fails.
        hanging: one that takes questions and never answers; None where the protocol cannot wait for anybody.
        misdescribed: one of which something is described so that the driver cannot use it; None where it takes anything.
        time_limit: seconds that any call may take.
    """

    family: Family
    device: Device
    samples: Mapping[str, tuple[Value, Value]]
    absent: Device
    hanging: Device | None = None
    misdescribed: Device | None = None
    time_limit: float = TIME_LIMIT


class DriverContract:
    """Each method whose name begins with ``test_`` is one claim; a failure is an AssertionError that says what was seen."""

    def test_every_property_is_read_as_its_type(self, bench: Bench) -> None:
        with _opened(bench, bench.device) as (driver, reachable):
            _require(bool(reachable), "the bench's device has no property that can be reached")
            for wanted in reachable:
                value = driver.read(wanted)
                _require(_is_of(value, wanted.data_type), f"{wanted.name} is {wanted.data_type}, but {value!r} was read")

    def test_reading_all_at_once_gives_what_reading_each_gives(self, bench: Bench) -> None:
        with _opened(bench, bench.device) as (driver, reachable):
            if not isinstance(driver, Batching):
                return
            found = driver.read_all(reachable)
            _require(found.keys() == {wanted.name for wanted in reachable}, f"asked for all, got {sorted(found)}")
            for wanted in reachable:
                value = found[wanted.name]
                _require(not isinstance(value, DeviceRefused), f"{wanted.name} alone can be read, with the others: {value}")
                _require(_is_of(value, wanted.data_type), f"{wanted.name} is {wanted.data_type}, but {value!r} was read with the others")

    def test_what_is_written_is_read_back(self, bench: Bench) -> None:
        with _opened(bench, bench.device) as (driver, reachable):
            for wanted, (one, other) in _samples(bench, reachable):
                for value in (one, other, one):
                    driver.write(wanted, value)
                    held = driver.read(wanted)
                    _require(held == value, f"{wanted.name} was set to {value!r} and holds {held!r}")

    def test_a_value_of_another_type_is_refused_and_nothing_changes(self, bench: Bench) -> None:
        with _opened(bench, bench.device) as (driver, reachable):
            for wanted, (value, _) in _samples(bench, reachable):
                driver.write(wanted, value)
                _refused(partial(driver.write, wanted, _WRONG[wanted.data_type]), ValueRefused)
                _require(driver.read(wanted) == value, f"{wanted.name} changed although the value was refused")

    def test_a_value_outside_the_limits_is_refused_and_nothing_changes(self, bench: Bench) -> None:
        with _opened(bench, bench.device) as (driver, reachable):
            for wanted, (one, other) in _samples(bench, reachable):
                if isinstance(one, str | bool) or isinstance(other, str | bool):
                    continue
                narrow = replace(wanted, limits=Limits(wanted.limits.minimum, min(one, other)))
                driver.write(narrow, min(one, other))
                _refused(partial(driver.write, narrow, max(one, other)), ValueRefused)
                _require(driver.read(narrow) == min(one, other), f"{wanted.name} changed although the value was refused")

    def test_a_property_that_it_does_not_know_is_refused(self, bench: Bench) -> None:
        stranger = Property("no-such-property", DataType.INT, writable=True)
        with _opened(bench, bench.device) as (driver, _):
            _refused(lambda: driver.read(stranger), DeviceRefused)
            _refused(lambda: driver.write(stranger, 1), DeviceRefused, ValueRefused)

    def test_closing_twice_or_before_opening_does_no_harm_and_it_opens_again(self, bench: Bench) -> None:
        driver, reachable, _ = bench.family.driver_for(bench.device)
        driver.close()
        for _again in range(2):
            driver.open()
            driver.read(reachable[0])
            driver.close()
            driver.close()

    def test_reading_a_closed_device_says_that_it_is_away(self, bench: Bench) -> None:
        driver, reachable, _ = bench.family.driver_for(bench.device)
        _refused(lambda: driver.read(reachable[0]), DeviceAway)

    def test_a_device_that_is_not_there_is_away_in_words(self, bench: Bench) -> None:
        driver, reachable, _ = bench.family.driver_for(bench.absent)
        try:
            fault = _refused(lambda: _first_read(driver, reachable), DeviceAway)
            _require(bool(str(fault)), "the error says nothing")
        finally:
            driver.close()

    def test_a_device_that_never_answers_is_away_within_the_time_limit(self, bench: Bench) -> None:
        if bench.hanging is None:
            return
        driver, reachable, _ = bench.family.driver_for(bench.hanging)
        faults: list[Exception | None] = []
        visit = threading.Thread(target=lambda: faults.append(_fault_of(lambda: _first_read(driver, reachable))), daemon=True)
        visit.start()
        visit.join(bench.time_limit)
        _require(not visit.is_alive(), f"a call still waits after {bench.time_limit:g} s")
        driver.close()
        _require(isinstance(faults[0], DeviceAway), f"expected DeviceAway, got {faults[0]!r}")

    def test_a_description_that_it_cannot_use_is_told_with_what_is_wrong(self, bench: Bench) -> None:
        if bench.misdescribed is None:
            return
        with rehearsal(bench.family, bench.misdescribed) as stage:
            told = stage.wait(lambda: any(fault.code == DESCRIPTION for fault in stage.edgecore.faults), within=bench.time_limit)
            _require(told, f"EdgeCore was told {stage.edgecore.faults}, no {DESCRIPTION}")
            _require(all(fault.reason for fault in stage.edgecore.faults), "a fault says nothing")

    def test_a_device_that_is_not_there_is_told_offline_with_a_code(self, bench: Bench) -> None:
        with rehearsal(bench.family, bench.absent) as stage:
            _require(stage.wait(lambda: stage.edgecore.state == "offline", within=bench.time_limit), f"it is {stage.edgecore.state!r}")
            of_device = [fault for fault in stage.edgecore.faults if not fault.property]
            _require(bool(of_device) and bool(of_device[0].reason), f"offline, and what is wrong is {stage.edgecore.faults}")

    def test_a_device_that_answers_is_told_online_without_a_fault_and_counted(self, bench: Bench) -> None:
        with rehearsal(bench.family, bench.device) as stage:
            _require(stage.wait(lambda: stage.edgecore.state == "online", within=bench.time_limit), f"it is {stage.edgecore.state!r}")
            _require(stage.wait(lambda: stage.number("reads_total") > 0, within=bench.time_limit), "no read was counted")
            _require(not stage.edgecore.faults, f"all is well, but EdgeCore was told {stage.edgecore.faults}")
            _require(stage.number("devices") == 1, stage.numbers())

    def test_a_desired_value_that_is_refused_is_told_and_no_more_once_another_is_desired(self, bench: Bench) -> None:
        _, reachable, _ = bench.family.driver_for(bench.device)
        for wanted, (good, _) in _samples(bench, reachable):
            with rehearsal(bench.family, bench.device) as stage:
                stage.edgecore.desire(wanted.name, to_text(good))
                if wanted.data_type is DataType.STRING:
                    continue  # any text is one
                stage.edgecore.desire(wanted.name, "nonsense")
                told = stage.wait(lambda name=wanted.name: _is_at_fault(stage, name), within=bench.time_limit)  # type: ignore[misc]
                _require(told, f"{wanted.name} cannot be 'nonsense', but EdgeCore was told {stage.edgecore.faults}")
                stage.edgecore.desire(wanted.name, to_text(good))
                gone = stage.wait(lambda name=wanted.name: not _is_at_fault(stage, name), within=bench.time_limit)  # type: ignore[misc]
                _require(gone, f"{wanted.name} is {good!r}, and still at fault: {stage.edgecore.faults}")


def _is_at_fault(stage: Rehearsal, name: str) -> bool:
    return any(fault.property == name for fault in stage.edgecore.faults)


def _first_read(driver: Driver, reachable: tuple[Property, ...]) -> None:
    driver.open()
    driver.read(reachable[0])


@contextmanager
def _opened(bench: Bench, device: Device) -> Iterator[tuple[Driver, tuple[Property, ...]]]:
    driver, reachable, problems = bench.family.driver_for(device)
    _require(not problems, f"the bench's device is not described well: {'; '.join(problems)}")
    driver.open()
    try:
        yield driver, reachable
    finally:
        driver.close()


def _samples(bench: Bench, reachable: tuple[Property, ...]) -> Iterator[tuple[Property, tuple[Value, Value]]]:
    for wanted in reachable:
        if wanted.writable:
            _require(wanted.name in bench.samples, f"the bench has no samples for {wanted.name}, which can be written")
            yield wanted, bench.samples[wanted.name]


def _is_of(value: object, data_type: DataType) -> bool:
    return type(value) is KINDS[data_type]


def _fault_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as fault:
        return fault
    return None


def _refused(call: Callable[[], object], *expected: type[Coded]) -> Exception:
    fault = _fault_of(call)
    if not isinstance(fault, expected):
        names = " or ".join(kind.__name__ for kind in expected)
        raise AssertionError(f"expected {names}, got {fault!r}") from fault
    _require(not fault.code or is_code(fault.code), f"{fault.code!r} is no code: letters and digits, a capital first")
    return fault


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
