"""The door to a folder of YAML or JSON files that people lay onto the board, and the rim thread that looks into it every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)

EVERY = 5.0
SUFFIXES = (".yaml", ".yml", ".json")
_LARGEST_FILE = 1024 * 1024

_UNFIT = (ValueError, TypeError, OverflowError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises where a tag (``!!bool x``) does not fit its value, and where there is no end to the nesting."""

Stamp = tuple[int, int]
"""Time of the last change in ns, size."""

T = TypeVar("T")


class Folder(Generic[T]):
    """``read`` makes something of the documents of a file (and its path), or raises ValueError. ``deliver`` gets, when something changed,
    what all files have, and what is wrong with some, by file name. A file that cannot be read keeps what it had before.

    ``what``: as log lines call it, e.g. ``static pod``.
    """

    def __init__(
        self,
        folder: Path,
        what: str,
        read: Callable[[list[Any], str], T],
        deliver: Callable[[Mapping[str, T], Mapping[str, str]], object],
    ) -> None:
        self._folder = folder
        self._what = what
        self._make = read
        self._deliver = deliver
        self._closed = threading.Event()
        self._stamps: dict[str, Stamp] = {}
        self._read_of: dict[str, T] = {}
        self._faults: dict[str, str] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"{self._what}s".replace(" ", "-"), daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def look(self) -> None:
        stamps = self._list()
        if stamps == self._stamps:
            return
        for name in self._stamps.keys() - stamps.keys():
            self._read_of.pop(name, None)
            self._faults.pop(name, None)
        for name in (name for name, stamp in stamps.items() if self._stamps.get(name) != stamp):
            self._read(name)
        self._stamps = stamps
        self._deliver({name: self._read_of[name] for name in sorted(self._read_of)}, dict(self._faults))

    def _run(self) -> None:
        while not self._closed.wait(EVERY):
            self.look()

    def _list(self) -> dict[str, Stamp]:
        try:
            paths = [path for path in self._folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith(".")]
            return {path.name: (status.st_mtime_ns, status.st_size) for path in paths for status in (path.stat(),)}
        except FileNotFoundError:
            return {}
        except OSError as exc:
            logger.error("%ss: %s", self._what, exc)
            return self._stamps

    def _read(self, name: str) -> None:
        import yaml

        place = self._folder / name
        self._faults.pop(name, None)
        try:
            with place.open("rb") as file:
                text = file.read(_LARGEST_FILE + 1)
            if len(text) > _LARGEST_FILE:
                raise ValueError(f"{place}: larger than {_LARGEST_FILE} bytes")
            documents = [document for document in yaml.safe_load_all(text) if document is not None]
            self._read_of[name] = self._make(documents, str(place))
        except (OSError, yaml.YAMLError, *_UNFIT) as exc:
            self._faults[name] = str(exc)
            logger.error(
                "%s: %s%s", self._what, exc, f"; the {self._what}s that the file had before stay" if self._read_of.get(name) else ""
            )
