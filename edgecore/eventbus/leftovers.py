"""Which topics EdgeCore may have retained messages on, and where to look for them (P6.9). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgecore.eventbus.settings import Retaining


@dataclass(frozen=True, slots=True)
class Ground:
    """``present``: prefixes of what is retained now; ``past``: of what was, and is to go. ``status`` is empty where nothing is retained."""

    status: str = ""
    present: tuple[str, ...] = ()
    past: tuple[str, ...] = ()

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to in order to find all of it. MQTT has no filter for the beginning of a level."""
        return tuple(_filter(prefix) for prefix in (*self.present, *self.past))

    @property
    def mark(self) -> tuple[str, bytes] | None:
        """As ``sweep.retained`` takes it: the status of a tree that is there, or an empty one where it was."""
        if self.status:
            return self.status, b"online"
        gone = [prefix for prefix in self.past if prefix.endswith("/")]
        return (f"{gone[0]}status", b"") if gone else None

    def is_present(self, topic: str) -> bool:
        return topic.startswith(self.present) and topic != self.status

    def is_past(self, topic: str) -> bool:
        return topic.startswith(self.past) and not topic.startswith(self.present)


def ground(retaining: Retaining | None, recorded: Iterable[str]) -> Ground:
    """``recorded``: the prefixes in the store."""
    present = retaining.prefixes if retaining is not None else ()
    past = tuple(prefix for prefix in recorded if prefix not in present)
    return Ground(retaining.status if retaining is not None else "", present, past)


def _filter(prefix: str) -> str:
    return f"{prefix}#" if prefix.endswith("/") else f"{prefix.rpartition('/')[0]}/+/config"
