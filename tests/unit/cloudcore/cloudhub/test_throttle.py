"""Who has failed too often waits; nobody else does."""

from __future__ import annotations

import pytest

from cloudcore.cloudhub.pace import Pace
from cloudcore.cloudhub.throttle import Throttle


def test_an_address_waits_until_its_failures_are_old() -> None:
    throttle = Throttle(limit=2, period_s=60)
    throttle.failed("a", 0)
    assert throttle.wait_s("a", 1) == 0
    throttle.failed("a", 10)
    assert throttle.wait_s("a", 20) == 40
    assert throttle.wait_s("b", 20) == 0
    assert throttle.wait_s("a", 60) == 0
    throttle.failed("a", 61)
    assert throttle.wait_s("a", 62) == 8


def test_only_so_many_addresses_are_remembered() -> None:
    throttle = Throttle(limit=1, period_s=60, addresses=2)
    for address in ("a", "b", "c"):
        throttle.failed(address, 0)
    assert [throttle.wait_s(address, 0) > 0 for address in ("a", "b", "c")] == [False, True, True]


def test_a_node_may_speak_in_a_burst_and_then_at_its_rate() -> None:
    pace = Pace(rate=10.0, burst=5.0)
    waits = [pace.wait_s(0.0) for _ in range(7)]
    assert waits[:5] == [0.0] * 5
    assert waits[5:] == pytest.approx([0.1, 0.2])
    assert pace.wait_s(10.0) == 0.0
