"""One worker and a clock in the hand of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecore.containers.model import State
from edgecore.containers.pulls import Pulls
from edgecore.edged.events import Events
from edgecore.edged.fields import Surroundings
from edgecore.edged.pod import read_pod
from edgecore.edged.podspec import NodeRules
from edgecore.edged.ports import Workshop
from edgecore.edged.prober import Prober
from edgecore.edged.volume_files import VolumeFiles
from edgecore.edged.worker import PodWorker
from tests.fakes.meta import FakeMeta
from tests.fakes.runtime import FakeRuntime
from tests.unit.edgecore.edged.pods import pod


@dataclass
class Bench:
    """``now``: seconds that pass; ``jump``: how far the wall clock was set meanwhile."""

    meta: FakeMeta
    runtime: FakeRuntime
    now: list[float]
    jump: list[float]
    shop: Workshop

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.worker = PodWorker("0d2c7a4e-1", self.shop, lambda uid: None)
        self.worker.want(read_pod(pod()))
        self.worker.start()

    def stop(self) -> None:
        self.worker.close()
        self.worker.join(5)

    def restarts(self) -> int:
        found = self.runtime.named("web")
        return int(found.name.rpartition("_")[2]) if found is not None and found.state is State.RUNNING else -1

    def crash(self, *, after: float) -> None:
        """The container runs ``after`` seconds and ends with code 1."""
        self.now[0] += after
        found = self.runtime.named("web")
        assert found is not None
        self.runtime.end(found.id, 1)
        self.worker.wake()

    def status_reason(self) -> str:
        state = self.meta.last_status("web-0")["containerStatuses"][0]["state"]
        return str(state.get("waiting", {}).get("reason", ""))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    now, jump = [1_000_000.0], [0.0]

    def wall() -> float:
        return now[0] + jump[0]

    runtime, meta = FakeRuntime(clock=wall), FakeMeta()
    shop = Workshop(
        meta=meta,
        runtime=lambda: runtime,
        pulls=Pulls(lambda: runtime, stall=1.0),
        files=VolumeFiles(tmp_path, None),
        rules=lambda: NodeRules("board"),
        around=lambda: Surroundings("edge1", "192.168.1.9", 1, 1),
        prober=Prober(lambda: runtime),
        events=Events("edge1", meta.report_event, wall),
        clock=wall,
        steady=lambda: now[0],
    )
    made = Bench(meta, runtime, now, jump, shop)
    yield made
    made.stop()


def test_the_first_crash_is_answered_at_once_and_later_ones_wait_longer_each_time(bench: Bench) -> None:
    bench.meta.wait_for(lambda: bench.restarts() == 0)
    bench.crash(after=1)
    bench.meta.wait_for(lambda: bench.restarts() == 1)
    for count, wait in ((2, 10.0), (3, 20.0), (4, 40.0)):
        bench.crash(after=1)
        bench.meta.wait_for(lambda: bench.status_reason() == "CrashLoopBackOff")
        bench.now[0] += wait - 1
        bench.worker.wake()
        assert bench.restarts() == -1
        bench.now[0] += 1
        bench.worker.wake()
        bench.meta.wait_for(lambda count=count: bench.restarts() == count)


def test_a_long_healthy_run_is_answered_at_once_again(bench: Bench) -> None:
    bench.meta.wait_for(lambda: bench.restarts() == 0)
    bench.crash(after=1)
    bench.meta.wait_for(lambda: bench.restarts() == 1)
    bench.crash(after=700)
    bench.meta.wait_for(lambda: bench.restarts() == 2)


YEARS = 50 * 365 * 86400.0


@pytest.mark.parametrize("years", [YEARS, -YEARS])
def test_a_clock_that_jumps_restarts_nothing_and_keeps_no_back_off_waiting(bench: Bench, years: float) -> None:
    bench.meta.wait_for(lambda: bench.restarts() == 0)
    bench.crash(after=1)
    bench.meta.wait_for(lambda: bench.restarts() == 1)
    bench.crash(after=1)
    bench.meta.wait_for(lambda: bench.status_reason() == "CrashLoopBackOff")
    bench.jump[0] = years
    bench.now[0] += 9
    bench.worker.wake()
    assert bench.restarts() == -1, "the back-off of 10 s is not over"
    bench.now[0] += 1
    bench.worker.wake()
    bench.meta.wait_for(lambda: bench.restarts() == 2)
    bench.jump[0] = 0.0
    bench.worker.wake()
    assert bench.restarts() == 2


def test_a_container_that_ended_in_the_future_runs_again_after_its_back_off(bench: Bench) -> None:
    """The board was switched off in 2026 and boots in 1970."""
    bench.meta.wait_for(lambda: bench.restarts() == 0)
    bench.stop()
    bench.crash(after=1)
    bench.jump[0] = -YEARS
    bench.start()
    bench.meta.wait_for(lambda: bench.restarts() == 1)
