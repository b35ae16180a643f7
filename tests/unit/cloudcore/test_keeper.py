"""Work that is begun again when it fails (D8)."""

from __future__ import annotations

import asyncio

import pytest

from cloudcore import keeper


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE", 0.001)


def test_what_fails_unexpectedly_is_said_and_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    begun = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise RuntimeError("never heard of")

    async def scenario() -> None:
        await asyncio.wait_for(keeper.keep(work, "leases"), 10)

    asyncio.run(scenario())
    assert begun == [0, 1, 2]
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["leases failed"] * 2
    assert "never heard of" in caplog.text


def test_it_ends_when_it_is_cancelled() -> None:
    async def scenario() -> None:
        task = keeper.keep(asyncio.Event().wait, "for ever")  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
