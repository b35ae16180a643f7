"""A site whose Kubernetes API is a real one: a control plane, and a CloudCore that may do what packaging/manifests/rbac.yaml grants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.parts import SplitSite
from demo.stage import BIN, answers, free_port, run
from demo.steps import TOP
from tests.cluster.controlplane import DOMAIN, ControlPlane, Programs

CLOUD_CONFIG = """\
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
commonConfig:
  monitorServer: {{bindAddress: "127.0.0.1:{metrics}"}}
kubeAPIConfig:
  kubeConfig: {kubeconfig}
modules:
  admission: {{port: {admission}}}
  cloudHub:
    websocket: {{address: 127.0.0.1, port: {hub}}}
    https: {{address: 127.0.0.1, port: {https}}}
  cloudStream:
    address: {streams_address}
    streamPort: {kubelet}
    nodeDomain: {domain}
    nodeAddress: '{node_address}'
    metricsPort: {figures}
    metricsService: '{metrics_service}'
stateDir: {folder}/cloudcore
"""

OUTSIDE = "192.0.2.10"
"""The address in packaging/manifests/metrics.yaml; it leads to this machine while metrics are served: Endpoints name no loopback."""


@dataclass
class ClusterSite(SplitSite):
    """kubectl is the cluster's administrator; CloudCore is the ServiceAccount ``kubeedge/cloudcore``."""

    programs: Path = Path()
    boards: tuple[str, ...] = ()
    data: Path = Path()
    plane: ControlPlane = field(init=False)
    admission: int = field(default_factory=free_port)
    kubelet: int = field(default_factory=free_port)
    figures: int = field(default_factory=free_port)
    node_address: str = ""
    streams_address: str = "127.0.0.1"
    metrics_service: str = ""

    def __post_init__(self) -> None:
        self.plane = ControlPlane(Programs(self.programs), self.stage, self.boards, self.data, port=self.api)

    @property
    def kubeconfig(self) -> Path:
        return self.plane.admin

    def found(self) -> None:
        """Everything but CloudCore, for the first time: ``start`` brings that, and after a ``stop`` both."""
        self.plane.start_etcd()
        self.launch_api()
        self.wait("the API server ready", lambda: self.kubectl("get", "--raw", "/readyz") == "ok", within=120)
        self.plane.start_controllers()
        self.install_cloudcore()

    def launch(self) -> None:
        if self.process is None:
            self.launch_api()
        self.launch_cloud()

    def launch_api(self, *more: str) -> None:
        """``more``: flags beside the usual ones."""
        self.process = self.plane.start_api(*more)

    def restart_api(self, *more: str) -> None:
        self.kill_api()
        self.launch_api(*more)
        self.wait_started()

    def stop(self) -> None:
        """The API server by force: asked, it waits half a minute for those who watch."""
        self.kill_api()
        super().stop()

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """The same cluster at a port that only kubectl knows: what changes meanwhile CloudCore does not see."""
        usual, self.plane.port = self.plane.port, free_port()
        self.launch_api()
        try:
            self.wait("the API server ready", lambda: self.kubectl("get", "--raw", "/readyz") == "ok", within=120)
            yield
        finally:
            self.kill_api()
            self.plane.port = usual

    @contextmanager
    def serving_metrics(self) -> Iterator[None]:
        """CloudCore as the cluster's metrics.k8s.io, as packaging/manifests/metrics.yaml tells an operator to set it up."""
        manifest = (TOP / "packaging/manifests/metrics.yaml").read_text().replace("10005", str(self.figures))
        self.kubectl("apply", "-f", "-", stdin=manifest)
        with self.answering_for_metrics():
            yield
        # Kubernetes takes the Endpoints along with their Service.
        self.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=manifest)

    @contextmanager
    def answering_for_metrics(self) -> Iterator[None]:
        """CloudCore with the setting, at OUTSIDE; restarted without it at the end."""
        run("ip", "address", "replace", f"{OUTSIDE}/32", "dev", "lo")
        self.streams_address, self.metrics_service = "0.0.0.0", "kubeedge/cloudcore-metrics"
        try:
            self.restart_cloud()
            yield
        finally:
            self.streams_address, self.metrics_service = "127.0.0.1", ""
            run("ip", "address", "delete", f"{OUTSIDE}/32", "dev", "lo")
            self.restart_cloud()

    def restart_cloud(self) -> None:
        self.kill_cloud()
        self.launch_cloud()
        self.wait_started()

    def install_cloudcore(self) -> None:
        """What docs/operations.md tells an operator to do; the definitions come first, as where CloudCore may not write them."""
        self.kubectl("apply", "-f", TOP / "packaging/crds")
        self.kubectl("apply", "-f", TOP / "packaging/manifests/rbac.yaml")
        token = self.kubectl("create", "token", "cloudcore", "-n", "kubeedge", "--duration=8760h").strip()
        self._cloudcores = self.plane.papers.write_kubeconfig("cloudcore", self.plane.server, {"token": token})

    def launch_cloud(self) -> None:
        config = self.folder / "cloudcore.yaml"
        ports = {"hub": self.hub, "https": self.https, "metrics": self.metrics, "admission": self.admission, "kubelet": self.kubelet}
        streams = {name: getattr(self, name) for name in ("figures", "streams_address", "metrics_service", "node_address")}
        values = {"folder": self.folder, "kubeconfig": self._cloudcores, "domain": DOMAIN, **streams, **ports}
        config.write_text(CLOUD_CONFIG.format(**values))
        self.cloud = self.stage.start("cloudcore", BIN / "cloudcore", "--config", config)

    def wait_started(self) -> None:
        super().wait_started()
        self.wait("the doors for the API server", lambda: answers(self.kubelet) and answers(self.admission))

    def log(self) -> str:
        return (self.folder / "cloudcore.log").read_text("utf-8", "replace")
