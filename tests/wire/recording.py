"""Recorded messages: one JSON file each with direction (down, up, internal), contract (clause), modes, what it says, the frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recording:
    name: str
    direction: str
    contract: str
    modes: tuple[str, ...]
    says: str
    frame: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.frame, separators=(",", ":"), ensure_ascii=False)


def recordings(folder: str) -> list[Recording]:
    found = []
    for path in sorted((FOLDER / folder).glob("*.json")):
        value = json.loads(path.read_text("utf-8"))
        found.append(Recording(path.stem, value["direction"], value["contract"], tuple(value["modes"]), value["says"], value["frame"]))
    return found


def frame(path: str, **given: str) -> str:
    """The text of the recording ``core/pod-insert``, with each key of ``given`` that occurs in it replaced by its value."""
    text = json.dumps(json.loads((FOLDER / f"{path}.json").read_text("utf-8"))["frame"], separators=(",", ":"), ensure_ascii=False)
    for old, new in given.items():
        text = text.replace(old, new)
    return text


def talk(name: str) -> list[dict[str, Any]]:
    """The steps of a recorded conversation with a peer of KubeEdge."""
    steps: list[dict[str, Any]] = json.loads((FOLDER / "talks" / f"{name}.json").read_text("utf-8"))["steps"]
    return steps
