"""Upgrade: hands the tasks of NodeUpgradeJobs to the updater, which is no part of EdgeCore, and tells the cloud what becomes of them (P9).

All that it does to the board is to write one file; ``bramble-update.path`` sees it and starts the updater. Small while there is no task:
what reads and writes orders is loaded with the first one (C1).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgecore
from edgecore.beehive.letters import ConfigChanged, OutboxChanged
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import StoreError, UpdateError
from edgecore.store import metadata, outbox
from edgecore.store.database import Database
from edgecore.store.transaction import Transaction
from viaduct.message import Message, new_message
from viaduct.resource import CLUSTER_SCOPE, ResourcePath, parse_resource
from viaduct.vocabulary import Group, ModuleName, Operation, ResourceType, Source

if TYPE_CHECKING:
    from edgecore.updates.files import UpdateFolder
    from edgecore.upgrade.reports import Wanted

logger = logging.getLogger(__name__)

LOOK_AGAIN, TRY_AGAIN = 2.0, 60.0
"""Seconds until the updater's progress is read again, and until an order that could not be written is tried again."""

PACKAGED = Path("/usr/lib/bramble")


def why_not() -> str:
    """Why this EdgeCore cannot be updated by the updater; empty where it can."""
    if PACKAGED not in Path(edgecore.__file__).resolve().parents:
        return "EdgeCore was not installed from Debian packages"
    if not Path("/run/systemd/system").exists():
        return "systemd does not run here"
    return ""


@dataclass(frozen=True, slots=True)
class _Wake:
    """From the store's thread: something could not be saved."""


class Upgrade(Module):
    name = ModuleName.UPGRADE
    group = Group.UPGRADE

    def __init__(
        self,
        switchboard: Switchboard,
        database: Database,
        *,
        socket: str,
        folder: Callable[[], UpdateFolder] | None = None,
        cannot: Callable[[], str] = why_not,
    ) -> None:
        """``socket``: where EdgeCore answers. ``folder``: the updater's, its own where none is given."""
        self._switchboard = switchboard
        self._database = database
        self._socket = socket
        self._make_folder = folder
        self._cannot = cannot
        self._tasks: dict[str, Wanted] = {}
        self._said: dict[str, dict[str, Any]] = {}
        self._look_at: float | None = None

    def opened(self) -> None:
        for row in self._database.read(lambda tx: metadata.load_type(tx, ResourceType.NODEUPGRADEJOB)):
            self._put(row.key, row.value)
        self._look()

    def take(self, letter: Any) -> None:
        if isinstance(letter, _Wake):
            self._look_at = time.monotonic() + LOOK_AGAIN
        if not isinstance(letter, ConfigChanged):
            return
        row = self._database.read(lambda tx: metadata.load(tx, letter.key))
        if row is not None:
            self._put(row.key, row.value)
        elif letter.key in self._tasks and not self._is_under_way(self._tasks[letter.key]):
            del self._tasks[letter.key]
        self._look()

    def _is_under_way(self, task: Wanted) -> bool:
        """Such a one is told to its end, though the cloud has taken it back."""
        order = self._folder().order()
        return order is not None and task.order is not None and order.id == task.order.id

    def next_tick(self) -> float | None:
        return self._look_at

    def tick(self) -> None:
        self._look()

    def _put(self, key: str, value: str) -> None:
        from edgecore.upgrade import reports

        task = self._tasks[key] = reports.wanted(parse_resource(key).name, value, socket=self._socket, database=str(self._database.path))
        self._said.pop(task.uid, None)

    def _look(self) -> None:
        """Say of each task how far it is; begin one where nothing is under way."""
        self._look_at = None
        if not self._tasks:
            return
        folder = self._folder()
        for task in self._tasks.values():
            if self._said.get(task.uid, {}).get("state") not in _ends():
                self._look_at = time.monotonic() + LOOK_AGAIN
                try:
                    said = self._state_of(task, folder)
                except (UpdateError, OSError) as exc:
                    logger.error("the task of NodeUpgradeJob %s cannot be begun now: %s", task.name, exc)
                    self._look_at = time.monotonic() + TRY_AGAIN
                    continue
                if said is not None and said != self._said.get(task.uid):
                    self._say(task, said)

    def _state_of(self, task: Wanted, folder: UpdateFolder) -> dict[str, Any] | None:
        """None: it waits for another update."""
        from edgecore.updates import program
        from edgecore.upgrade import reports

        if task.order is None:
            return reports.refusal(task.fault)
        result = folder.result(task.order.id)
        if result is not None:
            return reports.ending(result)
        under_way = folder.order()
        if under_way is not None:
            return reports.progress(folder.journal()) if under_way.id == task.order.id else None
        reason = self._cannot()
        if reason:
            return reports.refusal(reason)
        program.lay(folder)
        if not folder.place(task.order):
            return None
        logger.info("NodeUpgradeJob %s: the updater brings this board to version %s", task.name, task.order.version)
        return reports.progress(None)

    def _say(self, task: Wanted, said: dict[str, Any]) -> None:
        message = _report(task, said)

        def work(tx: Transaction) -> None:
            outbox.owe(tx, message, key=f"upgradestatus/{task.name}", lane=message.route.resource)

        def done(error: StoreError | None) -> None:
            if error is None:
                self._switchboard.send(ModuleName.EDGEHUB, OutboxChanged())
                return
            logger.error("the state of NodeUpgradeJob %s could not be saved: %s", task.name, error)
            self._said.pop(task.uid, None)
            self._switchboard.send(self.name, _Wake())

        self._said[task.uid] = said
        try:
            self._database.write(work, done)
        except StoreError as exc:
            logger.error("the state of NodeUpgradeJob %s could not be saved: %s", task.name, exc)
            del self._said[task.uid]
            self._look_at = time.monotonic() + LOOK_AGAIN

    def _folder(self) -> UpdateFolder:
        from edgecore.updates.files import UpdateFolder

        return self._make_folder() if self._make_folder is not None else UpdateFolder()


def _ends() -> frozenset[str]:
    from viaduct.upgrades.state import ENDS

    return ENDS


def _report(task: Wanted, said: dict[str, Any]) -> Message:
    return new_message(
        source=Source.UPGRADE,
        group=Group.RESOURCE,
        operation=Operation.UPDATE,
        resource=str(ResourcePath(CLUSTER_SCOPE, ResourceType.NODEUPGRADEJOBSTATUS, task.name)),
        now_ms=time.time_ns() // 1_000_000,
        content={"uid": task.uid, "status": said},
    )
