"""A small file system of its own that is filled up and emptied again (S3; D1): nothing is acknowledged, the Node says so, pods go on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.edged.module import EdgedModule
from edgecore.edged.settings import EdgedSettings
from edgecore.store import outbox, writer
from tests.fakes.fakehub import FakeHub, make_papers, object_message, wait_until
from tests.fakes.runtime import FakeEngine, FakeRuntime
from tests.module.edgehub.conftest import Board

pytestmark = pytest.mark.system

SIZE = 4 * 1024 * 1024
LIMIT = 30.0


class SmallDisk:
    """A tmpfs of 4 MB, which a ballast file fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "bramble-test", str(folder)]
        mounted = subprocess.run(command, check=False, capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")

    def fill(self) -> None:
        with open(self.folder / "ballast", "ab", buffering=0) as ballast:
            for size in (64 * 1024, 4096, 1):
                try:
                    while ballast.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        os.unlink(self.folder / "ballast")

    def unmount(self) -> None:
        """Once the last thread of the board has closed its last file."""
        wait_until(lambda: subprocess.run(["umount", str(self.folder)], check=False, capture_output=True).returncode == 0, LIMIT)


class Node:
    """EdgeHub, MetaManager and Edged, with their database on the small disk and containers in memory."""

    def __init__(self, folder: Path, hub: FakeHub, disk: SmallDisk) -> None:
        self.hub = hub
        self.runtime = FakeRuntime()
        self.board = Board(disk.folder, hub.papers, hub.port)
        settings = EdgedSettings("edge1", str(folder / "edged"), "0.1.0", node_address="192.0.2.9", status_every=0.2)
        module = EdgedModule(
            settings,
            self.board.switchboard,
            self.board.client,
            FakeEngine(self.runtime),
            store_trouble=lambda: self.board.database.trouble,
        )
        self._thread = threading.Thread(target=module.run, args=(self.board.edged,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.board.edged.close()
        self._thread.join(10)
        self.board.stop()

    def condition(self, kind: str) -> dict[str, Any]:
        """As last reported; the registration, which comes first, carries none."""
        reports = [message.content["Status"] for message in self.hub.about("default/nodestatus/edge1") if "Status" in message.content]
        conditions = reports[-1]["conditions"] if reports else []
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def phases(self) -> list[str]:
        return [message.content["Status"].get("phase") for message in self.hub.about("default/podstatus/web")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.unmount()


@pytest.fixture
def node(tmp_path: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(writer, "PROBE_PAUSE", 0.2)
    hub = FakeHub(make_papers(tmp_path))
    node = Node(tmp_path, hub, disk)
    yield node
    node.stop()
    hub.close()


def _pod() -> Any:
    spec = {"containers": [{"name": "c", "image": "localhost/web:1"}]}
    return object_message("default/pod/web", "u1", 5, spec=spec)


def test_on_a_full_disk_nothing_is_acknowledged_the_node_says_so_pods_go_on_and_it_heals(node: Node, disk: SmallDisk) -> None:
    wait_until(lambda: node.hub.received)
    node.hub.say(_pod())
    wait_until(lambda: "Running" in node.phases(), LIMIT)
    wait_until(lambda: node.condition("StoreNotWritable").get("status") == "False", LIMIT)
    running = {container.id for container in node.runtime.everything()}

    disk.fill()
    large = object_message("default/configmap/large", "c1", 8, data={"x": "y" * 1_000_000})
    node.hub.say(large)
    complaint = wait_until(lambda: [message for message in node.hub.received if message.header.parent_msg_id == large.id], LIMIT)[0]
    assert (complaint.route.operation, complaint.content["code"], complaint.content["retry"]) == ("error", 507, True)
    wait_until(lambda: node.condition("StoreNotWritable").get("status") == "True", LIMIT)
    assert "full" in node.condition("StoreNotWritable")["message"]
    assert node.condition("Ready")["status"] == "True"
    assert large.id not in node.hub.acknowledged()
    assert {container.id for container in node.runtime.everything()} == running

    disk.empty()
    wait_until(lambda: node.condition("StoreNotWritable").get("status") == "False", LIMIT)
    node.hub.say(large)
    wait_until(lambda: large.id in node.hub.acknowledged(), LIMIT)
    wait_until(lambda: node.board.database.read(outbox.count) == 0, LIMIT)
    assert {container.id for container in node.runtime.everything()} == running
    with sqlite3.connect(disk.folder / "edgecore.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert all(kept.restarts == 0 for kept in node.board.keeper.report())
