"""How often the Kubernetes API was asked, what it answered and how long it took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from cloudcore.readings import Durations, Kind, Labels, Reading, Timing

NO_ANSWER = "none"
"""In the place of the HTTP status where none came."""


@dataclass(slots=True)
class Calls:
    """``answered`` by (method, HTTP status); ``took`` by method. Watches are not among them: they last."""

    answered: Counter[Labels] = field(default_factory=Counter)
    took: defaultdict[Labels, Durations] = field(default_factory=lambda: defaultdict(Durations))

    def add(self, method: str, status: int | None, seconds: float) -> None:
        self.answered[method, NO_ANSWER if status is None else str(status)] += 1
        self.took[method,].add(seconds)

    def readings(self) -> Iterator[Reading | Timing]:
        yield Reading(
            "api_requests",
            "Requests to the Kubernetes API by method and HTTP status; none where no answer came",
            Kind.COUNT,
            self.answered,
            ("method", "code"),
        )
        yield Timing("api_request_seconds", "How long requests to the Kubernetes API took", self.took, ("method",))
