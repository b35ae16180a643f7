"""EdgeCore's numbers for Prometheus: the words of ``supervision.exposition``, and the name that ours begin with. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from supervision import exposition
from supervision.exposition import Family, Kind, Times, counter, gauge, histogram

__all__ = ["PREFIX", "Family", "Kind", "Times", "counter", "gauge", "histogram", "render"]

PREFIX = "bramble_edgecore_"


def render(families: Iterable[Family]) -> str:
    return exposition.render(families, prefix=PREFIX)
