"""Image archives in a folder, over a container engine in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgecore.containers.arrivals import Arrivals
from edgecore.containers.pulls import Pulls
from edgecore.edged.archives import EVERY, FAILED_EVERY, Archives
from edgecore.edged.events import Events
from edgecore.edged.fields import Surroundings
from edgecore.edged.image_memory import ImageMemory
from edgecore.edged.podspec import NodeRules
from edgecore.edged.ports import Workshop
from edgecore.edged.prober import Prober
from edgecore.edged.volume_files import VolumeFiles
from edgecore.errors import EngineError, EngineUnreachable
from tests.fakes.meta import FakeMeta
from tests.fakes.runtime import FakeRuntime


class Shelf:
    """A folder of archives; each holds the names of its images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "images"
        self.folder.mkdir()
        self.runtime = FakeRuntime()
        self.now = 0.0
        self.loads = 0
        self.restart()

    def restart(self) -> None:
        meta = FakeMeta()
        memory = self.memory = ImageMemory(self.root / "images.json")
        shop = Workshop(
            meta=meta,
            runtime=lambda: self.runtime,
            pulls=Pulls(lambda: self.runtime, stall=1.0, arrivals=Arrivals(lambda: self.runtime, memory)),
            files=VolumeFiles(self.root, None),
            rules=lambda: NodeRules("board"),
            around=lambda: Surroundings("edge1", "192.168.1.9", 1, 1),
            prober=Prober(lambda: self.runtime),
            events=Events("edge1", meta.report_event),
        )
        self.archives = Archives(shop, self.folder, memory, loaded=self._loaded, clock=lambda: self.now)

    def _loaded(self) -> None:
        self.loads += 1

    def put(self, name: str, images: str) -> None:
        (self.folder / name).write_text(images)

    def look(self, times: int = 1) -> set[str]:
        """The images that have come from archives so far."""
        for _ in range(times):
            self.now += EVERY
            self.archives.look()
        return {name for name in self.runtime.local if name.startswith("quay.io/")}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_an_archive_that_comes_to_a_running_board_is_loaded_within_half_a_minute(shelf: Shelf) -> None:
    assert shelf.look() == set()
    shelf.put("a.tar", "quay.io/a:1")
    assert shelf.look(2) == {"quay.io/a:1"} and shelf.loads == 1
    assert 2 * EVERY < 30.0


def test_an_archive_that_still_grows_is_left_alone(shelf: Shelf) -> None:
    for size in range(1, 5):
        shelf.put("a.tar", "quay.io/half:1\n" * size)
        assert shelf.look() == set()
    shelf.put("a.tar", "quay.io/whole:1")
    assert shelf.look(2) == {"quay.io/whole:1"}


def test_an_archive_is_loaded_once_also_after_a_restart_and_again_when_it_changes(shelf: Shelf) -> None:
    shelf.put("a.tgz", "quay.io/a:1")
    shelf.look(3)
    shelf.restart()
    shelf.look(3)
    assert shelf.loads == 1
    shelf.put("a.tgz", "quay.io/a:2 ")
    assert shelf.look(2) == {"quay.io/a:1", "quay.io/a:2"} and shelf.loads == 2


def test_an_archive_that_was_taken_away_and_comes_back_is_loaded_again(shelf: Shelf) -> None:
    shelf.put("a.tar", "quay.io/a:1")
    shelf.look(2)
    (shelf.folder / "a.tar").rename(shelf.root / "a.tar")
    shelf.look()
    (shelf.root / "a.tar").rename(shelf.folder / "a.tar")
    shelf.look(2)
    assert shelf.loads == 2


def test_a_broken_archive_keeps_no_other_back_and_is_tried_again_after_a_while(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shelf.runtime, "load", Full(shelf.runtime, "a.tar"))
    shelf.put("a.tar", "quay.io/a:1")
    shelf.put("b.tar", "quay.io/b:1")
    assert shelf.look(10) == {"quay.io/b:1"}
    assert caplog.text.count("no space left on device") == 1
    monkeypatch.undo()
    assert shelf.look(int(FAILED_EVERY / EVERY)) == {"quay.io/a:1", "quay.io/b:1"}


class Full:
    """A load that finds no room for one archive."""

    def __init__(self, runtime: FakeRuntime, name: str) -> None:
        self._load, self._name = runtime.load, name

    def __call__(self, archive: Path) -> list[str]:
        if archive.name == self._name:
            raise EngineError("load: no space left on device")
        return self._load(archive)


def test_an_engine_that_is_not_there_yet_is_asked_again(shelf: Shelf) -> None:
    shelf.put("a.tar", "quay.io/a:1")
    shelf.look()
    shelf.runtime.down = True
    with pytest.raises(EngineUnreachable):
        shelf.look()
    shelf.runtime.down = False
    assert shelf.look() == {"quay.io/a:1"}


def test_what_else_lies_in_the_folder_is_nobodys_archive(shelf: Shelf) -> None:
    (shelf.folder / "folder.tar").mkdir()
    (shelf.folder / "dangling.tar").symlink_to("nowhere")
    shelf.put("a.tar.part", "quay.io/a:1")
    assert shelf.look(3) == set()
    shelf.folder.rename(shelf.root / "elsewhere")
    assert shelf.look(2) == set()


def test_an_archive_whose_load_a_power_cut_ended_is_loaded_again_into_nothing(shelf: Shelf) -> None:
    shelf.put("a.tar", "quay.io/a:1 quay.io/b:1")
    shelf.memory.note_coming("archive a.tar")
    shelf.runtime.local.add("quay.io/a:1")
    shelf.runtime.spoilt.add("quay.io/a:1")
    shelf.restart()
    assert shelf.look(2) == {"quay.io/a:1", "quay.io/b:1"}
    assert shelf.runtime.spoilt == set() and shelf.memory.coming() == set()


def test_an_archive_that_is_being_loaded_is_noted_until_it_is_on_the_disk(shelf: Shelf) -> None:
    seen: list[set[str]] = []
    load = shelf.runtime.load

    def watched(archive: Path) -> list[str]:
        seen.append(ImageMemory(shelf.root / "images.json").coming())
        return load(archive)

    shelf.runtime.load = watched  # type: ignore[method-assign]
    shelf.put("a.tar", "quay.io/a:1")
    shelf.look(2)
    assert seen == [{"archive a.tar"}] and shelf.memory.coming() == set()


def test_two_who_remember_at_once_forget_nothing(tmp_path: Path) -> None:
    memory = ImageMemory(tmp_path / "images.json")

    def remember_fetched() -> None:
        for number in range(50):
            memory.set_fetched({f"id-{number}"})

    thread = threading.Thread(target=remember_fetched)
    thread.start()
    for number in range(50):
        memory.set_archives({"a.tar": (number, 1)})
    thread.join()
    again = ImageMemory(tmp_path / "images.json")
    assert (again.archives(), again.fetched()) == ({"a.tar": (49, 1)}, {"id-49"})
