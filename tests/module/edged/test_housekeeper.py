"""Housekeeping over a container engine in memory and a machine in the hand of the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecore.containers.model import State
from edgecore.containers.pulls import Pulls
from edgecore.edged.events import Events
from edgecore.edged.fields import Surroundings
from edgecore.edged.housekeeper import IMAGES_EVERY, Housekeeper
from edgecore.edged.housekeeping import DiskRules
from edgecore.edged.image_memory import ImageMemory
from edgecore.edged.node import Machine
from edgecore.edged.pod import read_pod
from edgecore.edged.podspec import NodeRules
from edgecore.edged.ports import Workshop
from edgecore.edged.prober import Prober
from edgecore.edged.volume_files import VolumeFiles
from edgecore.edged.worker import PodWorker
from edgecore.errors import EngineUnreachable
from tests.fakes.meta import FakeMeta
from tests.fakes.runtime import FakeRuntime
from tests.unit.edgecore.edged.pods import container, pod
from tests.unit.edgecore.edged.test_node import BOARD, GIB


class Home:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.runtime = FakeRuntime(registry={"quay.io/used:1", "quay.io/old:1"})
        self.meta = FakeMeta()
        self.machine = replace(BOARD, disk=100 * GIB, disk_available=60 * GIB)
        self.workers: dict[str, PodWorker] = {}
        self.images: list[str] = []
        self.files = VolumeFiles(root, None)
        self.make()

    def make(self) -> None:
        """As after a restart of EdgeCore."""
        self.shop = Workshop(
            meta=self.meta,
            runtime=lambda: self.runtime,
            pulls=Pulls(lambda: self.runtime, stall=1.0),
            files=self.files,
            rules=lambda: NodeRules("board"),
            around=lambda: Surroundings("edge1", "192.168.1.9", 1, 1),
            prober=Prober(lambda: self.runtime),
            events=Events("edge1", self.meta.report_event),
        )
        self.keeper = Housekeeper(
            self.shop,
            ImageMemory(self.root / "images.json"),
            DiskRules(80, 50),
            read=self.read,
            workers=lambda: list(self.workers.values()),
            images_changed=lambda found: self.images.__setitem__(slice(None), [name for image in found for name in image.names]),
        )

    def read(self) -> Machine:
        return self.machine

    def look(self) -> None:
        self.keeper._images_at -= IMAGES_EVERY
        self.keeper._sizes_at -= IMAGES_EVERY
        self.keeper.look()

    def apply(self, document: dict[str, object]) -> None:
        plan = read_pod(document)
        worker = self.workers[plan.uid] = PodWorker(plan.uid, self.shop, lambda uid: None)
        worker.want(plan)
        worker.start()
        self.meta.wait_for(lambda: self.meta.last_status(plan.name).get("phase") == "Running")

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
            worker.join(5)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_only_images_that_were_fetched_here_and_that_no_pod_needs_are_removed_when_the_disk_fills(home: Home) -> None:
    home.runtime.local = {"quay.io/strangers:1", "localhost/web:1"}
    home.runtime.sizes = dict.fromkeys(("quay.io/used:1", "quay.io/old:1", "quay.io/strangers:1"), 40 * GIB)
    for name in ("used", "old"):
        home.apply(pod(container(image=f"quay.io/{name}:1"), name=name, uid=f"{name}-uid-1"))
    home.look()
    assert set(home.images) == home.runtime.local
    gone = home.workers.pop("old-uid-1")
    gone.want(None)
    home.meta.wait_for(lambda: gone.finished)
    home.machine = replace(home.machine, disk_available=10 * GIB)
    home.make()
    home.look()
    assert home.runtime.local == {"quay.io/strangers:1", "localhost/web:1", "quay.io/used:1"}
    assert "quay.io/old:1" not in home.images
    home.close()


def test_what_is_kept_for_its_log_alone_goes_when_the_disk_fills(home: Home) -> None:
    home.apply(pod())
    home.runtime.end(home.runtime.everything()[0].id, 1)
    home.workers["0d2c7a4e-1"].wake()
    home.meta.wait_for(lambda: len(home.runtime.everything()) == 2)
    home.look()
    assert len(home.runtime.everything()) == 2
    home.machine = replace(home.machine, disk_available=10 * GIB)
    home.look()
    assert [c.state for c in home.runtime.everything()] == [State.RUNNING]
    home.close()


def test_a_node_short_of_memory_ends_one_pod_which_stays_ended(home: Home) -> None:
    for name in ("small", "large"):
        home.apply(pod(name=name, uid=f"{name}-uid-1"))
    home.runtime.used = {"small-uid-1": 10, "large-uid-1": 1000}
    home.machine = replace(home.machine, memory_available=1)
    home.look()
    home.meta.wait_for(lambda: home.meta.last_status("large").get("phase") == "Failed")
    status = home.meta.last_status("large")
    assert (status["reason"], status["message"]) == ("Evicted", "The node was low on resource: memory.")
    assert "Evicted" in home.meta.reasons("large")
    home.machine = replace(home.machine, memory_available=GIB)
    home.look()
    home.workers["large-uid-1"].try_again()
    home.meta.wait_for(lambda: home.meta.last_status("small")["phase"] == "Running")
    assert [c.label("io.bramble.pod.name") for c in home.runtime.everything()] == ["small"]
    home.close()


def test_a_pod_that_fills_its_volume_beyond_the_limit_is_ended(home: Home) -> None:
    volume = [{"name": "cache", "emptyDir": {"sizeLimit": "64Ki"}}]
    home.apply(pod(container(volumeMounts=[{"name": "cache", "mountPath": "/c"}]), volumes=volume))
    home.look()
    assert home.meta.last_status("web-0")["phase"] == "Running"
    (home.root / "pods/0d2c7a4e-1/volumes/cache/big").write_bytes(b"x" * 200_000)
    home.look()
    home.meta.wait_for(lambda: home.meta.last_status("web-0").get("reason") == "Evicted")
    assert home.meta.last_status("web-0")["message"] == 'Usage of EmptyDir volume "cache" exceeds the limit "65536".'
    home.close()


def test_an_engine_that_is_not_there_yet_is_asked_again_at_the_next_look(home: Home) -> None:
    home.runtime.down = True
    with pytest.raises(EngineUnreachable):
        home.keeper.look()
    home.runtime.down = False
    home.keeper.look()
    assert home.images == ["localhost/web:1"]


def test_images_that_somebody_brought_are_told_at_the_next_look(home: Home) -> None:
    home.keeper.look()
    home.runtime.local.add("quay.io/brought:1")
    home.keeper.look()
    assert "quay.io/brought:1" not in home.images
    home.keeper.images_came()
    home.keeper.look()
    assert "quay.io/brought:1" in home.images
