"""A task from the cloud becomes an order for the updater, and what becomes of that is owed to the cloud (P9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.switchboard import Switchboard
from edgecore.metamanager.module import MetaManager
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.outbox import Rank
from edgecore.updates.files import UpdateFolder
from edgecore.updates.order import Journal, Order, Result, Source, Step
from edgecore.upgrade import module
from edgecore.upgrade.module import Upgrade
from tests.fakes.fakehub import wait_until
from viaduct.codec import decode
from viaduct.message import new_message
from viaduct.upgrades.state import State

KEY = "null/nodeupgradejob/up"


class Board:
    """MetaManager and Upgrade, with a mailbox of nobody for EdgeHub; the updater is the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.updates = UpdateFolder(path / "updates")
        self.cannot = ""
        self.versions = iter(range(1, 100))
        self.start()

    def start(self) -> None:
        self.database = Database(self.path / "edgecore.db")
        self.switchboard = Switchboard()
        self.switchboard.register("websocket", "hub")
        self.keeper = Keeper(self.switchboard)
        self.keeper.keep("metaManager", "meta", lambda: MetaManager(self.switchboard, self.database))
        self.keeper.keep("upgrade", "upgrade", self._upgrade)
        self.keeper.start()

    def stop(self) -> None:
        assert self.keeper.stop(15) == []
        assert all(kept.restarts == 0 for kept in self.keeper.report())
        self.database.close()

    def cloud_says(self, operation: str, uid: str = "u1", **spec: Any) -> None:
        content = {"metadata": {"name": "up", "uid": uid}, "spec": {"version": "0.2.0"} | spec}
        message = new_message(
            source="upgradecontroller",
            group="resource",
            operation=operation,
            resource=KEY,
            now_ms=1,
            content=content,
            resource_version=str(next(self.versions)),
        )
        self.switchboard.send("metaManager", message)

    def owed(self) -> dict[str, Any]:
        """What the cloud is owed about the job: one row, the newest."""
        rows = self.database.read(lambda tx: outbox.pending(tx, Rank.DEVICE, 0, 10))
        assert len(rows) <= 1
        content: dict[str, Any] = decode(rows[0].text).content if rows else {}
        return content

    def tasks(self) -> list[Any]:
        return list(self.keeper.module("upgrade")._tasks.values())  # type: ignore[union-attr]

    def waits_for(self, **status: str) -> None:
        wait_until(lambda: self.owed().get("status") == status, 10)

    def _upgrade(self) -> Upgrade:
        return Upgrade(self.switchboard, self.database, socket="/run/s", folder=lambda: self.updates, cannot=lambda: self.cannot)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setattr(module, "LOOK_AGAIN", 0.02)
    made = Board(tmp_path)
    yield made
    made.stop()


def test_a_task_is_an_order_once_and_its_end_is_told(board: Board) -> None:
    board.cloud_says("insert", checkItems=["disk"], timeoutSeconds=90)
    board.waits_for(state="Checking")
    order = board.updates.order()
    database = str(board.database.path)
    assert order == Order("job u1", Source.APT, "0.2.0", timeout=90, checks=("disk",), socket="/run/s", database=database, job=("up", "u1"))
    assert board.updates.program.exists()
    journal = Journal("job u1", Step.WATCH, was="0.1.0", version="0.2.0")
    board.updates.keep_journal(journal)
    board.waits_for(state="Verifying", fromVersion="0.1.0", toVersion="0.2.0")
    board.stop()
    board.start()
    board.updates.keep_journal(replace(journal, step=Step.BACK, reason="no link"))
    board.waits_for(state="RollingBack", reason="no link", fromVersion="0.1.0", toVersion="0.2.0")
    board.updates.keep_result(Result("job u1", State.ROLLED_BACK, "no link", "0.1.0", "0.2.0", 1, ("up", "u1")))
    board.updates.finish()
    board.waits_for(state="RolledBack", reason="no link", fromVersion="0.1.0", toVersion="0.2.0")
    assert board.owed()["uid"] == "u1"
    board.cloud_says("update", checkItems=["disk"], timeoutSeconds=90)
    board.cloud_says("delete")
    board.cloud_says("insert", uid="u2")
    wait_until(lambda: board.owed().get("uid") == "u2", 10)
    assert board.updates.order() is not None


def test_a_task_that_cannot_be_read_or_done_fails_with_the_reason(board: Board) -> None:
    board.cloud_says("insert", version="1;reboot")
    wait_until(lambda: board.owed().get("status", {}).get("state") == "Failed", 10)
    assert "spec.version" in board.owed()["status"]["reason"]
    board.cannot = "systemd does not run here"
    board.cloud_says("insert", uid="u2")
    board.waits_for(state="Failed", reason="systemd does not run here")
    assert not board.updates.has_order()


def test_a_task_waits_for_an_update_by_hand_and_goes_where_the_cloud_takes_it_back(board: Board) -> None:
    board.updates.make()
    assert board.updates.place(Order("by hand", Source.FOLDER))
    board.cloud_says("insert")
    board.cloud_says("delete")
    board.cloud_says("insert", uid="u2")
    wait_until(lambda: [task.uid for task in board.tasks()] == ["u2"], 10)
    assert board.owed() == {}
    board.updates.finish()
    board.waits_for(state="Checking")
    assert board.owed()["uid"] == "u2"


def test_this_checkout_says_why_it_is_not_updated() -> None:
    assert module.why_not() == "EdgeCore was not installed from Debian packages"
