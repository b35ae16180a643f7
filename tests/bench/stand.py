"""The site and the board that the figures are taken on: real processes on loopback, in a folder that is removed afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.parts import Board, Site, quietly, unmount_below
from demo.stage import Stage, free_port, wait_for
from demo.steps import EXAMPLES
from tests.system.mqtt import Client
from viaduct import topics

IMAGE = "localhost/bramble-bench:1"
NODE = "bench"

MODEL = """
apiVersion: devices.kubeedge.io/v1alpha1
kind: DeviceModel
metadata: {name: bench, namespace: default}
spec:
  properties:
  - {name: level, type: {string: {accessMode: ReadWrite, defaultValue: ""}}}
"""

DEVICE = """
apiVersion: devices.kubeedge.io/v1alpha1
kind: Device
metadata: {name: bench, namespace: default}
spec:
  deviceModelRef: {name: bench}
  nodeSelector: {nodeSelectorTerms: [{matchExpressions: [{key: "", operator: In, values: [bench]}]}]}
status:
  twins:
  - {propertyName: level, desired: {value: "", metadata: {type: string}}, reported: {value: "", metadata: {type: string}}}
"""


class Stand:
    """Started on entry: site, board with every module on, an image, the device ``bench`` known at the edge."""

    def __enter__(self) -> Stand:
        self.folder = Path(tempfile.mkdtemp(prefix="bramble-bench-"))
        self.stage = Stage(self.folder)
        self.site = Site(self.stage, api=free_port(), hub=free_port(), https=free_port())
        self.board = Board(self.site, NODE, mqtt=free_port())
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.site.start()
        self.board.join()
        self.board.config.write_text(self.board.config.read_text() + "  serviceBus:\n    enable: true\n")
        self.board.start()
        self.site.wait("the node Ready", self.board.ready, within=60)
        self.board.build_image(EXAMPLES / "web", IMAGE)
        self.site.kubectl("apply", "-f", "-", stdin=f"{MODEL}---{DEVICE}")
        with Client(self.board.mqtt, topics.twin_get_result("bench")) as client:

            def known() -> bool:
                client.publish(topics.twin_get("bench"), {})
                return "twin" in client.wait(lambda topic, value: True, within=2)

            wait_for("the device at the edge", known, within=30)

    def __exit__(self, *_: object) -> None:
        kubectl: Callable[..., Any] = self.site.kubectl
        quietly(lambda: kubectl("delete", "pods", "--all", "--wait=false"))
        quietly(lambda: wait_for("the containers gone", lambda: not self.board.containers() or None, within=20))
        self.board.remove_containers()
        quietly(lambda: self.board.podman("rmi", "-f", IMAGE))
        self.stage.stop()
        unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def broker_pid(self) -> int:
        """The Mosquitto that EdgeCore runs as its child."""
        assert self.board.process is not None
        return next(pid for pid in _children(self.board.process.pid) if "mosquitto" in _command(pid))

    def podman_pid(self) -> int:
        """The Podman service that EdgeCore runs as its child."""
        assert self.board.process is not None
        return next(pid for pid in _children(self.board.process.pid) if "podman" in _command(pid))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
