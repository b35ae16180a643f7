"""EdgeHub: the only door to the cloud. Sends what is owed, tells who waits what was answered, and says hello (P2.5, P3.3, P4)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgecore.beehive.letters import LinkChanged, OutboxChanged
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.cloudlink import CloudLink
from edgecore.edgehub import routing
from edgecore.edgehub.backlog import Pace
from edgecore.edgehub.counts import HubCounts
from edgecore.edgehub.inventory import inventory_message
from edgecore.edgehub.ledger import Ledger
from edgecore.edgehub.pulse import PATIENCE, Pulse, Sign
from edgecore.edgehub.questions import Questions
from edgecore.edgehub.routing import Outgoing
from edgecore.edgehub.session import Answered, Dialer, LinkDown, LinkUp, Session, Written
from edgecore.edgehub.upward import Upward
from edgecore.store import metadata, twins
from edgecore.store.database import Database
from edgecore.store.outbox import Rank
from viaduct import acknowledgements
from viaduct.codec import encode
from viaduct.delivery import Timing
from viaduct.errors import ViaductError
from viaduct.handshake import Mode
from viaduct.message import Message, acknowledge, new_message
from viaduct.resource import KEEPALIVE_RESOURCE
from viaduct.vocabulary import Group, ModuleName, Operation, Source

logger = logging.getLogger(__name__)

_LISTENERS = (
    *(ModuleName.METAMANAGER, ModuleName.EDGED, ModuleName.DEVICETWIN, ModuleName.EVENTBUS, ModuleName.SERVICEBUS),
    ModuleName.LOCALAPI,
)
_BUSY_ENOUGH = 256
"""Rows of a rank in memory at once; the others wait in the table, where newer states replace them."""
_SAMPLES_ENOUGH = 2
_UNTOLD_PAUSE = 0.1
_LETTERS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Seconds: ``heartbeat`` between keepalives, where no pings were agreed, ``question_timeout`` for an answer. ``pace``: of events."""

    heartbeat: float = 15.0
    question_timeout: float = 15.0
    timing: Timing = field(default_factory=Timing)
    pace: Pace = field(default_factory=Pace)


class EdgeHub(Module):
    name = ModuleName.EDGEHUB
    group = Group.HUB

    def __init__(
        self,
        switchboard: Switchboard,
        database: Database,
        dial: Callable[[], CloudLink],
        settings: HubSettings | None = None,
        counts: HubCounts | None = None,
    ) -> None:
        self._counts = counts or HubCounts(time.monotonic())
        self._switchboard = switchboard
        self._database = database
        self._settings = settings or HubSettings()
        self._mailbox = switchboard.register(self.name, self.group)
        self._dialer = Dialer(dial, switchboard, self._mailbox, self._counts)
        self._questions = Questions(self._settings.question_timeout)
        self._session: Session | None = None
        self._mode = Mode.PLAIN
        self._upward = Upward(self._settings.timing, self._settings.pace)
        self._states: dict[str, Message] = {}
        self._ledger = Ledger(database)
        self._resent_before = 0
        self._answers: list[Message] = []
        self._beat_at = 0.0
        self._pulse: Pulse | None = None
        self._untold: dict[str, LinkChanged] = {}
        self._untold_at = 0.0

    @property
    def connected(self) -> bool:
        return self._session is not None

    def opened(self) -> None:
        self._dialer.start()

    def closed(self) -> None:
        self._dialer.stop()
        self._ledger.flush()
        self._counts.unlinked(time.monotonic())

    def take(self, letter: Any) -> None:
        for each in (letter, *self._mailbox.take_ready(_LETTERS_AT_ONCE)):
            self._take_one(each)
        self._work()

    def next_tick(self) -> float | None:
        times = [self._questions.next_time(), self._ledger.next_time()]
        if self._session is not None:
            times += [self._beat_at, self._upward.next_time(), self._ledger.next_read(self._has_room)]
            times.append(self._pulse.next_time() if self._pulse is not None else None)
        if self._untold:
            times.append(self._untold_at)
        return min((when for when in times if when is not None), default=None)

    def tick(self) -> None:
        self._work()

    def _take_one(self, letter: Any) -> None:
        match letter:
            case OutboxChanged():
                self._ledger.changed()
            case Answered(session, message):
                self._answered(session, message)
            case Written(session, msg_id):
                if session is self._session:
                    self._settle(msg_id)
            case Message():
                self._send(letter)
            case LinkUp():
                self._link_up(letter)
            case LinkDown(session, reason):
                self._link_down(session, reason)
            case _:
                logger.warning("EdgeHub takes no %s", type(letter).__name__)

    def _work(self) -> None:
        """Everything that the time or a letter may have made due."""
        now = time.monotonic()
        self._tell_untold()
        self._say_answers()
        for question in self._questions.expired(now):
            self._answer_locally(question, 504, "the cloud did not answer in time")
        if self._session is not None:
            if now >= self._beat_at:
                self._beat(self._session, now)
            for rank, row in self._ledger.read(now, self._has_room):
                self._upward.offer(rank, row)
            for msg_id, text in self._upward.due(now):
                self._session.send(text, msg_id)
            if self._pulse is not None:
                self._feel_pulse(self._session, self._pulse, now)
            self._counts.in_flight = self._upward.in_flight
            self._counts.resent = self._resent_before + self._upward.resent
        self._ledger.work(now)

    # The link

    def _link_up(self, up: LinkUp) -> None:
        session, mode = up.session, up.mode
        if session.closed:
            return
        self._session, self._mode = session, mode
        self._upward = Upward(self._settings.timing, self._settings.pace)
        self._resent_before = self._counts.resent
        self._counts.linked(time.monotonic())
        self._ledger.begin(ledger=mode is Mode.LEDGER)
        logger.info("linked to the cloud, delivery mode %s", mode)
        if mode is Mode.LEDGER:
            objects, devices = self._database.read(lambda tx: (metadata.held(tx), twins.held(tx)))
            session.send(encode(inventory_message(objects, devices, now_ms=_now_ms())))
        self._pulse = None if up.ping is None else Pulse(up.ping, time.monotonic())
        self._beat(session, time.monotonic())
        self._tell_everyone(LinkChanged(True, mode is Mode.LEDGER))
        for key, message in self._states.items():
            self._upward.offer_state(Rank.STATUS, key, message.id, encode(message))
        session.opened.set()

    def _link_down(self, session: Session, reason: str) -> None:
        if session is not self._session:
            return
        self._session = None
        self._counts.unlinked(time.monotonic())
        self._answers.clear()  # they are about what this connection said; on the next one it is said again
        logger.warning("the link to the cloud is gone: %s", reason)
        self._tell_everyone(LinkChanged(False))
        for question in self._questions.all():
            self._answer_locally(question, 503, "the link to the cloud broke")

    def _beat(self, session: Session, now: float) -> None:
        self._beat_at = now + self._settings.heartbeat
        self._ledger.changed()  # a lost OutboxChanged is healed here
        if self._pulse is None:
            self._keepalive(session)

    def _feel_pulse(self, session: Session, pulse: Pulse, now: float) -> None:
        sign = pulse.look(now, session.signs, waits=self._upward.in_flight > 0 or self._questions.next_time() is not None)
        if sign is Sign.PING:
            session.ping()
        elif sign is Sign.DEAD:
            session.close(f"no sign of life within {PATIENCE:g} s after we asked for one")

    @staticmethod
    def _keepalive(session: Session) -> None:
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
        if kind is Outgoing.ANSWER:
            self._answers.append(message)
        elif kind is Outgoing.STATE:
            self._states[message.route.resource] = message
            if self._session is not None:
                self._upward.offer_state(Rank.STATUS, message.route.resource, message.id, encode(message))
        elif self._session is not None:
            if kind is Outgoing.QUESTION:
                self._questions.add(message, time.monotonic())
            self._session.send(encode(message))
        elif kind is Outgoing.QUESTION:
            self._answer_locally(message, 503, "the cloud is away")
        else:
            logger.debug("not sent, the cloud is away: %s %s", message.route.operation, message.route.resource)

    def _say_answers(self) -> None:
        """What a group commit has acknowledged is here at once, and goes in one message (P4.9)."""
        answers, self._answers = self._answers, []
        if self._session is None:
            return
        if self._mode is Mode.LEDGER:
            answers = acknowledgements.gathered(answers, source=Source.EDGEHUB, now_ms=_now_ms())
        for message in answers:
            self._session.send(encode(message))

    def _has_room(self, rank: Rank) -> bool:
        return self._upward.waiting(rank) < (_SAMPLES_ENOUGH if rank is Rank.SAMPLES else _BUSY_ENOUGH)

    def _settle(self, msg_id: str, *, refused: bool = False) -> None:
        self._counts.acknowledged += not refused and self._upward.knows(msg_id)
        self._ledger.settle(self._upward.settle(msg_id, time.monotonic()), refused=refused)
        self._states = {key: message for key, message in self._states.items() if message.id != msg_id}

    # Answers

    def _answered(self, session: Session, message: Message) -> None:
        if acknowledgements.names_many(message):
            self._all_answered(session, message)
            return
        parent = message.header.parent_msg_id
        if session is self._session and self._upward.knows(parent):
            self._report_answered(parent, message)
        elif self._questions.settle(parent) is not None:
            self._hand_over(message)
        else:
            logger.debug("nobody waits for the cloud's %s to %s", message.route.operation, parent)
            if message.route.operation == Operation.RESPONSE and message.header.resource_version:
                self._switchboard.send_to_group(routing.edge_group(message) or "", message)

    def _all_answered(self, session: Session, message: Message) -> None:
        try:
            named = acknowledgements.named_in(message)
        except ViaductError as exc:
            self._counts.refused_frames += 1
            logger.warning("the cloud's acknowledgement cannot be read: %s", exc)
            return
        for msg_id in named:
            question = self._questions.settle(msg_id)
            if question is not None:
                self._hand_over(acknowledge(question, now_ms=_now_ms()))
            elif session is self._session:
                self._settle(msg_id)

    def _report_answered(self, msg_id: str, message: Message) -> None:
        refusal = routing.refusal(message)
        if refusal is not None and refusal.retry:
            pause = self._upward.put_off(msg_id, time.monotonic())
            logger.info("the cloud cannot take %s now, again in %.0f s: %s", message.route.resource, pause, refusal.reason)
            return
        if refusal is not None:
            logger.warning("the cloud refused %s for good: %s", message.route.resource, refusal.reason or refusal.code)
        self._settle(msg_id, refused=refusal is not None)

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
