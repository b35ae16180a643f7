"""Samples are acknowledged when their commit has returned; a disk or a sink that does not take them costs nothing but time (D1, D8)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.upstream import Upstream
from cloudcore.errors import HistoryError, Refused
from cloudcore.history import service
from cloudcore.history.outlet import Outlet
from cloudcore.history.sample import Batch, Caps, Query
from cloudcore.history.service import History
from cloudcore.history.store import HistoryStore, read
from tests.module.cloudcore.building import in_loop
from tests.unit.cloudcore.history.batches import T0, message, series
from tests.unit.cloudcore.history.test_outlet import FakeSink, until
from viaduct.handshake import Mode
from viaduct.message import new_message

CAPS = Caps(64 * 1024 * 1024, 86_400)


def _values(path: Path, node: str = "edge1", device: str = "thermo") -> list[str]:
    return [value for _, value in read(path, Query(node, device, "t"))]


def _readings(history: History) -> dict[str, Any]:
    return {reading.name: reading.values for reading in history.readings()}


@in_loop
async def test_what_comes_together_is_committed_together_and_on_the_disk_when_take_returns(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db", CAPS)
    await history.start()
    await asyncio.gather(*(history.take(f"edge{n}", message(series("1", "2"))) for n in range(50)))
    assert all(_values(tmp_path / "h.db", f"edge{n}") == ["1", "2"] for n in range(50))
    assert sum(_readings(history)["history_commit_seconds"][()].counts) <= 3
    await history.take("edge1", message(series("1", "2", "3")))
    found = _readings(history)
    assert (found["history_stored"][()], found["history_repeated"][()], found["history_held"][()]) == (101, 2, 101)
    await history.stop()


@in_loop
async def test_a_large_flood_is_written_in_small_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_IN_A_COMMIT", 10)
    history = History(tmp_path / "h.db", CAPS)
    await history.start()
    await asyncio.gather(*(history.take("edge1", message(series(*"12345", first=T0 + n * 10_000))) for n in range(20)))
    assert sum(_readings(history)["history_commit_seconds"][()].counts) == 10
    await history.stop()


@in_loop
async def test_when_too_much_waits_for_the_disk_boards_say_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_STAGED", 3)
    history = History(tmp_path / "h.db", CAPS)
    first = asyncio.create_task(history.take("edge1", message(series("1", "2"))))
    await asyncio.sleep(0)
    with pytest.raises(HistoryError, match="too many samples wait for the disk"):
        await history.take("edge1", message(series("3", "4")))
    await history.start()
    await first
    await history.take("edge1", message(series("3", "4")))
    await history.stop()


@in_loop
async def test_a_commit_that_fails_is_told_and_the_next_one_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FakeSink(0)
    history = History(tmp_path / "h.db", CAPS, [Outlet("x", sink, most=100)])
    await history.start()

    def full(store: HistoryStore, batches: Any) -> list[int]:
        raise HistoryError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(HistoryStore, "write", full)
        with pytest.raises(HistoryError):
            await history.take("edge1", message(series("1")))
    await history.take("edge1", message(series("1")))
    await until(lambda: sink.taken)
    assert _values(tmp_path / "h.db") == ["1"] and sink.taken == ["1"]
    assert _readings(history)["history_commits_failed"][()] == 1
    await history.stop()


@in_loop
async def test_every_sink_gets_what_was_not_there_and_a_stuck_one_holds_neither_the_others_nor_the_board(tmp_path: Path) -> None:
    stuck, sink = FakeSink(asyncio.Event()), FakeSink(0)
    history = History(tmp_path / "h.db", CAPS, [Outlet("stuck", stuck, most=5), Outlet("well", sink, most=100)])
    await history.start()
    async with asyncio.timeout(10):
        for number in range(20):
            for _ in range(2):
                await history.take("edge1", message(series(str(number), first=T0 + number * 1000)))
    await until(lambda: len(sink.taken) == 20)
    found = _readings(history)
    assert found["history_sink_sent"] == {("stuck",): 0, ("well",): 20}
    assert found["history_sink_waiting"] == {("stuck",): 5, ("well",): 0}
    assert found["history_sink_dropped"] == {("stuck", "queue_full"): 15}
    stuck.answers = [0]
    for outlet in history._outlets:
        if outlet._task is not None:
            outlet._task.cancel()
    await history.stop()


@in_loop
async def test_without_a_store_samples_are_acknowledged_when_the_sinks_have_them_in_their_queues(tmp_path: Path) -> None:
    sink = FakeSink(0)
    history = History(None, CAPS, [Outlet("x", sink, most=100)])
    await history.start()
    await history.take("edge1", message(series("1", "2")))
    await until(lambda: sink.taken == ["1", "2"])
    with pytest.raises(Refused):
        await history.take("edge1", message(content="nonsense"))
    await history.stop()
    assert list(tmp_path.iterdir()) == []


@in_loop
async def test_a_file_that_cannot_be_opened_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    history = History(blocked / "h.db", CAPS)
    await history.start()
    with pytest.raises(HistoryError):
        await history.take("edge1", message(series("1")))
    monkeypatch.setattr(service, "_TRY_AGAIN", 0.0)
    blocked.unlink()
    await history.take("edge1", message(series("1")))
    await history.stop()


@pytest.mark.parametrize(
    ("operation", "content", "code", "retry"),
    [("upload", "nonsense", 400, False), ("update", None, 403, False), ("delete", None, 403, False)],
)
@in_loop
async def test_what_a_board_must_not_say_is_refused(operation: str, content: Any, code: int, retry: bool) -> None:
    class Keeping:
        batches: list[Batch] = []

        async def take(self, node: str, said: Any) -> None:
            from cloudcore.history.sample import batch_of

            batch_of(node, said)

    counts = Counts()
    hub = Upstream({Target.HISTORY: Keeping()}, lambda node, what: False, lambda: T0, counts)
    said = message(content=content) if content is not None else message(series("1"))
    asked = new_message(source="twin", group="resource", operation=operation, resource="samples", now_ms=T0, content=said.content)
    (answer,) = await hub.answer("edge1", Mode.LEDGER, asked)
    assert (answer.route.operation, answer.content["code"], answer.content["retry"]) == ("error", code, retry)


@in_loop
async def test_where_it_is_off_a_board_is_told_by_the_setting() -> None:
    hub = Upstream({}, lambda node, what: False, lambda: T0, Counts())
    (answer,) = await hub.answer("edge1", Mode.LEDGER, message(series("1")))
    assert answer.content == {"code": 501, "reason": "modules.history.enable: is off in this CloudCore", "retry": False}


@in_loop
async def test_a_disk_that_is_full_puts_boards_off() -> None:
    class Full:
        async def take(self, node: str, said: Any) -> None:
            raise HistoryError("no space left")

    hub = Upstream({Target.HISTORY: Full()}, lambda node, what: False, lambda: T0, Counts())
    (answer,) = await hub.answer("edge1", Mode.LEDGER, message(series("1")))
    assert (answer.content["code"], answer.content["retry"]) == (503, True)
