"""Every flag of every program, given something that it cannot be: the flag is named, nothing starts, nothing is written (X7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import cloudcore.cli
import cloudstub.cli
import edgecore.cli
import edgesite.cli
import mappers.modbus.simulated
import mappers.sdk.cli
from edgecore.config import EdgeCoreConfig
from edgecore.localapi import commands

Main = Callable[[Sequence[str] | None], int]
PROGRAMS: dict[str, Main] = {
    "edgecore": edgecore.cli.main,
    "cloudcore": cloudcore.cli.main,
    "cloudstub": cloudstub.cli.main,  # type: ignore[dict-item]
    "edgesite": edgesite.cli.main,
    "bramble-mapper": mappers.sdk.cli.main,
    "bramble-modbus-simulator": mappers.modbus.simulated.main,
}
LONG = "x" * 70_000
NO_UTF8 = "\udcff"
"""As Python reads such a byte on the command line."""
CONFIG = [
    ("--config", "/nowhere/at/all", "/nowhere/at/all"),
    ("--config", "/", "/: cannot be read"),
    ("--config", LONG, "cannot be read"),
    ("--version=3", None, "--version"),
    ("--defaultconfig=x", None, "--defaultconfig"),
    ("--minconfig=x", None, "--minconfig"),
    ("--log-level", "loud", "--log-level"),
]
CLUSTER = [
    ("--kubeconfig", "/nowhere/at/all", "/nowhere/at/all"),
    ("--config", "/nowhere/at/all", "/nowhere/at/all"),
]
JOIN = ["join", "--config", "CONFIG", "--cloud", "127.0.0.1:1", "--token", "a" * 64 + ".b.c.d"]
LOCAL = [
    ("--container", "nosuch", "EdgeCore does not run on this machine"),
    ("--namespace", "nosuch", "EdgeCore does not run on this machine"),
    ("--socket", "/nowhere", "/nowhere"),
    ("--config", "/nowhere/at/all", "/nowhere/at/all"),
]
NUMBERS = ("x", "-1", "nan", "1e999", "9" * 5000, "", NO_UTF8)
# By command: what stands before the flag, then (flag, value, what is said).
WRONG: dict[str, tuple[list[str], list[tuple[str, str | None, str]]]] = {
    "edgecore": ([], CONFIG),
    "edgecore join": (
        JOIN,
        [
            *(("--cloud", value, "--cloud") for value in ("", "a b", "h:x", "h:70000", "[::1", "ü", LONG)),
            *(("--token", value, "--token") for value in ("", "abc", LONG, NO_UTF8)),
            *(("--hub-port", value, "--hub-port") for value in (*NUMBERS, "0", "70000")),
            *(("--name", value, "--name") for value in ("Board_1", "a/b", "../x", LONG, "ü", "a\n")),
            ("--config", "/dev/null/x", "/dev/null/x"),
            ("--force=x", None, "--force"),
        ],
    ),
    "edgecore pair": (
        ["pair", "--config", "CONFIG", "--timeout", "1ms", "--cloud", "127.0.0.1:1"],
        [
            *(("--cloud", value, "--cloud") for value in ("", "a b", "h:x", "h:70000", "[::1", "ü", LONG)),
            *(("--hub-port", value, "--hub-port") for value in (*NUMBERS, "0", "70000", "٣")),
            *(("--name", value, "--name") for value in ("Board_1", "a/b", "../x", LONG, "ü", "a\n")),
            *(("--timeout", value, "--timeout") for value in (*NUMBERS, "5", "0s", "٣m")),
            ("--config", "/dev/null/x", "/dev/null/x"),
            ("--force=x", None, "--force"),
        ],
    ),
    "edgecore doctor": (
        ["doctor"],
        [
            *(("config", value, "no such check") for value in ("nosuch", "", LONG, NO_UTF8)),
            ("--output", "yaml", "--output"),
            *((f"{flag}=x", None, flag) for flag in ("--list", "--fix", "--verbose")),
            *(("--config", value, "--config") for value in ("/nowhere/at/all", "/", LONG)),
        ],
    ),
    "edgecore firstboot": (
        ["firstboot"],
        [
            *(("--partition", value, "--partition") for value in ("", "/nowhere/at/all", "/dev/null", LONG)),
            ("again", None, "again"),
        ],
    ),
    "edgecore diag": (
        ["diag"],
        [
            *(("--output", value, "expected the name of a file") for value in ("/nowhere/at/all", "/")),
            ("--output", LONG, "expected the name of a file"),
            ("--log", "/nowhere/at/all", "/nowhere/at/all"),
            *(("--config", value, "--config") for value in ("/nowhere/at/all", "/", LONG)),
        ],
    ),
    "cloudcore": ([], CONFIG),
    "cloudcore token create": (
        ["token", "create"],
        [
            *(("--ttl", value, "--ttl") for value in (*NUMBERS, "0s", "1y", "367d", "٣d")),
            ("--one-time=x", None, "--one-time"),
            *CLUSTER,
        ],
    ),
    "cloudcore pair": (
        ["pair", "KXQ7-M4TH"],
        [
            *(("--name", value, "--name") for value in ("", "Board_1", "a/b", LONG, "ü")),
            *(("--ttl", value, "--ttl") for value in (*NUMBERS, "0s", "1y", "367d", "٣d")),
            *CLUSTER,
        ],
    ),
    "cloudcore token list": (["token", "list"], CLUSTER),
    "cloudcore token delete": (["token", "delete", "id"], CLUSTER),
    "cloudcore node revoke": (["node", "revoke", "edge1"], CLUSTER),
    "cloudcore node allow": (["node", "allow", "edge1"], CLUSTER),
    "cloudcore node list": (["node", "list"], CLUSTER),
    "cloudcore ca backup": (["ca", "backup", "DATA"], [("--force=x", None, "--force"), *CLUSTER]),
    "cloudcore ca restore": (["ca", "restore", "DATA"], [("--force=x", None, "--force"), *CLUSTER]),
    "cloudcore records": (
        ["records"],
        [
            *(("--node", value, "--node") for value in ("", "a/b", "Edge_1", LONG, NO_UTF8)),
            *(("--topic", value, "--topic") for value in ("", "a/#", "a\nb", LONG, NO_UTF8)),
            *(("--since", value, "--since") for value in (*NUMBERS, "yesterday", "2026-01-31", "٣d")),
            *(("--limit", value, "--limit") for value in (*NUMBERS, "0", "1000001", "٣")),
            *(("--file", value, said) for value, said in (("/nowhere", "/nowhere"), ("/", "/: no such file"), (LONG, "cannot be read"))),
            ("--config", "/nowhere/at/all", "/nowhere/at/all"),
        ],
    ),
    "cloudcore history": (
        ["history", "edge1/thermo", "t"],
        [
            *((flag, value, flag) for flag in ("--since", "--until") for value in (*NUMBERS, "yesterday", "2026-01-31", "٣d")),
            *(("--limit", value, "--limit") for value in (*NUMBERS, "0", "10000001", "٣")),
            *(("--file", value, said) for value, said in (("/nowhere", "/nowhere"), ("/", "/: no such file"), (LONG, "cannot be read"))),
            ("--config", "/nowhere/at/all", "/nowhere/at/all"),
        ],
    ),
    "cloudstub": (
        ["--data-dir", "DATA", "--listen", "127.0.0.1:0"],
        [
            ("--data-dir", "/dev/null", "/dev/null"),
            *(("--listen", value, "--listen") for value in ("", "x", ":x", "h:70000", "127.0.0.1:-1", NO_UTF8 + ":1", LONG)),
            ("--listen", "192.0.2.1:0", "192.0.2.1"),
            *(("--san", value, "--san") for value in ("", "ü", "a b", "*", LONG, NO_UTF8)),
            ("--kubeconfig", "/dev/null/x", "/dev/null"),
            *(
                ("--kubelet-certificate-authority", value, "--kubelet-certificate-authority")
                for value in ("/nowhere", "/", "/dev/null", LONG)
            ),
            ("--log-level", "loud", "--log-level"),
            ("--version=x", None, "--version"),
        ],
    ),
    "edgecore logs": (
        ["logs", "web"],
        [
            *((flag, value, flag) for flag in ("--tail", "--limit-bytes") for value in (*NUMBERS, "٣")),
            *(("--since", value, "--since") for value in (*NUMBERS, "5", "yesterday", "٣m")),
            *(("--since-time", value, "--since-time") for value in (*NUMBERS, "yesterday", "2026-01-31T12:00:00", LONG)),
            *((f"{flag}=x", None, flag) for flag in ("--follow", "--previous", "--timestamps")),
            *LOCAL,
        ],
    ),
    "edgecore history": (
        ["history", "thermo", "t"],
        [
            *((flag, value, flag) for flag in ("--since", "--until") for value in (*NUMBERS, "yesterday", "2026-01-31", "٣m", LONG)),
            *(("--limit", value, "--limit") for value in (*NUMBERS, "0", "1000001", "٣")),
            ("--output", "xml", "--output"),
            *LOCAL[2:],
        ],
    ),
    "edgesite": ([], CONFIG),
    "bramble-mapper": (
        ["modbus"],
        [
            *(("--settings", value, "--settings") for value in ("/nowhere", "/", LONG)),
            *(("--broker", value, "--broker") for value in ("", "x", "http://h:1", "tcp://", "tcp://h:70000", NO_UTF8, LONG)),
            *(("--username", value, "--username") for value in ("a\nb", LONG, NO_UTF8)),
            *(("--password-file", value, "--password-file") for value in ("/nowhere", "/")),
            *(("--ca-file", value, "--ca-file") for value in ("a\nb", LONG)),
            *(("--profile", value, "--profile") for value in ("a\nb", LONG)),
            *(("--node", value, "--node") for value in ("a b", "/", LONG, NO_UTF8)),
            *(("--metrics-address", value, "--metrics-address") for value in ("x", "127.0.0.1:70000", "127.0.0.1:x", LONG, NO_UTF8)),
            *((flag, value, flag) for flag in ("--poll", "--refresh", "--deadband") for value in NUMBERS),
            ("--log-level", "loud", "--log-level"),
            ("--simulate=x", None, "--simulate"),
            *(("--manifests", value, "--manifests") for value in ("a b", "/", LONG, NO_UTF8, "edge1")),
        ],
    ),
    "bramble-modbus-simulator": (
        [],
        [
            *(("--port", value, "--port") for value in (*NUMBERS, "65536", "٣")),
            ("--framing", "ascii", "--framing"),
            *(("--baud", value, "--baud") for value in (*NUMBERS, "1")),
            *(("--unit", value, "--unit") for value in (*NUMBERS, "248")),
            *(("--registers", value, "--registers") for value in ("", "x", "/", "holding:0=70000", "holding:x=1", NO_UTF8, LONG)),
            ("--registers", "holding:" + ",".join(["0=1"] * 3) + " nonsense:0=1", "--registers"),
            ("--host", "192.0.2.1", "192.0.2.1"),
            ("--host", LONG, "cannot be served"),
            ("--serial", "/nowhere", "/nowhere"),
            ("--still=x", None, "--still"),
        ],
    ),
}


def ended(command: str, arguments: list[str]) -> int:
    try:
        return PROGRAMS[command.split()[0]](arguments)
    except SystemExit as exit_:
        assert isinstance(exit_.code, int)
        return exit_.code


CASES = [
    pytest.param(command, before, flag, value, said, id=f"{command} {flag} {ascii(value)[:24]}")
    for command, (before, flags) in WRONG.items()
    for flag, value, said in flags
]


@pytest.fixture(autouse=True)
def _no_board(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs on this machine."""
    config = tmp_path_factory.mktemp("board") / "edgecore.yaml"
    socket = config.with_suffix(".sock")
    config.write_text(
        f"apiVersion: {EdgeCoreConfig.API_VERSION}\nkind: {EdgeCoreConfig.KIND}\nmodules: {{localAPI: {{socket: {socket}}}}}\n"
    )
    monkeypatch.setattr(commands, "DEFAULT_FILE", config)


@pytest.mark.parametrize(("command", "before", "flag", "value", "said"), CASES)
def test_a_flag_that_cannot_be_is_named_and_nothing_is_written(
    command: str,
    before: list[str],
    flag: str,
    value: str | None,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    places = {"CONFIG": str(tmp_path / "edgecore.yaml"), "DATA": str(tmp_path / "data")}
    arguments = [places.get(word, word) for word in before]
    code = ended(command, [*arguments, flag, *([value] if value is not None else [])])
    told = capsys.readouterr()
    assert code in (1, 2), told
    assert said in told.err
    assert "Traceback" not in told.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "data" not in path.parts]


@pytest.mark.parametrize("command", WRONG)
def test_no_flag_is_left_out_of_the_table(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = command.split()[1:]
    assert ended(command, [*words, "--help"]) == 0
    offered = set(re.findall(r"(?<![\w-])--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    tried = {flag.partition("=")[0] for flag, _, _ in WRONG[command][1]}
    assert offered <= tried
