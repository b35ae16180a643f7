"""What we write is what Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from edgecore.metrics.exposition import Family, Kind, Times, counter, gauge, histogram, render


def _read(*families: Family) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    read = text_string_to_metric_families(render(families))
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in read for sample in family.samples}


def test_a_counter_and_a_gauge_are_read_back() -> None:
    read = _read(counter("links_total", "How often", 3), gauge("connected", "Whether", 1))
    assert read == {("bramble_edgecore_links_total", ()): 3.0, ("bramble_edgecore_connected", ()): 1.0}


def test_a_label_may_hold_anything() -> None:
    nasty = 'a"b\\c\nd'
    read = _read(Family("dropped_total", "Gone", Kind.COUNTER, {nasty: 2, "size": 12345678901}, "reason"))
    assert read == {
        ("bramble_edgecore_dropped_total", (("reason", nasty),)): 2.0,
        ("bramble_edgecore_dropped_total", (("reason", "size"),)): 12345678901.0,
    }


def test_times_are_a_histogram() -> None:
    times = Times()
    for seconds in (0.001, 0.001, 0.05, 10.0):
        times.add(seconds)
    text = render([histogram("commit_seconds", "How long", times)])
    (family,) = text_string_to_metric_families(text)
    assert (family.type, family.name) == ("histogram", "bramble_edgecore_commit_seconds")
    buckets = {sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket")}
    assert buckets == {"0.005": 2, "0.02": 2, "0.1": 3, "0.5": 3, "2": 3, "+Inf": 4}
    rest = {sample.name.rsplit("_", 1)[1]: sample.value for sample in family.samples if not sample.labels}
    assert rest["count"] == 4
    assert abs(rest["sum"] - 10.052) < 1e-9


def test_a_family_without_samples_is_still_named() -> None:
    assert _read(Family("dropped_total", "Gone", Kind.COUNTER, {}, "reason")) == {}
