"""Who has failed too often waits; nobody else does."""

from __future__ import annotations

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
