"""A pod that may be active for so long and no longer: one worker and a clock in the hand of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from tests.unit.edgecore.edged.pods import container, pod

YEARS = 50 * 365 * 86400.0
IN_2026 = 56 * 365 * 86400.0
LIMIT = 100


@dataclass
class Bench:
    """``now``: the steady clock; ``wall``: the other one, which may be set."""

    memory: Path
    meta: FakeMeta
    runtime: FakeRuntime
    shop: Workshop
    now: list[float]
    wall: list[float]
    document: dict[str, Any]

    def start(self) -> None:
        """EdgeCore starts with the status that was told last, and says how things are."""
        told = len(self.meta.statuses)
        status = self.meta.pod_statuses().get("0d2c7a4e-1", {})
        self.worker = PodWorker("0d2c7a4e-1", self.shop, lambda uid: None)
        self.worker.want(read_pod({**self.document, "status": status}))
        self.worker.start()
        self.meta.wait_for(lambda: len(self.meta.statuses) > told)

    def stop(self) -> None:
        self.worker.close()
        self.worker.join(5)

    def pass_time(self, seconds: float) -> None:
        self.now[0] += seconds
        self.wall[0] += seconds
        self.worker.wake()

    def status(self) -> dict[str, Any]:
        return self.meta.last_status("web-0")

    def runs(self) -> None:
        self.meta.wait_for(lambda: self.status().get("phase") == "Running")

    def looked(self) -> None:
        """EdgeCore was started again and has said how things are."""
        self.stop()
        self.start()

    def fails(self) -> dict[str, Any]:
        self.meta.wait_for(lambda: self.status().get("phase") == "Failed")
        return self.status()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    now, wall = [5000.0], [IN_2026]
    runtime, meta = FakeRuntime(clock=lambda: wall[0]), FakeMeta()
    shop = Workshop(
        meta=meta,
        runtime=lambda: runtime,
        pulls=Pulls(lambda: runtime, stall=1.0),
        files=VolumeFiles(tmp_path / "disk", tmp_path / "memory"),
        rules=lambda: NodeRules("board"),
        around=lambda: Surroundings("edge1", "192.168.1.9", 1, 1),
        prober=Prober(lambda: runtime),
        events=Events("edge1", meta.report_event, lambda: wall[0]),
        clock=lambda: wall[0],
        steady=lambda: now[0],
    )
    made = Bench(tmp_path / "memory", meta, runtime, shop, now, wall, pod(activeDeadlineSeconds=LIMIT))
    made.start()
    yield made
    made.stop()


def test_a_pod_that_was_active_for_too_long_fails_in_a_kubelets_words_and_keeps_its_containers_for_their_logs(bench: Bench) -> None:
    bench.runs()
    bench.pass_time(LIMIT - 1)
    bench.looked()
    assert bench.status()["phase"] == "Running"
    bench.pass_time(1)
    status = bench.fails()
    assert (status["reason"], status["message"]) == ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    assert "DeadlineExceeded" in bench.meta.reasons("web-0")
    (left,) = bench.runtime.everything()
    assert left.state is State.ENDED
    bench.pass_time(1000)
    bench.looked()
    assert bench.status() == status, "it stays as it was told, and nothing runs again"
    assert bench.runtime.everything() == [left]


def test_it_ends_although_nothing_wakes_its_worker(bench: Bench) -> None:
    bench.runs()
    bench.stop()
    bench.document["spec"]["activeDeadlineSeconds"] = 100.3
    bench.now[0] += 100
    bench.start()
    bench.now[0] += 0.3
    bench.fails()


@pytest.mark.parametrize("years", [YEARS, -YEARS])
def test_a_clock_that_is_set_neither_ends_a_pod_nor_keeps_it(bench: Bench, years: float) -> None:
    """Nor does a start of EdgeCore in between."""
    bench.runs()
    bench.wall[0] += years
    bench.pass_time(LIMIT - 1)
    bench.looked()
    assert bench.status()["phase"] == "Running"
    bench.pass_time(1)
    bench.fails()


@pytest.mark.parametrize(("off", "left"), [(60.0, LIMIT - 60), (YEARS, 0), (-YEARS, LIMIT)])
def test_after_a_reboot_the_wall_clock_is_asked_once(bench: Bench, off: float, left: float) -> None:
    bench.runs()
    bench.stop()
    (bench.memory / "pods" / "0d2c7a4e-1" / "since").unlink()
    bench.now[0] = 20.0
    bench.wall[0] += off
    bench.start()
    if left:
        bench.pass_time(left - 1)
        bench.looked()
        assert bench.status()["phase"] == "Running"
        bench.pass_time(1)
    bench.fails()


def test_a_pod_that_waits_for_its_image_is_active_too(bench: Bench) -> None:
    bench.stop()
    bench.meta.statuses.clear()
    bench.meta._last_by_uid.clear()
    for found in bench.runtime.everything():
        bench.runtime.remove(found.id)
    bench.document = pod(container(imagePullPolicy="Never", image="localhost/none:1"), uid="0d2c7a4e-1", activeDeadlineSeconds=LIMIT)
    bench.start()
    bench.meta.wait_for(lambda: bench.status().get("phase") == "Pending")
    bench.pass_time(LIMIT + 10_000)
    assert bench.fails()["reason"] == "DeadlineExceeded"


def test_a_pod_that_ended_in_time_stays_what_it_became(bench: Bench) -> None:
    bench.document["spec"]["restartPolicy"] = "Never"
    bench.looked()
    bench.runs()
    found = bench.runtime.named("web")
    assert found is not None
    bench.runtime.end(found.id, 0)
    bench.worker.wake()
    bench.meta.wait_for(lambda: bench.status()["phase"] == "Succeeded")
    bench.pass_time(LIMIT * 2)
    bench.looked()
    assert bench.status()["phase"] == "Succeeded"


def test_a_deadline_that_is_set_later_counts_from_the_start(bench: Bench) -> None:
    bench.stop()
    del bench.document["spec"]["activeDeadlineSeconds"]
    bench.start()
    bench.runs()
    bench.pass_time(500)
    bench.document["spec"]["activeDeadlineSeconds"] = LIMIT
    bench.worker.want(read_pod(bench.document))
    assert bench.fails()["reason"] == "DeadlineExceeded"


def test_no_more_traffic_comes_to_it_while_its_containers_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def ready() -> bool:
        resident = bench.worker.presence().resident
        return resident is not None and resident.ready

    bench.runs()
    bench.meta.wait_for(ready)
    meanwhile: list[bool] = []
    stop = bench.runtime.stop
    monkeypatch.setattr(bench.runtime, "stop", lambda *which: (meanwhile.append(ready()), stop(*which))[1])
    bench.pass_time(LIMIT)
    bench.fails()
    assert meanwhile == [False]


def test_it_is_deleted_as_any_other(bench: Bench) -> None:
    bench.runs()
    bench.pass_time(LIMIT)
    bench.fails()
    bench.worker.want(None)
    bench.meta.wait_for(lambda: bench.worker.finished)
    assert bench.runtime.everything() == []
    assert bench.shop.files.known() == set()
