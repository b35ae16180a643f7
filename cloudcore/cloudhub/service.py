"""CloudHub: the sessions of all nodes, between the controllers and the listener (contract 2.6).

Nothing is kept for a node that is away: when it comes back, the controllers are asked what it should hold and the difference is sent.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cloudcore.cloudhub import plain, routing
from cloudcore.cloudhub.admission import MayRead
from cloudcore.cloudhub.counts import Counts
from cloudcore.cloudhub.difference import Comparison, Held, Lack
from cloudcore.cloudhub.entry import TurnedAway, Visitor
from cloudcore.cloudhub.lanes import Lanes
from cloudcore.cloudhub.listener import Listener, Socket
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.session import GOING_AWAY, POLICY, REPLACED, Limits, Session, Wire
from cloudcore.cloudhub.speech import Speech
from cloudcore.cloudhub.streamdoor import StreamDoor
from cloudcore.cloudhub.upstream import Taker, Upstream
from cloudcore.ports import DeliveryRecord, Holding, Owed, StreamTaker, Uplink
from cloudcore.readings import Kind, Labels, Reading, count, counts, gauge
from viaduct.handshake import Mode
from viaduct.message import Message

logger = logging.getLogger(__name__)

IsRevoked = Callable[[str, int], bool]
"""``is_revoked(node, serial number of its certificate)``."""

NodeChanged = Callable[[str, bool], None]

_CLOSE_AT_ONCE = 200
_COMPARED_AT_ONCE = 500


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
        self.counts = Counts()
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
        self._speech = Speech()
        self._streams = StreamDoor()
        self._listener = Listener(self._admit, self._serve, now=lambda: now_ms() / 1000)

    def introduce(
        self,
        uplinks: Mapping[Target, Uplink],
        *,
        takers: Mapping[Target, Taker] = MappingProxyType({}),
        record: DeliveryRecord | None = None,
        may_read: MayRead = lambda node, resource: False,
        followers: Sequence[NodeChanged] = (),
        streams: StreamTaker | None = None,
    ) -> None:
        """Who takes what nodes say and what they should hold. ``takers`` take without owing anything; ``followers`` hear of connects and
        disconnects, as the uplinks do; ``streams`` serves stream connections."""
        self._uplinks = uplinks
        self._record = record
        self._followers = [*(uplink.node_changed for uplink in uplinks.values()), *followers]
        self._streams.taker = streams
        self._upstream = Upstream({**uplinks, **takers}, may_read, self._now_ms, self.counts)

    async def listen(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Open the door, once every controller's caches are filled: a node drops what nobody owes it. Returns the port."""
        return await self._listener.start(host, port, context)

    async def stop(self) -> None:
        sessions = list(self._sessions.values())
        for start in range(0, len(sessions), _CLOSE_AT_ONCE):
            await asyncio.gather(
                *(session.end(GOING_AWAY, "CloudCore stops", by="stopping") for session in sessions[start : start + _CLOSE_AT_ONCE])
            )
        await self._streams.close_all()
        await self._listener.stop()
        await asyncio.gather(*(lanes.stop() for lanes in self._lanes.values()))

    # Downlink

    def offer(self, node: str, owed: Owed) -> bool:
        session = self._sessions.get(node)
        if session is None:
            return False
        if session.mode is Mode.LEDGER or plain.is_known(owed.key):
            session.offer(owed)
        return True

    def tell(self, node: str, message: Message) -> bool:
        session = self._sessions.get(node)
        return session is not None and session.tell(message)

    def owes(self, node: str, key: str) -> bool:
        session = self._sessions.get(node)
        return session is not None and session.outbox.owes(key)

    def acknowledges_devices(self, node: str) -> bool:
        session = self._sessions.get(node)
        return session is not None and session.mode is Mode.LEDGER

    def serves_streams(self, node: str) -> bool:
        session = self._sessions.get(node)
        return session is not None and session.mode is Mode.LEDGER

    def connected(self) -> frozenset[str]:
        return frozenset(self._sessions)

    def session_of(self, node: str) -> Session | None:
        return self._sessions.get(node)

    async def close_revoked(self) -> None:
        """End the sessions of nodes that were revoked while they were connected (X3)."""
        revoked = [session for session in self._sessions.values() if self._is_revoked(session.node, session.serial)]
        await asyncio.gather(*(session.end(POLICY, "this node's certificate was revoked", by="revoked") for session in revoked))
        await self._streams.close_revoked(self._is_revoked)

    def readings(self) -> Iterator[Reading]:
        """The hub in numbers."""
        said, sessions = self.counts, list(self._sessions.values())
        modes = Counter(session.mode.value for session in sessions)
        by_mode: dict[Labels, float] = {(mode.value,): modes[mode.value] for mode in Mode}
        yield Reading("nodes_connected", "Nodes whose session lives", Kind.GAUGE, by_mode, ("mode",))
        yield counts("sessions_opened", "Sessions that began", "mode", said.opened)
        yield counts("sessions_closed", "Sessions that ended", "reason", said.closed)
        yield counts("turned_away", "Nodes with a good certificate that were not let in", "reason", said.turned_away)
        yield gauge("queue_length", "Objects that wait to be sent to nodes", sum(session.outbox.waiting for session in sessions))
        yield gauge("in_flight", "Objects sent and not acknowledged yet", sum(session.outbox.in_flight for session in sessions))
        yield count("acknowledged", "Objects that nodes acknowledged", said.acknowledged)
        yield count("resent", "Objects said again for want of an acknowledgement", said.resent + sum(s.outbox.resent for s in sessions))
        yield count("acknowledgements_unmatched", "Acknowledgements that nobody waited for", said.unmatched)
        yield count("refused_by_node", "Objects that a node will never take", said.refused_by_node)
        yield counts("reports", "Reports and questions of nodes by what became of them", "outcome", said.reports)
        yield counts("denied", "Reports and questions of nodes that were refused for good", "reason", said.denied)
        yield count("refused_frames", "Frames of nodes that were no messages", said.malformed)
        yield count("replies_dropped", "Replies left out because the node does not read", said.dropped_slow_reader)

    # for the listener

    def _admit(self, visitor: Visitor) -> None:
        if self._is_revoked(visitor.node, visitor.serial):
            self.counts.turned_away["revoked"] += 1
            raise TurnedAway(403, f"the certificate of node {visitor.node!r} was revoked")
        if visitor.streams:
            self._streams.admit(visitor, self._sessions)
        elif visitor.node not in self._sessions and len(self._sessions) >= self._node_limit:
            self.counts.turned_away["node_limit"] += 1
            raise TurnedAway(503, f"{self._node_limit} nodes are connected, which is the limit (modules.cloudhub.nodeLimit)")

    async def _serve(self, visitor: Visitor, wire: Socket) -> None:
        if visitor.streams:
            await self._streams.serve(visitor, wire)
        else:
            await self._serve_messages(visitor, wire)

    async def _serve_messages(self, visitor: Visitor, wire: Wire) -> None:
        node = visitor.node
        session = Session(
            node,
            visitor.mode,
            wire,
            self,
            serial=visitor.serial,
            limits=self._limits_for(visitor),
            now_ms=self._now_ms,
            counts=self.counts,
            text=self._speech.text,
        )
        older = self._sessions.get(node)
        self._sessions[node] = session
        replaced = None
        if older is not None:
            self._node_changed(node, False)
            replaced = asyncio.create_task(older.end(REPLACED, "replaced by a newer connection of this node", by="replaced"))
        self.counts.opened[visitor.mode.value] += 1
        logger.info("node %s: connected in %s mode, %d connected", node, visitor.mode, len(self._sessions))
        try:
            self._node_changed(node, True)
            if visitor.mode is Mode.PLAIN:
                await self._begin_plain(session)
            await session.run()
        finally:
            self._left(session)
            if replaced is not None:
                await replaced

    def _limits_for(self, visitor: Visitor) -> Limits:
        """A node that pings may be silent for as long as it said, and as long again as any other (P2.5)."""
        if visitor.ping is None:
            return self._limits
        return replace(self._limits, keepalive=visitor.ping + self._limits.keepalive)

    async def _begin_plain(self, session: Session) -> None:
        """A KubeEdge edge does not say what it holds: what it acknowledged is on record."""
        await self.repair(session, self._record.known(session.node) if self._record is not None else {})

    def _left(self, session: Session) -> None:
        node = session.node
        self.counts.closed[session.ended_by] += 1
        self.counts.resent += session.outbox.resent
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

    async def repair(self, session: Session, held: Mapping[str, Held]) -> None:
        """What changes meanwhile is offered as it changes; of what was to go, that is spared which came to be owed."""
        node = session.node
        comparison = Comparison(held)
        for uplink in self._uplinks.values():
            for number, holding in enumerate(uplink.holdings(node), 1):
                comparison.take(holding)
                if number % _COMPARED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        found = comparison.found()
        session.lack(lack for lack in found.lacks if lack.send or self._owed_one(node, lack.key) is None)
        if session.mode is Mode.LEDGER:
            self._record_held(session, found.same)
        logger.info("node %s: holds %d objects, %d differ", node, len(held), len(found.lacks))

    def make(self, session: Session, lack: Lack) -> Iterator[Owed]:
        if session.mode is Mode.PLAIN and not plain.is_known(lack.key):
            return
        if lack.remove_uid is not None:
            removal = self._removal(session.node, lack.key, lack.remove_uid)
            if removal is None:
                logger.warning("node %s: holds %s, of which no controller knows the kind", session.node, lack.key)
            else:
                yield removal
        owed = self._owed_one(session.node, lack.key) if lack.send else None
        if owed is not None:
            yield plain.as_update(owed) if lack.known and session.mode is Mode.PLAIN else owed

    def _record_held(self, session: Session, held: Iterable[Holding]) -> None:
        """A record that was lost is mended by what the node says."""
        known = self._record.known(session.node) if self._record is not None else {}
        for key, uid, version in held:
            owed = self._owed_one(session.node, key) if known.get(key) != (uid, version) else None
            if owed is not None:
                self.delivered(session, owed)

    def _owed_one(self, node: str, key: str) -> Owed | None:
        found = (uplink.owed_one(node, key) for uplink in self._uplinks.values())
        return next((owed for owed in found if owed is not None), None)

    def _removal(self, node: str, key: str, uid: str) -> Owed | None:
        for uplink in self._uplinks.values():
            removal = uplink.removal(node, key, uid)
            if removal is not None:
                return removal if removal.removal else replace(removal, removal=True)
        return None

    def refused(self, session: Session, msg_id: str, reason: str) -> None:
        self._streams.refused(session.node, msg_id, reason)

    def delivered(self, session: Session, owed: Owed) -> None:
        if self._record is not None:
            self._record.delivered(session.node, owed)
