"""``cloudcore records``: what a person and a script see."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from cloudcore import cli
from cloudcore.records.record import Caps, Record
from cloudcore.records.store import RecordStore
from supervision import logs

RECORDS = [
    Record("edge1", "SYS/dis/upload_records", "m1", 1_581_066_000_007, 1_581_066_001_000, "20.5"),
    Record("edge2", "$hw/events/upload/camera", "m2", 0, 1_581_066_002_000, 'a,"b"\n\x1b[2J' + "x" * 300),
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "set_up", lambda *_, **__: None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a CloudCore that holds ``RECORDS`` where its config says by default."""
    path = tmp_path / "cloudcore.yaml"
    kind = {"apiVersion": "cloudcore.config.kubeedge.io/v1alpha1", "kind": "CloudCore"}
    path.write_text(yaml.safe_dump({**kind, "stateDir": str(tmp_path)}))
    store = RecordStore(tmp_path / "records.db", Caps(1024 * 1024, 100_000 * 86_400))
    store.write(RECORDS, now_ms=1_581_066_002_000)
    store.close()
    return path


def _said(config: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert cli.main(["records", "--config", str(config), *flags]) == 0
    return capsys.readouterr().out


def test_the_table_is_for_eyes_and_no_board_moves_the_cursor(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _said(config, capsys).splitlines()
    assert lines[0].split() == ["STORED", "NODE", "TOPIC", "CONTENT"]
    assert lines[1].split() == ["2020-02-07T09:00:01Z", "edge1", "SYS/dis/upload_records", "20.5"]
    assert len(lines) == 3 and r'a,"b"\n\x1b[2Jxxx' in lines[2] and lines[2].endswith("…")


def test_json_and_csv_hold_all_of_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_said(config, capsys, "-o", "json"))
    first = {"node": "edge1", "topic": "SYS/dis/upload_records", "id": "m1", "content": "20.5"}
    assert found[0] == first | {"sent": "2020-02-07T09:00:00.007Z", "stored": "2020-02-07T09:00:01.000Z"}
    assert found[1]["content"] == RECORDS[1].content
    assert list(csv.DictReader(io.StringIO(_said(config, capsys, "-o", "csv"), newline=""))) == found


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        (["--node", "edge1"], ["m1"]),
        (["--topic", "$hw/events/upload/camera"], ["m2"]),
        (["--since", "2020-02-07T09:00:02Z"], ["m2"]),
        (["--since", "2020-02-07T10:00:01+01:00"], ["m1", "m2"]),
        (["--since", "1h"], []),
        (["--limit", "1"], ["m2"]),
    ],
)
def test_flags_choose(flags: list[str], ids: list[str], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [each["id"] for each in json.loads(_said(config, capsys, "-o", "json", *flags))] == ids


@pytest.mark.parametrize(
    "flags",
    [["--since", "yesterday"], ["--since", "2020-02-07T09:00:00"], ["--limit", "0"], ["--limit", "-1"], ["--limit", "x"], ["-o", "xml"]],
)
def test_a_wrong_flag_is_named_and_ends_with_code_2(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["records", *flags])
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_without_a_file_the_way_to_name_one_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["records", "--file", str(tmp_path / "none.db")]) == 1
    assert "no such file" in capsys.readouterr().err
