"""A kubelet's /metrics/resource from its summary."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudcore.cloudstream.resourcemetrics import resource_metrics
from cloudcore.errors import StreamError
from tests.fakes.streamboard import SUMMARY

_KEYS = st.sampled_from(["node", "pods", "cpu", "time", "podRef", "x"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


def test_it_is_prometheus_text_with_its_families_in_order() -> None:
    said = resource_metrics(json.dumps(SUMMARY).encode())
    lines = [line for line in said.splitlines() if not line.startswith("#")]
    assert lines == [
        "node_cpu_usage_seconds_total 1.5 1767225600000",
        "node_memory_working_set_bytes 10485760 1767225600000",
        'container_cpu_usage_seconds_total{container="c",namespace="default",pod="web"} 1.5 1767225600000',
        'container_memory_working_set_bytes{container="c",namespace="default",pod="web"} 10485760 1767225600000',
        'container_start_time_seconds{container="c",namespace="default",pod="web"} 1767225600.0',
        'pod_cpu_usage_seconds_total{namespace="default",pod="web"} 1.5 1767225600000',
        'pod_memory_working_set_bytes{namespace="default",pod="web"} 10485760 1767225600000',
        "resource_scrape_error 0",
    ]


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_summary_is_refused(raw: bytes) -> None:
    with pytest.raises(StreamError, match="cannot be read"):
        resource_metrics(raw)


@given(st.dictionaries(st.sampled_from(["node", "pods"]), _JSON))
def test_a_summary_with_junk_in_it_is_told_as_far_as_it_goes(summary: dict[str, object]) -> None:
    assert resource_metrics(json.dumps(summary).encode()).endswith("resource_scrape_error 0\n")
