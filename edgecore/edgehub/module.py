"""EdgeHub: the only door to the cloud. Sends what is owed, tells who waits what was answered, and says hello (P2.5, P3.3, P4)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgecore.beehive.letters import LinkChanged, OutboxChanged
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.cloudlink import CloudLink
from edgecore.edgehub import routing
from edgecore.edgehub.inventory import inventory_message
from edgecore.edgehub.questions import Questions
from edgecore.edgehub.routing import Outgoing
from edgecore.edgehub.session import Answered, Dialer, LinkDown, LinkUp, Session, Written
from edgecore.edgehub.upward import Upward
from edgecore.errors import StoreError
from edgecore.store import metadata, outbox, twins
from edgecore.store.database import Database
from viaduct.codec import encode
from viaduct.delivery import Timing
from viaduct.handshake import Mode
from viaduct.message import Message, new_message
from viaduct.resource import KEEPALIVE_RESOURCE
from viaduct.vocabulary import Group, ModuleName, Operation, Source

logger = logging.getLogger(__name__)

_LISTENERS = (ModuleName.METAMANAGER, ModuleName.EDGED, ModuleName.DEVICETWIN, ModuleName.EVENTBUS, ModuleName.SERVICEBUS)
_BUSY_ENOUGH = 512
"""Rows in memory at once; the others wait in the table, where newer states replace them."""
_PAGE = 256
_READ_PAUSE = 0.01
_SETTLE_PAUSE = 0.5
_SETTLE_ENOUGH = 256
"""Settled rows leave the table together: one write to flash instead of one for each."""
_UNTOLD_PAUSE = 0.1
_LETTERS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class HubSettings:
    """``heartbeat``: seconds between keepalives. ``question_timeout``: seconds that the cloud has for an answer."""

    heartbeat: float = 15.0
    question_timeout: float = 15.0
    timing: Timing = field(default_factory=Timing)


class EdgeHub(Module):
    name = ModuleName.EDGEHUB
    group = Group.HUB

    def __init__(
        self, switchboard: Switchboard, database: Database, dial: Callable[[], CloudLink], settings: HubSettings | None = None
    ) -> None:
        self._switchboard = switchboard
        self._database = database
        self._settings = settings or HubSettings()
        self._mailbox = switchboard.register(self.name, self.group)
        self._dialer = Dialer(dial, switchboard, self._mailbox)
        self._questions = Questions(self._settings.question_timeout)
        self._session: Session | None = None
        self._mode = Mode.PLAIN
        self._upward = Upward(self._settings.timing)
        self._states: dict[str, Message] = {}
        self._last_state = self._last_event = 0
        self._settling: list[int] = []
        self._settled_since = 0.0
        self._unread = False
        self._read_at = 0.0
        self._keepalive_at = 0.0
        self._untold: dict[str, LinkChanged] = {}
        self._untold_at = 0.0
        self.dropped: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        return self._session is not None

    def opened(self) -> None:
        self._dialer.start()

    def closed(self) -> None:
        self._dialer.stop()
        self._flush_settled()

    def take(self, letter: Any) -> None:
        for each in (letter, *self._mailbox.take_ready(_LETTERS_AT_ONCE)):
            self._take_one(each)
        self._work()

    def next_tick(self) -> float | None:
        times = [self._questions.next_time()]
        if self._session is not None:
            times += [self._keepalive_at, self._upward.next_time()]
            if self._unread and self._upward.waiting < _BUSY_ENOUGH:
                times.append(self._read_at + _READ_PAUSE)
        if self._settling:
            times.append(self._settled_since + _SETTLE_PAUSE)
        if self._untold:
            times.append(self._untold_at)
        return min((when for when in times if when is not None), default=None)

    def tick(self) -> None:
        self._work()

    def _take_one(self, letter: Any) -> None:
        match letter:
            case OutboxChanged():
                self._unread = True
            case Answered(session, message):
                self._answered(session, message)
            case Written(session, msg_id):
                if session is self._session:
                    self._settle(msg_id)
            case Message():
                self._send(letter)
            case LinkUp(session, mode):
                self._link_up(session, mode)
            case LinkDown(session, reason):
                self._link_down(session, reason)
            case _:
                logger.warning("EdgeHub takes no %s", type(letter).__name__)

    def _work(self) -> None:
        """Everything that the time or a letter may have made due."""
        now = time.monotonic()
        self._tell_untold()
        for question in self._questions.expired(now):
            self._answer_locally(question, 504, "the cloud did not answer in time")
        if self._session is not None:
            if now >= self._keepalive_at:
                self._keepalive(self._session, now)
            self._read_outbox(now)
            for msg_id, text in self._upward.due(now):
                self._session.send(text, msg_id)
        if self._settling and (len(self._settling) >= _SETTLE_ENOUGH or now >= self._settled_since + _SETTLE_PAUSE):
            self._flush_settled()

    # The link

    def _link_up(self, session: Session, mode: Mode) -> None:
        if session.closed:
            return
        self._session, self._mode = session, mode
        self._upward = Upward(self._settings.timing)
        self._last_state = self._last_event = 0
        self._unread, self._read_at = True, 0.0
        logger.info("linked to the cloud, delivery mode %s", mode)
        if mode is Mode.LEDGER:
            objects, devices = self._database.read(lambda tx: (metadata.held(tx), twins.held(tx)))
            session.send(encode(inventory_message(objects, devices, now_ms=_now_ms())))
        self._keepalive(session, time.monotonic())
        self._tell_everyone(LinkChanged(True, mode is Mode.LEDGER))
        for key, message in self._states.items():
            self._upward.offer_state(key, message.id, encode(message))
        session.opened.set()

    def _link_down(self, session: Session, reason: str) -> None:
        if session is not self._session:
            return
        self._session = None
        logger.warning("the link to the cloud is gone: %s", reason)
        self._tell_everyone(LinkChanged(False))
        for question in self._questions.all():
            self._answer_locally(question, 503, "the link to the cloud broke")

    def _keepalive(self, session: Session, now: float) -> None:
        self._keepalive_at = now + self._settings.heartbeat
        self._unread = True  # a lost OutboxChanged is healed here
        hello = new_message(
            source=Source.WEBSOCKET,
            group=Group.RESOURCE,
            operation=Operation.KEEPALIVE,
            resource=KEEPALIVE_RESOURCE,
            now_ms=_now_ms(),
            content="ping",
        )
        session.send(encode(hello))

    def _tell_everyone(self, letter: LinkChanged) -> None:
        self._untold.update(dict.fromkeys(_LISTENERS, letter))
        self._tell_untold()

    def _tell_untold(self) -> None:
        """A module whose mailbox is full hears it later, and then only the last word."""
        self._untold_at = time.monotonic() + _UNTOLD_PAUSE
        for name, letter in list(self._untold.items()):
            if self._switchboard.send(name, letter) or not self._switchboard.knows(name):
                del self._untold[name]

    # Up

    def _send(self, message: Message) -> None:
        kind = routing.classify(message)
        if kind is Outgoing.STATE:
            self._states[message.route.resource] = message
            if self._session is not None:
                self._upward.offer_state(message.route.resource, message.id, encode(message))
        elif self._session is not None:
            if kind is Outgoing.QUESTION:
                self._questions.add(message, time.monotonic())
            self._session.send(encode(message))
        elif kind is Outgoing.QUESTION:
            self._answer_locally(message, 503, "the cloud is away")
        else:
            logger.debug("not sent, the cloud is away: %s %s", message.route.operation, message.route.resource)

    def _read_outbox(self, now: float) -> None:
        """States first: they are what somebody waits to see after an outage. Events when few states are left."""
        if not self._unread or self._upward.waiting >= _BUSY_ENOUGH or now < self._read_at + _READ_PAUSE:
            return
        self._read_at = now
        try:
            states = self._database.read(lambda tx: outbox.pending_states(tx, self._last_state, _PAGE))
            events = [] if len(states) == _PAGE else self._database.read(lambda tx: outbox.pending_events(tx, self._last_event, _PAGE))
        except StoreError as exc:
            logger.error("the outbox cannot be read: %s", exc)
            self._unread = False
            return
        settling = set(self._settling)
        for row in (*states, *events):
            if row.id not in settling:
                self._upward.offer(row)
        self._last_state = states[-1].id if states else self._last_state
        self._last_event = events[-1].id if events else self._last_event
        self._unread = len(states) == _PAGE or len(events) == _PAGE

    def _settle(self, msg_id: str) -> None:
        if not self._settling:
            self._settled_since = time.monotonic()
        self._settling += self._upward.settle(msg_id, time.monotonic())
        self._states = {key: message for key, message in self._states.items() if message.id != msg_id}

    def _flush_settled(self) -> None:
        ids, self._settling = self._settling, []
        if not ids:
            return
        try:
            self._database.write(lambda tx: outbox.settled(tx, ids), lambda error: self._not_settled(error, len(ids)))
        except StoreError as exc:
            self._not_settled(exc, len(ids))

    @staticmethod
    def _not_settled(error: StoreError | None, count: int) -> None:
        if error is not None:
            logger.warning("%d reports that the cloud has taken stay in the outbox and will be sent again: %s", count, error)

    # Answers

    def _answered(self, session: Session, message: Message) -> None:
        parent = message.header.parent_msg_id
        if session is self._session and self._upward.knows(parent):
            self._report_answered(parent, message)
        elif self._questions.settle(parent):
            self._hand_over(message)
        else:
            logger.debug("nobody waits for the cloud's %s to %s", message.route.operation, parent)
            if message.route.operation == Operation.RESPONSE and message.header.resource_version:
                self._switchboard.send_to_group(routing.edge_group(message) or "", message)

    def _report_answered(self, msg_id: str, message: Message) -> None:
        refusal = routing.refusal(message)
        if refusal is not None and refusal.retry:
            pause = self._upward.put_off(msg_id, time.monotonic())
            logger.info("the cloud cannot take %s now, again in %.0f s: %s", message.route.resource, pause, refusal.reason)
            return
        if refusal is not None:
            self.dropped["refused"] += 1
            logger.warning("the cloud refused %s for good: %s", message.route.resource, refusal.reason or refusal.code)
        self._settle(msg_id)

    def _answer_locally(self, question: Message, code: int, reason: str) -> None:
        self._questions.settle(question.id)
        self._hand_over(
            new_message(
                source=Source.EDGEHUB,
                group=question.route.group,
                operation=Operation.ERROR,
                resource=question.route.resource,
                now_ms=_now_ms(),
                content={"code": code, "reason": reason, "retry": True},
                parent_msg_id=question.id,
            )
        )

    def _hand_over(self, answer: Message) -> None:
        """To the thread that asked, else to MetaManager, which asks for others."""
        if not self._switchboard.answer(answer) and not self._switchboard.send(ModuleName.METAMANAGER, answer):
            logger.warning("the answer about %s found nobody", answer.route.resource)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
