"""Settings of a mapper and the command line; promise X7."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mappers.modbus import poke, simulated
from mappers.modbus.registers import Table
from mappers.modbus.registertext import parse_registers
from mappers.sdk import cli
from mappers.sdk.config import parse_address, settle
from mappers.sdk.errors import SettingError


def test_a_flag_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default() -> None:
    file = {"poll": 5, "refresh": 50, "broker": {"url": "tcp://file:1"}}
    found = settle({"poll": "7"}, {"BRAMBLE_POLL": "6", "BRAMBLE_REFRESH": "60"}, file)
    assert (found.poll, found.refresh, found.broker, found.log_level) == (7.0, 60.0, "tcp://file:1", "info")


@pytest.mark.parametrize(
    ("flags", "environment", "file", "key"),
    [
        ({"poll": "fast"}, {}, None, "--poll"),
        ({"poll": "0"}, {}, None, "--poll"),
        ({"poll": "nan"}, {}, None, "--poll"),
        ({"broker": "127.0.0.1:1883"}, {}, None, "--broker"),
        ({"broker": "http://h"}, {}, None, "--broker"),
        ({"broker": "tcp://h:99999"}, {}, None, "--broker"),
        ({"broker": "tcp://h:0"}, {}, None, "--broker"),
        ({"broker": "tcp://u:p@h:1"}, {}, None, "--broker"),
        ({"broker": "tcp://h:1/x"}, {}, None, "--broker"),
        ({"log_level": "loud"}, {}, None, "--log-level"),
        ({}, {"BRAMBLE_DEADBAND": "-1"}, None, "BRAMBLE_DEADBAND"),
        ({}, {}, {"poll": True}, "poll"),
        ({}, {}, {"broker": {"url": 5}}, "broker.url"),
        ({}, {}, {"broker": {"uri": "x"}}, "broker.uri"),
        ({}, {}, {"pol": 1}, "pol"),
        ({}, {}, {"broker": "tcp://h"}, "broker"),
        ({}, {}, ["poll"], "the settings file"),
        ({}, {}, {"profile": "two\nlines"}, "profile"),
        ({"metrics_address": "localhost"}, {}, None, "--metrics-address"),
        ({"metrics_address": "127.0.0.1:0"}, {}, None, "--metrics-address"),
        ({}, {}, {"metricsAddress": 70000}, "metricsAddress"),
        ({"node": "a/b"}, {}, None, "--node"),
        ({"node": "+"}, {}, None, "--node"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, str | None], environment: dict[str, str], file: Any, key: str) -> None:
    with pytest.raises(SettingError) as refused:
        settle(flags, environment, file)
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("text", "address"),
    [("9150", ("127.0.0.1", 9150)), ("127.0.0.1:9150", ("127.0.0.1", 9150)), ("[::1]:9150", ("::1", 9150)), (":9150", ("127.0.0.1", 9150))],
)
def test_numbers_are_served_on_loopback_unless_another_address_is_named(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


def test_without_a_word_nothing_listens_and_no_file_is_read() -> None:
    found = settle({}, {}, None)
    assert (found.metrics_address, found.profile, found.node) == ("", "", "")
    assert settle({}, {}, {"metricsAddress": 9150}).metrics_address == "9150"


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(settle({}, {"BRAMBLE_BROKER_PASSWORD": "secret"}, None))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "PROTOCOL"),
        (["nonsense"], "there is no protocol 'nonsense'; installed: "),
        (["modbus", "--pol", "1"], "unrecognized arguments"),
        (["modbus", "--poll", "x"], "--poll: expected a number"),
        (["modbus", "--settings", "/nowhere"], "--settings: /nowhere cannot be read: No such file"),
        (["modbus", "--password-file", "/nowhere"], "--password-file: /nowhere cannot be read: No such file"),
    ],
)
def test_wrong_flags_end_with_code_two_and_a_reason(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"poll: [", "is not YAML"),
        (b"\xff", "is not UTF-8 at byte 0"),
        (b"x" * 70_000, "is larger than"),
        (b"- a", "expected keys and values"),
        (b"a: &a [x]\nb: *a", "aliases"),
        (b"[" * 20_000, "nested deeper than 8 levels"),
        (b"poll: !!bool maybe", "is not YAML"),
        (b"poll: 1" + b"0" * 400, "poll: expected a number of"),
        (b'"\\ud800": 1', "ud800: there is no such setting"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_named(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        cli.main(["modbus", "--settings", str(file)])
    assert ended.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "registers"),
    [
        ("holding:0=215,1=180 coil:0=1", {Table.HOLDING: {0: 215, 1: 180}, Table.COIL: {0: 1}}),
        ("# a comment\nholding:0=1 # another\n\n1=2\ninput:5=65535", {Table.HOLDING: {0: 1, 1: 2}, Table.INPUT: {5: 65535}}),
        ("", {}),
    ],
)
def test_registers_are_read_as_a_person_writes_them(text: str, registers: dict[Table, dict[int, int]]) -> None:
    assert parse_registers(text, key="k", size=100) == registers


@pytest.mark.parametrize(
    "text", ["0=1", "holding:0", "holding:0=65536", "coil:0=2", "holding:100=1", "reg:0=1", "holding:-1=0", "x" * 5000]
)
def test_registers_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(SettingError, match=r"^--registers: "):
        parse_registers(text, key="--registers", size=100)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "--port"),
        (["--port", "65536"], "--port"),
        (["--registers", "nonsense"], "--registers: 'nonsense' is neither"),
        (["--registers", "holding:0=70000"], "--registers: expected a value of 0 to 65535"),
        (["--port", "1", "--serial", "x"], "not allowed with"),
    ],
)
def test_the_simulator_refuses_wrong_flags(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        simulated.main(arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["host", "holding", "0"], "HOST:PORT: expected"),
        (["h:0", "holding", "0"], "HOST:PORT: expected"),
        (["h:1", "regs", "0"], "TABLE: expected holding, input, coil, discrete"),
        (["h:1", "holding", "70000"], "REGISTER: expected 0 to 65535"),
        (["h:1", "holding", "0", "70000"], "VALUE: expected a value of 0 to 65535"),
        (["h:1", "input", "0", "1"], "VALUE: only holding and coil"),
    ],
)
def test_poke_refuses_wrong_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        poke.main(arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_poke_says_that_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert poke.main(["127.0.0.1:1", "holding", "0"]) == 1
    assert "127.0.0.1:1 cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("temperature", "chance", "after"), [(215, 0.0, 214), (170, 0.0, 171), (180, 0.9, 181), (180, 0.1, 179), (0, 0.8, 0)]
)
def test_the_simulated_temperature_drifts_towards_the_setpoint(temperature: int, chance: float, after: int) -> None:
    assert simulated.drifted(temperature, 180 if temperature else 0, chance) == after
