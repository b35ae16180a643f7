"""One connection of the local command line: its question, and who answers it."""

from __future__ import annotations

import json
import logging
import socket
import threading
from typing import Any

from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers.sessions import BAD, FAILED, NOT_FOUND, OK, UNAVAILABLE, Breach, PeerGone, Session
from edgecore.errors import Busy, EdgeCoreError, EngineUnreachable, NoAnswer, NotFound
from edgecore.localapi.answers import Answers, BadQuestion
from edgecore.localapi.module import LocalSettings
from edgecore.localapi.wire import STREAM, FrameSocket
from edgecore.store.database import Database
from viaduct.errors import ViaductError
from viaduct.streamrequest import Verb, parse_request
from viaduct.tunnel import MAX_DATA, Channel, Credit, Data, End, Eof, Frame, Open, Ready

logger = logging.getLogger(__name__)

QUESTION_LIMIT = 10.0
"""Seconds in which the question must have come, and in which each part of an answer must be taken."""


def serve(
    connection: socket.socket, settings: LocalSettings, switchboard: Switchboard, database: Database, link: tuple[LinkChanged, float]
) -> None:
    """Until the question is answered or who asked is gone."""
    connection.settimeout(QUESTION_LIMIT)
    frames = FrameSocket(connection)
    try:
        question = frames.receive()
        if question is None:
            return
        if not isinstance(question, Open):
            raise BadQuestion("the first frame must be an OPEN")
        if question.request.get("verb") in tuple(Verb):
            _stream(question, settings, connection, frames)
            return
        answers = Answers(settings, switchboard, database, link)
        _say(frames, answers.answer(question.request))
    except (ViaductError, EdgeCoreError) as exc:
        _refuse(frames, exc)
    except OSError as exc:
        logger.debug("the local command line went away: %s", exc)


def _say(frames: FrameSocket, value: Any) -> None:
    raw = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")
    frames.send(Ready(STREAM))
    for start in range(0, len(raw), MAX_DATA):
        frames.send(Data(STREAM, Channel.STDOUT, raw[start : start + MAX_DATA]))
    frames.send(End(STREAM, OK))


def _refuse(frames: FrameSocket, exc: Exception) -> None:
    codes = (
        (NotFound, NOT_FOUND),
        (BadQuestion, BAD),
        (ViaductError, BAD),
        (EngineUnreachable, UNAVAILABLE),
        (Busy | NoAnswer, UNAVAILABLE),
    )
    code = next((code for kind, code in codes if isinstance(exc, kind)), FAILED)
    try:
        frames.send(End(STREAM, code, str(exc)))
    except OSError as gone:
        logger.debug("the local command line went away: %s", gone)


def _stream(question: Open, settings: LocalSettings, connection: socket.socket, frames: FrameSocket) -> None:
    request = parse_request(question.request)
    if settings.streams is None:
        raise NotFound("pods are switched off on this node (modules.edged.enable)")
    connection.settimeout(None)  # a person may think for as long as they like
    session = Session(request, settings.streams(), _LocalPeer(frames))
    reader = threading.Thread(target=_feed, args=(session, frames), name="localapi-input", daemon=True)
    reader.start()
    session.run()


def _feed(session: Session, frames: FrameSocket) -> None:
    try:
        while (frame := frames.receive()) is not None:
            session.take(frame)
    except (OSError, ViaductError, Breach) as exc:
        logger.debug("the local command line went away: %s", exc)
    session.close()


class _LocalPeer:
    def __init__(self, frames: FrameSocket) -> None:
        self._frames = frames

    def ready(self) -> None:
        self._send(Ready(STREAM))

    def data(self, channel: Channel, data: bytes) -> None:
        self._send(Data(STREAM, channel, data))

    def eof(self, channel: Channel) -> None:
        self._send(Eof(STREAM, channel))

    def consumed(self, count: int) -> None:
        self._send(Credit(STREAM, count))

    def end(self, code: int, reason: str = "", exit_code: int | None = None) -> None:
        self._send(End(STREAM, code, reason, exit_code))

    def _send(self, frame: Frame) -> None:
        try:
            self._frames.send(frame)
        except OSError as exc:
            raise PeerGone(str(exc)) from exc
