"""Numbers and their Prometheus text."""

from __future__ import annotations

import pytest

from cloudcore.monitor.exposition import exposition
from cloudcore.readings import Durations, Timing, count, counts, gauge
from componentconfig.checks import optional_listen_address, split_listen_address


def test_a_duration_counts_in_the_first_bucket_that_holds_it() -> None:
    durations = Durations()
    for seconds in (0.0005, 0.001, 0.002, 99.0):
        durations.add(seconds)
    cumulative = dict(durations.cumulative())
    assert (cumulative[0.001], cumulative[0.0025], cumulative[10.0], cumulative[float("inf")]) == (2, 3, 3, 4)
    assert durations.total == pytest.approx(99.0035)


def test_readings_are_told_as_prometheus_reads_them() -> None:
    durations = Durations()
    durations.add(0.002)
    text = exposition(
        [
            lambda: [gauge("in_flight", "Now", 3), count("resent", "Since the start", 4)],
            lambda: [
                counts("denied", "By reason", "reason", {"not_named": 2}),
                Timing("api_seconds", "Took", {("PUT",): durations}, ("method",)),
            ],
        ]
    ).decode()
    for line in (
        "# TYPE bramble_cloudcore_in_flight gauge",
        "bramble_cloudcore_in_flight 3.0",
        "# TYPE bramble_cloudcore_resent_total counter",
        "bramble_cloudcore_resent_total 4.0",
        'bramble_cloudcore_denied_total{reason="not_named"} 2.0',
        'bramble_cloudcore_api_seconds_bucket{le="0.001",method="PUT"} 0.0',
        'bramble_cloudcore_api_seconds_bucket{le="0.0025",method="PUT"} 1.0',
        'bramble_cloudcore_api_seconds_sum{method="PUT"} 0.002',
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("address", ["", "127.0.0.1:0", "0.0.0.0:9091", "[::1]:9091", "::1:9091"])
def test_an_address_to_listen_on(address: str) -> None:
    assert optional_listen_address(address) is None


@pytest.mark.parametrize(
    "address", ["localhost:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", ":9091", "127.0.0.1:-1", "9091"]
)
def test_what_is_no_address_to_listen_on(address: str) -> None:
    assert optional_listen_address(address) is not None


def test_the_brackets_of_an_ipv6_address_are_no_part_of_it() -> None:
    assert split_listen_address("[2001:db8::1]:9091") == ("2001:db8::1", 9091)
