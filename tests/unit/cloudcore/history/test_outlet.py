"""The way to a sink: what is slow or away costs itself only, and the counts are true (D7, D8)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cloudcore.history.outlet import Outlet, SinkAway, SinkRefused
from cloudcore.history.sample import Batch
from tests.module.cloudcore.building import in_loop
from tests.unit.cloudcore.history.batches import batch


class FakeSink:
    """``answers``: what to do with each send, the last for ever: a number of unfit samples, an error, or a future to wait for."""

    def __init__(self, *answers: int | Exception | asyncio.Event) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []
        self.sends = 0
        self.closed = False

    async def send(self, batches: Sequence[Batch]) -> int:
        self.sends += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = 0
        if isinstance(answer, Exception):
            raise answer
        self.taken += [value for one in batches for found in one.series for value in found.values]
        return answer

    async def close(self) -> None:
        self.closed = True


async def until(claim: object) -> None:
    async with asyncio.timeout(5):
        while not claim():  # type: ignore[operator]
            await asyncio.sleep(0.002)


@in_loop
async def test_what_is_offered_arrives_in_order_and_is_counted() -> None:
    sink = FakeSink(0)
    outlet = Outlet("x", sink, most=100)
    outlet.start()
    for number in range(10):
        outlet.offer(batch(str(number)))
    await until(lambda: outlet.sent == 10)
    assert sink.taken == [str(number) for number in range(10)] and outlet.waiting == 0 and not outlet.dropped
    await outlet.stop()
    assert sink.closed


@in_loop
async def test_a_sink_that_is_away_is_tried_again_and_nothing_is_lost_while_there_is_room() -> None:
    sink = FakeSink(SinkAway("gone"), SinkAway("gone"), 0)
    outlet = Outlet("x", sink, most=100, first_pause=0.01)
    outlet.start()
    outlet.offer(batch("1", "2"))
    await until(lambda: outlet.sent == 2)
    assert sink.sends == 3 and not outlet.dropped
    await outlet.stop()


@in_loop
async def test_what_a_full_queue_cannot_take_drops_the_oldest_and_waits_for_nobody() -> None:
    stuck = asyncio.Event()
    sink = FakeSink(stuck, 0)
    outlet = Outlet("x", sink, most=10)
    outlet.start()
    outlet.offer(batch("first"))
    await until(lambda: sink.sends == 1)
    for number in range(30):
        outlet.offer(batch(str(number)))
    assert outlet.waiting == 10 and outlet.dropped == {"queue_full": 21}
    stuck.set()
    await until(lambda: outlet.sent == 10)
    assert sink.taken == ["first", *map(str, range(20, 30))]
    await outlet.stop()


@in_loop
async def test_what_is_refused_for_good_and_what_does_not_fit_is_counted() -> None:
    sink = FakeSink(SinkRefused("400"), 1)
    outlet = Outlet("x", sink, most=100)
    outlet.start()
    outlet.offer(batch("1", "2"))
    await until(lambda: outlet.dropped["refused"] == 2)
    outlet.offer(batch("3", "4", "5"))
    await until(lambda: outlet.sent == 2)
    assert outlet.dropped == {"refused": 2, "unfit": 1} and outlet.waiting == 0
    await outlet.stop()


@in_loop
async def test_what_waits_at_the_end_gets_one_moment_or_is_counted() -> None:
    away = Outlet("x", FakeSink(SinkAway("gone")), most=100, first_pause=30)
    away.start()
    away.offer(batch("1", "2"))
    await until(lambda: away._is_away)
    await away.stop()
    assert away.dropped == {"stopped": 2}
    sink = FakeSink(0)
    well = Outlet("x", sink, most=100)
    well.start()
    well.offer(batch("1"))
    await well.stop()
    assert sink.taken == ["1"] and not well.dropped


@in_loop
async def test_a_fault_of_ours_does_not_end_the_way(caplog: object) -> None:
    sink = FakeSink(RuntimeError("bug"), 0)
    outlet = Outlet("x", sink, most=100)
    outlet.start()
    outlet.offer(batch("1"))
    await until(lambda: outlet.sent == 1)
    await outlet.stop()
