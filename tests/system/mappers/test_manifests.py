"""The manifests of examples/ through the whole road: kubectl, CloudCore, EdgeCore and its profile file, MQTT, the mapper, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts import Board, Site
from demo.stage import BIN, Running, run
from demo.steps import EXAMPLES
from mappers.serialport.simulated import Line, Oven, Receiver

pytestmark = pytest.mark.system

Start = Callable[..., Running]


@pytest.fixture
def start(site: Site, board: Board) -> Iterator[Start]:
    """Starts a mapper as it runs on a board: on the devices that EdgeCore tells, or with ``profile`` on the file that it lays down."""
    running: list[Running] = []

    def begin(name: str, *command: str | Path, profile: bool = False) -> Running:
        file = board.folder / "edged" / "devices" / "default" / "deviceProfile.json"
        flags = (*(("--profile", file) if profile else ()), "--broker", f"tcp://127.0.0.1:{board.mqtt}", "--poll", "0.2")
        running.append(site.stage.start(name, *command, *flags))
        return running[-1]

    yield begin
    for mapper in running:
        mapper.stop()
        site.stage.forget(mapper)


@pytest.fixture
def declare(site: Site, board: Board) -> Iterator[Callable[..., None]]:
    """Applies an example to this board, with other text in the place of what a test machine does not have."""
    declared: list[str] = []

    def apply(name: str, **instead: str) -> None:
        text = (EXAMPLES / f"{name}.yaml").read_text().replace("- edge1\n", f"- {board.node}\n")
        for old, new in instead.items():
            assert old in text
            text = text.replace(old, new)
        declared.append(name)
        site.kubectl("apply", "-f", "-", stdin=text)

    yield apply
    for name in declared:
        site.kubectl("delete", "device", name)
        site.kubectl("delete", "devicemodel", f"{name}-model")


def wired(state: Path, protocol: str) -> tuple[str | Path, ...]:
    return (sys.executable, "-m", "tests.system.mappers.wired", state, protocol)


def seen(state: Path) -> dict[str, Any]:
    return dict(json.loads(state.read_text()))


def reports(site: Site, device: str, **wanted: str) -> None:
    """Waits until the API shows these reported values."""
    for name, value in wanted.items():
        site.wait(f"{device}.{name} = {value}", lambda name=name, value=value: site.reported(device, name) == value, within=60)


def test_instruments_on_serial_lines(site: Site, start: Start, declare: Callable[..., None]) -> None:
    oven = Oven()
    with Line(oven.answer) as line, Line(lambda line: b"", Receiver().beat) as talking:
        declare("oven", **{"/dev/ttyUSB0": line.path})
        declare("receiver", **{"/dev/ttyACM0": talking.path})
        start("serial-mapper", BIN / "bramble-mapper", "serial", profile=True)
        temperature = site.wait("a temperature", lambda: site.reported("oven", "temperature"), within=60)
        assert 15 < float(temperature) < 30
        reports(site, "oven", setpoint="180", heating="off")
        site.desire("oven", "setpoint", "200")
        reports(site, "oven", setpoint="200")
        assert oven.setpoint == 200
        latitude = site.wait("a latitude", lambda: site.reported("receiver", "latitude"), within=60)
        assert float(latitude) == pytest.approx(52.52, abs=0.1)
        reports(site, "receiver", satellites="8")


def test_chips_on_an_i2c_bus(site: Site, start: Start, declare: Callable[..., None], tmp_path: Path) -> None:
    state = tmp_path / "state"
    declare("weather")
    declare("expander")
    start("i2c-mapper", *wired(state, "i2c"))
    temperature = site.wait("a temperature", lambda: site.reported("weather", "temperature"), within=60)
    assert 20 < float(temperature) < 30
    reports(site, "weather", pressure="10065")
    reports(site, "expander", **{"relay-0": "1", "direction": "252"})
    assert seen(state)["registers"][0] == 252
    site.desire("expander", "relay-1", "1")
    reports(site, "expander", **{"relay-1": "1"})
    site.wait("both relays", lambda: seen(state)["registers"][10] == 3)


def test_pins_of_the_board(site: Site, start: Start, declare: Callable[..., None], tmp_path: Path) -> None:
    state = tmp_path / "state"
    declare("cabinet")
    start("gpio-mapper", *wired(state, "gpio"))
    reports(site, "cabinet", door="open", lamp="ON", fan="40", water="0")
    assert seen(state)["levels"][27] == 0
    assert seen(state)["pwm"] == {"18": [25.0, 40.0]}
    state.with_suffix(".do").write_text("gpio 17 0\ngpio 22 0\ngpio 22 1\ngpio 22 0\n")
    reports(site, "cabinet", door="closed", water="2")
    site.desire("cabinet", "lamp", "OFF")
    reports(site, "cabinet", lamp="OFF")
    site.wait("the lamp's relay", lambda: seen(state)["levels"][27] == 1)


def test_a_wrong_register_shows_with_kubectl_and_on_the_board_and_is_gone_when_it_is_mended(
    site: Site, board: Board, start: Start, declare: Callable[..., None], tmp_path: Path
) -> None:
    declare("expander", **{'register: "0x0A"\n        shift: 1': 'register: "0x0A"\n        shift: 99'})
    start("i2c-mapper", *wired(tmp_path / "state", "i2c"))

    def health() -> dict[str, str]:
        conditions = site.get("device", "expander").get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == "Healthy"), {})

    site.wait("a condition", lambda: health().get("reason") == "DescriptionError", within=60)
    assert health()["status"] == "False" and "relay-1: shift: expected" in health()["message"]
    assert "relay-1: shift: expected" in site.kubectl("get", "devices", "-o", "wide")
    reports(site, "expander", **{"relay-0": "1"})
    described = run(BIN / "edgecore", "describe", "device", "expander", "--config", board.config)
    assert "relay-1" in described and "DescriptionError" in described
    mended = (EXAMPLES / "expander.yaml").read_text().replace("- edge1\n", f"- {board.node}\n")
    site.kubectl("apply", "-f", "-", stdin=mended)
    site.kubectl("wait", "--for=condition=Healthy", "device/expander", "--timeout=60s")
    assert health()["message"] == ""
