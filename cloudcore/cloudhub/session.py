"""One connected node: reads its frames, keeps its outbox moving, ends when it falls silent. Two tasks at most, one of them only while
there is something to write, so that ten thousand idle sessions cost little (C6)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cloudcore.cloudhub import replies, routing
from cloudcore.cloudhub.difference import Held, held_from
from cloudcore.cloudhub.outbox import Outbox
from cloudcore.cloudhub.routing import Kind
from cloudcore.ports import Owed
from viaduct.codec import decode, encode
from viaduct.errors import MalformedMessage, MalformedPayload
from viaduct.handshake import Mode
from viaduct.message import Message

logger = logging.getLogger(__name__)

GOING_AWAY = 1001
POLICY = 1008
INTERNAL = 1011
REPLACED = 4001
"""Close codes; the last one is ours: a newer connection of the same node took over."""

_PACE_FROM_BYTES = 64 * 1024
_PACE_BYTES_PER_SECOND = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, and counts per session. ``put_off``: pause before saying again what the node asked patience for."""

    keepalive: float = 30.0
    inventory: float = 30.0
    write: float = 30.0
    put_off: float = 10.0
    malformed: int = 20


class Wire(Protocol):
    """A websocket; see ``listener.Socket``."""

    async def receive(self) -> str | bytes | None: ...
    async def send(self, text: str) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...


class Owner(Protocol):
    """The hub, as its sessions see it."""

    async def report(self, session: Session, message: Message) -> None:
        """A report or question came. May wait while too many of this node's are at work."""

    def repair(self, session: Session, held: Mapping[str, Held]) -> None:
        """The node holds ``held``: offer the difference."""

    def delivered(self, session: Session, owed: Owed) -> None:
        """The node acknowledged ``owed``."""


class Session:
    """``run()`` until the link ends; ``end()`` ends it from outside."""

    __slots__ = (
        "_closing",
        "_counts",
        "_ended",
        "_inventory_due",
        "_last_frame",
        "_limits",
        "_loop",
        "_now_ms",
        "_owner",
        "_pump",
        "_reading",
        "_retry",
        "_silence",
        "_wire",
        "malformed",
        "mode",
        "node",
        "outbox",
        "serial",
    )

    def __init__(
        self,
        node: str,
        mode: Mode,
        wire: Wire,
        owner: Owner,
        *,
        serial: int = 0,
        limits: Limits,
        now_ms: Callable[[], int],
        counts: Counter[str],
    ) -> None:
        self.node = node
        self.mode = mode
        self.serial = serial
        self.outbox = Outbox(mode)
        self.malformed = 0
        self._wire = wire
        self._owner = owner
        self._limits = limits
        self._now_ms = now_ms
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._last_frame = self._loop.time()
        self._reading = True
        self._ended = False
        self._inventory_due = mode is Mode.LEDGER
        self._closing: asyncio.Task[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until the node or the link goes. Never raises."""
        self._silence = self._loop.call_later(min(self._limits.keepalive, self._limits.inventory), self._look)
        try:
            while not self._ended:
                self._reading = True
                frame = await self._wire.receive()
                self._reading = False
                if frame is None:
                    break
                self._last_frame = self._loop.time()
                await self._take(frame)
        except Exception:
            logger.exception("node %s: session failed", self.node)
            await self.end(INTERNAL, "internal error")
        finally:
            self._cleanup()

    async def end(self, code: int, reason: str) -> None:
        """Close the link, once; ``run`` returns after it."""
        if self._ended:
            return
        self._ended = True
        logger.info("node %s: closing the session: %s", self.node, reason)
        await self._wire.close(code, reason)

    def offer(self, owed: Owed) -> None:
        self.outbox.offer(owed)
        self.wake()

    def tell(self, message: Message) -> bool:
        if not self.outbox.tell(message):
            self._counts["dropped_slow_reader"] += 1
            return False
        self.wake()
        return True

    def wake(self) -> None:
        """Something may be due: let the pump look, which is started only when it is needed."""
        if self._pump is None and not self._ended:
            self._pump = self._loop.create_task(self._send_due())

    async def _send_due(self) -> None:
        try:
            while messages := self.outbox.due(self._loop.time()):
                for message in messages:
                    logger.debug("node %s <- %s %s %s", self.node, message.id, message.route.operation, message.route.resource)
                    async with asyncio.timeout(self._limits.write):
                        await self._wire.send(encode(message))
        except (ConnectionError, TimeoutError) as exc:
            logger.info("node %s: cannot write: %s", self.node, str(exc) or f"the node does not read for {self._limits.write:g} s")
            self._ended = True
            self._wire.abort()
        except Exception:
            logger.exception("node %s: writing failed", self.node)
            self._ended = True
            self._wire.abort()
        finally:
            self._pump = None
            self._arm_retry()

    def _arm_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        when = self.outbox.next_time()
        if when is not None and not self._ended:
            self._retry = self._loop.call_at(when, self.wake)

    def _look(self) -> None:
        """The keepalive timer (contract 2.6). A reader that waits for room in the lanes is no silent node."""
        now = self._loop.time()
        if self._inventory_due and self._reading:
            self._spawn_end(POLICY, f"no inventory within {self._limits.inventory:g} s in ledger mode")
        elif self._reading and now - self._last_frame >= self._limits.keepalive:
            self._spawn_end(POLICY, f"nothing heard for {self._limits.keepalive:g} s")
        else:
            wait = self._limits.keepalive if not self._reading else self._last_frame + self._limits.keepalive - now
            self._silence = self._loop.call_later(max(wait, 0.01), self._look)

    def _spawn_end(self, code: int, reason: str) -> None:
        self._closing = self._loop.create_task(self.end(code, reason))

    async def _take(self, frame: str | bytes) -> None:
        try:
            message = decode(frame)
            await self._act(message)
        except (MalformedMessage, MalformedPayload) as exc:
            await self._malformed(frame, exc)
        if len(frame) > _PACE_FROM_BYTES:
            # Large frames cost the whole process time: one node gets its share of it, not more (D8).
            await asyncio.sleep(len(frame) / _PACE_BYTES_PER_SECOND)

    async def _act(self, message: Message) -> None:
        kind = routing.kind_of(message)
        if kind is Kind.REPORT:
            await self._owner.report(self, message)
        elif kind is Kind.ACKNOWLEDGEMENT:
            self._acknowledged(message.header.parent_msg_id)
        elif kind is Kind.INVENTORY:
            self._inventory(message)
        elif kind is Kind.REFUSAL:
            self._refused(message)

    def _acknowledged(self, msg_id: str) -> None:
        owed = self.outbox.acknowledged(msg_id, self._loop.time())
        if owed is None:
            self._counts["acknowledgements_unmatched"] += 1
            return
        self._owner.delivered(self, owed)
        self.wake()

    def _inventory(self, message: Message) -> None:
        if self.mode is not Mode.LEDGER:
            raise MalformedMessage("route.operation", "an inventory is said in ledger mode only")
        self._owner.repair(self, held_from(message.content))
        self._inventory_due = False

    def _refused(self, message: Message) -> None:
        """The node could not store something (retry), or never will: then saying it again would only cost."""
        content = message.content if isinstance(message.content, dict) else {}
        parent = message.header.parent_msg_id
        if self.mode is Mode.PLAIN or content.get("retry") is True:
            logger.info("node %s: could not take %s: %s", self.node, message.route.resource, str(message.content)[:500])
            self.outbox.put_off(parent, self._loop.time(), self._limits.put_off)
            self._arm_retry()
            return
        owed = self.outbox.acknowledged(parent, self._loop.time())
        if owed is not None:
            self._counts["refused_by_node"] += 1
            logger.warning("node %s: refuses %s: %s", self.node, owed.key, str(content.get("reason", message.content))[:500])
            self.wake()

    async def _malformed(self, frame: str | bytes, exc: MalformedMessage | MalformedPayload) -> None:
        self.malformed += 1
        self._counts["malformed"] += 1
        logger.warning("node %s: malformed message: %s", self.node, exc)
        for message in replies.malformed(self.mode, frame, str(exc), now_ms=self._now_ms()):
            self.tell(message)
        if self.malformed >= self._limits.malformed:
            await self.end(POLICY, f"{self.malformed} malformed messages, the last: {exc.field}: {exc.reason}")

    def _cleanup(self) -> None:
        self._ended = True
        for pending in (self._retry, self._silence, self._pump):
            if pending is not None:
                pending.cancel()
