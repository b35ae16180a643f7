"""What is known of the node's images after a restart, in a file that two threads write."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""When a file was changed (ns since the epoch) and its size in bytes."""


class ImageMemory:
    """Archives that were loaded, with the stamp that they had then, and ids of images that were fetched. A file that cannot be read
    means that nothing was."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def archives(self) -> dict[str, Stamp]:
        with self._lock:
            return self._read()[0]

    def fetched(self) -> set[str]:
        with self._lock:
            return self._read()[1]

    def set_archives(self, archives: Mapping[str, Stamp]) -> None:
        with self._lock:
            before, fetched = self._read()
            if before != archives:
                self._write(archives, fetched)

    def set_fetched(self, fetched: set[str]) -> None:
        with self._lock:
            archives, before = self._read()
            if before != fetched:
                self._write(archives, fetched)

    def _read(self) -> tuple[dict[str, Stamp], set[str]]:
        try:
            value = json.loads(self._file.read_text())
            archives = {str(name): (int(changed), int(size)) for name, (changed, size) in value["archives"].items()}
            return archives, set(map(str, value["fetched"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}, set()

    def _write(self, archives: Mapping[str, Stamp], fetched: set[str]) -> None:
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(json.dumps({"archives": archives, "fetched": sorted(fetched)}))
            os.replace(beside, self._file)
        except OSError as exc:
            logger.warning("%s: %s", self._file, exc)
