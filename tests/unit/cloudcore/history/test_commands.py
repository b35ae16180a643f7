"""``cloudcore history``: what a person and a script see; and the settings of its sinks (X7)."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

import cloudcore.history
from cloudcore import cli
from cloudcore.config import read_config
from cloudcore.errors import ConfigError
from cloudcore.history.sample import Caps
from cloudcore.history.sinks import outlets
from cloudcore.history.store import HistoryStore
from supervision import logs
from tests.unit.cloudcore.history.batches import batch

KIND = {"apiVersion": "cloudcore.config.kubeedge.io/v1alpha1", "kind": "CloudCore"}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloudcore.yaml"
    path.write_text(yaml.safe_dump({**KIND, "stateDir": str(tmp_path)}))
    store = HistoryStore(tmp_path / "history.db", Caps(1024 * 1024, 86_400))
    now = int(time.time() * 1000)
    store.write([batch("1", first=now - 7_200_000), batch("2", "a,b", first=now - 60_000)])
    store.close()
    return path


def _said(config: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert cli.main(["history", "edge1/thermo", "t", "--config", str(config), *flags]) == 0
    return capsys.readouterr().out


def test_what_it_prints(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _said(config, capsys).splitlines()
    assert lines[0].split() == ["TIME", "VALUE"] and [line.split()[1] for line in lines[1:]] == ["2", "a,b"]
    found = json.loads(_said(config, capsys, "--since", "1d", "-o", "json"))
    assert [one["value"] for one in found] == ["1", "2", "a,b"] and found[0]["time"].endswith("Z")
    rows = list(csv.DictReader(io.StringIO(_said(config, capsys, "--since", "1d", "--until", "1h", "-o", "csv"))))
    assert [row["value"] for row in rows] == ["1"]
    assert json.loads(_said(config, capsys, "--since", "1d", "--limit", "1", "-o", "json"))[0]["value"] == "a,b"
    assert _said(config, capsys, "--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z", "-o", "json") == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["thermo", "t"], "argument NODE/DEVICE: expected NODE/DEVICE, got 'thermo'"),
        (["Edge 1/thermo", "t"], "argument NODE/DEVICE: expected a node"),
        (["edge1/", "t"], "argument NODE/DEVICE"),
        (["edge1/thermo", "a b"], "argument PROPERTY: expected the name of a property, got 'a b'"),
        (["edge1/thermo", "t", "--since", "soon"], "argument --since: expected a time such as 30m, 1h, 7d or"),
        (["edge1/thermo", "t", "--until", "2026-01-01"], "argument --until: expected a time such as"),
        (["edge1/thermo", "t", "--limit", "0"], "argument --limit: expected a number from 1 to"),
        (["edge1/thermo", "t", "-o", "xml"], "argument -o: invalid choice: 'xml'"),
    ],
)
def test_a_wrong_flag_is_named(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["history", *arguments])
    assert ended.value.code == 2 and complaint in capsys.readouterr().err


def test_what_is_not_there_is_named(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["history", "edge2/thermo", "t", "--config", str(config)]) == 1
    assert "cloudcore: no samples of edge2/thermo; there are of: edge1/thermo" in capsys.readouterr().err
    assert cli.main(["history", "edge1/thermo", "t", "--config", str(config), "--file", str(tmp_path / "none")]) == 1
    assert "no such file; name the file of samples with --file" in capsys.readouterr().err
    assert cli.main(["history", "edge1/thermo", "t", "--config", str(config), "--since", "1h", "--until", "2h"]) == 1
    assert "--until is before --since" in capsys.readouterr().err


def _config(tmp_path: Path, **history: Any) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**KIND, "modules": {"history": history}}))
    return path


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ({"sinks": {"influxDB": {"url": "localhost:8086"}}}, "modules.history.sinks.influxDB.url: expected an address such as http://"),
        ({"sinks": {"influxDB": {"measurement": ""}}}, "modules.history.sinks.influxDB.measurement: expected a name of letters"),
        ({"sinks": {"prometheus": {"url": "ftp://h/x"}}}, "modules.history.sinks.prometheus.url: expected an address"),
        ({"sinks": {"prometheus": {"url": "http://h/a b"}}}, "modules.history.sinks.prometheus.url: expected an address"),
        ({"sinks": {"prometheus": {"username": "u", "token": "t"}}}, "modules.history.sinks.prometheus.token: expected nothing while"),
        ({"sinks": {"webhook": {"url": 5}}}, "modules.history.sinks.webhook.url: expected"),
        ({"sinks": {"mqtt": {"server": "h:1883"}}}, "modules.history.sinks.mqtt.server: expected a broker's address"),
        ({"sinks": {"mqtt": {"topic": "a/#"}}}, "modules.history.sinks.mqtt.topic: expected levels of an MQTT topic"),
        ({"sinks": {"queue": 5}}, "modules.history.sinks.queue: expected a number of samples from 1000"),
        ({"sinks": {"kafka": {}}}, "modules.history.sinks.kafka: unknown key"),
        ({"localStore": False}, "modules.history.localStore: expected true while there is no sink"),
        ({"maxSize": 1}, "modules.history.maxSize: expected megabytes from 8"),
        ({"dataSource": "x.db"}, "modules.history.dataSource: expected an absolute path"),
    ],
)
def test_a_wrong_setting_is_named_with_its_full_key(tmp_path: Path, history: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(_config(tmp_path, **history))
    assert str(caught.value).startswith(problem)


def test_a_sink_is_there_when_it_has_an_address(tmp_path: Path) -> None:
    sinks = {name: {"url": "http://127.0.0.1:1/x"} for name in ("influxDB", "prometheus", "webhook")} | {
        "mqtt": {"server": "mqtts://h:8883"}
    }
    config, warnings = read_config(_config(tmp_path, localStore=False, sinks=sinks))
    assert [outlet.name for outlet in outlets(config.modules.history.sinks)] == ["influxDB", "mqtt", "prometheus", "webhook"]
    assert outlets(read_config(_config(tmp_path))[0].modules.history.sinks) == [] and warnings == []


def test_a_sink_whose_library_is_missing_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("remotewrite", "mqttsink"):
        monkeypatch.delitem(sys.modules, f"cloudcore.history.{name}", raising=False)
        monkeypatch.delattr(cloudcore.history, name, raising=False)
    monkeypatch.setitem(sys.modules, "snappy", None)
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    for key, sink in (("prometheus.url", {"prometheus": {"url": "http://h/x"}}), ("mqtt.server", {"mqtt": {"server": "tcp://h:1883"}})):
        config, _ = read_config(_config(tmp_path, sinks=sink))
        with pytest.raises(ConfigError, match=f"modules.history.sinks.{key}: needs the Python packages of the extra 'sinks'"):
            outlets(config.modules.history.sinks)
