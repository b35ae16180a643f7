"""The main job, step by step. Each step does something, checks what came of it and says so in one line."""

from __future__ import annotations

import os
import platform
import shutil
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from demo.parts import Board, Site, quietly, unmount_below
from demo.stage import BIN, Failed, Stage, answers, free_port, run, wait_for

NODE = "edge1"
IMAGE = "localhost/bramble-web:1"
TOP = Path(__file__).parent.parent
EXAMPLES = TOP / "examples"

_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}


class Demo:
    """The steps in order; ``down()`` undoes all of them, also after one that failed half-way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stage = Stage(folder)
        self.site = Site(self.stage)
        self.board = Board(self.site, NODE)
        self.web_port = free_port(8088)
        self.modbus_port = free_port(5020)

    def start_site(self) -> str:
        self.site.start()
        return f"the site is up; kubeconfig: {self.site.kubeconfig}"

    def join_board(self) -> str:
        said = self.board.join().strip().splitlines()
        key = self.board.folder / "edge.key"
        if key.stat().st_mode & 0o077:
            raise Failed(f"{key} can be read by others")
        return f"a one-time token was made and {NODE} enrolled with it: {said[0] if said else 'done'}"

    def start_board(self) -> str:
        self.board.start()
        status = self.site.wait("the node Ready", self.board.ready, within=60)["status"]
        info = status["nodeInfo"]
        _same("kernelVersion", info["kernelVersion"], os.uname().release)
        _same("architecture", info["architecture"], _GO_NAMES.get(os.uname().machine, os.uname().machine))
        _same("osImage", info["osImage"], platform.freedesktop_os_release().get("PRETTY_NAME", ""))
        _same("capacity.cpu", status["capacity"]["cpu"], str(os.cpu_count()))
        if not any(address["type"] == "InternalIP" and address["address"] for address in status["addresses"]):
            raise Failed(f"the node has no InternalIP: {status['addresses']}")
        if not info["containerRuntimeVersion"].startswith("podman://"):
            raise Failed(f"containerRuntimeVersion is {info['containerRuntimeVersion']!r}")
        return f"{NODE} is Ready:\n{_indent(self.site.kubectl('get', 'nodes', '-o', 'wide'))}"

    def build_image(self) -> str:
        self.board.build_image(EXAMPLES / "web", IMAGE)
        return f"image {IMAGE} was built from busybox; no registry is asked"

    def apply_web(self) -> str:
        text = (EXAMPLES / "web.yaml").read_text().replace("hostPort: 8088", f"hostPort: {self.web_port}")
        self.site.kubectl("apply", "-f", "-", stdin=text)
        pod = self.site.wait("the pod Running and Ready", self._running_web, within=90)
        url = f"http://127.0.0.1:{self.web_port}/cgi-bin/page"
        page = wait_for("the page", lambda: _fetch(url), within=20)
        for wanted in ("Hello from a container on the edge.", f"pod: {pod['metadata']['name']} on node {NODE}", "has 7 letters"):
            if wanted not in page:
                raise Failed(f"{url} does not say {wanted!r} but {page!r}")
        wide = self.site.kubectl("get", "pods", "-o", "wide")
        if NODE not in wide or "1/1" not in wide:
            raise Failed(f"kubectl get pods -o wide shows\n{wide}")
        return f"the web server runs and answers on {url}\n{_indent(wide)}"

    def _running_web(self) -> dict[str, Any] | None:
        for pod in self.site.pods("app=web"):
            statuses = pod.get("status", {}).get("containerStatuses", [])
            if pod["status"].get("phase") == "Running" and statuses and all(s["ready"] for s in statuses) and pod["status"].get("podIP"):
                return pod
        return None

    def start_thermometer(self) -> str:
        self.stage.start("thermometer", BIN / "bramble-modbus-simulator", "--port", str(self.modbus_port), "--still")
        self.site.wait("the simulator", lambda: answers(self.modbus_port))
        self.site.kubectl("apply", "-f", EXAMPLES / "thermometer-model.yaml")
        device = (EXAMPLES / "thermometer.yaml").read_text().replace("port: 5020", f"port: {self.modbus_port}")
        self.site.kubectl("apply", "-f", "-", stdin=device)
        profile = self.board.folder / "edged" / "devices" / "default" / "deviceProfile.json"
        broker = f"tcp://127.0.0.1:{self.board.mqtt}"
        self.stage.start("mapper", BIN / "bramble-mapper", "modbus", "--profile", profile, "--broker", broker)
        reported = self.site.wait("a reported temperature", lambda: self.site.reported("thermometer", "temperature"), within=60)
        return f"a Modbus thermometer was declared; its mapper reads {reported}"

    def change_temperature(self) -> str:
        before = self.site.reported("thermometer", "temperature")
        self.poke("holding", 0, 321)
        started = time.monotonic()
        after = self.site.wait("the changed temperature in the API", lambda: self._other_temperature(before), within=30)
        return f"the register changed and kubectl get device shows {after} (was {before}) after {time.monotonic() - started:.1f} s"

    def _other_temperature(self, before: str) -> str:
        value = self.site.reported("thermometer", "temperature")
        return value if value != before else ""

    def set_desired(self) -> str:
        wanted = "185"
        self.site.desire("thermometer", "setpoint", wanted)
        self.site.wait("the setpoint in the register", lambda: self.poke("holding", 1) == int(wanted), within=30)
        self.site.wait("the setpoint reported", lambda: self.site.reported("thermometer", "setpoint") == wanted, within=30)
        return f"kubectl patch of the desired setpoint wrote {wanted} into the register"

    def poke(self, table: str, register: int, value: int | None = None) -> int:
        """Read a register of the simulator, or write it first, as any Modbus master could."""
        command: list[str | Path] = [BIN / "python", "-m", "mappers.modbus.poke", f"127.0.0.1:{self.modbus_port}", table, str(register)]
        return int(run(*command, *([] if value is None else [str(value)])).split()[-1])

    def down(self) -> None:
        """Take the pods away through the front door while the site answers, then end every process, then remove every file."""
        if self.site.kubeconfig.exists() and self.stage.dead() is None:
            for kind in ("deployment", "device", "devicemodel"):
                quietly(partial(self.site.kubectl, "delete", kind, "--all", "--wait=false"))
            quietly(lambda: wait_for("the containers gone", lambda: not self.board.containers() or None, within=25))
        self.board.remove_containers()
        quietly(lambda: self.board.podman("rmi", "-f", IMAGE))
        self.stage.stop()
        unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def _fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError as exc:
        raise Failed(str(exc)) from exc


def _same(name: str, got: str, wanted: str) -> None:
    if got != wanted:
        raise Failed(f"the node says {name} {got!r}, this machine has {wanted!r}")


def _indent(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.strip().splitlines())
