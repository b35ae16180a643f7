"""The modules in numbers: how full their mailboxes are, how often each was started again."""

from __future__ import annotations

from collections.abc import Iterator

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.switchboard import Switchboard
from edgecore.metrics.exposition import Family, Kind


def families(switchboard: Switchboard, keeper: Keeper) -> Iterator[Family]:
    restarts = {kept.name: kept.restarts for kept in keeper.report()}
    yield Family("mailbox_letters", "Letters that wait for a module", Kind.GAUGE, switchboard.lengths(), "module")
    yield Family("module_restarts_total", "How often a module failed and was started again", Kind.COUNTER, restarts, "module")
