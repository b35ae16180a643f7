"""What of packages is decided without dpkg, and how they are downloaded. With dpkg and apt: ``make test-update``."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecore.errors import UpdateError
from edgecore.updater import debian
from edgecore.updater.debian import Deb, Debian, needed
from edgecore.updates.files import UpdateFolder

BODY = b"a package" * 1000


class Serves(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/a.deb" else 404)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Serves)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_of_many_packages_those_are_taken_that_are_here_and_what_they_need_of_ours() -> None:
    debs = [
        Deb(Path("c"), "bramble-common", "2"),
        Deb(Path("e"), "bramble-edgecore", "2", frozenset({"bramble-common", "bramble-extra"})),
        Deb(Path("x"), "bramble-extra", "2"),
        Deb(Path("s"), "bramble-edgesite", "2", frozenset({"bramble-cloudcore"})),
    ]
    assert [deb.name for deb in needed(debs, ["bramble-common", "bramble-edgecore"])] == [
        "bramble-common",
        "bramble-edgecore",
        "bramble-extra",
    ]


def test_what_is_downloaded_has_the_digest_that_was_ordered_or_is_refused(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Debian(UpdateFolder(tmp_path))
    digest = hashlib.sha256(BODY).hexdigest()
    door.fetch_by_address([(f"{server}/a.deb", digest)], tmp_path / "into")
    assert (tmp_path / "into" / "0.deb").read_bytes() == BODY
    with pytest.raises(UpdateError, match="expected 0000"):
        door.fetch_by_address([(f"{server}/a.deb", "0" * 64)], tmp_path / "into")
    with pytest.raises(UpdateError, match="404"):
        door.fetch_by_address([(f"{server}/b.deb", digest)], tmp_path / "into")
    monkeypatch.setattr(debian, "MOST_BYTES", 100)
    with pytest.raises(UpdateError, match="more than"):
        door.fetch_by_address([(f"{server}/a.deb", digest)], tmp_path / "into")


@pytest.mark.parametrize("install", [Debian.install, Debian.install_plainly])
def test_what_was_installed_is_on_the_disk_before_the_journal_says_so(
    install: Callable[[Debian, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        done.append(command[0])
        return subprocess.CompletedProcess(command, 0, "ii \t1\n" if command[0] == "dpkg-query" else "", "")

    monkeypatch.setattr(debian, "_run", run)
    monkeypatch.setattr(os, "sync", lambda: done.append("sync"))
    (tmp_path / "bramble-edgecore.deb").touch()
    install(Debian(UpdateFolder(tmp_path)), tmp_path)
    assert done[-1] == "sync"


@pytest.mark.parametrize(
    ("said", "tries"),
    [
        ("dpkg: error: dpkg frontend lock was locked by another process with pid 7", 2),
        ("dpkg: error processing package: the clock is blocked", 1),
    ],
)
def test_dpkg_is_waited_for_while_another_has_its_lock_and_not_for_any_error(
    said: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [subprocess.CompletedProcess([], 2, "", said), subprocess.CompletedProcess([], 0, "", "")]
    asked = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return answers[len(asked) - 1]

    monkeypatch.setattr(debian, "_run", run)
    monkeypatch.setattr(debian, "_LOCKED_AGAIN", 0.0)
    debian._unlocked(["dpkg", "--configure", "--pending"], check=False)
    assert len(asked) == tries


def test_a_program_that_is_not_there_and_one_that_fails_are_told_by_their_last_words(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="no-such-program is not on this machine"):
        debian._run(["no-such-program"])
    with pytest.raises(UpdateError, match="E: it is so"):
        debian._run(["sh", "-c", "echo 'E: it is so'; echo more; exit 3"])
    assert debian._run(["printf", "%s", "$(id); `id` | $HOME"]).stdout == "$(id); `id` | $HOME"
