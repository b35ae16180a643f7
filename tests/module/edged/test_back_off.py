"""One worker and a clock in the hand of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecore.containers.model import State
from edgecore.containers.pulls import Pulls
from edgecore.edged.fields import Surroundings
from edgecore.edged.pod import read_pod
from edgecore.edged.podspec import NodeRules
from edgecore.edged.ports import Workshop
from edgecore.edged.volume_files import VolumeFiles
from edgecore.edged.worker import PodWorker
from tests.fakes.meta import FakeMeta
from tests.fakes.runtime import FakeRuntime
from tests.unit.edgecore.edged.pods import pod


@dataclass
class Bench:
    meta: FakeMeta
    runtime: FakeRuntime
    worker: PodWorker
    now: list[float]

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
    now = [1_000_000.0]
    runtime, meta = FakeRuntime(clock=lambda: now[0]), FakeMeta()
    shop = Workshop(
        meta=meta,
        runtime=lambda: runtime,
        pulls=Pulls(lambda: runtime, limit=1.0),
        files=VolumeFiles(tmp_path, None),
        rules=lambda: NodeRules("board"),
        around=lambda: Surroundings("edge1", "192.168.1.9", 1, 1),
        clock=lambda: now[0],
    )
    worker = PodWorker("0d2c7a4e-1", shop, lambda uid: None)
    worker.want(read_pod(pod()))
    worker.start()
    yield Bench(meta, runtime, worker, now)
    worker.close()
    worker.join(5)


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
