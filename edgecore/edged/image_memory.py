"""What is known of the node's images after a restart, in a file that two threads write."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

logger = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""When a file was changed (ns since the epoch) and its size in bytes."""


@dataclass(frozen=True)
class _Known:
    archives: Mapping[str, Stamp] = field(default_factory=dict)
    fetched: frozenset[str] = frozenset()
    coming: frozenset[str] = frozenset()


class ImageMemory:
    """Archives that were loaded, with the stamp that they had then; ids of images that were fetched; what is coming and may not be on the
    disk yet. A file that cannot be read means that there is nothing of the kind."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def archives(self) -> dict[str, Stamp]:
        return dict(self._read().archives)

    def fetched(self) -> set[str]:
        return set(self._read().fetched)

    def coming(self) -> set[str]:
        return set(self._read().coming)

    def set_archives(self, archives: Mapping[str, Stamp]) -> None:
        self._change(lambda known: replace(known, archives=dict(archives)))

    def set_fetched(self, fetched: set[str]) -> None:
        self._change(lambda known: replace(known, fetched=frozenset(fetched)))

    def note_coming(self, what: str) -> None:
        self._change(lambda known: replace(known, coming=known.coming | {what}))

    def note_settled(self, what: str) -> None:
        self._change(lambda known: replace(known, coming=known.coming - {what}))

    def _change(self, change: Callable[[_Known], _Known]) -> None:
        with self._lock:
            before = self._read()
            after = change(before)
            if after != before:
                self._write(after)

    def _read(self) -> _Known:
        try:
            value = json.loads(self._file.read_text())
            archives = {str(name): (int(changed), int(size)) for name, (changed, size) in value["archives"].items()}
            return _Known(archives, frozenset(map(str, value["fetched"])), frozenset(map(str, value.get("coming", ()))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return _Known()

    def _write(self, known: _Known) -> None:
        beside = self._file.with_suffix(".new")
        text = json.dumps({"archives": known.archives, "fetched": sorted(known.fetched), "coming": sorted(known.coming)})
        try:
            with beside.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self._file)
            _sync_folder(self._file.parent)
        except OSError as exc:
            logger.warning("%s: %s", self._file, exc)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
