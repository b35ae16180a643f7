"""The serial driver through pyserial and pseudo-terminals that socat made, as an adapter that is plugged in, floods, and is pulled out."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from mappers.sdk.errors import DeviceAway, DeviceRefused, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.values import DataType
from mappers.serialport.driver import SerialDriver, SerialFamily
from mappers.serialport.ear import NEWS_SECONDS
from mappers.serialport.simulated import sentence
from tests.unit.mappers.serialport.made import device, wanted

pytestmark = pytest.mark.skipif(shutil.which("socat") is None, reason="needs socat")

LIMIT = 15.0
TEMPERATURE = wanted(name="temperature", send="TEMP?", pattern="TEMP={value}")
PRESSURE = wanted(name="pressure", send="PRES?", pattern="PRES={value}")
LABEL = wanted(DataType.STRING, name="label", writable=True, write="NAME {value}")
SAID = wanted(name="said", pattern="T:{value}")
LATITUDE = wanted(name="latitude", quantity="latitude")
SATELLITES = wanted(DataType.INT, name="satellites", quantity="satellites")


class Cable:
    """A pair of ends; ``pull`` takes it away as an adapter that is unplugged. ``far`` is where the tests play the instrument."""

    def __init__(self, folder: Path) -> None:
        self.near, self.far = folder / "near", folder / "far"
        self._process: subprocess.Popen[bytes] | None = None

    def plug(self) -> serial.Serial:
        ends = [f"pty,raw,echo=0,link={end}" for end in (self.near, self.far)]
        self._process = subprocess.Popen(["socat", *ends], stderr=subprocess.DEVNULL)
        eventually(lambda: self.near.exists() and self.far.exists())
        return serial.Serial(str(self.far), timeout=0.05)

    def pull(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(10)
            eventually(lambda: not self.near.exists())


class Instrument:
    """Answers each line by ``answers``; ``delay`` seconds late."""

    def __init__(self, port: serial.Serial, answers: dict[bytes, bytes]) -> None:
        self.answers = answers
        self.delay = 0.0
        self.heard: list[bytes] = []
        self._port = port
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)

    def _serve(self) -> None:
        try:
            while not self._stopped.is_set():
                line = self._port.readline().strip()
                if line:
                    self.heard.append(line)
                    self._stopped.wait(self.delay)
                    self._port.write(self.answers.get(line, b""))
        except (OSError, TypeError):
            pass


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    made = Cable(tmp_path)
    yield made
    made.pull()


def serve(family: SerialFamily, cable: Cable, *properties: Property, **config: object) -> SerialDriver:
    driver, reachable, problems = family.driver_for(described(cable, *properties, **config))
    assert (reachable, problems) == (properties, ())
    return driver


def described(cable: Cable, *properties: Property, **config: object) -> Device:
    return device(*properties, serialPort=str(cable.near), **{"timeout": 0.4, **config})


def eventually(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def test_an_instrument_is_asked_and_what_is_no_answer_is_passed_over(cable: Cable) -> None:
    instrument = Instrument(cable.plug(), {b"TEMP?": b"TEMP?\r\nbooting...\r\nTEMP=21.5\r\n"})
    driver = serve(SerialDriver.family(), cable, TEMPERATURE)
    driver.open()
    assert driver.read(TEMPERATURE) == 21.5
    driver.close()
    instrument.stop()


def test_an_instrument_that_says_something_else_is_there_and_quoted(cable: Cable) -> None:
    instrument = Instrument(cable.plug(), {b"TEMP?": b"ERR 5\r\n"})
    driver = serve(SerialDriver.family(), cable, TEMPERATURE)
    driver.open()
    with pytest.raises(DeviceRefused, match="to 'TEMP\\?' it says 'ERR 5'"):
        driver.read(TEMPERATURE)
    driver.close()
    instrument.stop()


def test_a_late_answer_is_never_taken_for_the_answer_to_the_next_question(cable: Cable) -> None:
    level = wanted(name="level", send="L?")
    volume = wanted(name="volume", send="V?")
    instrument = Instrument(cable.plug(), {b"L?": b"1\r\n", b"V?": b"2\r\n"})
    driver = serve(SerialDriver.family(), cable, level, volume)
    driver.open()
    instrument.delay = 0.6
    with pytest.raises(DeviceAway, match="is not answered within"):
        driver.read(level)
    instrument.delay = 0.0
    assert driver.read(volume) == 2
    driver.close()
    instrument.stop()


def test_what_can_only_be_written_is_said_with_the_lines_end_and_kept(cable: Cable) -> None:
    instrument = Instrument(cable.plug(), {})
    driver = serve(SerialDriver.family(), cable, LABEL, lineEnding="\r\n")
    driver.open()
    with pytest.raises(DeviceRefused, match="was not yet"):
        driver.read(LABEL)
    driver.write(LABEL, "kiln 2")
    assert driver.read(LABEL) == "kiln 2"
    eventually(lambda: instrument.heard == [b"NAME kiln 2"])
    driver.close()
    instrument.stop()


def test_a_value_cannot_smuggle_a_second_command_in(cable: Cable) -> None:
    instrument = Instrument(cable.plug(), {})
    driver = serve(SerialDriver.family(), cable, LABEL, lineEnding=";")
    driver.open()
    with pytest.raises(ValueRefused, match="line's end"):
        driver.write(LABEL, "x;RESET")
    driver.close()
    instrument.stop()
    assert instrument.heard == []


def test_what_an_instrument_says_by_itself_is_news_and_read_without_asking(cable: Cable) -> None:
    far = cable.plug()
    driver = serve(SerialDriver.family(), cable, SAID)
    told: list[str] = []
    driver.on_news(told.append)
    talker = threading.Timer(0.2, lambda: far.write(b"T:21.5\r\n"))
    talker.start()
    driver.open()
    assert driver.read(SAID) == 21.5
    told.clear()
    # News is told once in NEWS_SECONDS at most.
    time.sleep(NEWS_SECONDS)
    far.write(b"noise\r\nT:22.5\r\n")
    eventually(lambda: told == ["said"])
    assert driver.read(SAID) == 22.5
    driver.close()


def test_an_instrument_that_falls_silent_is_away(cable: Cable) -> None:
    far = cable.plug()
    threading.Timer(0.2, lambda: far.write(b"T:21.5\r\n")).start()
    driver = serve(SerialDriver.family(), cable, SAID, silence=0.5)
    driver.open()
    assert driver.read(SAID) == 21.5
    eventually(lambda: is_away(driver, SAID))
    driver.close()


def test_nobody_who_talks_and_noise_are_told_apart(cable: Cable) -> None:
    far = cable.plug()
    driver = serve(SerialDriver.family(), cable, SAID, silence=0.5)
    with pytest.raises(DeviceAway, match="nothing comes from"):
        driver.open()
    driver.close()
    threading.Timer(0.2, lambda: far.write(b"\xfe\x81\xc3" * 200 + b"\n")).start()
    with pytest.raises(DeviceAway, match="is baudRate right"):
        driver.open()
    driver.close()


def test_a_position_receiver_is_read_although_some_of_its_sentences_are_damaged(cable: Cable) -> None:
    far = cable.plug()
    driver = serve(SerialDriver.family(), cable, LATITUDE, SATELLITES, format="nmea")
    good = sentence("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,")
    damaged = good.replace(b"4807", b"4907")
    half = good[:30]

    def talk() -> None:
        far.write(good[20:] + damaged + good + damaged + half)

    threading.Timer(0.2, talk).start()
    driver.open()
    assert (driver.read(LATITUDE), driver.read(SATELLITES)) == (48.1173, 8)
    far.write(good[30:].replace(b"08", b"09") + sentence("GPGLL,4907.038,N,01131.000,E,123519,A"))
    eventually(lambda: driver.read(LATITUDE) == 49.1173)
    assert driver.read(SATELLITES) == 8
    driver.close()


def test_a_receiver_without_satellites_says_so_and_is_not_away(cable: Cable) -> None:
    far = cable.plug()
    driver = serve(SerialDriver.family(), cable, LATITUDE, SATELLITES, format="nmea")
    threading.Timer(0.2, lambda: far.write(sentence("GPGGA,123519,,,,,0,00,99.9,,M,,M,,"))).start()
    driver.open()
    with pytest.raises(DeviceRefused, match="no satellites"):
        driver.read(LATITUDE)
    assert driver.read(SATELLITES) == 0
    driver.close()


def test_a_port_that_is_pulled_out_is_away_and_served_again_when_it_is_back(cable: Cable) -> None:
    instrument = Instrument(cable.plug(), {b"TEMP?": b"TEMP=21.5\r\n"})
    driver = serve(SerialDriver.family(), cable, TEMPERATURE)
    driver.open()
    assert driver.read(TEMPERATURE) == 21.5
    cable.pull()
    instrument.stop()
    eventually(lambda: is_away(driver, TEMPERATURE))
    driver.close()
    with pytest.raises(DeviceAway, match=r"near cannot be opened"):
        driver.open()
    driver.close()
    instrument = Instrument(cable.plug(), {b"TEMP?": b"TEMP=22.5\r\n"})
    driver.open()
    assert driver.read(TEMPERATURE) == 22.5
    driver.close()
    instrument.stop()


def test_a_device_finds_the_port_back_while_another_still_holds_the_broken_one(cable: Cable) -> None:
    instrument = Instrument(cable.plug(), {b"TEMP?": b"TEMP=21.5\r\n", b"PRES?": b"PRES=1013\r\n"})
    family = SerialDriver.family()
    first, second = serve(family, cable, TEMPERATURE), serve(family, cable, PRESSURE)
    first.open()
    second.open()
    assert (first.read(TEMPERATURE), second.read(PRESSURE)) == (21.5, 1013.0)
    cable.pull()
    instrument.stop()
    eventually(lambda: is_away(first, TEMPERATURE))
    first.close()
    instrument = Instrument(cable.plug(), {b"TEMP?": b"TEMP=22.5\r\n", b"PRES?": b"PRES=1014\r\n"})
    first.open()
    assert first.read(TEMPERATURE) == 22.5
    assert is_away(second, PRESSURE)
    second.open()
    assert second.read(PRESSURE) == 1014.0
    first.close()
    assert second.read(PRESSURE) == 1014.0
    second.close()
    instrument.stop()


def test_a_port_belongs_to_one_program_and_one_setting(cable: Cable) -> None:
    cable.plug()
    family = SerialDriver.family()
    driver = serve(family, cable, TEMPERATURE)
    driver.open()
    with pytest.raises(DeviceAway, match="cannot be opened"):
        serve(SerialDriver.family(), cable, TEMPERATURE).open()
    with pytest.raises(DeviceAway, match="in use with other settings"):
        serve(family, cable, TEMPERATURE, baudRate=4800).open()
    driver.close()
    other = serve(family, cable, TEMPERATURE, baudRate=4800)
    other.open()
    other.close()


@pytest.mark.parametrize("flood", [b"x" * 4096, b"T:1\n" * 1024, b"\n" * 4096], ids=["no line at all", "lines", "blank lines"])
def test_a_device_that_floods_takes_neither_memory_nor_the_others_time(cable: Cable, tmp_path: Path, flood: bytes) -> None:
    calm_cable = Cable(tmp_path / "calm")
    calm_cable.near.parent.mkdir()
    instrument = Instrument(calm_cable.plug(), {b"TEMP?": b"TEMP=21.5\r\n"})
    far = cable.plug()
    far.write_timeout = 0.5
    stopped = threading.Event()

    def pour() -> None:
        try:
            while not stopped.is_set():
                far.write(flood)
        except (OSError, TypeError):
            pass

    pouring = threading.Thread(target=pour, daemon=True)
    driver, calm = serve(SerialDriver.family(), cable, SAID), serve(SerialDriver.family(), calm_cable, TEMPERATURE, timeout=2)
    told: list[str] = []
    driver.on_news(told.append)
    tracemalloc.start()
    pouring.start()
    try:
        try:
            driver.open()
        except DeviceAway:
            assert flood.strip(b"\nx") == b""
        calm.open()
        before, _ = tracemalloc.get_traced_memory()
        # An answer that the flood holds up for longer than the time limit fails the read.
        for _ in range(100):
            assert calm.read(TEMPERATURE) == 21.5
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        stopped.set()
        cable.pull()
        driver.close()
        calm.close()
        instrument.stop()
        calm_cable.pull()
    assert after - before < 200_000
    assert len(told) < 100


def test_a_closed_driver_leaves_no_thread_and_no_open_port(cable: Cable) -> None:
    cable.plug()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    driver = serve(SerialDriver.family(), cable, TEMPERATURE)
    for _ in range(20):
        driver.open()
        driver.close()
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == (threads, files)


def is_away(driver: SerialDriver, prop: Property) -> bool:
    try:
        driver.read(prop)
    except DeviceAway:
        return True
    return False
