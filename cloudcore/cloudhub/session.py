"""One connected node: reads its frames, keeps its outbox moving, ends when it falls silent. Two tasks at most, one of them only while
there is something to write, so that ten thousand idle sessions cost little (C6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cloudcore.cloudhub import replies, routing
from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.difference import Held, Lack, held_from
from cloudcore.cloudhub.outbox import Outbox
from cloudcore.cloudhub.pace import Pace
from cloudcore.cloudhub.routing import Kind
from cloudcore.ports import Owed
from viaduct import acknowledgements
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

_TURN_FRAMES = 8
_TURN_BYTES = 64 * 1024
"""What one node may say or be told before the others have their turn (D8)."""

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
    """A websocket; see ``listener.Socket``. ``heard_at``: when the last frame of any kind came, in the event loop's time."""

    heard_at: float

    async def receive(self) -> str | bytes | None: ...
    async def send(self, text: str) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...


class Owner(Protocol):
    """The hub, as its sessions see it."""

    async def report(self, session: Session, message: Message) -> None:
        """A report or question came. May wait while too many of this node's are at work."""

    async def repair(self, session: Session, held: Mapping[str, Held]) -> None:
        """The node holds ``held``: owe it the difference."""

    def make(self, session: Session, lack: Lack) -> Iterable[Owed]:
        """The messages that end ``lack``."""

    def delivered(self, session: Session, owed: Owed) -> None:
        """The node acknowledged ``owed``."""

    def refused(self, session: Session, msg_id: str, reason: str) -> None:
        """The node answered a message that was not owed with an error."""


class Session:
    """``run()`` until the link ends; ``end()`` ends it from outside."""

    __slots__ = (
        "_closing",
        "_counts",
        "_ended",
        "_inventory_due",
        "_limits",
        "_loop",
        "_now_ms",
        "_owner",
        "_pace",
        "_pump",
        "_reading",
        "_retry",
        "_silence",
        "_text",
        "_wire",
        "ended_by",
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
        counts: Counts,
        text: Callable[[Message], str] = encode,
    ) -> None:
        self.node = node
        self.mode = mode
        self.serial = serial
        self.outbox = Outbox(mode, make=partial(owner.make, self))
        self.malformed = 0
        self.ended_by = "node"
        """Why it ended, in a word for the metrics."""
        self._wire = wire
        self._owner = owner
        self._limits = limits
        self._now_ms = now_ms
        self._counts = counts
        self._text = text
        self._loop = asyncio.get_running_loop()
        self._reading = True
        self._ended = False
        self._inventory_due = mode is Mode.LEDGER
        self._closing: asyncio.Task[None] | None = None
        self._pace = Pace()
        self._pump: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until the node or the link goes. Never raises."""
        self._silence = self._loop.call_later(min(self._limits.keepalive, self._limits.inventory), self._look)
        frames = 0
        try:
            while not self._ended:
                frames += 1
                if frames % _TURN_FRAMES == 0:
                    await asyncio.sleep(0)
                self._reading = True
                frame = await self._wire.receive()
                self._reading = False
                if frame is None:
                    break
                await self._take(frame)
        except Exception:
            logger.exception("node %s: session failed", self.node)
            await self.end(INTERNAL, "internal error", by="internal_error")
        finally:
            self._cleanup()

    async def end(self, code: int, reason: str, *, by: str) -> None:
        """Close the link, once; ``run`` returns after it. ``by``: the reason in a word."""
        if self._ended:
            return
        self._ended = True
        self.ended_by = by
        logger.info("node %s: closing the session: %s", self.node, reason)
        await self._wire.close(code, reason)

    def offer(self, owed: Owed) -> None:
        self.outbox.offer(owed)
        self.wake()

    def lack(self, lacks: Iterable[Lack]) -> None:
        self.outbox.lack(lacks)
        self.wake()

    def tell(self, message: Message) -> bool:
        if not self.outbox.tell(message):
            self._counts.dropped_slow_reader += 1
            return False
        self.wake()
        return True

    def wake(self) -> None:
        """Something may be due: let the pump look, which is started only when it is needed."""
        if self._pump is None and not self._ended:
            self._pump = self._loop.create_task(self._send_due())

    async def _send_due(self) -> None:
        said = 0
        try:
            while messages := self.outbox.due(self._loop.time(), self._now_ms()):
                for message in messages:
                    logger.debug("node %s <- %s %s %s", self.node, message.id, message.route.operation, message.route.resource)
                    text = self._text(message)
                    async with asyncio.timeout(self._limits.write):
                        await self._wire.send(text)
                    said += len(text) + _TURN_BYTES // _TURN_FRAMES
                    if said >= _TURN_BYTES:
                        said = 0
                        await asyncio.sleep(0)
        except (ConnectionError, TimeoutError) as exc:
            logger.info("node %s: cannot write: %s", self.node, str(exc) or f"the node does not read for {self._limits.write:g} s")
            self._abort("write_failed")
        except Exception:
            logger.exception("node %s: writing failed", self.node)
            self._abort("internal_error")
        finally:
            self._pump = None
            self._arm_retry()

    def _abort(self, by: str) -> None:
        if not self._ended:
            self._ended = True
            self.ended_by = by
        self._wire.abort()

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
            self._spawn_end(f"no inventory within {self._limits.inventory:g} s in ledger mode", by="no_inventory")
        elif self._reading and now - self._wire.heard_at >= self._limits.keepalive:
            self._spawn_end(f"nothing heard for {self._limits.keepalive:g} s", by="silent")
        else:
            wait = self._limits.keepalive if not self._reading else self._wire.heard_at + self._limits.keepalive - now
            self._silence = self._loop.call_later(max(wait, 0.01), self._look)

    def _spawn_end(self, reason: str, *, by: str) -> None:
        self._closing = self._loop.create_task(self.end(POLICY, reason, by=by))

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
        if kind is not Kind.ACKNOWLEDGEMENT or not self.outbox.in_flight:
            await self._keep_pace()
        if kind is Kind.REPORT:
            await self._owner.report(self, message)
        elif kind is Kind.ACKNOWLEDGEMENT:
            self._acknowledgement(message)
        elif kind is Kind.INVENTORY:
            await self._inventory(message)
        elif kind is Kind.REFUSAL:
            self._refused(message)

    def _acknowledgement(self, message: Message) -> None:
        if not acknowledgements.names_many(message):
            self._acknowledged(message.header.parent_msg_id)
        elif self.mode is Mode.LEDGER:
            for msg_id in acknowledgements.named_in(message):
                self._acknowledged(msg_id)
        else:
            raise MalformedMessage("route.resource", "many are acknowledged at once in ledger mode only")

    async def _keep_pace(self) -> None:
        """Acknowledgements of what we say come as fast as we say it; anything else only at the node's own pace (D8)."""
        wait = self._pace.wait_s(self._loop.time())
        if wait > 0:
            await asyncio.sleep(wait)

    def _acknowledged(self, msg_id: str) -> None:
        owed = self.outbox.acknowledged(msg_id, self._loop.time())
        if owed is None:
            self._counts.unmatched += 1
            return
        self._counts.acknowledged += 1
        self._owner.delivered(self, owed)
        self.wake()

    async def _inventory(self, message: Message) -> None:
        if self.mode is not Mode.LEDGER:
            raise MalformedMessage("route.operation", "an inventory is said in ledger mode only")
        await self._owner.repair(self, held_from(message.content))
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
            self._counts.refused_by_node += 1
            logger.warning("node %s: refuses %s: %s", self.node, owed.key, str(content.get("reason", message.content))[:500])
            self.wake()
        else:
            self._owner.refused(self, parent, str(content.get("reason", message.content))[:500])

    async def _malformed(self, frame: str | bytes, exc: MalformedMessage | MalformedPayload) -> None:
        self.malformed += 1
        self._counts.malformed += 1
        logger.warning("node %s: malformed message: %s", self.node, exc)
        for message in replies.malformed(self.mode, frame, str(exc), now_ms=self._now_ms()):
            self.tell(message)
        if self.malformed >= self._limits.malformed:
            await self.end(POLICY, f"{self.malformed} malformed messages, the last: {exc.field}: {exc.reason}", by="malformed")

    def _cleanup(self) -> None:
        self._ended = True
        for pending in (self._retry, self._silence, self._pump):
            if pending is not None:
                pending.cancel()
