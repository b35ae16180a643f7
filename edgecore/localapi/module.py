"""LocalAPI: answers the command line on this board over a unix socket, with or without a cloud (promise A4).

Small while nobody asks: what answers is loaded with the first question (C1).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecore.beehive.keeper import Kept
from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers.progress import Fetched
from edgecore.store.database import Database
from edgecore.store.recorder import Recorder
from viaduct.vocabulary import Group, ModuleName

if TYPE_CHECKING:
    from edgecore.containers.streams import Streams

logger = logging.getLogger(__name__)

MOST_QUESTIONS = 16
"""Connections at once; others wait in the listen queue."""

_BACKLOG = 16
_LONGEST_PATH = 106


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """``streams`` None: pods are not run here. ``pulls``: how far the images have come that are being fetched. ``recorder``
    None: samples are not kept here."""

    socket: str
    node: str
    version: str
    streams: Callable[[], Streams] | None = None
    modules: Callable[[], list[Kept]] = list
    pulls: Callable[[], dict[str, Fetched]] = dict
    recorder: Recorder | None = None


class LocalAPI(Module):
    name = ModuleName.LOCALAPI
    group = Group.LOCAL

    def __init__(self, settings: LocalSettings, switchboard: Switchboard, database: Database) -> None:
        self._settings = settings
        self._switchboard = switchboard
        self._database = database
        self._listener: socket.socket | None = None
        self._room = threading.BoundedSemaphore(MOST_QUESTIONS)
        self._link = LinkChanged(False)
        self._link_since = time.monotonic()
        self._closing = False

    def opened(self) -> None:
        try:
            self._listener = listen(self._settings.socket)
        except OSError as exc:
            logger.error(
                "modules.localAPI.socket: %s cannot be used, so the command line on this board gets no answer: %s",
                self._settings.socket,
                exc.strerror or exc,
            )
            return
        threading.Thread(target=self._accept, args=(self._listener,), name="localapi", daemon=True).start()

    def take(self, letter: Any) -> None:
        if isinstance(letter, LinkChanged):
            if letter.connected != self._link.connected:
                self._link_since = time.monotonic()
            self._link = letter

    def closed(self) -> None:
        self._closing = True
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            with contextlib.suppress(OSError):
                os.unlink(self._settings.socket)

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing:
            self._room.acquire()
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="localapi-question", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        from edgecore.localapi.serving import serve

        try:
            with connection:
                serve(connection, self._settings, self._switchboard, self._database, (self._link, time.monotonic() - self._link_since))
        except Exception:
            logger.exception("a question of the local command line failed")
        finally:
            self._room.release()


def listen(path: str) -> socket.socket:
    """A listening unix socket at ``path``, mode 0600; one that a dead process left is replaced.

    Raises:
        OSError: it is in use, or cannot be made there.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise OSError(f"the path is longer than {_LONGEST_PATH} bytes")
    Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if os.path.exists(path):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            else:
                raise OSError("another EdgeCore answers there")
    listener = socket.socket(socket.AF_UNIX)
    draft = f"{path}~"  # the name appears only when it is closed to others and answers
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        listener.bind(draft)
        os.chmod(draft, 0o600)
        listener.listen(_BACKLOG)
        os.replace(draft, path)
    except OSError:
        listener.close()
        raise
    return listener
