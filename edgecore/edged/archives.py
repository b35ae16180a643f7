"""The rim thread that loads image archives from a folder, for boards without a registry. A long load delays nothing else (promise I1)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from edgecore.edged.image_memory import ImageMemory, Stamp
from edgecore.edged.ports import Workshop
from edgecore.errors import EngineError, EngineUnreachable

logger = logging.getLogger(__name__)

EVERY = 10.0
FAILED_EVERY = 300.0
_SUFFIXES = (".tar", ".tar.gz", ".tgz")


class Archives:
    """Each archive once; again when it changes, or when it failed: the disk may have had no room. ``loaded`` is called when images came.

    An archive counts when two looks found it alike: the one before may have met it half copied. Its age alone would tell nothing, since
    whoever copies may keep the times of a file, and the clock may be wrong.
    """

    def __init__(
        self, shop: Workshop, folder: Path, memory: ImageMemory, *, loaded: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shop = shop
        self._folder = folder
        self._memory = memory
        self._loaded = loaded
        self._clock = clock
        self._closed = threading.Event()
        self._seen: dict[str, Stamp] = {}
        self._failed: dict[str, tuple[Stamp, float]] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name="image-archives", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def look(self) -> None:
        """Raises EngineUnreachable."""
        found = self._stamps()
        known = self._memory.archives()
        kept = {name: stamp for name, stamp in known.items() if name in found}
        self._memory.set_archives(kept)
        ready = settled(found, self._seen, kept)
        self._seen = found
        for name in ready:
            if not self._rests(name, found[name]) and self._load(name, found[name]):
                kept[name] = found[name]
                self._memory.set_archives(kept)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.look()
            except EngineUnreachable as exc:
                logger.debug("image archives: %s", exc)
            except Exception:
                logger.exception("image archives: this is a bug; tried again")
            self._closed.wait(EVERY)

    def _stamps(self) -> dict[str, Stamp]:
        try:
            archives = [path for path in self._folder.iterdir() if path.name.endswith(_SUFFIXES)]
        except FileNotFoundError:
            return {}
        except OSError as exc:
            logger.warning("%s: %s", self._folder, exc)
            return {}
        return {path.name: stamp for path in sorted(archives) if (stamp := _stamp(path)) is not None}

    def _rests(self, name: str, stamp: Stamp) -> bool:
        before, at = self._failed.get(name, (None, 0.0))
        return before == stamp and self._clock() < at + FAILED_EVERY

    def _load(self, name: str, stamp: Stamp) -> bool:
        path = self._folder / name
        try:
            load = partial(self._shop.runtime().load, path)
            names = self._shop.pulls.arrivals.bring(f"archive {name}", load, lambda names: names)
        except EngineUnreachable:
            raise
        except EngineError as exc:
            again = self._failed.get(name, (None,))[0] == stamp
            logger.log(logging.DEBUG if again else logging.ERROR, "image archive %s: %s", path, exc)
            self._failed[name] = (stamp, self._clock())
            return False
        logger.info("image archive %s: %s", path, ", ".join(names) or "no image")
        if names:
            self._shop.pulls.forget_all()
            self._loaded()
        return True


def settled(found: Mapping[str, Stamp], seen: Mapping[str, Stamp], loaded: Mapping[str, Stamp]) -> list[str]:
    """The names of archives that are as they were at the last look, and were not loaded as they are."""
    return [name for name, stamp in found.items() if seen.get(name) == stamp != loaded.get(name)]


def _stamp(path: Path) -> Stamp | None:
    """None for what has just gone, and for what is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if path.is_file() else None
