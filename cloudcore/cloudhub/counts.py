"""How often what happened at the hub since the start of the process. Values; who reads them is the hub's business."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """``opened`` by mode; ``closed``, ``turned_away`` and ``denied`` by reason; ``reports`` by what became of them."""

    opened: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    turned_away: Counter[str] = field(default_factory=Counter)
    reports: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    unmatched: int = 0
    """Acknowledgements that nobody waited for: duplicates, and those of what was said once."""
    resent: int = 0
    """By sessions that have ended; those that live know their own."""
    malformed: int = 0
    refused_by_node: int = 0
    dropped_slow_reader: int = 0
