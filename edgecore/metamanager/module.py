"""MetaManager: the only owner of metadata. What the cloud said is kept; Edged asks here first, the cloud is asked for the rest."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import StoreError, StoreFull
from edgecore.metamanager.arrivals import Arrivals
from edgecore.metamanager.decisions import read_arrival
from edgecore.metamanager.events import Events
from edgecore.metamanager.postbag import Postbag
from edgecore.metamanager.queries import Queries, under_parent
from edgecore.metamanager.statuses import Statuses
from edgecore.metamanager.tokens import Tokens, is_about_tokens
from edgecore.store import metadata
from edgecore.store.database import Database
from viaduct.errors import ViaductError
from viaduct.message import Message, new_message, reply_to
from viaduct.resource import parse_resource
from viaduct.vocabulary import DELIVERED, Group, ModuleName, Operation, ResourceType, Source

logger = logging.getLogger(__name__)

_LEFT_PAUSE = 0.1
_STORED = (Operation.INSERT, Operation.UPDATE, Operation.DELETE, Operation.RESPONSE)


@dataclass(frozen=True, slots=True)
class MetaSettings:
    """Seconds. ``full_report``: between two reports of all pod statuses to a KubeEdge cloud. ``query_timeout``: the cloud's time."""

    full_report: float = 60.0
    query_timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class _Wake:
    """From the store's thread: there is something to mend or to place."""


class MetaManager(Module):
    name = ModuleName.METAMANAGER
    group = Group.META

    def __init__(self, switchboard: Switchboard, database: Database, settings: MetaSettings | None = None) -> None:
        self._switchboard = switchboard
        self._database = database
        self._settings = settings or MetaSettings()
        self._postbag = Postbag(switchboard, self._wake)
        self._arrivals = Arrivals(database, self._postbag, self._wake, ledger=lambda: self._link.ledger)
        self._statuses = Statuses(database, switchboard, self._arrivals.stored)
        self._events = Events(database, switchboard)
        self._queries = Queries(self._settings.query_timeout)
        self._tokens = Tokens(database, say=self._answer, refuse=self._refuse, ask=self._ask_cloud)
        self._link = LinkChanged(False)
        self._full_report_at = 0.0
        self._again_at = 0.0

    def opened(self) -> None:
        self._arrivals.load()

    def take(self, letter: Any) -> None:
        self._arrivals.mend()
        match letter:
            case Message():
                self._take_message(letter)
            case LinkChanged():
                self._link = letter
                self._full_report_at = time.monotonic() + self._settings.full_report
            case _Wake():
                pass
            case _:
                logger.warning("MetaManager takes no %s", type(letter).__name__)

    def next_tick(self) -> float | None:
        times = [self._queries.next_time()]
        if self._postbag or self._arrivals.needs_mending:
            times.append(self._again_at)
        if self._reports_in_full:
            times.append(self._full_report_at)
        return min((when for when in times if when is not None), default=None)

    def tick(self) -> None:
        self._arrivals.mend()
        self._postbag.place()
        now = time.monotonic()
        self._again_at = now + _LEFT_PAUSE
        for question in self._queries.expired(now):
            self._unanswered(question)
        if self._reports_in_full and now >= self._full_report_at:
            self._report_in_full(now)

    def _take_message(self, message: Message) -> None:
        operation, source = message.route.operation, message.route.source
        original = self._queries.take(message.header.parent_msg_id) if message.header.parent_msg_id else None
        if original is not None:
            self._answered(original, message)
        elif is_about_tokens(message):
            self._token(message)
        elif source == Source.EDGED and operation == Operation.QUERY:
            self._query(message)
        elif source == Source.EDGED and operation == Operation.UPDATE and _is_event(message):
            self._event(message)
        elif source == Source.EDGED and operation == Operation.UPDATE:
            self._pod_status(message)
        elif operation in _STORED:
            self._arrivals.take(message)
        else:
            logger.warning("MetaManager does not do %s %s", operation, message.route.resource)

    # Questions of Edged

    def _query(self, question: Message) -> None:
        try:
            path = parse_resource(question.route.resource)
            if not path.name:
                rows = self._database.read(lambda tx: metadata.load_type(tx, path.type))
                self._answer(question, [row.value for row in rows])
                return
            row = self._database.read(lambda tx: metadata.load(tx, str(path)))
        except (ViaductError, StoreError) as exc:
            self._refuse(question, 500, str(exc))
            return
        if row is not None:
            self._answer(question, [row.value])
        elif not self._link.connected:
            self._refuse(question, 503, "not stored here, and the cloud is away")
        else:
            self._ask_cloud(question, question.content)

    def _token(self, message: Message) -> None:
        """A token that the cloud sends too late, or of its own accord, is nobody's."""
        if message.route.source == Source.EDGED and message.route.operation == Operation.QUERY:
            self._tokens.asked(message, connected=self._link.connected, ledger=self._link.ledger)
        else:
            logger.debug("%s: nobody waits for this %s", message.route.resource, message.route.operation)

    def _ask_cloud(self, question: Message, content: Any) -> None:
        self._postbag.send(ModuleName.EDGEHUB, self._queries.forward(question, content, now=time.monotonic(), now_ms=_now_ms()))

    def _unanswered(self, question: Message) -> None:
        reason = "the cloud did not answer in time"
        if is_about_tokens(question):
            self._tokens.failed(question, 504, reason, retry=True)
        else:
            self._refuse(question, 504, reason)

    def _answered(self, original: Message, answer: Message) -> None:
        """The cloud's answer is stored, then given to who asked."""
        if is_about_tokens(original):
            self._tokens.answered(original, answer)
            return
        local = under_parent(answer, original)
        if answer.route.operation == Operation.ERROR or not isinstance(answer.content, dict):
            self._switchboard.answer(local)
            return
        try:
            arrival = read_arrival(answer)
        except ViaductError as exc:
            self._refuse(original, 502, f"the cloud's answer cannot be read: {exc}")
            return

        def then(_saved: bool) -> None:
            self._switchboard.answer(local)

        self._arrivals.apply(arrival, answer.content, None if self._link.ledger else answer, then)

    def _answer(self, question: Message, content: Any) -> None:
        self._switchboard.answer(reply_to(question, content, now_ms=_now_ms()))

    def _refuse(self, question: Message, code: int, reason: str) -> None:
        self._switchboard.answer(
            new_message(
                source=Source.METAMANAGER,
                group=question.route.group,
                operation=Operation.ERROR,
                resource=question.route.resource,
                now_ms=_now_ms(),
                content={"code": code, "reason": reason, "retry": code in (503, 504, 507)},
                parent_msg_id=question.id,
            )
        )

    # Pod statuses

    def _pod_status(self, message: Message) -> None:
        def done(error: StoreError | None) -> None:
            if error is None:
                self._answer(message, DELIVERED)
            else:
                self._refuse(message, 507 if isinstance(error, StoreFull) else 500, str(error))

        try:
            self._statuses.take(message, done)
        except ViaductError as exc:
            self._refuse(message, 400, str(exc))
        except StoreError as exc:
            done(exc)

    # Events

    def _event(self, message: Message) -> None:
        """A KubeEdge cloud has no use for them."""
        if self._link.connected and not self._link.ledger:
            return
        try:
            self._events.take(message)
        except (ViaductError, StoreError) as exc:
            logger.debug("event %s is not kept: %s", message.route.resource, exc)

    @property
    def _reports_in_full(self) -> bool:
        return self._link.connected and not self._link.ledger

    def _report_in_full(self, now: float) -> None:
        """A KubeEdge cloud acknowledges nothing, so it is told everything again and again (contract 3.8)."""
        self._full_report_at = now + self._settings.full_report
        try:
            reports = self._statuses.full_reports()
        except StoreError as exc:
            logger.error("pod statuses cannot be read: %s", exc)
            return
        for message in reports:
            self._postbag.send(ModuleName.EDGEHUB, message)

    def _wake(self) -> None:
        self._switchboard.send(self.name, _Wake())


def _is_event(message: Message) -> bool:
    return message.route.resource.split("/")[1:2] == [ResourceType.EVENT]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
