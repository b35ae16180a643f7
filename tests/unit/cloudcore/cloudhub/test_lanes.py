from __future__ import annotations

import asyncio

from cloudcore.cloudhub.lanes import Lanes


def test_lanes_share_the_places_fairly_and_put_waits_for_room() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        done: list[str] = []

        async def work(item: str) -> None:
            await gate.wait()
            done.append(item)

        lanes: Lanes[str] = Lanes(work, width=2, room=4)
        for lane, item in (("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")):
            await lanes.put(lane, item)
        blocked = asyncio.create_task(lanes.put("d", "d1"))
        await asyncio.sleep(0)
        assert not blocked.done() and not lanes.idle
        gate.set()
        await blocked
        while not lanes.idle:
            await asyncio.sleep(0)
        assert sorted(done) == ["a1", "a2", "b1", "c1", "d1"]
        assert done.index("a1") < done.index("a2")
        assert done.index("c1") < done.index("a2")

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_every_burst_finds_workers_however_the_last_one_ended() -> None:
    async def scenario() -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            done.append(item)

        lanes: Lanes[int] = Lanes(work, width=2)
        for item in range(200):
            await lanes.put(f"lane{item}", item)
            if item % 3 == 0:
                await asyncio.sleep(0)
        while not lanes.idle:
            await asyncio.sleep(0)
        assert sorted(done) == list(range(200))
        assert not lanes._workers

    asyncio.run(asyncio.wait_for(scenario(), 5))
