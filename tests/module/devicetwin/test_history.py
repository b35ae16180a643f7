"""Samples on the board: DeviceTwin, its recorder, the store and the command line, as they run together (P6.15, A4, D7)."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.stage import wait_for
from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import Arrived, ConfigChanged, OutboxChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.devicetwin.module import DeviceTwin
from edgecore.localapi import commands
from edgecore.localapi.module import LocalAPI, LocalSettings
from edgecore.store import metadata, outbox, twins
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.outbox import Rank
from edgecore.store.recorder import Flash, Recorder, Sample
from edgecore.store.transaction import Transaction
from edgecore.store.twins import DeviceRow, TwinRow
from viaduct import topics
from viaduct.codec import decode
from viaduct.samples import parse_content

LIMIT = 10.0


def _profile(**marks: dict[str, str]) -> str:
    data = {"dataProperties": [{"propertyName": name, "metadata": metadata} for name, metadata in marks.items()]}
    text = json.dumps({"deviceInstances": [{"id": "dial", "name": "dial", "model": "m", "data": data}]})
    return json.dumps({"metadata": {"name": "device-profile-config-edge1"}, "data": {"deviceProfile.json": text}})


class Board:
    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "local.sock")
        self.database = Database(folder / "edge.db")
        self.database.write_and_wait(_fill)
        self.switchboard = Switchboard()
        self.hub = self.switchboard.register("websocket", "hub")
        self.recorder = Recorder(self.database, Flash(pause=0.5), owed=lambda: self.switchboard.send("websocket", OutboxChanged()))
        self.keeper = Keeper(self.switchboard, first_delay=0.01)
        settings = LocalSettings(self.socket, "edge1", "0.1.0", recorder=self.recorder)
        self.keeper.keep("twin", "twin", lambda: DeviceTwin(self.switchboard, self.database, node="edge1", recorder=self.recorder))
        self.keeper.keep("localapi", "local", lambda: LocalAPI(settings, self.switchboard, self.database))
        self.keeper.start()
        wait_for("the local socket", lambda: os.path.exists(self.socket), within=LIMIT)

    def mark(self, **marks: dict[str, str]) -> None:
        row = MetaRow("default/configmap/device-profile-config-edge1", "configmap", _profile(**marks), "u", "1")
        self.database.write_and_wait(lambda tx: metadata.save(tx, row))
        self.switchboard.send_from_rim("twin", ConfigChanged(row.key), timeout=LIMIT)

    def report(self, value: str) -> None:
        self.say(topics.twin_update("dial"), {"event_id": "1", "twin": {"level": {"actual": {"value": value}}}})

    def measure(self, value: Any, **metadata: Any) -> None:
        self.say(topics.data_update("dial"), {"data": {"level": {"value": value, "metadata": metadata}}})

    def say(self, topic: str, body: object) -> None:
        self.switchboard.send_from_rim("twin", Arrived(topic, json.dumps(body).encode()), timeout=LIMIT)

    def values(self) -> list[str]:
        return [value for _, value in self.recorder.read("dial", "level", 0, 2**53, 1000)]

    def owed(self) -> list[tuple[str, str]]:
        rows = self.database.hand_out(Rank.SAMPLES, 0, 100)
        series = [one for row in rows for one in parse_content(decode(row.text).content)]
        return [(one.property, value) for one in series for value in one.values]


def _fill(tx: Transaction) -> None:
    twins.save_device(tx, DeviceRow("dial", state="online"))
    twins.save_twin(tx, TwinRow("dial", "level", attr_type="int"))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path)
    yield made
    assert made.keeper.stop(LIMIT) == []
    made.database.close()


def _run(board: Board, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str, str]:
    code = commands.run(["history", "dial", *flags, "--socket", board.socket])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_a_mapper_reported_is_sampled_kept_and_owed_in_batches(board: Board) -> None:
    board.mark(level={"collectCycle": "100"})
    board.report("7")
    wait_for("samples", lambda: len(board.values()) >= 8, within=LIMIT)
    wait_for("a batch", lambda: len(board.owed()) >= 4, within=LIMIT)
    assert set(board.owed()) == {("level", "7")} and set(board.values()) == {"7"}
    moments = [moment for moment, _ in board.recorder.read("dial", "level", 0, 2**53, 1000)]
    steps = sorted(after - before for before, after in itertools.pairwise(moments))
    assert 90 <= steps[len(steps) // 2] <= 110
    told = []
    while (letter := board.hub.take(0.2)) is not None:
        told.append(letter)
    assert OutboxChanged() in told


def test_what_a_mapper_measures_is_taken_as_it_is_and_no_twin_changes(board: Board) -> None:
    board.mark(level={"collectCycle": "1000"})
    now = int(time.time() * 1000)
    for number in range(5):
        board.measure(number, timestamp=now - 9000 + number * 1000)
    board.measure([1])
    board.say(topics.data_update("other"), {"data": {"level": {"value": "5"}}})
    board.say(topics.data_update("dial"), "garbage")
    board.measure(True, timestamp=now)
    wait_for("them", lambda: board.values() == ["0", "1", "2", "3", "4", "true"], within=LIMIT)
    (_, _, rows) = board.database.read(twins.load_all)
    assert rows[0].actual == "" and board.database.read(outbox.held)[Rank.DEVICE].rows == 0


def test_without_a_mark_nothing_is_kept_and_with_one_for_the_board_alone_nothing_is_owed(board: Board) -> None:
    board.report("7")
    board.measure("8")
    time.sleep(0.3)
    assert board.values() == []
    board.mark(level={"collectCycle": "100", "reportToCloud": "false"})
    board.report("9")
    wait_for(
        "it written", lambda: board.database.read(lambda tx: tx.execute("SELECT sum(samples) FROM history").fetchone())[0], within=LIMIT
    )
    assert board.owed() == [] and set(board.values()) <= {"7", "9"}


def test_the_command_line_reads_it_as_a_table_csv_and_json(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    board.mark(level={"collectCycle": "100"})
    now = int(time.time() * 1000)
    board.measure("1", timestamp=now - 7_200_000)
    board.measure("2", timestamp=now - 300_000)
    board.measure("3", timestamp=now)
    wait_for("them", lambda: len(board.values()) >= 3, within=LIMIT)
    board.mark()
    code, out, _ = _run(board, capsys, "level", "--since", "10m", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and [row["value"] for row in rows][:2] == ["2", "3"] and rows[0]["time"].endswith("Z")
    code, out, _ = _run(board, capsys, "level", "--since", "3h", "--until", "1m", "-o", "json")
    assert code == 0 and [each["value"] for each in json.loads(out)] == ["1", "2"]
    code, out, err = _run(board, capsys, "level", "--since", "24h", "--limit", "1")
    assert code == 0 and out.splitlines()[0].split() == ["TIME", "VALUE"] and len(out.splitlines()) == 2
    assert "there are older samples too: these are the newest 1 (--limit)" in err
    code, out, err = _run(board, capsys, "level", "--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z")
    assert (code, out) == (0, "") and "No samples of dial level in this time." in err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("level", "--since", "yesterday"), "argument --since: expected a time such as 10m, 24h or 2026-01-31T12:00:00Z, got 'yesterday'"),
        (("level", "--until", "2026-01-31"), "argument --until: expected a time such as"),
        (("level", "--limit", "0"), "argument --limit: expected a number from 1 to 1000000, got '0'"),
        (("level", "-o", "xml"), "argument -o/--output: invalid choice: 'xml'"),
    ],
)
def test_a_wrong_flag_is_named(board: Board, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(board, capsys, *flags)
    assert ended.value.code == 2 and complaint in capsys.readouterr().err


def test_what_is_not_there_is_named(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(board, capsys, "colour")[::2] == (1, "edgecore: device dial has no property colour: it has level\n")
    assert _run(board, capsys, "level", "--since", "1m", "--until", "2m")[::2] == (2, "edgecore: history: --until is before --since\n")
    code = commands.run(["history", "ghost", "level", "--socket", board.socket])
    assert code == 1 and "device ghost is not known on this node" in capsys.readouterr().err


def test_more_than_one_answer_holds_is_asked_for_in_pages(
    board: Board, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_PAGE", 7)
    now = int(time.time() * 1000)
    board.recorder.add([Sample("dial", "level", "int", now - 100_000 + n * 1000, str(n)) for n in range(50)], time.monotonic())
    code, out, err = _run(board, capsys, "level", "-o", "json")
    assert code == 0 and [each["value"] for each in json.loads(out)] == [str(n) for n in range(50)] and err == ""
    code, out, err = _run(board, capsys, "level", "-o", "json", "--limit", "20")
    assert [each["value"] for each in json.loads(out)] == [str(n) for n in range(30, 50)] and "there are older samples too" in err
