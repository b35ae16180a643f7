"""CloudHub for controllers in tests: remembers what was offered to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cloudcore.ports import Owed
from viaduct.message import Message


class FakeDownlink:
    def __init__(self, *connected: str) -> None:
        self.nodes = set(connected)
        self.offers: list[tuple[str, Owed]] = []
        self.told: list[tuple[str, Message]] = []

    def offer(self, node: str, owed: Owed) -> bool:
        if node not in self.nodes:
            return False
        self.offers.append((node, owed))
        return True

    def tell(self, node: str, message: Message) -> bool:
        self.told.append((node, message))
        return node in self.nodes

    def owes(self, node: str, key: str) -> bool:
        """Nothing is ever under way: what was offered is there, or lost."""
        return False

    def acknowledges_devices(self, node: str) -> bool:
        return False

    def connected(self) -> frozenset[str]:
        return frozenset(self.nodes)

    def said(self, node: str) -> list[tuple[str, str]]:
        """(operation, key) of everything offered to ``node``; a device's removal is ``remove``."""
        return [(_word(owed), owed.key) for to, owed in self.offers if to == node]


def _word(owed: Owed) -> str:
    if owed.removal and owed.key.startswith("device/"):
        return "remove"
    return str(owed.message.route.operation)


async def until(holds: Callable[[], Any], *, seconds: float = 5.0, what: str = "") -> None:
    """Wait for a condition, with a limit."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)
