"""A place where a board may ask to be let in."""

from __future__ import annotations

from dataclasses import dataclass

from edgecore.certs.jointoken import Endpoint


@dataclass(frozen=True, slots=True)
class Site:
    """``name`` as it calls itself, which proves nothing; ``endpoints`` in the order in which they are tried."""

    name: str
    endpoints: tuple[Endpoint, ...]

    def __str__(self) -> str:
        where = ", ".join(map(str, self.endpoints))
        return f"{self.name} ({where})" if self.name else where
