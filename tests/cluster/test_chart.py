"""The Helm chart at a real API server. No kubelet runs its pod: CloudCore runs beside the cluster with rights and settings of the chart,
and the status of the pod says that it is there."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.parts import Board, quietly
from demo.stage import Failed
from demo.steps import TOP
from tests.cluster.metrics import APISERVICE, METRICS_SERVER, figures, there
from tests.cluster.site import OUTSIDE, ClusterSite
from tests.containers.chart import CHART, helm, render

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not os.environ.get("HELM"), reason="there is no helm for this machine"),
]

# The rights are there already, and end no earlier than this cluster; the tests apply those of the chart over them.
SMALL = {"rbac": {"create": False}, "persistence": {"enabled": False}, "service": {"type": "ClusterIP"}}
WITH_METRICS = SMALL | {"metricsService": {"enabled": True}}
MACHINE = "machine"
METRICS_PORT = 10005
"""Where the chart's Service leads to."""


class Release:
    def __init__(self, site: ClusterSite) -> None:
        self.site = site

    def helm(self, *words: str, values: dict[str, Any] | None = None) -> str:
        return helm(*words, "--kubeconfig", self.site.kubeconfig, "--namespace", "kubeedge", values=values)

    def install(self, values: dict[str, Any]) -> None:
        """As Helm 3 does it: asked by Helm 4 to apply an APIService the API server of Kubernetes 1.20 panics."""
        self.helm("install", "bramble", str(CHART), "--skip-crds", "--server-side=false", values=values)

    def apply(self, values: dict[str, Any]) -> None:
        """As Helm 4 installs."""
        self.helm("install", "bramble", str(CHART), "--skip-crds", values=values)

    def upgrade(self, values: dict[str, Any]) -> None:
        self.helm("upgrade", "bramble", str(CHART), "--skip-crds", values=values)

    def uninstall(self) -> None:
        self.helm("uninstall", "bramble")

    def pods(self) -> list[str]:
        return self.site.kubectl("get", "pods", "-n", "kubeedge", "-l", "app.kubernetes.io/name=cloudcore", "-o", "name").split()

    def wait_served(self) -> list[list[str]]:
        """What ``kubectl top nodes`` says, while machine and pods have the statuses that a kubelet would give them once CloudCore runs.

        That an APIService is available says nothing: the API server looks there without its CA.
        """
        return self.site.wait("figures of nodes", lambda: self._stand_in() and figures(self.site, "nodes"), within=60)

    def stand_in_for_the_machine(self) -> None:
        """Beside the board, for pods that keep away from boards."""
        self.site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": MACHINE}}))
        self._stand_in()

    def _stand_in(self) -> bool:
        heard = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        size = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        ready = {"type": "Ready", "status": "True"}
        self._say(f"node/{MACHINE}", {"capacity": size, "allocatable": size, "conditions": [ready | {"lastHeartbeatTime": heard}]})
        for pod in self.pods():
            self._say(pod, {"podIP": OUTSIDE, "podIPs": [{"ip": OUTSIDE}], "conditions": [ready]})
        return True

    def _say(self, of: str, status: dict[str, Any]) -> None:
        self.site.kubectl("patch", of, "-n", "kubeedge", "--subresource=status", "-p", json.dumps({"status": status}))


@pytest.fixture
def release(site: ClusterSite, board: Board, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    monkeypatch.setenv("KUBECACHEDIR", str(site.folder / "helm-cache"))
    assert not there(site)
    made = Release(site)
    made.stand_in_for_the_machine()
    yield made
    quietly(made.uninstall)
    site.kubectl("delete", "apiservice", APISERVICE, "--ignore-not-found")

    def gone() -> bool:
        site.kubectl("delete", "pods", "-n", "kubeedge", "-l", "app.kubernetes.io/name=cloudcore", "--force", "--grace-period=0")
        return not made.pods()

    site.wait("its pods gone", gone)
    site.kubectl("delete", "node", MACHINE)


@pytest.fixture
def rights(site: ClusterSite) -> Iterator[None]:
    """Those of the chart with metrics, and no others."""
    roles = [one for one in render({"metricsService": {"enabled": True}}) if one["kind"] == "ClusterRole"]
    assert {one["metadata"]["name"] for one in roles} == {"cloudcore", "cloudcore-metrics-reader"}
    site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": roles}))
    yield
    site.kubectl("delete", "clusterrole", "cloudcore-metrics-reader")
    site.kubectl("apply", "-f", TOP / "packaging/manifests/rbac.yaml")


@pytest.fixture
def serving(site: ClusterSite, rights: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(site, "figures", METRICS_PORT)
    with site.answering_for_metrics():
        yield


@pytest.mark.parametrize("values", [{}, {"metricsService": {"enabled": True}}, {"replicas": 2, "persistence": {"enabled": False}}])
def test_the_api_server_takes_every_object_of_the_chart(site: ClusterSite, values: dict[str, Any]) -> None:
    version = json.loads(site.kubectl("get", "--raw", "/version"))["gitVersion"]
    objects = render(values, kubernetes=version)
    said = site.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    assert len(said.splitlines()) == len(objects)


def test_a_release_for_several_replicas_is_applied_by_the_server(release: Release) -> None:
    release.apply(SMALL | {"replicas": 2})
    assert "cloudcore" in release.site.kubectl("get", "poddisruptionbudgets", "-n", "kubeedge", "-o", "name")


def test_kubectl_top_comes_and_goes_with_its_value(site: ClusterSite, board: Board, release: Release, serving: None) -> None:
    release.install(SMALL)
    assert not there(site)
    release.upgrade(WITH_METRICS)
    [known, unknown] = release.wait_served()
    assert (known[0], unknown[:2]) == (board.node, [MACHINE, "<unknown>"])
    given = authority(site)
    release.upgrade(WITH_METRICS | {"logLevel": "debug"})
    assert authority(site) == given, "an upgrade takes the CA away"
    release.upgrade(SMALL)
    assert not there(site)


def test_what_helm_makes_anew_while_cloudcore_runs_is_served_too(site: ClusterSite, release: Release, serving: None) -> None:
    release.install(WITH_METRICS)
    release.wait_served()
    site.kubectl("delete", "apiservice", APISERVICE)
    release.upgrade(WITH_METRICS)
    release.wait_served()


def test_uninstalled_it_holds_up_no_namespace(site: ClusterSite, release: Release, serving: None) -> None:
    release.install(WITH_METRICS)
    release.wait_served()
    release.uninstall()
    assert not there(site)
    site.kubectl("create", "namespace", "passing")
    site.kubectl("delete", "namespace", "passing", "--timeout=60s")


def test_where_metrics_server_is_helm_refuses_and_changes_nothing(site: ClusterSite, release: Release) -> None:
    site.kubectl("apply", "-f", "-", stdin=json.dumps(METRICS_SERVER))
    with pytest.raises(Failed, match=f"{APISERVICE}.* exists and cannot be imported"):
        release.install(WITH_METRICS)
    assert not release.pods()
    assert json.loads(site.kubectl("get", "apiservice", APISERVICE, "-o", "json"))["spec"]["service"]["name"] == "metrics-server"


def authority(site: ClusterSite) -> bytes:
    """The CA by which the API server knows who serves metrics."""
    return base64.b64decode(json.loads(site.kubectl("get", "apiservice", APISERVICE, "-o", "json"))["spec"]["caBundle"])
