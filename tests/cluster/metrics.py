"""What the tests know of metrics.k8s.io: whose it is, whether it is served, and what kubectl top shows."""

from __future__ import annotations

import json
from typing import Any

from demo.stage import Failed
from tests.cluster.site import ClusterSite

APISERVICE = "v1beta1.metrics.k8s.io"
METRICS_SERVER: dict[str, Any] = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": APISERVICE, "labels": {"k8s-app": "metrics-server"}},
    "spec": {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"name": "metrics-server", "namespace": "kube-system"},
    },
}


def there(site: ClusterSite) -> str:
    return site.kubectl("get", "apiservice", APISERVICE, "--ignore-not-found")


def conditions(site: ClusterSite) -> dict[str, str]:
    found = json.loads(site.kubectl("get", "apiservice", APISERVICE, "-o", "json"))
    return {one["type"]: one["status"] for one in (found.get("status") or {}).get("conditions") or []}


def wait_available(site: ClusterSite) -> None:
    site.wait("metrics.k8s.io available", lambda: conditions(site).get("Available") == "True", within=60)


def rows(said: str) -> list[list[str]]:
    """Without the heading."""
    return [line.split() for line in said.splitlines()[1:]]


def figures(site: ClusterSite, *words: str) -> list[list[str]] | None:
    """Of ``kubectl top WORDS``; None where there are none now."""
    try:
        listed = rows(site.kubectl("top", *words))
    except Failed:
        return None
    return listed if listed and "<unknown>" not in listed[0] else None


def measured(site: ClusterSite, *words: str) -> list[list[str]]:
    """Once the board answers: its link comes back after a restart of CloudCore."""
    return site.wait(f"figures of {' '.join(words)}", lambda: figures(site, *words), within=60)
