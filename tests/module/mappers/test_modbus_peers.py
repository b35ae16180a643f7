"""The driver on slaves of other makers (modbus-tk, pyModbusTCP): a serial bus of two pseudo terminals, RTU frames over TCP, Modbus TCP."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mappers.modbus.driver import ModbusDriver, ModbusFamily
from mappers.sdk import profile
from mappers.sdk.driver import Driver
from mappers.sdk.errors import DeviceAway, DeviceRefused, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.testkit import Bench, DriverContract
from mappers.sdk.values import DataType, Limits, Value
from tests.fakes import modbuspage
from tests.fakes.fieldbus import SOCAT, Slaves, TcpSlave, cable, serial_bus, serial_device_server
from tests.unit.mappers.made import wanted
from tests.unit.mappers.test_worker import eventually

pytestmark = [pytest.mark.system, pytest.mark.skipif(SOCAT is None, reason="needs socat")]

INT, FLOAT, BOOLEAN, STRING = DataType.INT, DataType.FLOAT, DataType.BOOLEAN, DataType.STRING
READ_HOLDING = 3


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[tuple[str, Slaves]]:
    with serial_bus(tmp_path) as made:
        yield made


def rtu(port: str, unit: int, *properties: Property, **config: Any) -> Device:
    made = {"serialPort": port, "baudRate": 19200, "slaveID": unit} | config
    return Device(f"device-{unit}", "m", "modbus-rtu", made, properties, "protocols[0].protocol_config")


def tcp(port: int, *properties: Property, **config: Any) -> Device:
    made = {"ip": "127.0.0.1", "port": port, "slaveID": "1"} | config
    return Device(f"device-{port}", "m", "modbus-tcp", made, properties, "protocols[0].protocol_config")


def driver_of(device: Device, family: ModbusFamily | None = None) -> ModbusDriver:
    driver, _, problems = (family or ModbusDriver.family()).driver_for(device)
    assert not problems
    return driver


def opened(device: Device, family: ModbusFamily | None = None) -> ModbusDriver:
    driver = driver_of(device, family)
    driver.open()
    return driver


METER = (
    wanted(FLOAT, name="voltage", offset=0, limit=2, encoding="float32", writable=False),
    wanted(INT, name="energy", offset=2, limit=4, encoding="uint64", writable=False),
    wanted(FLOAT, name="target", offset=6, limit=2, encoding="float32", isRegisterSwap=True),
    wanted(INT, name="offset", offset=8, encoding="int16"),
    wanted(BOOLEAN, name="alarm", offset=9, bit=3),
    wanted(INT, name="door", offset=9, bit=15),
    wanted(STRING, name="label", offset=10, limit=4, encoding="text", isSwap=True),
    wanted(INT, name="setpoint", offset=14, limits=Limits(0, 500)),
    wanted(BOOLEAN, name="fan", register="CoilRegister", offset=0),
    wanted(INT, name="mode", register="CoilRegister", offset=1, limit=3),
    wanted(BOOLEAN, name="contact", register="DiscreteInputRegister", offset=0, writable=False),
    wanted(INT, name="humidity", register="InputRegister", offset=0, scale=0.1, writable=False),
)
REGISTERS = [0x4366, 0x3333, 0, 1, 0, 7, 0, 0x41A0, 0xFFFB, 0b1000, 0x7242, 0x6D61, 0, 0, 180]
HELD: dict[str, Value] = {
    "voltage": 230.2,
    "energy": 2**32 + 7,
    "target": 20.0,
    "offset": -5,
    "alarm": True,
    "door": 0,
    "label": "Bram",
    "setpoint": 180,
    "fan": True,
    "mode": 5,
    "contact": True,
    "humidity": 47,
}
SAMPLES: dict[str, tuple[Value, Value]] = {
    "target": (21.57, -3.5),
    "offset": (-1, 32767),
    "alarm": (False, True),
    "door": (1, 0),
    "label": ("up", "downward"),
    "setpoint": (185, 215),
    "fan": (False, True),
    "mode": (2, 7),
}


def meter(slaves: Slaves, unit: int = 1) -> None:
    slaves.add(unit, "holding", 0, REGISTERS)
    slaves.add(unit, "coil", 0, [1, 1, 0, 1])
    slaves.add(unit, "discrete", 0, [1])
    slaves.add(unit, "input", 0, [473])


class TestRtuOnAnotherMakersSlave(DriverContract):
    @pytest.fixture
    def bench(self, bus: tuple[str, Slaves]) -> Bench:
        port, slaves = bus
        meter(slaves)
        slaves.silent = {9}
        family = ModbusDriver.family()
        return Bench(family, rtu(port, 1, *METER), SAMPLES, rtu("/dev/no-such-port", 1, *METER), rtu(port, 9, *METER))


class TestRtuFramesOverTcp(DriverContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with cable(tmp_path) as (box, other), serial_device_server(box) as port:
            slaves = Slaves(other)
            slaves.start()
            meter(slaves)
            slaves.silent = {9}
            family, rtu_frames = ModbusDriver.family(), {"framing": "rtu"}
            yield Bench(
                family,
                tcp(port, *METER, **rtu_frames),
                SAMPLES,
                tcp(1, *METER, **rtu_frames),
                tcp(port, *METER, slaveID="9", **rtu_frames),
            )
            slaves.stop()


class TestTcpOnAnotherMakersSlave(DriverContract):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        slave = TcpSlave()
        slave.bank.set_holding_registers(0, REGISTERS)
        yield Bench(ModbusDriver.family(), tcp(slave.port, *METER), SAMPLES, tcp(1, *METER))
        slave.stop()


def test_all_four_tables_and_every_encoding_are_read_as_the_slave_holds_them(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    meter(slaves)
    driver = opened(rtu(port, 1, *METER))
    assert driver.read_all(METER) == HELD
    assert {each.name: driver.read(each) for each in METER} == HELD
    driver.close()


def test_a_device_is_read_with_one_question_for_each_table(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    meter(slaves)
    driver = opened(rtu(port, 1, *METER))
    driver.read_all(METER)
    assert sorted((each.function, each.offset, each.count) for each in slaves.asked) == [(1, 0, 4), (2, 0, 1), (3, 0, 15), (4, 0, 1)]
    driver.close()


HOLEY = tuple(wanted(name=f"p{offset}", offset=offset) for offset in (0, 1, 5, 6, 12))


def test_a_stretch_that_the_slave_refuses_is_read_in_pieces_and_that_is_remembered(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    slaves.add(1, "holding", 0, [10, 11])
    slaves.add(1, "holding", 5, [15, 16])
    slaves.add(1, "holding", 12, [22])
    driver = opened(rtu(port, 1, *HOLEY))
    expected = {"p0": 10, "p1": 11, "p5": 15, "p6": 16, "p12": 22}
    assert driver.read_all(HOLEY) == expected
    assert [(each.offset, each.count) for each in slaves.asked] == [(0, 13), (0, 2), (5, 2), (12, 1)]
    driver.close()
    driver.open()
    slaves.asked.clear()
    assert driver.read_all(HOLEY) == expected
    assert [(each.offset, each.count) for each in slaves.asked] == [(0, 2), (5, 2), (12, 1)]
    driver.close()


def test_one_register_that_is_not_there_does_not_hide_its_neighbours(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    slaves.add(1, "holding", 0, [10, 11, 12])
    properties = tuple(wanted(name=f"p{offset}", offset=offset) for offset in range(4))
    driver = opened(rtu(port, 1, *properties))
    found = driver.read_all(properties)
    assert [found[f"p{offset}"] for offset in range(3)] == [10, 11, 12]
    refusal = found["p3"]
    assert isinstance(refusal, DeviceRefused) and "illegal data address" in str(refusal)
    driver.close()


def test_a_bit_is_written_without_touching_the_others_of_its_register(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    slaves.add(1, "holding", 0, [0xA5A5])
    lamp = wanted(BOOLEAN, name="lamp", bit=1)
    driver = opened(rtu(port, 1, lamp))
    driver.write(lamp, True)
    assert slaves.held(1, "holding", 0) == [0xA5A7]
    driver.write(lamp, False)
    assert slaves.held(1, "holding", 0) == [0xA5A5]
    driver.close()


def test_several_registers_and_coils_are_written_with_one_question(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    meter(slaves)
    driver = opened(rtu(port, 1, *METER))
    by_name = {each.name: each for each in METER}
    for name in ("target", "setpoint", "mode", "fan"):
        driver.write(by_name[name], SAMPLES[name][0])
    assert [(each.function, each.offset) for each in slaves.asked] == [(16, 6), (6, 14), (15, 1), (5, 0)]
    driver.close()


@pytest.mark.parametrize(
    ("name", "value", "why"), [("offset", 40000, "int16"), ("label", "much too long", "13 bytes"), ("mode", 8, "CoilRegister")]
)
def test_a_value_that_does_not_fit_is_refused_before_the_slave_hears_of_it(
    bus: tuple[str, Slaves], name: str, value: Value, why: str
) -> None:
    port, slaves = bus
    meter(slaves)
    driver = opened(rtu(port, 1, *METER))
    with pytest.raises(ValueRefused, match=why):
        driver.write(next(each for each in METER if each.name == name), value)
    assert slaves.asked == []
    driver.close()


def test_a_late_answer_is_never_taken_for_another_slaves(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    slaves.add(1, "holding", 0, [111])
    slaves.add(2, "holding", 0, [222])
    family, register = ModbusDriver.family(), wanted(writable=False)
    slow, other = opened(rtu(port, 1, register, responseTimeout=60), family), opened(rtu(port, 2, register), family)
    slaves.delay = 0.15
    with pytest.raises(DeviceAway, match=r"unit 1 on .* does not answer within"):
        slow.read(register)
    assert other.read(register) == 222
    slow.close()
    other.close()


def test_two_devices_on_one_port_take_turns_on_one_connection(bus: tuple[str, Slaves], tmp_path: Path) -> None:
    port, slaves = bus
    for unit in (1, 2):
        slaves.add(unit, "holding", 0, [unit])
    (tmp_path / "by-id").symlink_to(port)
    family, register = ModbusDriver.family(), wanted(writable=False)
    drivers = {1: opened(rtu(port, 1, register), family), 2: opened(rtu(str(tmp_path / "by-id"), 2, register), family)}
    wrong: list[object] = []

    def read(unit: int) -> None:
        wrong.extend(value for value in (drivers[unit].read(register) for _ in range(20)) if value != unit)

    threads = [threading.Thread(target=read, args=(unit,)) for unit in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    units = [each.unit for each in slaves.asked]
    first, last = max(map(units.index, drivers)), min(len(units) - units[::-1].index(unit) for unit in drivers)
    assert len(units) == 40 and all(one != other for one, other in pairwise(units[first:last]))
    for driver in drivers.values():
        driver.close()


def test_a_port_that_another_process_holds_is_named_with_its_holder(bus: tuple[str, Slaves]) -> None:
    port, _ = bus
    script = f"import serial, time; s = serial.Serial({port!r}, exclusive=True); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DeviceAway, match=rf"{port} cannot be reached: it is in use by python3?\S* \(process {holder.pid}\)"):
            opened(rtu(port, 1, wanted()))
    finally:
        holder.terminate()
        holder.wait(10)


def test_a_port_in_use_by_a_mapper_is_closed_to_others(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    slaves.add(1, "holding", 0, [1])
    driver = opened(rtu(port, 1, wanted()))
    attempt = subprocess.run(
        [sys.executable, "-c", f"import serial; serial.Serial({port!r}, exclusive=True)"], capture_output=True, text=True
    )
    assert attempt.returncode != 0 and "lock" in attempt.stderr
    driver.close()


@pytest.mark.parametrize(("port", "why"), [("/dev/no-such-port", "there is no such port"), ("/etc/passwd", "it is no serial port")])
def test_a_port_that_is_none_is_said_in_words(port: str, why: str) -> None:
    with pytest.raises(DeviceAway, match=why):
        opened(rtu(port, 1, wanted()))


def test_settings_that_a_port_does_not_take_are_named(bus: tuple[str, Slaves]) -> None:
    """A pseudo terminal knows no parity."""
    port, _ = bus
    with pytest.raises(DeviceAway, match=r"it does not take 19200 baud 8E1"):
        opened(rtu(port, 1, wanted(), parity="even"))


def test_a_tcp_slave_that_was_restarted_is_read_at_the_next_question() -> None:
    slave = TcpSlave()
    register = wanted(writable=False)
    driver = opened(tcp(slave.port, register))
    assert driver.read(register) == 0
    slave.stop()
    again = TcpSlave(slave.port)
    again.bank.set_holding_registers(0, [7])
    eventually(lambda: _read(driver, register) == 7)
    driver.close()
    again.stop()


def _read(driver: Driver, register: Property) -> Value | None:
    try:
        driver.open()
        return driver.read(register)
    except DeviceAway:
        driver.close()
        return None


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="needs mbpoll")
class TestOurSimulatorAsAnotherMakersMasterSeesIt:
    """mbpoll stands on libmodbus."""

    def mbpoll(self, *arguments: str) -> str:
        done = subprocess.run(["mbpoll", "-1", "-0", "-o", "0.5", *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def simulator(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mappers.modbus.simulated", "--still", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self.where = process.stdout.readline().strip().removeprefix("listening on ")
        return process

    def test_over_tcp(self) -> None:
        with self.simulator("--port", "0") as process:
            port = self.where.rpartition(":")[2]
            assert "[0]: \t215" in self.mbpoll("-m", "tcp", "-p", port, "-t", "4", "-r", "0", "127.0.0.1")
            self.mbpoll("-m", "tcp", "-p", port, "-t", "4", "-r", "1", "127.0.0.1", "185")
            assert "[1]: \t185" in self.mbpoll("-m", "tcp", "-p", port, "-t", "4", "-r", "1", "127.0.0.1")
            assert "[0]: \t473" in self.mbpoll("-m", "tcp", "-p", port, "-t", "3", "-r", "0", "127.0.0.1")
            process.terminate()

    def test_over_a_serial_line(self, tmp_path: Path) -> None:
        with cable(tmp_path) as (master, other), self.simulator("--serial", other, "--baud", "19200") as process:
            serial_line = ("-m", "rtu", "-b", "19200", "-P", "none")
            assert "[0]: \t215" in self.mbpoll(*serial_line, "-t", "4", "-r", "0", master)
            self.mbpoll(*serial_line, "-t", "0", "-r", "0", master, "1")
            assert "[0]: \t1" in self.mbpoll(*serial_line, "-t", "0", "-r", "0", master)
            process.terminate()


def test_the_devices_of_the_documentation_are_read_and_written(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    serial_number = [int.from_bytes(pair, "big") for pair in (b"SN", b"-0", b"07", *[b"\0\0"] * 5)]
    slaves.add(1, "input", 0, [0x4366, 0x3333, 0xFF38, 0xFFFF, 0, 0, 0, 123_45, *serial_number, 0b1000])
    slaves.add(1, "holding", 0, [0b110])
    slaves.add(2, "holding", 0, [65_486])
    slaves.add(2, "coil", 0, [1])
    meter, room, _ = profile.parse(modbuspage.profile(port=port, parity="none")).devices
    family = ModbusDriver.family()
    first, second = opened(meter, family), opened(room, family)
    assert first.read_all(meter.properties) == {
        "voltage": 2302,
        "power": -200,
        "energy": 12345,
        "serial-number": "SN-007",
        "phase-lost": 1,
        "tariff": 0,
    }
    assert second.read_all(room.properties) == {"temperature": -50, "fan": 1}
    first.write(meter.properties[-1], 1)
    assert slaves.held(1, "holding", 0) == [0b111]
    first.close()
    second.close()


def test_the_time_that_a_question_may_take_is_kept(bus: tuple[str, Slaves]) -> None:
    port, slaves = bus
    slaves.silent = {1}
    driver = opened(rtu(port, 1, wanted(), responseTimeout=200))
    began = time.monotonic()
    with pytest.raises(DeviceAway):
        driver.read(wanted())
    assert 0.2 <= time.monotonic() - began < 2.0
    driver.close()
