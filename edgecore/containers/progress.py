"""How far the fetching of an image has come, out of what Podman reports while it does so; and a board on which that can be read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

PULLING = "Pulling"
_UNITS = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))
_MOST_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bytes of the layers that were begun: Podman names a layer, and its size, when it begins it. ``layers``: those that are complete."""

    current: int = 0
    total: int = 0
    layers: int = 0

    @property
    def text(self) -> str:
        """``Pulling 37 % of 84 MB``."""
        if not self.total:
            return PULLING
        return f"{PULLING} {self.current * 100 // self.total} % of {size_text(self.total)}"


NOTHING = Fetched()


class Layers:
    """``hear`` each report of one pull. Layers that were here before do not count."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        self._complete: set[str] = set()

    def hear(self, report: dict[str, Any]) -> None:
        name, status = str(report.get("id") or ""), report.get("status")
        if not name or len(self._sizes) > _MOST_LAYERS:
            return
        if status == "Pulling fs layer":
            self._sizes.setdefault(name, (0, 0))
        elif status == "Downloading":
            detail = report.get("progressDetail")
            current, total = (_count(detail.get(key)) for key in ("current", "total")) if isinstance(detail, dict) else (0, 0)
            self._sizes[name] = (min(current, total), total)
            self._complete.discard(name)
        elif status == "Download complete" and name in self._sizes:
            total = self._sizes[name][1]
            self._sizes[name] = (total, total)
            self._complete.add(name)

    @property
    def under_way(self) -> bool:
        """Whether a layer is being fetched now."""
        return len(self._complete) < len(self._sizes)

    @property
    def fetched(self) -> Fetched:
        current, total = (sum(sizes[side] for sizes in self._sizes.values()) for side in (0, 1))
        return Fetched(current, total, len(self._complete))


class PullBoard:
    """What is being fetched now, by the name in the pod. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pulls: dict[str, Fetched] = {}

    def note(self, name: str, fetched: Fetched) -> None:
        with self._lock:
            self._pulls[name] = fetched

    def wipe(self, name: str) -> None:
        with self._lock:
            self._pulls.pop(name, None)

    def read(self) -> dict[str, Fetched]:
        with self._lock:
            return dict(self._pulls)


def size_text(size: int) -> str:
    """``84000000`` to ``84 MB``, ``1200000000`` to ``1.2 GB``."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{round(size / unit)} {name}"
    return f"{size} B"


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0
