"""EdgeCore: its memory and idle CPU, connected, with every module on and one pod."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.figure import Figure, Group, cpu_seconds, pss_mb
from tests.bench.stand import Stand

_IDLE_SECONDS = 20.0


def measure(stand: Stand) -> Iterator[Figure]:
    edgecore = stand.board.process
    broker = stand.broker_pid()
    assert edgecore is not None
    time.sleep(3)
    before = cpu_seconds(edgecore.pid)
    time.sleep(_IDLE_SECONDS)
    yield Figure("edgecore.idle_cpu", (cpu_seconds(edgecore.pid) - before) / _IDLE_SECONDS * 100, "%_of_a_core")
    own, mosquitto = pss_mb(edgecore.pid), pss_mb(broker)
    yield Figure("edgecore.pss", own, "MB")
    yield Figure("edgecore_and_mosquitto.pss", own + mosquitto, "MB")


GROUP = Group(("edgecore.idle_cpu", "edgecore.pss", "edgecore_and_mosquitto.pss"), measure, needs_board=True)
