"""The main job, step by step. Each step does something, checks what came of it and says so in one line."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.stage import BIN, Failed, Running, Stage, answers, free_port, run, wait_for

NODE = "edge1"
IMAGE = "localhost/bramble-web:1"
TOP = Path(__file__).parent.parent
EXAMPLES = TOP / "examples"

SITE_CONFIG = """\
apiVersion: edgesite.config.kubeedge.io/v1alpha1
kind: EdgeSite
apiServer:
  address: 127.0.0.1
  port: {api}
  dataDir: {folder}/site
  kubeConfig: {folder}/kubeconfig
modules:
  cloudHub:
    websocket: {{address: 127.0.0.1, port: {hub}}}
    https: {{address: 127.0.0.1, port: {https}}}
"""

BOARD_CONFIG = """\
apiVersion: edgecore.config.kubeedge.io/v1alpha1
kind: EdgeCore
database:
  dataSource: {folder}/board/edgecore.db
modules:
  edged:
    hostnameOverride: {node}
    rootDirectory: {folder}/board/edged
  edgeHub:
    httpServer: https://127.0.0.1:{https}
    tlsCaFile: {folder}/board/ca.crt
    tlsCertFile: {folder}/board/edge.crt
    tlsPrivateKeyFile: {folder}/board/edge.key
    websocket: {{server: "127.0.0.1:{hub}"}}
  eventBus:
    mqttMode: 0
    mqttServerInternal: tcp://127.0.0.1:{mqtt}
  localAPI:
    socket: {folder}/board/edgecore.sock
"""


@dataclass
class Ports:
    """Where this demo listens. Standard ports where they are free, others where somebody has them."""

    api: int = field(default_factory=lambda: free_port(6443))
    hub: int = field(default_factory=lambda: free_port(10000))
    https: int = field(default_factory=lambda: free_port(10002))
    mqtt: int = field(default_factory=lambda: free_port(1883))
    web: int = field(default_factory=lambda: free_port(8088))
    modbus: int = field(default_factory=lambda: free_port(5020))


class Demo:
    """``steps()`` in order; ``down()`` undoes all of it, also after a step that failed half-way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stage = Stage(folder)
        self.ports = Ports()
        self.kubeconfig = folder / "kubeconfig"

    # -- the site ---------------------------------------------------------------------------------------------------------------------

    def start_site(self) -> str:
        config = self.folder / "edgesite.yaml"
        config.write_text(SITE_CONFIG.format(folder=self.folder, **vars(self.ports)))
        site = self.stage.start("edgesite", BIN / "edgesite", "--config", config)
        self._wait("the Kubernetes API", site, lambda: self.kubeconfig.exists() and self.kubectl("get", "--raw", "/readyz") == "ok")
        self._wait("the CRDs of devices", site, lambda: "devicemodels" in self.kubectl("api-resources", "--api-group=devices.kubeedge.io"))
        self._wait("enrolment", site, lambda: answers(self.ports.https) and answers(self.ports.hub))
        return f"the site is up; kubeconfig: {self.kubeconfig}"

    def join_board(self) -> str:
        (self.folder / "board").mkdir(exist_ok=True)
        config = self.folder / "board" / "edgecore.yaml"
        config.write_text(BOARD_CONFIG.format(folder=self.folder, node=NODE, **vars(self.ports)))
        token = run(BIN / "cloudcore", "token", "create", "--ttl", "1h", "--one-time", "--kubeconfig", self.kubeconfig).split()[-1]
        said = run(
            *(BIN / "edgecore", "join", "--cloud", f"127.0.0.1:{self.ports.https}", "--hub-port", str(self.ports.hub)),
            *("--token", token, "--name", NODE, "--config", config),
        )
        key = self.folder / "board" / "edge.key"
        if key.stat().st_mode & 0o077:
            raise Failed(f"{key} can be read by others")
        return f"a one-time token was made and {NODE} enrolled with it: {said.strip().splitlines()[0] if said.strip() else 'done'}"

    def start_board(self) -> str:
        board = self.stage.start("edgecore", BIN / "edgecore", "--config", self.folder / "board" / "edgecore.yaml")
        node = self._wait("node Ready", board, self._ready_node, within=60)
        info, status = node["status"]["nodeInfo"], node["status"]
        uname = os.uname()
        architecture = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}.get(uname.machine, uname.machine)
        os_name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
        _same("kernelVersion", info["kernelVersion"], uname.release)
        _same("architecture", info["architecture"], architecture)
        _same("osImage", info["osImage"], os_name)
        _same("capacity.cpu", status["capacity"]["cpu"], str(os.cpu_count()))
        if not any(address["type"] == "InternalIP" and address["address"] for address in status["addresses"]):
            raise Failed(f"the node has no InternalIP: {status['addresses']}")
        if not info["containerRuntimeVersion"].startswith("podman://"):
            raise Failed(f"containerRuntimeVersion is {info['containerRuntimeVersion']!r}")
        return (
            f"{NODE} is Ready: {info['osImage']}, kernel {info['kernelVersion']}, {info['architecture']}, {info['containerRuntimeVersion']}"
        )

    def _ready_node(self) -> dict[str, Any] | None:
        node = self.get("node", NODE)
        ready = [c for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
        return node if ready and ready[0]["status"] == "True" else None

    # -- the container ----------------------------------------------------------------------------------------------------------------

    def build_image(self) -> str:
        context = self.folder / "image"
        shutil.copytree(EXAMPLES / "web", context)
        shutil.copy("/bin/busybox", context / "busybox")
        run(*self._podman(), "build", "-q", "-t", IMAGE, context, timeout=180)
        return f"image {IMAGE} was built from busybox; no registry is asked"

    def apply_web(self) -> str:
        text = (EXAMPLES / "web.yaml").read_text().replace("hostPort: 8088", f"hostPort: {self.ports.web}")
        self.kubectl("apply", "-f", "-", stdin=text)
        pod = wait_for("the pod Running and Ready", self._running_web, within=90)
        url = f"http://127.0.0.1:{self.ports.web}/cgi-bin/page"
        page = wait_for("the page", lambda: _fetch(url), within=20)
        for wanted in ("Hello from a container on the edge.", f"pod: {pod['metadata']['name']} on node {NODE}", "has 7 letters"):
            if wanted not in page:
                raise Failed(f"{url} does not say {wanted!r} but {page!r}")
        wide = self.kubectl("get", "pods", "-o", "wide")
        if NODE not in wide or "1/1" not in wide:
            raise Failed(f"kubectl get pods -o wide shows\n{wide}")
        return f"the web server runs and answers on {url}\n{_indent(wide)}"

    def _running_web(self) -> dict[str, Any] | None:
        pods = json.loads(self.kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
        for pod in pods:
            statuses = pod.get("status", {}).get("containerStatuses", [])
            if pod["status"].get("phase") == "Running" and statuses and all(s["ready"] for s in statuses) and pod["status"].get("podIP"):
                return dict(pod)
        return None

    # -- the device -------------------------------------------------------------------------------------------------------------------

    def start_thermometer(self) -> str:
        simulator = self.stage.start("thermometer", BIN / "bramble-modbus-simulator", "--port", str(self.ports.modbus), "--still")
        self._wait("the simulator", simulator, lambda: answers(self.ports.modbus))
        self.kubectl("apply", "-f", EXAMPLES / "thermometer-model.yaml")
        device = (EXAMPLES / "thermometer.yaml").read_text().replace("port: 5020", f"port: {self.ports.modbus}")
        self.kubectl("apply", "-f", "-", stdin=device)
        profile = self.folder / "board" / "edged" / "devices" / "default" / "deviceProfile.json"
        mapper = self.stage.start(
            *("mapper", BIN / "bramble-mapper", "modbus", "--profile", profile, "--broker", f"tcp://127.0.0.1:{self.ports.mqtt}")
        )
        reported = self._wait("a reported temperature", mapper, lambda: self.reported("temperature"), within=60)
        return f"a Modbus thermometer was declared; its mapper reads {reported}"

    def change_temperature(self) -> str:
        before = self.reported("temperature")
        self.poke("holding", 0, 321)
        started = time.monotonic()
        after = wait_for("the changed temperature in the API", lambda: _other(self.reported("temperature"), before), within=30)
        return f"the register changed and kubectl get device shows {after} (was {before}) after {time.monotonic() - started:.1f} s"

    def set_desired(self) -> str:
        wanted = "185"
        twins = self.get("device", "thermometer")["status"]["twins"]
        for twin in twins:
            if twin["propertyName"] == "setpoint":
                twin["desired"] = {"value": wanted, "metadata": {"type": "int"}}
        patch = json.dumps({"status": {"twins": twins}})
        self.kubectl("patch", "device", "thermometer", "--type=merge", "-p", patch)
        wait_for("the setpoint in the register", lambda: self.poke("holding", 1) == int(wanted), within=30)
        wait_for("the setpoint reported", lambda: self.reported("setpoint") == wanted, within=30)
        return f"kubectl patch of the desired setpoint wrote {wanted} into the register"

    def reported(self, name: str) -> str:
        twins = self.get("device", "thermometer").get("status", {}).get("twins", [])
        return next((str(t.get("reported", {}).get("value", "")) for t in twins if t["propertyName"] == name), "")

    def poke(self, table: str, register: int, value: int | None = None) -> int:
        command = [BIN / "python", "-m", "mappers.modbus.poke", f"127.0.0.1:{self.ports.modbus}", table, str(register)]
        return int(run(*command, *([] if value is None else [str(value)])).split()[-1])

    # -- tools ------------------------------------------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        own = ("--kubeconfig", self.kubeconfig, "--cache-dir", self.folder / "kubectl-cache", "--request-timeout=20s")
        return run("kubectl", *own, *arguments, stdin=stdin)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", kind, name, "-o", "json")))

    def _podman(self) -> tuple[str | Path, ...]:
        """Through the socket of this board's engine, so that the image is where the pods look for it."""
        own = self.folder / "board" / "edged" / "podman.sock"
        return ("podman", "--url", f"unix://{own}") if own.exists() else ("podman",)

    def _wait(self, what: str, running: Running, claim: Any, within: float = 40.0) -> Any:
        def alive_and_true() -> Any:
            if not running.alive():
                raise SystemExit(f"{running.name} ended with code {running.process.returncode}:\n{running.tail()}")
            return claim()

        try:
            return wait_for(what, alive_and_true, within=within)
        except Failed as exc:
            raise Failed(f"{exc}\nthe end of {running.log}:\n{running.tail()}") from exc

    # -- down -------------------------------------------------------------------------------------------------------------------------

    def down(self) -> None:
        """Take the pods away through the front door while the site answers, then end every process, then remove every file."""
        if self.kubeconfig.exists():
            for kind in ("deployment", "device", "devicemodel"):
                _quietly(lambda kind=kind: self.kubectl("delete", kind, "--all", "--wait=false", "--ignore-not-found"))
            _quietly(lambda: wait_for("the pods gone", lambda: "No resources" in self.kubectl("get", "pods", "-A") or None, within=2))
            _quietly(lambda: wait_for("the containers gone", lambda: not self._containers() or None, within=25))
        remove_containers(self._podman(), NODE)
        _quietly(lambda: run(*self._podman(), "rmi", "-f", IMAGE))
        self.stage.stop()
        unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _containers(self) -> str:
        return run(*self._podman(), "ps", "-aq", "--filter", f"label=io.bramble.node={NODE}").strip()


def remove_containers(podman: tuple[str | Path, ...], node: str) -> None:
    """What EdgeCore of ``node`` made and could not take away itself, by its label; nothing else."""
    for kind, force in (("pod", "-f"), ("container", "-f")):
        listing = ("pod", "ps", "-q") if kind == "pod" else ("ps", "-aq")
        found: list[str] = []
        _quietly(
            lambda listing=listing, found=found: found.extend(run(*podman, *listing, "--filter", f"label=io.bramble.node={node}").split())
        )
        for identity in found:
            _quietly(lambda kind=kind, force=force, identity=identity: run(*podman, kind, "rm", force, identity))


def unmount_below(folder: Path) -> None:
    """Memory-backed volumes of pods are mounts; a folder that holds one cannot be removed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def _quietly(action: Any) -> None:
    """For cleaning up: what cannot be removed now must not keep the rest from being removed."""
    try:
        action()
    except (Failed, OSError, subprocess.SubprocessError):
        pass


def _fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError as exc:
        raise Failed(str(exc)) from exc


def _same(name: str, got: str, wanted: str) -> None:
    if got != wanted:
        raise Failed(f"the node says {name} {got!r}, this machine has {wanted!r}")


def _other(value: str, before: str) -> str:
    return value if value and value != before else ""


def _indent(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.strip().splitlines())
