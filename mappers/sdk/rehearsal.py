"""A whole mapper with one device and an EdgeCore in memory: what a person would see of the device's twin. For the test kit."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mappers.sdk import tally
from mappers.sdk.conversation import Pace
from mappers.sdk.driver import Family
from mappers.sdk.mapper import Mapper
from mappers.sdk.profile import Device, Profile
from supervision.exposition import render
from viaduct import topics
from viaduct.faults import Fault, parse_faults


@dataclass
class EdgeCore:
    """Answers as DeviceTwin does. ``state``, ``faults`` and ``values`` are what it was told last, ``tellings`` how often of faults."""

    device: str
    desired: dict[str, str] = field(default_factory=dict)
    state: str = ""
    faults: tuple[Fault, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    tellings: int = 0
    _take: Callable[[str, bytes], None] = lambda topic, payload: None

    def joined_by(self, take: Callable[[str, bytes], None]) -> None:
        self._take = take

    def desire(self, name: str, value: str) -> None:
        self.desired[name] = value
        self._say(topics.twin_update_delta(self.device), {"event_id": "", "timestamp": 0, "twin": {}, "delta": self.desired})

    def publish(self, topic: str, payload: str) -> bool:
        body = json.loads(payload)
        answer = {"event_id": body["event_id"], "timestamp": 0}
        if topic == topics.state_update(self.device):
            self.state, self.faults = body["state"], parse_faults(body["faults"], "faults")
            self.tellings += 1
        elif topic == topics.twin_get(self.device):
            twins = {name: {"expected": {"value": value}} for name, value in self.desired.items()}
            self._say(topics.twin_get_result(self.device), answer | {"twin": twins})
        elif topic == topics.twin_update(self.device):
            self.values |= {name: twin["actual"]["value"] for name, twin in body["twin"].items()}
            self._say(topics.twin_update_result(self.device), answer | {"twin": {}})
        return True

    def subscribe(self, filters: Iterable[str]) -> None:
        """It speaks of one device only."""

    def unsubscribe(self, filters: Iterable[str]) -> None:
        """As above."""

    def _say(self, topic: str, body: Mapping[str, Any]) -> None:
        self._take(topic, json.dumps(body).encode())


class _Nothing:
    """The source of a mapper that is told its device directly."""

    name = awaited = gone = "the rehearsal"

    def look(self) -> Mapping[str, bytes]:
        return {}

    def take(self, topic: str, payload: bytes) -> bool:
        return False

    def broker_back(self) -> None:
        """Nothing is asked for."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    edgecore: EdgeCore
    mapper: Mapper

    def numbers(self) -> str:
        """As Prometheus would read them."""
        return render(tally.families(self.mapper.tallies(), self.mapper.states(), tally.Line()), prefix=tally.PREFIX)

    def number(self, name: str) -> float:
        """Of a metric without ``bramble_mapper_``, all its labels together."""
        lines = (line.rpartition(" ") for line in self.numbers().splitlines() if not line.startswith("#"))
        return sum(float(value) for key, _, value in lines if key.partition("{")[0] == tally.PREFIX + name)

    def wait(self, claim: Callable[[], object], *, within: float) -> bool:
        """Whether ``claim`` comes true in time."""
        deadline = time.monotonic() + within
        while not claim():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


@contextmanager
def rehearsal(family: Family, device: Device, *, poll: float = 0.05) -> Iterator[Rehearsal]:
    """The mapper serves ``device`` as long as this lasts."""
    edgecore = EdgeCore(device.id)
    mapper = Mapper(family, edgecore, _Nothing(), Pace(poll=poll))
    edgecore.joined_by(mapper.take)
    mapper.follow([Profile((device,))])
    try:
        yield Rehearsal(edgecore, mapper)
    finally:
        ended = threading.Event()
        ended.set()
        mapper.run(ended)
