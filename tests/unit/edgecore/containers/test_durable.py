"""Images that have come are on the disk before anyone builds on them: Podman does not see to it, and a power cut leaves empty files."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest

from edgecore.containers import podman
from edgecore.containers.durable import sync_file_system
from edgecore.containers.model import ContainerSpec, Network, SandboxSpec
from edgecore.containers.podman import PodmanRuntime
from edgecore.containers.progress import Fetched
from edgecore.errors import EngineError

IMAGE = {"Id": "1234", "Size": 5, "GraphDriver": {"Name": "overlay", "Data": {"UpperDir": "/usr"}}}


IN_USE = (
    'creating container storage: the container name "k8s_a" is already in use by {}. You have to remove that container to be able to reuse '
    "that name: that name is already in use by an external entity"
)
PAUSE = "localhost/podman-pause:5.4.2-1"


class Answers(BaseHTTPRequestHandler):
    """Podman's to what loading, pulling and making sandboxes asks. A spoilt pause image lets no sandbox start."""

    spoilt: ClassVar[set[str]] = set()
    holder: ClassVar[list[str]] = []
    """Of the name of each container that is made: an id, and whether Podman knows the container."""

    def do_GET(self) -> None:
        name = unquote(self.path).partition("/images/")[2].partition("/get")[0]
        if "/containers/" in self.path and "stranger" in self.holder:
            self._say({"message": "no such container"}, 404)
        elif self.path.endswith("/images/json"):
            self._say([{"Id": "1", "RepoTags": [PAUSE]}, {"Id": "2", "RepoTags": ["quay.io/spoilt:1"]}])
        elif "/get" in self.path and name in self.spoilt:
            self._say({"message": 'file integrity checksum failed for "catatonit"'}, 500)
        else:
            self._say(IMAGE)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path and self.holder:
            self._say({"message": IN_USE.format(self.holder[0])}, 500)
        elif "/containers/create" in self.path:
            self._say({"Id": "made"}, 201)
        elif "/pods/" in self.path:
            self._say({"Id": "pod1"}, 500 if self.path.endswith("/start") and PAUSE in self.spoilt else 200)
        else:
            self._say({"Names": ["quay.io/a:1"]} if "/images/load" in self.path else {"status": "Download complete", "id": "a"})

    def do_DELETE(self) -> None:
        if self.holder and self.holder[0] in self.path:
            self.holder.clear()
        self.spoilt.discard(unquote(self.path).partition("/images/")[2].partition("?")[0])
        self._say({})

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _say(self, body: Any, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def runtime() -> Iterator[PodmanRuntime]:
    with tempfile.TemporaryDirectory(prefix="bre-") as folder, ThreadingUnixStreamServer(f"{folder}/s", Answers) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        made = PodmanRuntime(f"unix://{folder}/s", timeout=5)
        yield made
        made.close()
        server.shutdown()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    places: list[str] = []
    monkeypatch.setattr(podman, "sync_file_system", places.append)
    return places


def _deaf(fetched: Fetched) -> None:
    pass


def test_what_an_archive_held_is_on_the_disk_before_it_is_told(runtime: PodmanRuntime, synced: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"a")
    assert runtime.load(tmp_path / "a.tar") == ["quay.io/a:1"]
    assert synced == ["/usr"]


def test_what_was_pulled_is_on_the_disk_before_it_is_told(runtime: PodmanRuntime, synced: list[str]) -> None:
    assert runtime.pull("quay.io/a:1", credentials="", stall=5.0, heard=_deaf).id == "1234"
    assert synced == ["/usr"]


def test_a_sandbox_that_does_not_start_for_a_spoilt_pause_image_starts_the_next_time(
    runtime: PodmanRuntime, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "spoilt", {PAUSE, "quay.io/spoilt:1"})
    spec = SandboxSpec("k8s_POD_a", (), Network(hostname="a"))
    with pytest.raises(EngineError):
        runtime.create_sandbox(spec)
    assert Answers.spoilt == {"quay.io/spoilt:1"}
    assert runtime.create_sandbox(spec) == "pod1"


def test_a_name_that_a_container_holds_which_was_never_made_is_freed(runtime: PodmanRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "holder", ["a" * 64, "stranger"])
    assert runtime.create(ContainerSpec("k8s_a", "quay.io/a:1", (), network=Network(hostname="a"))) == "made"


def test_a_name_that_a_container_of_podmans_holds_stays_with_it(runtime: PodmanRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "holder", ["a" * 64, "known"])
    with pytest.raises(EngineError, match="already in use"):
        runtime.create(ContainerSpec("k8s_a", "quay.io/a:1", (), network=Network(hostname="a")))
    assert Answers.holder


def test_the_first_sandbox_is_on_the_disk_with_the_image_that_was_built_for_it(runtime: PodmanRuntime, synced: list[str]) -> None:
    spec = SandboxSpec("k8s_POD_a", (), Network(hostname="a"))
    for _ in range(3):
        runtime.create_sandbox(spec)
    assert synced == ["/usr"]


def test_a_disk_that_does_not_say_that_it_has_it_costs_a_word_and_no_image(
    runtime: PodmanRuntime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(place: str) -> None:
        raise OSError(5, "Input/output error", place)

    monkeypatch.setattr(podman, "sync_file_system", refuses)
    assert runtime.pull("quay.io/a:1", credentials="", stall=5.0, heard=_deaf).id == "1234"
    assert "Input/output error" in caplog.text


def test_a_file_system_is_synced_or_the_reason_is_told(tmp_path: Path) -> None:
    sync_file_system(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        sync_file_system(str(tmp_path / "none"))
