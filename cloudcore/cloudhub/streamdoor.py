"""Stream connections at the hub's door (P7.7): one of a node at a time, let in beside its session, ended with its certificate."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container

from cloudcore.cloudhub.entry import TurnedAway, Visitor
from cloudcore.cloudhub.session import GOING_AWAY, POLICY, REPLACED
from cloudcore.ports import StreamTaker, StreamWire

logger = logging.getLogger(__name__)


class StreamDoor:
    """``taker`` None: this CloudCore serves no streams."""

    def __init__(self) -> None:
        self.taker: StreamTaker | None = None
        self._open: dict[str, tuple[int, StreamWire]] = {}

    def admit(self, visitor: Visitor, sessions: Container[str]) -> None:
        """Raises TurnedAway."""
        if self.taker is None:
            raise TurnedAway(404, "this CloudCore serves no streams (modules.cloudStream.enable)")
        if visitor.node not in sessions:
            raise TurnedAway(409, f"node {visitor.node!r} has no session here, so nobody has asked it for streams")

    async def serve(self, visitor: Visitor, wire: StreamWire) -> None:
        if self.taker is None:
            return
        older = self._open.get(visitor.node)
        self._open[visitor.node] = (visitor.serial, wire)
        replaced = asyncio.create_task(older[1].close(REPLACED, "replaced by a newer stream connection of this node")) if older else None
        try:
            await self.taker.serve(visitor.node, wire)
        finally:
            if self._open.get(visitor.node, (0, None))[1] is wire:
                del self._open[visitor.node]
            if replaced is not None:
                await replaced

    def refused(self, node: str, msg_id: str, reason: str) -> None:
        if self.taker is not None:
            self.taker.refused(node, msg_id, reason)

    async def close_revoked(self, is_revoked: Callable[[str, int], bool]) -> None:
        revoked = [wire for node, (serial, wire) in self._open.items() if is_revoked(node, serial)]
        await asyncio.gather(*(wire.close(POLICY, "this node's certificate was revoked") for wire in revoked))

    async def close_all(self) -> None:
        await asyncio.gather(*(wire.close(GOING_AWAY, "CloudCore stops") for _, wire in list(self._open.values())))
