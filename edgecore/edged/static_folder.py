"""The folder of static pods: what its files have is told to Edged when it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecore.beehive.folder import Folder
from edgecore.edged.static_pods import static_pods


@dataclass(frozen=True, slots=True)
class StaticPodsRead:
    """All pods of the folder as it is now."""

    pods: list[dict[str, Any]]


class StaticFolder(Folder[list[dict[str, Any]]]):
    """``deliver`` gets StaticPodsRead when something changed. A file that cannot be read keeps the pods that it had before."""

    def __init__(self, folder: Path, node: str, deliver: Callable[[object], object]) -> None:
        def read(documents: list[Any], place: str) -> list[dict[str, Any]]:
            return static_pods(documents, file=place, node=node)

        def told(pods: Mapping[str, list[dict[str, Any]]], faults: Mapping[str, str]) -> None:
            deliver(StaticPodsRead([pod for found in pods.values() for pod in found]))

        super().__init__(folder, "static pod", read, told)
