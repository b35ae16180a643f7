"""EdgeCore as a process: starts without a cloud, ends at once when asked, says what is wrong and ends with the right code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.fakehub import FakeHub, Papers, wait_until

pytestmark = pytest.mark.system

_CONFIG = """\
apiVersion: edgecore.config.kubeedge.io/v1alpha1
kind: EdgeCore
database: {{dataSource: {folder}/db/edgecore.db}}
modules:
  edged: {{enable: false, hostnameOverride: edge1}}
  eventBus: {{enable: false}}
  edgeHub:
    tlsCaFile: {papers}/ca.pem
    tlsCertFile: {papers}/node.pem
    tlsPrivateKeyFile: {papers}/node_key.pem
    websocket: {{server: "127.0.0.1:{port}"}}
"""


def _write(folder: Path, papers: Papers, port: int) -> Path:
    file = folder / "edgecore.yaml"
    file.write_text(_CONFIG.format(folder=folder, papers=papers.directory, port=port))
    return file


def _edgecore(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgecore.cli", *map(str, arguments)]
    environment = {**os.environ, "CHECK_EDGECORE_ENVIRONMENT": "false"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_connects_and_ends_when_asked(tmp_path: Path, papers: Papers, hub: FakeHub, number: signal.Signals) -> None:
    process = _edgecore("--config", _write(tmp_path, papers, hub.port))
    wait_until(lambda: hub.about("inventory"), 10)
    process.send_signal(number)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert "Traceback" not in err


def test_it_runs_without_a_cloud_and_a_second_one_is_refused(tmp_path: Path, papers: Papers) -> None:
    config = _write(tmp_path, papers, 1)
    first = _edgecore("--config", config)
    try:
        wait_until(lambda: (tmp_path / "db" / "edgecore.db").exists(), 40)
        second = _edgecore("--config", config)
        _, err = second.communicate(timeout=40)
        assert second.returncode == 1
        assert f"another EdgeCore (process {first.pid})" in err
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=40)
    third = _edgecore("--config", config)
    assert third.stderr is not None
    wait_until(lambda: "runs as node" in str(third.stderr and third.stderr.readline()), 40)
    third.terminate()
    third.communicate(timeout=40)
    assert third.returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("modules: {edgehub: {heartbeat: fast}}", "modules.edgehub.heartbeat: expected seconds, got 'fast'"),
        ("nonsense: 1", "nonsense"),
        ("{", "not a YAML document"),
    ],
)
def test_a_wrong_config_ends_with_code_2_and_names_the_key(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "edgecore.yaml"
    if text is not None:
        file.write_text(text)
    process = _edgecore("--config", file)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 2
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--log-level", "loud"], ["--config"]])
def test_a_wrong_flag_ends_with_code_2(arguments: list[str]) -> None:
    process = _edgecore(*arguments)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 2
    assert "usage: edgecore" in err


def test_the_agent_loads_nothing_that_a_board_has_no_memory_for() -> None:
    heavy = ("asyncio", "cryptography", "aiohttp", "jsonschema", "cloudcore", "cloudstub", "pymodbus")
    program = (
        "import sys, edgecore.cli, edgecore.eventbus.module, edgecore.eventbus.settings, edgecore.devicetwin.module,"
        " edgecore.edged.module, edgecore.containers.engine, edgecore.containers.engine_facts\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True).stdout
    assert loaded.strip() == "[]"
