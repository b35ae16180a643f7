"""The door to the folder of static pods, and the rim thread that looks into it every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecore.edged.static_pods import SUFFIXES, static_pods

logger = logging.getLogger(__name__)

EVERY = 5.0
_LARGEST_FILE = 1024 * 1024

Stamp = tuple[int, int]
"""Time of the last change in ns, size."""


@dataclass(frozen=True, slots=True)
class StaticPodsRead:
    """All pods of the folder as it is now."""

    pods: list[dict[str, Any]]


class StaticFolder:
    """``deliver`` gets StaticPodsRead when something changed. A file that cannot be read keeps the pods that it had before."""

    def __init__(self, folder: Path, node: str, deliver: Callable[[object], object]) -> None:
        self._folder = folder
        self._node = node
        self._deliver = deliver
        self._closed = threading.Event()
        self._stamps: dict[str, Stamp] = {}
        self._pods: dict[str, list[dict[str, Any]]] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name="static-pods", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def look(self) -> None:
        stamps = self._list()
        if stamps == self._stamps:
            return
        for name in self._pods.keys() - stamps.keys():
            del self._pods[name]
        for name in (name for name, stamp in stamps.items() if self._stamps.get(name) != stamp):
            self._read(name)
        self._stamps = stamps
        self._deliver(StaticPodsRead([pod for name in sorted(self._pods) for pod in self._pods[name]]))

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
            logger.error("static pods: %s", exc)
            return self._stamps

    def _read(self, name: str) -> None:
        import yaml

        place = self._folder / name
        try:
            with place.open("rb") as file:
                text = file.read(_LARGEST_FILE + 1)
            if len(text) > _LARGEST_FILE:
                raise ValueError(f"{place}: larger than {_LARGEST_FILE} bytes")
            documents = [document for document in yaml.safe_load_all(text) if document is not None]
            self._pods[name] = static_pods(documents, file=str(place), node=self._node)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as exc:
            logger.error("static pod: %s%s", exc, "; the pods that the file had before stay" if self._pods.get(name) else "")
