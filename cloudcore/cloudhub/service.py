"""CloudHub: the sessions of all nodes, between the controllers and the listener (contract 2.6).

Nothing is kept for a node that is away: when it comes back, the controllers are asked what it should hold and the difference is sent.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from cloudcore.cloudhub import plain, routing
from cloudcore.cloudhub.admission import MayRead
from cloudcore.cloudhub.difference import Held, difference
from cloudcore.cloudhub.entry import TurnedAway, Visitor
from cloudcore.cloudhub.lanes import Lanes
from cloudcore.cloudhub.listener import Listener
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.session import GOING_AWAY, POLICY, REPLACED, Limits, Session, Wire
from cloudcore.cloudhub.upstream import Upstream
from cloudcore.ports import DeliveryRecord, Owed, Uplink
from viaduct.handshake import Mode
from viaduct.message import Message

logger = logging.getLogger(__name__)

IsRevoked = Callable[[str, int], bool]
"""``is_revoked(node, serial number of its certificate)``."""

NodeChanged = Callable[[str, bool], None]

_CLOSE_AT_ONCE = 200


def wall_clock_ms() -> int:
    return int(time.time() * 1000)


class CloudHub:
    """A ``Downlink``. ``introduce`` the controllers, then ``listen``. ``counts`` says how often what happened."""

    def __init__(
        self,
        *,
        node_limit: int = 10_000,
        limits: Limits | None = None,
        is_revoked: IsRevoked = lambda node, serial: False,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._node_limit = node_limit
        self._limits = limits or Limits()
        self._is_revoked = is_revoked
        self._now_ms = now_ms
        self._sessions: dict[str, Session] = {}
        self._lanes: dict[str, Lanes[tuple[Session, Message]]] = {}
        self._uplinks: Mapping[Target, Uplink] = {}
        self._followers: Sequence[NodeChanged] = ()
        self._record: DeliveryRecord | None = None
        self._upstream: Upstream | None = None
        self._listener = Listener(self._admit, self._serve)

    def introduce(
        self,
        uplinks: Mapping[Target, Uplink],
        *,
        record: DeliveryRecord | None = None,
        may_read: MayRead = lambda node, resource: False,
        followers: Sequence[NodeChanged] = (),
    ) -> None:
        """Who takes what nodes say and what they should hold; ``followers`` hear of connects and disconnects, as the uplinks do."""
        self._uplinks = uplinks
        self._record = record
        self._followers = [*(uplink.node_changed for uplink in uplinks.values()), *followers]
        self._upstream = Upstream(uplinks, may_read, self._now_ms)

    async def listen(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Open the door, once every controller's caches are filled: a node drops what nobody owes it. Returns the port."""
        return await self._listener.start(host, port, context)

    async def stop(self) -> None:
        sessions = list(self._sessions.values())
        for start in range(0, len(sessions), _CLOSE_AT_ONCE):
            await asyncio.gather(*(session.end(GOING_AWAY, "CloudCore stops") for session in sessions[start : start + _CLOSE_AT_ONCE]))
        await self._listener.stop()
        await asyncio.gather(*(lanes.stop() for lanes in self._lanes.values()))

    # Downlink

    def offer(self, node: str, owed: Owed) -> bool:
        session = self._sessions.get(node)
        if session is None:
            return False
        session.offer(owed)
        return True

    def tell(self, node: str, message: Message) -> bool:
        session = self._sessions.get(node)
        return session is not None and session.tell(message)

    def connected(self) -> frozenset[str]:
        return frozenset(self._sessions)

    def session_of(self, node: str) -> Session | None:
        return self._sessions.get(node)

    async def close_revoked(self) -> None:
        """End the sessions of nodes that were revoked while they were connected (X3)."""
        revoked = [session for session in self._sessions.values() if self._is_revoked(session.node, session.serial)]
        await asyncio.gather(*(session.end(POLICY, "this node's certificate was revoked") for session in revoked))

    # for the listener

    def _admit(self, visitor: Visitor) -> None:
        if self._is_revoked(visitor.node, visitor.serial):
            raise TurnedAway(403, f"the certificate of node {visitor.node!r} was revoked")
        if visitor.node not in self._sessions and len(self._sessions) >= self._node_limit:
            raise TurnedAway(503, f"{self._node_limit} nodes are connected, which is the limit (modules.cloudhub.nodeLimit)")

    async def _serve(self, visitor: Visitor, wire: Wire) -> None:
        node = visitor.node
        session = Session(
            node,
            visitor.mode,
            wire,
            self,
            serial=visitor.serial,
            limits=self._limits,
            now_ms=self._now_ms,
            counts=self.counts,
        )
        older = self._sessions.get(node)
        self._sessions[node] = session
        replaced = None
        if older is not None:
            self._node_changed(node, False)
            replaced = asyncio.create_task(older.end(REPLACED, "replaced by a newer connection of this node"))
        logger.info("node %s: connected in %s mode, %d connected", node, visitor.mode, len(self._sessions))
        try:
            self._node_changed(node, True)
            if visitor.mode is Mode.PLAIN:
                self._begin_plain(session)
            await session.run()
        finally:
            self._left(session)
            if replaced is not None:
                await replaced

    def _begin_plain(self, session: Session) -> None:
        """A KubeEdge edge does not say what it holds: what it acknowledged is on record."""
        self.repair(session, self._record.known(session.node) if self._record is not None else {})

    def _left(self, session: Session) -> None:
        node = session.node
        lanes = self._lanes.get(node)
        if self._sessions.get(node) is session:
            del self._sessions[node]
            if lanes is not None and lanes.idle:
                del self._lanes[node]
            self._node_changed(node, False)
            logger.info("node %s: disconnected, %d connected", node, len(self._sessions))

    def _node_changed(self, node: str, connected: bool) -> None:
        for follower in self._followers:
            try:
                follower(node, connected)
            except Exception:
                logger.exception("node %s: a controller failed on connected=%s", node, connected)

    # Owner of sessions

    async def report(self, session: Session, message: Message) -> None:
        """Lanes belong to the node, not to the session: what an ended session left at work stays before what comes after (D3)."""
        lanes = self._lanes.get(session.node)
        if lanes is None:
            lanes = self._lanes[session.node] = Lanes(self._answer)
        await lanes.put(routing.lane_of(message), (session, message))

    async def _answer(self, item: tuple[Session, Message]) -> None:
        session, message = item
        assert self._upstream is not None
        for reply in await self._upstream.answer(session.node, session.mode, message):
            session.tell(reply)

    def repair(self, session: Session, held: Mapping[str, Held]) -> None:
        node = session.node
        found = difference((owed for uplink in self._uplinks.values() for owed in uplink.owed(node)), held)
        for key, uid in found.remove:
            removal = self._removal(node, key, uid)
            if removal is None:
                logger.warning("node %s: holds %s, of which no controller knows the kind", node, key)
            else:
                session.offer(removal)
        for owed in found.send:
            known = session.mode is Mode.PLAIN and owed.key in held and held[owed.key][0] == owed.uid
            session.offer(plain.as_update(owed) if known else owed)
        if session.mode is Mode.LEDGER:
            self._record_held(session, found.same)
        logger.info("node %s: holds %d objects, sending %d, removing %d", node, len(held), len(found.send), len(found.remove))

    def _record_held(self, session: Session, held: Iterable[Owed]) -> None:
        """A record that was lost is mended by what the node says."""
        known = self._record.known(session.node) if self._record is not None else {}
        for owed in held:
            if known.get(owed.key) != (owed.uid, owed.version):
                self.delivered(session, owed)

    def _removal(self, node: str, key: str, uid: str) -> Owed | None:
        for uplink in self._uplinks.values():
            removal = uplink.removal(node, key, uid)
            if removal is not None:
                return removal if removal.removal else replace(removal, removal=True)
        return None

    def delivered(self, session: Session, owed: Owed) -> None:
        if self._record is not None:
            self._record.delivered(session.node, owed)
