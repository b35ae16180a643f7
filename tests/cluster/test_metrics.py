"""``kubectl top`` at a real API server: CloudCore as the aggregated API metrics.k8s.io, on a cluster without metrics-server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.parts import Board
from demo.stage import Failed
from tests.cluster.metrics import APISERVICE, METRICS_SERVER, conditions, measured, rows, there, wait_available
from tests.cluster.site import ClusterSite
from tests.system.streams.conftest import SERVER, TALKER, pod

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", autouse=True)
def served(site: ClusterSite, board: Board) -> Iterator[None]:
    assert not there(site)
    with site.serving_metrics():
        wait_available(site)
        yield
    assert not there(site), "an APIService that nobody serves holds up the deletion of every namespace"


@pytest.fixture(scope="module")
def busy(site: ClusterSite, board: Board) -> Iterator[str]:
    """The name of a pod with two containers, which runs."""
    site.kubectl("apply", "-f", "-", stdin=pod("busy", board.node, TALKER, SERVER))
    site.wait(
        "the pod ready", lambda: {one["type"]: one["status"] for one in site.get("pod", "busy")["status"]["conditions"]}["Ready"] == "True"
    )
    yield "busy"
    site.wait("the pod gone", lambda: site.kubectl("delete", "pod", "busy", "--ignore-not-found", "--timeout=15s") is not None)


def test_kubectl_top_shows_what_nodes_use(site: ClusterSite, board: Board) -> None:
    [node] = measured(site, "nodes")
    assert (node[0], node[1].endswith("m"), node[2].endswith("%"), node[3].endswith("Mi"), node[4].endswith("%")) == (
        board.node,
        True,
        True,
        True,
        True,
    )
    assert measured(site, "node", board.node)[0][0] == board.node


def test_kubectl_top_shows_what_containers_use(site: ClusterSite, busy: str) -> None:
    used = measured(site, "pods", "--containers")
    assert {(pod, container) for pod, container, *_ in used} >= {(busy, "main"), (busy, "server")}
    assert all(memory.endswith("Mi") for _, _, _, memory in used)
    assert {row[0] for row in measured(site, "pod", busy)} == {busy}
    assert busy in {row[1] for row in measured(site, "pods", "--all-namespaces")}
    site.kubectl("label", "pod", busy, "measured=yes", "--overwrite")
    assert [row[0] for row in measured(site, "pods", "-l", "measured=yes")] == [busy]
    assert rows(site.kubectl("top", "pods", "-l", "measured=no")) == []


def test_what_is_served_is_discovered_and_read_like_any_api(site: ClusterSite, busy: str) -> None:
    assert "nodes" in site.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1")
    measured(site, "pods", busy)
    found: dict[str, Any] = json.loads(site.kubectl("get", "podmetrics", busy, "-o", "json"))
    assert (found["kind"], {one["name"] for one in found["containers"]}) == ("PodMetrics", {"main", "server"})


def test_who_may_not_read_metrics_reads_none(site: ClusterSite, busy: str) -> None:
    with pytest.raises(Failed, match="orbidden"):
        site.kubectl("top", "nodes", "--as", "somebody")
    site.kubectl("create", "rolebinding", "viewer", "--clusterrole=view", "--user=somebody")
    try:
        assert measured(site, "pods", "--as", "somebody")
        with pytest.raises(Failed, match="orbidden"):
            site.kubectl("top", "nodes", "--as", "somebody")
    finally:
        site.kubectl("delete", "rolebinding", "viewer")


def applied(site: ClusterSite, **trust: Any) -> None:
    site.kubectl("apply", "-f", "-", stdin=json.dumps(METRICS_SERVER | {"spec": METRICS_SERVER["spec"] | trust}))


def test_metrics_server_that_is_installed_later_is_left_alone(site: ClusterSite) -> None:
    with pytest.raises(Failed, match="may not be true if caBundle is present"):
        applied(site, insecureSkipTLSVerify=True)  # as its own manifest has it
    applied(site, caBundle=base64.b64encode(site.plane.papers.ca.read_bytes()).decode())
    try:
        site.restart_cloud()
        assert "is not of CloudCore" in site.log()
        assert json.loads(site.kubectl("get", "apiservice", APISERVICE, "-o", "json"))["spec"]["service"]["name"] == "metrics-server"
    finally:
        site.kubectl("delete", "apiservice", APISERVICE)
        site.restart_cloud()
    wait_available(site)
    assert measured(site, "nodes")


def test_while_cloudcore_is_away_no_namespace_can_be_deleted(site: ClusterSite) -> None:
    """As with every aggregated API. That is why it is not served unasked."""
    site.kubectl("create", "namespace", "held")
    site.kill_cloud()
    try:
        site.wait("metrics.k8s.io away", lambda: conditions(site).get("Available") != "True", within=90)
        site.kubectl("delete", "namespace", "held", "--wait=false")
        site.wait("its reason", lambda: "metrics.k8s.io" in site.kubectl("get", "namespace", "held", "-o", "yaml"), within=90)
    finally:
        site.launch_cloud()
        site.wait_started()
    site.wait("the namespace gone", lambda: not site.kubectl("get", "namespace", "held", "--ignore-not-found"), within=120)
