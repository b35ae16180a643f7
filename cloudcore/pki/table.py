"""Lists for a person at a terminal: columns of text, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Each column as wide as its widest cell."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def date(seconds: float) -> str:
    """Epoch seconds to ``2026-01-31T12:00:00Z``; a time beyond all calendars (an entry that cannot be read) to ``for ever``."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "for ever"
