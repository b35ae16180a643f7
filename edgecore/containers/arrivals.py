"""Images that come, so that a power cut leaves none that is here and cannot run.

Podman counts a layer as complete while the contents of its files may still be in memory alone, and takes a layer that is here for good
from then on. So what is to come is noted first, and the note goes when all is on the disk. What was still noted at the start is looked
through once it is here, and fetched again where it is spoilt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from edgecore.containers.model import State
from edgecore.containers.runtime import Runtime
from edgecore.errors import EngineError, EngineUnreachable

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Notes(Protocol):
    """Of what is coming; they outlive a power cut."""

    def coming(self) -> set[str]: ...
    def note_coming(self, what: str) -> None: ...
    def note_settled(self, what: str) -> None: ...


class Arrivals:
    """``what`` is an image or an archive of images, in words that are the same after a restart."""

    def __init__(self, runtime: Callable[[], Runtime], notes: Notes | None = None) -> None:
        self._runtime = runtime
        self._notes = notes or _Forgetful()
        self._doubtful = self._notes.coming()

    def is_doubtful(self, what: str) -> bool:
        """It was coming when EdgeCore ended, and nobody has looked at it since."""
        return what in self._doubtful

    def bring(self, what: str, fetch: Callable[[], T], names: Callable[[T], Sequence[str]]) -> T:
        """What ``fetch`` brings. It returns when all that has come is on the disk, as ``Runtime.load`` and ``Runtime.pull`` do.

        Raises:
            EngineError: as ``fetch`` does.
        """
        self._notes.note_coming(what)
        try:
            brought = fetch()
            if self.is_doubtful(what) and not self._are_whole(names(brought)):
                brought = fetch()
        except EngineUnreachable:
            raise
        except EngineError:
            if not self.is_doubtful(what):
                self._notes.note_settled(what)
            raise
        self._settle(what)
        return brought

    def keep(self, what: str, names: Sequence[str]) -> bool:
        """Whether what is here already may be used. False: it was spoilt and has been removed.

        Raises:
            EngineUnreachable: nobody can say.
        """
        whole = self._are_whole(names)
        self._settle(what)
        return whole

    def _settle(self, what: str) -> None:
        self._doubtful.discard(what)
        self._notes.note_settled(what)

    def _are_whole(self, names: Sequence[str]) -> bool:
        """Spoilt ones are removed."""
        runtime = self._runtime()
        spoilt = [name for name in names if not runtime.is_whole(name)]
        for name in spoilt:
            logger.warning("image %s was spoilt when EdgeCore ended while it came: it is removed, to be fetched again", name)
            self._remove(name)
        return not spoilt

    def _remove(self, name: str) -> None:
        """With our containers of it, which are of no use. One that somebody else uses stays."""
        runtime = self._runtime()
        try:
            image = runtime.image(name)
            for container in runtime.containers():
                if container.image_id == image and container.state is not State.RUNNING:
                    runtime.remove(container.id)
            runtime.remove_image(name)
        except EngineUnreachable:
            raise
        except EngineError as exc:
            logger.warning("image %s stays: %s", name, exc)


class _Forgetful:
    def coming(self) -> set[str]:
        return set()

    def note_coming(self, what: str) -> None:
        pass

    def note_settled(self, what: str) -> None:
        pass
