"""The door to Podman's pull, against a socket that answers as the test says."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.containers import imagepull
from edgecore.containers.imagepull import fetch
from edgecore.containers.progress import Fetched
from edgecore.errors import ImagePullError

BEGUN = {"status": "Pulling fs layer", "id": "a"}
HALF = {"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "id": "a"}
DONE = {"status": "Download complete", "id": "a"}


class Engine:
    """Answers one pull with ``reports``; then the answer ends, unless it ``hangs``."""

    def __init__(self, *reports: Any, hangs: bool = False, status: str = "200 OK") -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="brp-")
        self.path = str(Path(self.folder.name) / "s")
        self.request = b""
        self.left = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._body = b"".join(report if isinstance(report, bytes) else json.dumps(report).encode() + b"\n" for report in reports)
        self._hangs = hangs
        self._status = status
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection = self._listener.accept()[0]
            while b"\r\n\r\n" not in self.request:
                self.request += connection.recv(65536)
            connection.sendall(f"HTTP/1.1 {self._status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for start in range(0, len(self._body), 7):
                piece = self._body[start : start + 7]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            if not self._hangs:
                connection.sendall(b"0\r\n\r\n")
            with contextlib.suppress(OSError):
                connection.recv(1)
            self.left.set()


@pytest.fixture
def heard() -> Iterator[list[Fetched]]:
    yield []


def test_progress_is_heard_and_credentials_go_along(heard: list[Fetched]) -> None:
    engine = Engine({"status": "Already exists", "id": "z"}, BEGUN, HALF, DONE)
    fetch(engine.path, "quay.io/web@sha256:1", credentials="c2VjcmV0", stall=5, heard=heard.append)
    assert heard == [Fetched(), Fetched(), Fetched(5, 10), Fetched(10, 10, 1)]
    assert b"POST /v4.0.0/images/create?fromImage=quay.io%2Fweb%40sha256%3A1 " in engine.request
    assert b"X-Registry-Auth: c2VjcmV0\r\n" in engine.request


@pytest.mark.parametrize(
    ("reports", "says"),
    [
        ([BEGUN, HALF, {"error": "unexpected EOF", "errorDetail": {"message": "unexpected EOF"}}], "unexpected EOF"),
        ([{"cause": "x", "message": "invalid reference format", "response": 400}], "invalid reference format"),
        ([b"no json\n", b"[1]\n", {"error": "late"}], "late"),
    ],
)
def test_what_the_engine_says_of_a_failure_is_passed_on(heard: list[Fetched], reports: list[Any], says: str) -> None:
    with pytest.raises(ImagePullError, match=f"web: {says}"):
        fetch(Engine(*reports).path, "web", credentials="", stall=5, heard=heard.append)


def test_a_layer_that_stands_still_is_given_up_and_the_engine_is_told(heard: list[Fetched]) -> None:
    engine = Engine(BEGUN, HALF, hangs=True)
    with pytest.raises(ImagePullError, match=r"nothing came for 0.2 s"):
        fetch(engine.path, "web", credentials="", stall=0.2, heard=heard.append)
    assert engine.left.wait(5)


def test_unpacking_takes_as_long_as_it_takes(heard: list[Fetched], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagepull, "SILENCE", 0.5)
    with pytest.raises(ImagePullError, match=r"nothing came for 0.5 s"):
        fetch(Engine(BEGUN, HALF, DONE, hangs=True).path, "web", credentials="", stall=0.1, heard=heard.append)


def test_an_engine_that_goes_away_is_said(heard: list[Fetched]) -> None:
    with pytest.raises(ImagePullError, match="the container engine went away"):
        fetch("/nowhere.sock", "web", credentials="", stall=5, heard=heard.append)
