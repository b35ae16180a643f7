"""Finding an engine, and what its socket may answer. No Podman is needed here."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.containers import engine as engine_module
from edgecore.containers.engine import Engine
from edgecore.containers.engine_facts import machine_facts
from edgecore.containers.podman import PodmanRuntime
from edgecore.errors import ContainerLost, EngineError, EngineUnreachable


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because socket paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="bre-") as made:
        yield Path(made)


def serve(path: Path, answer: bytes) -> None:
    """Every connection gets ``answer`` and is closed."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    threading.Thread(target=run, daemon=True).start()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(body), body)


def test_an_endpoint_where_nobody_answers_is_unreachable(folder: Path) -> None:
    engine = Engine(str(folder), endpoint=f"unix://{folder}/none.sock", facts=machine_facts)
    with pytest.raises(EngineUnreachable):
        engine.runtime()
    with pytest.raises(EngineUnreachable, match="tried again soon"):
        engine.runtime()
    engine.stop()
    with pytest.raises(EngineUnreachable, match="shut down"):
        engine.runtime()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            http(b'{"cause":"container not known","message":"getting container from store \\"f00\\": container not known"}', "500 No"),
            ContainerLost,
        ),
        (http(b'{"message":"disk on fire"}', "500 No"), EngineError),
        (http(b"<html>", "500 No"), EngineError),
        (http(b'{"message":"container not known"}', "404 Not Found"), None),
    ],
)
def test_a_container_that_podman_lists_and_its_storage_lost_is_told_apart(
    folder: Path, answer: bytes, error: type[Exception] | None
) -> None:
    serve(folder / "podman.sock", answer)
    runtime = PodmanRuntime(f"unix://{folder}/podman.sock")
    if error is None:
        assert runtime.look("f00") is None
        return
    with pytest.raises(EngineError) as caught:
        runtime.look("f00")
    assert type(caught.value) is error


def test_a_machine_without_podman_is_told_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    engine = Engine(str(folder), facts=machine_facts, system_socket=str(folder / "none"))
    with pytest.raises(EngineUnreachable, match="install the package podman"):
        engine.runtime()


SLOW_PODMAN = """#!/usr/bin/env python3
import os, socket, sys, time
with open(os.path.join(os.path.dirname(__file__), "starts"), "a") as starts:
    starts.write("x")
while not os.path.exists(os.path.join(os.path.dirname(__file__), "ready")):
    time.sleep(0.01)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[-1].removeprefix("unix://"))
listener.listen()
while True:
    with listener.accept()[0] as connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nServer: Libpod/5.4 (linux)\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nOK")
"""


def test_a_service_that_is_slow_to_start_is_left_to_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "podman").write_text(SLOW_PODMAN)
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(engine_module, "START_LIMIT", 0.3)
    engine = Engine(str(folder / "r"), facts=machine_facts, system_socket=str(folder / "none"))
    for _ in range(2):
        with pytest.raises(EngineUnreachable, match="still starting"):
            engine.runtime()
    (folder / "ready").touch()
    monkeypatch.setattr(engine_module, "START_LIMIT", 10.0)
    assert engine.runtime().version() == "5.4"
    assert (folder / "starts").read_text() == "x"
    engine.stop()


def test_a_service_that_never_answers_is_started_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "podman").write_text(SLOW_PODMAN)
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(engine_module, "START_LIMIT", 0.3)
    monkeypatch.setattr(engine_module, "LONGEST_START", 0.2)
    engine = Engine(str(folder / "r"), facts=machine_facts, system_socket=str(folder / "none"))
    with pytest.raises(EngineUnreachable, match="did not answer"):
        engine.runtime()
    engine.stop()


def test_a_directory_that_is_too_long_for_a_socket_is_named(folder: Path) -> None:
    engine = Engine(str(folder / ("x" * 120)), facts=machine_facts, system_socket=str(folder / "none"))
    with pytest.raises(EngineUnreachable, match=r"modules\.edged\.rootDirectory"):
        engine.runtime()


def test_a_directory_that_cannot_be_written_is_an_error_and_no_crash(folder: Path) -> None:
    (folder / "file").touch()
    engine = Engine(str(folder / "file" / "root"), facts=machine_facts, system_socket=str(folder / "none"))
    with pytest.raises(EngineUnreachable, match="cannot be set up"):
        engine.runtime()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff garbage",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        http(b"not json"),
        http(b"[]"),
        http(b'"text"'),
        http(b'{"message": "broken"}', "500 Internal Server Error"),
        http(b"plain trouble", "503 Unavailable"),
    ],
)
def test_an_engine_that_talks_nonsense_is_an_engine_error(folder: Path, answer: bytes) -> None:
    serve(folder / "s", answer)
    runtime = PodmanRuntime(f"unix://{folder}/s", timeout=5)
    with pytest.raises(EngineError):
        runtime.version()
    with pytest.raises(EngineError):
        runtime.look("x")


def test_lists_of_an_unknown_shape_are_an_engine_error(folder: Path) -> None:
    serve(folder / "s", http(b'[{"Names": ["no id"]}]'))
    runtime = PodmanRuntime(f"unix://{folder}/s", timeout=5)
    for ask in (runtime.containers, runtime.sandboxes):
        with pytest.raises(EngineError, match="unknown shape"):
            ask()
