"""An upload is acknowledged when its commit has returned, and a disk that does not take it costs nothing but time (D1)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.upstream import Upstream
from cloudcore.errors import RecordsError, Refused
from cloudcore.records import service
from cloudcore.records.record import Caps, Query
from cloudcore.records.service import Records
from cloudcore.records.store import RecordStore, read
from tests.module.cloudcore.building import in_loop
from viaduct.handshake import Mode
from viaduct.message import Message, new_message

CAPS = Caps(1024 * 1024, 86_400)


def _upload(number: int, resource: str = "SYS/dis/upload_records", content: Any = None, operation: str = "upload") -> Message:
    content = str(number) if content is None else content
    return new_message(source="bus", group="user", operation=operation, resource=resource, now_ms=5, content=content, msg_id=f"m{number}")


def _records(folder: Path) -> Records:
    return Records(folder / "records.db", CAPS, now_ms=lambda: 1000)


def _kept(folder: Path) -> list[tuple[str, str]]:
    return [(each.node, each.content) for each in read(folder / "records.db", Query())]


def _values(records: Records) -> dict[str, Any]:
    return {reading.name: reading.values.get((), None) for reading in records.readings()}


@in_loop
async def test_what_comes_together_is_committed_together_and_is_on_the_disk_when_take_returns(tmp_path: Path) -> None:
    records = _records(tmp_path)
    await records.start()
    await asyncio.gather(*(records.take("edge1", _upload(number)) for number in range(50)))
    assert _kept(tmp_path) == [("edge1", str(number)) for number in range(50)]
    values = _values(records)
    assert sum(values["records_commit_seconds"].counts) == 1
    await records.take("edge1", _upload(3))
    values = _values(records)
    assert (values["records_stored"], values["records_repeated"], values["records_held"]) == (50, 1, 50)
    await records.stop()


@in_loop
async def test_what_was_taken_is_written_before_the_end(tmp_path: Path) -> None:
    records = _records(tmp_path)
    await records.start()
    waiting = asyncio.create_task(records.take("edge1", _upload(1)))
    await asyncio.sleep(0)
    await records.stop()
    await waiting
    assert _kept(tmp_path) == [("edge1", "1")]


@in_loop
async def test_a_commit_that_fails_is_told_to_all_who_wait_and_the_next_one_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = _records(tmp_path)
    await records.start()

    def full(store: RecordStore, staged: Any, *, now_ms: int) -> int:
        raise RecordsError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(RecordStore, "write", full)
        outcomes = await asyncio.gather(*(records.take("edge1", _upload(number)) for number in (1, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RecordsError, RecordsError]
    await records.take("edge1", _upload(1))
    assert _kept(tmp_path) == [("edge1", "1")]
    assert _values(records)["records_commits_failed"] == 1
    await records.stop()


@in_loop
async def test_a_file_that_cannot_be_opened_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "records.db"
    place.mkdir()
    records = _records(tmp_path)
    await records.start()
    with pytest.raises(RecordsError):
        await records.take("edge1", _upload(1))
    place.rmdir()
    monkeypatch.setattr(service, "_TRY_AGAIN", 0.0)
    await records.take("edge1", _upload(1))
    assert _kept(tmp_path) == [("edge1", "1")]
    await records.stop()


async def _answer(taker: Any, message: Message, counts: Counts | None = None) -> Message:
    takers = {Target.RECORDS: taker} if taker is not None else {}
    (answer,) = await Upstream(takers, lambda node, resource: False, lambda: 1, counts or Counts()).answer("edge1", Mode.LEDGER, message)
    return answer


@in_loop
async def test_the_hub_files_an_upload_under_the_name_in_the_certificate_and_acknowledges_it(tmp_path: Path) -> None:
    records = _records(tmp_path)
    await records.start()
    answer = await _answer(records, _upload(1, resource="$hw/events/upload/edge2"))
    assert (answer.route.operation, answer.content, answer.header.parent_msg_id) == ("response", "OK", "m1")
    assert _kept(tmp_path) == [("edge1", "1")]
    await records.stop()


@in_loop
async def test_the_hub_says_of_an_upload_what_is_wrong_with_it_and_whether_to_say_it_again(tmp_path: Path) -> None:
    records = _records(tmp_path)
    await records.start()
    said = {
        "content": await _answer(records, _upload(1, content={"a": 1})),
        "route.resource": await _answer(records, _upload(1, resource="a/#")),
        "route.group": await _answer(records, _upload(1, operation="publish")),
        "modules.records.enable": await _answer(None, _upload(1)),
    }
    for field, answer in said.items():
        assert answer.route.operation == "error" and answer.content["retry"] is False
        assert answer.content["reason"].startswith(f"{field}: ")
    await records.stop()

    class Full:
        async def take(self, node: str, message: Message) -> None:
            raise RecordsError("no space left")

    answer = await _answer(Full(), _upload(1))
    assert answer.content == {"code": 503, "reason": "no space left", "retry": True}


@in_loop
async def test_a_refused_upload_stays_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        await _records(tmp_path).take("edge1", _upload(1, content=[]))
