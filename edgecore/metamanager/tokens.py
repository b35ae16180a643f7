"""Tokens of service accounts (P5.11): kept here, and the cloud is asked for another one when the one that is kept gets old."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from edgecore.errors import StoreError
from edgecore.metamanager import tokenage
from edgecore.metamanager.tokenage import Kept
from edgecore.store import metadata
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.transaction import Transaction
from viaduct.errors import MalformedPayload, ViaductError
from viaduct.message import Message
from viaduct.resource import ResourcePath, parse_resource
from viaduct.tokenrequest import Issued, TokenRequest, read_issued, read_request, request_content
from viaduct.vocabulary import Operation, ResourceType

logger = logging.getLogger(__name__)

NOT_NOW_PAUSE = 60.0
REFUSED_PAUSE = 600.0
"""Seconds for which an old token is given out again after the cloud could not be asked, or said no."""

Say = Callable[[Message, dict[str, Any]], None]
Refuse = Callable[[Message, int, str], None]


def is_about_tokens(message: Message) -> bool:
    return message.route.resource.split("/")[1:2] == [ResourceType.SERVICEACCOUNTTOKEN]


class Tokens:
    """``say`` answers a question with ``{"token", "fresh"}``, ``refuse`` with an error; ``ask`` sends one on to the cloud."""

    def __init__(self, database: Database, *, say: Say, refuse: Refuse, ask: Callable[[Message, dict[str, Any]], None]) -> None:
        self._database = database
        self._say = say
        self._refuse = refuse
        self._ask = ask

    def asked(self, question: Message, *, connected: bool, ledger: bool) -> None:
        """Content: ``{"request": a TokenRequest, "needed": bool}``."""
        try:
            path, request = _read(question)
            kept, fresh = self._kept(path, request)
        except (ViaductError, StoreError) as exc:
            self._refuse(question, 500, str(exc))
            return
        if kept is not None and fresh > 0:
            self._give(question, kept.issued, fresh)
        elif not connected:
            self.failed(question, 503, "not stored here, and the cloud is away", retry=True)
        elif not ledger and not question.content.get("needed"):
            self.failed(question, 503, "a KubeEdge cloud is not asked for what is not needed", retry=True)
        else:
            self._ask(question, request_content(request))

    def answered(self, question: Message, answer: Message) -> None:
        """The cloud's answer: saved as long as its pod is here, then given to who asked."""
        if answer.route.operation == Operation.ERROR:
            content = answer.content if isinstance(answer.content, dict) else {"reason": answer.content}
            code = content.get("code")
            code = code if isinstance(code, int) and code else 502
            self.failed(question, code, str(content.get("reason", "refused"))[:500], retry=content.get("retry") is True)
            return
        try:
            path, request = _read(question)
            issued = read_issued(answer.content)
        except ViaductError as exc:
            self.failed(question, 502, f"the cloud's answer cannot be read: {exc}", retry=True)
            return
        fresh = tokenage.fresh_for(Kept(issued, 0, 0), wall=0, stamp=0)

        def work(tx: Transaction) -> None:
            _save(tx, path, request, issued)

        def done(error: StoreError | None) -> None:
            if error is not None:
                logger.warning("a token for pod %s/%s could not be saved: %s", path.namespace, request.pod, error)
            self._give(question, issued, fresh)

        try:
            self._database.write(work, done)
        except StoreError as exc:
            done(exc)

    def failed(self, question: Message, code: int, reason: str, *, retry: bool) -> None:
        """No other one came: the old one is given out, also when it is out of date, because the board cannot do better."""
        try:
            kept, _ = self._kept(*_read(question))
        except (ViaductError, StoreError):
            kept = None
        if kept is None:
            self._refuse(question, code, reason)
            return
        logger.info("%s: the old token stays: %s", question.route.resource, reason)
        self._give(question, kept.issued, NOT_NOW_PAUSE if retry else REFUSED_PAUSE)

    def _give(self, question: Message, issued: Issued, fresh: float) -> None:
        self._say(question, {"token": issued.token, "fresh": fresh})

    def _kept(self, path: ResourcePath, request: TokenRequest) -> tuple[Kept | None, float]:
        """What is kept for ``request`` and for how many seconds it is fresh. Raises StoreError."""
        row, stamp = self._database.read(lambda tx: (metadata.load(tx, tokenage.key_of(path, request)), tx.stamp))
        if row is None:
            return None, 0.0
        try:
            kept = tokenage.read_stored(row.value)
        except (ValueError, KeyError, TypeError):
            return None, 0.0
        return kept, tokenage.fresh_for(kept, wall=time.time(), stamp=stamp)


def _read(question: Message) -> tuple[ResourcePath, TokenRequest]:
    path = parse_resource(question.route.resource)
    if not path.name or not isinstance(question.content, dict):
        raise MalformedPayload("content", "expected a request under the name of a service account")
    return path, read_request(question.content.get("request"))


def _save(tx: Transaction, path: ResourcePath, request: TokenRequest, issued: Issued) -> None:
    """Not for a pod that went meanwhile: nobody would take the token away again."""
    pod = metadata.load(tx, str(ResourcePath(path.namespace, ResourceType.POD, request.pod)))
    if pod is None or pod.uid != request.uid:
        return
    text = tokenage.stored_text(Kept(issued, time.time(), tx.stamp))
    metadata.save(tx, MetaRow(tokenage.key_of(path, request), ResourceType.SERVICEACCOUNTTOKEN, text, request.uid))
