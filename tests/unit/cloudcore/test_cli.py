"""What a person at a terminal sees: exit codes, clear words, and a start that waits for its API."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cloudcore import cli
from cloudcore.kube.definitions import packaged
from supervision import logs

_NOWHERE = "http://127.0.0.1:1"


def _config(folder: Path, **kube: str) -> Path:
    path = folder / "cloudcore.yaml"
    path.write_text(
        yaml.safe_dump(
            {"apiVersion": "cloudcore.config.kubeedge.io/v1alpha1", "kind": "CloudCore", "kubeAPIConfig": {"master": _NOWHERE} | kube}
        )
    )
    return path


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)


def test_a_wrong_setting_ends_with_code_2_and_the_full_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cloudcore.yaml"
    path.write_text("modules: {cloudhub: {nodeLimit: many, nonsense: 1}}")
    assert cli.main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert "cloudcore: modules.cloudhub.nodeLimit: " in said and "'many'" in said
    assert "modules.cloudhub.nonsense" in said


@pytest.mark.parametrize("args", [["--config", "/nowhere/at/all"], ["--nonsense"], ["token"], ["token", "create", "--ttl", "long"]])
def test_wrong_flags_end_with_code_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = cli.main(args)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert capsys.readouterr().err


def test_without_any_way_to_an_api_the_setting_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _config(tmp_path, master="")
    assert cli.main(["--config", str(path)]) == 2
    assert "kubeAPIConfig.kubeConfig" in capsys.readouterr().err


def test_a_token_cannot_be_made_without_the_api_and_the_terminal_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["token", "create", "--config", str(_config(tmp_path))]) == 1
    assert "the Kubernetes API cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--defaultconfig", "--minconfig"])
def test_the_printed_config_can_be_read_back(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([flag]) == 0
    path = tmp_path / "printed.yaml"
    path.write_text(capsys.readouterr().out)
    assert cli.main(["--config", str(path), "--version"]) == 0


def test_a_start_without_the_api_says_what_it_waits_for_and_ends_at_once_when_asked(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudcore.cli", "--config", str(_config(tmp_path))],
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        text=True,
    )
    assert process.stderr is not None
    with process:
        lines: list[str] = []
        while not any("trying again" in line for line in lines):
            line = process.stderr.readline()
            assert line, f"it ended: {lines}"
            lines.append(line)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - asked < 5
    assert "127.0.0.1" in lines[-1]
    assert "Traceback" not in "".join(lines)


def test_text_from_outside_begins_no_line_of_its_own_in_the_log() -> None:
    record = logging.LogRecord("cloudcore.cloudhub.session", logging.WARNING, "", 1, "node %s: %s", ("edge1", "x\nfake line"), None)
    line = logs._Lines("cloudcore").format(record)
    assert line.endswith(" warning cloudhub.session: node edge1: x\\nfake line")


def test_every_definition_ships_and_is_one() -> None:
    names = {definition["metadata"]["name"] for definition in packaged()}
    assert names == {
        "devices.devices.kubeedge.io",
        "devicemodels.devices.kubeedge.io",
        "objectsyncs.reliablesyncs.kubeedge.io",
        "clusterobjectsyncs.reliablesyncs.kubeedge.io",
        "devicerules.rules.devices.bramble.io",
        "nodeupgradejobs.operations.kubeedge.io",
    }
    assert all(definition["apiVersion"] == "apiextensions.k8s.io/v1" for definition in packaged())


@pytest.mark.parametrize("code", ["", "x", "KXQ7-M4T0", "KXQ7-M4TH7", "x" * 70_000, "ü", "\udcff"])
def test_what_can_be_no_pairing_code_is_named(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["pair", code])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument CODE: expected " in said and len(said) < 500
