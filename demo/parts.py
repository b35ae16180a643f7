"""A site and a board on this machine, as real processes on loopback: for the demo, the system tests and the bench."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from demo.stage import BIN, PATIENCE, Failed, Running, Stage, answers, free_port, run, wait_for
from edgecore.containers import labels
from edgecore.leftovers import end, started_with

T = TypeVar("T")

DEVICES = "devices.v1alpha1.devices.kubeedge.io"
"""As kubectl names the version of the examples; `kubectl get device` shows the newest one."""

_DEVICES_API = "/apis/devices.kubeedge.io/v1alpha1"
"""Asked alone: kubectl's list of everything fails where any other API is away."""

SITE_CONFIG = """\
apiVersion: edgesite.config.kubeedge.io/v1alpha1
kind: EdgeSite
apiServer:
  address: 127.0.0.1
  port: {api}
  dataDir: {folder}/site
  kubeConfig: {folder}/kubeconfig
commonConfig:
  monitorServer: {{bindAddress: "127.0.0.1:{metrics}"}}
modules:
  cloudHub:
    websocket: {{address: 127.0.0.1, port: {hub}}}
    https: {{address: 127.0.0.1, port: {https}}}
  cloudStream: {{streamPort: 0}}
"""

CLOUD_CONFIG = """\
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
commonConfig:
  monitorServer: {{bindAddress: "127.0.0.1:0"}}
kubeAPIConfig:
  kubeConfig: {folder}/kubeconfig
modules:
  cloudHub:
    websocket: {{address: 127.0.0.1, port: {hub}}}
    https: {{address: 127.0.0.1, port: {https}}}
  cloudStream: {{streamPort: 0}}
stateDir: {folder}/cloudcore
"""

BOARD_CONFIG = """\
apiVersion: edgecore.config.kubeedge.io/v1alpha1
kind: EdgeCore
database:
  dataSource: {folder}/edgecore.db
metrics:
  port: {metrics}
modules:
  edged:
    hostnameOverride: {node}
    rootDirectory: {folder}/edged
    staticPodPath: {folder}/manifests
  edgeHub:
    httpServer: https://127.0.0.1:{https}
    tlsCaFile: {folder}/ca.crt
    tlsCertFile: {folder}/edge.crt
    tlsPrivateKeyFile: {folder}/edge.key
    websocket:
      server: 127.0.0.1:{hub}
  eventBus:
    mqttMode: 0
    mqttServerInternal: tcp://127.0.0.1:{mqtt}
  localAPI:
    socket: {folder}/edgecore.sock
  rules:
    folder: {folder}/rules
"""


@dataclass
class Site:
    """edgesite: the Kubernetes API and CloudCore in one process."""

    stage: Stage
    api: int = field(default_factory=lambda: free_port(6443))
    hub: int = field(default_factory=lambda: free_port(10000))
    https: int = field(default_factory=lambda: free_port(10002))
    metrics: int = field(default_factory=lambda: free_port(9091))
    process: Running | None = None

    @property
    def folder(self) -> Path:
        return self.stage.folder

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def start(self) -> None:
        """Returns when the API is ready, the CRDs are there and both of CloudCore's ports accept connections."""
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        config = self.folder / "edgesite.yaml"
        config.write_text(SITE_CONFIG.format(folder=self.folder, api=self.api, hub=self.hub, https=self.https, metrics=self.metrics))
        self.process = self.stage.start("edgesite", BIN / "edgesite", "--config", config)

    def wait_started(self) -> None:
        self.wait("the Kubernetes API", lambda: self.kubeconfig.exists() and self.kubectl("get", "--raw", "/readyz") == "ok")
        self.wait("the CRDs of devices", lambda: "devicemodels" in self.kubectl("get", "--raw", _DEVICES_API))
        self.wait("enrolment and the hub", lambda: answers(self.https) and answers(self.hub))

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.stage.forget(self.process)
            self.process = None

    def token(self) -> str:
        """A one-time join token, good for an hour."""
        made = run(BIN / "cloudcore", "token", "create", "--ttl", "1h", "--one-time", "--kubeconfig", self.kubeconfig)
        return made.split()[-1]

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        own = ("--kubeconfig", self.kubeconfig, "--cache-dir", self.folder / "kubectl-cache", f"--request-timeout={20 * PATIENCE:g}s")
        return run("kubectl", *own, *arguments, stdin=stdin)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", kind, name, "-o", "json")))

    def pods(self, selector: str = "") -> list[dict[str, Any]]:
        chosen = ("-l", selector) if selector else ()
        return list(json.loads(self.kubectl("get", "pods", *chosen, "-o", "json"))["items"])

    def reported(self, device: str, name: str) -> str:
        """The reported value of a property, "" where there is none."""
        twins = self.get(DEVICES, device).get("status", {}).get("twins", [])
        return next((str(twin.get("reported", {}).get("value", "")) for twin in twins if twin["propertyName"] == name), "")

    def desire(self, device: str, name: str, value: str) -> None:
        twins = self.get(DEVICES, device)["status"]["twins"]
        for twin in twins:
            if twin["propertyName"] == name:
                twin["desired"] = {**twin.get("desired", {}), "value": value}
        self.kubectl("patch", DEVICES, device, "--type=merge", "-p", json.dumps({"status": {"twins": twins}}))

    def wait(self, what: str, claim: Callable[[], T | None], *, within: float = 40.0) -> T:
        """As ``wait_for``, but ends at once, with the log, when a process of the stage has died."""

        def alive_and_true() -> T | None:
            dead = self.stage.dead()
            if dead is not None:
                raise Died(f"{dead.name} ended with code {dead.process.returncode}:\n{dead.tail()}")
            return claim()

        return wait_for(what, alive_and_true, within=within)


@dataclass
class SplitSite(Site):
    """The same as two processes, each of which can be killed and started again alone: cloudstub (``process``) and ``cloud``."""

    cloud: Running | None = None

    def launch(self) -> None:
        self.launch_api()
        self.wait("the kubeconfig", self.kubeconfig.exists)
        self.launch_cloud()

    def launch_api(self) -> None:
        where = ("--data-dir", self.folder / "site", "--listen", f"127.0.0.1:{self.api}")
        self.process = self.stage.start("cloudstub", BIN / "cloudstub", *where, "--kubeconfig", self.kubeconfig)

    def launch_cloud(self) -> None:
        config = self.folder / "cloudcore.yaml"
        config.write_text(CLOUD_CONFIG.format(folder=self.folder, hub=self.hub, https=self.https))
        self.cloud = self.stage.start("cloudcore", BIN / "cloudcore", "--config", config)

    def kill_api(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.stage.forget(self.process)
            self.process = None

    def kill_cloud(self) -> None:
        if self.cloud is not None:
            self.cloud.kill()
            self.stage.forget(self.cloud)
            self.cloud = None

    def stop(self) -> None:
        if self.cloud is not None:
            self.cloud.stop()
            self.stage.forget(self.cloud)
            self.cloud = None
        super().stop()


class Died(Exception):
    """A process that should run has ended."""


@dataclass
class Board:
    """EdgeCore with a broker of its own, enrolled at a site. ``hub``: the port that it dials, where that is not the site's own."""

    site: Site
    node: str
    mqtt: int = field(default_factory=lambda: free_port(1883))
    process: Running | None = None
    hub: int = 0
    metrics: int = field(default_factory=lambda: free_port(10355))

    @property
    def folder(self) -> Path:
        return self.site.folder / self.node

    @property
    def config(self) -> Path:
        return self.folder / "edgecore.yaml"

    def join(self) -> str:
        """Write the config and enrol; what ``edgecore join`` said."""
        self.folder.mkdir(exist_ok=True)
        hub = self.hub or self.site.hub
        values = {
            "folder": self.folder,
            "node": self.node,
            "mqtt": self.mqtt,
            "metrics": self.metrics,
            "hub": hub,
            "https": self.site.https,
        }
        self.config.write_text(BOARD_CONFIG.format(**values))
        return run(
            *(BIN / "edgecore", "join", "--cloud", f"127.0.0.1:{self.site.https}", "--hub-port", str(hub)),
            *("--token", self.site.token(), "--name", self.node, "--config", self.config),
        )

    def start(self, env: Mapping[str, str] | None = None) -> None:
        self.process = self.site.stage.start(self.node, BIN / "edgecore", "--config", self.config, env=env)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
            self.site.stage.forget(self.process)
            self.process = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would; its Mosquitto and its Podman service may live on."""
        if self.process is not None:
            self.process.kill()
            self.site.stage.forget(self.process)
            self.process = None

    def ready(self) -> dict[str, Any] | None:
        """The Node, once its Ready condition is True."""
        node = self.site.get("node", self.node)
        ready = [c for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
        return node if ready and ready[0]["status"] == "True" else None

    def links(self) -> int:
        """How often it has got a link to the cloud so far."""
        return (self.site.folder / f"{self.node}.log").read_text("utf-8", "replace").count("linked to the cloud")

    def podman(self, *arguments: str | Path, timeout: float = 180.0) -> str:
        """A podman command through the socket of this board's engine, so that it sees what the pods see."""
        own = self.folder / "edged" / "podman.sock"
        return run("podman", *(("--url", f"unix://{own}") if own.exists() else ()), *arguments, timeout=timeout)

    def containers(self) -> list[str]:
        return self.podman("ps", "-aq", "--no-trunc", "--filter", f"label={owner(self.folder)}").split()

    def build_image(self, source: Path, tag: str) -> None:
        """Build ``source`` with Debian's static busybox beside it."""
        context = self.folder / "image"
        shutil.copytree(source, context, dirs_exist_ok=True)
        shutil.copy("/bin/busybox", context / "busybox")
        self.podman("build", "-q", "-t", tag, context)
        shutil.rmtree(context)

    def remove_containers(self) -> None:
        """Take away by force what this EdgeCore made; nothing else."""
        remove_containers(self.folder, self.podman)

    def end_leftovers(self) -> None:
        """The Podman service of an EdgeCore that was killed and will not start again."""
        for pid in started_with("service", f"unix://{self.folder / 'edged' / 'podman.sock'}"):
            end(pid, 10.0, by_force=False)


def owner(board_folder: Path) -> str:
    """The label of every container that the EdgeCore with its files in ``board_folder`` makes."""
    return f"{labels.INSTANCE}={labels.instance_of(str(board_folder / 'edged'))}"


def remove_containers(board_folder: Path, podman: Callable[..., str] | None = None) -> None:
    """By force, all that carries the owner's label."""
    podman = podman or partial(run, "podman")
    for listing, removal in ((("pod", "ps", "-q"), ("pod", "rm", "-f")), (("ps", "-aq"), ("rm", "-f"))):
        quietly(partial(_remove_all, podman, owner(board_folder), listing, removal))


def _remove_all(podman: Callable[..., str], label: str, listing: tuple[str, ...], removal: tuple[str, ...]) -> None:
    found = podman(*listing, "--filter", f"label={label}").split()
    if found:
        podman(*removal, *found)


def unmount_below(folder: Path) -> None:
    """Memory-backed volumes of pods are mounts; a folder that holds one cannot be removed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def quietly(action: Callable[[], Any]) -> None:
    """For cleaning up: what cannot be removed now must not keep the rest from being removed."""
    try:
        action()
    except (Failed, OSError, subprocess.SubprocessError):
        pass
