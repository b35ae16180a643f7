"""Images that have come are on the disk before anyone builds on them: Podman does not see to it, and a power cut leaves empty files."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from edgecore.containers import podman
from edgecore.containers.durable import sync_file_system
from edgecore.containers.podman import PodmanRuntime
from edgecore.containers.progress import Fetched

IMAGE = {"Id": "1234", "Size": 5}


class Answers(BaseHTTPRequestHandler):
    """Podman's to what loading and pulling ask."""

    def do_GET(self) -> None:
        self._say({"store": {"graphRoot": "/the/store"}} if self.path.endswith("/info") else IMAGE)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._say({"Names": ["quay.io/a:1"]} if "/images/load" in self.path else {"status": "Download complete", "id": "a"})

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _say(self, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
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
    assert synced == ["/the/store"]


def test_what_was_pulled_is_on_the_disk_before_it_is_told(runtime: PodmanRuntime, synced: list[str]) -> None:
    assert runtime.pull("quay.io/a:1", credentials="", stall=5.0, heard=_deaf).id == "1234"
    assert synced == ["/the/store"]


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
