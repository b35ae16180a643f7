"""Two pods on the real board whose output, input and ports the tests know."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from demo.parts import Board, Site
from demo.stage import BIN
from tests.system.conftest import IMAGE

TALKER = {
    "name": "main",
    "image": IMAGE,
    "command": ["/bin/sh", "-c"],
    "args": [
        'trap "exit 3" TERM; echo first line; echo to stderr >&2; i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.2 & wait $!; done'
    ],
}
TWICE = {
    "name": "main",
    "image": IMAGE,
    "command": ["/bin/sh", "-c"],
    "args": [
        'trap "exit 0" TERM; test -e /lives/one && { echo second life; while :; do sleep 0.2 & wait $!; done; }; '
        "touch /lives/one; echo first life; exit 1"
    ],
    "volumeMounts": [{"name": "lives", "mountPath": "/lives"}],
}
SERVER = {
    "name": "server",
    "image": IMAGE,
    "command": ["/bin/sh", "-c", "mkdir -p /www; echo from the pod > /www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /www"],
}


def pod(name: str, node: str, *containers: dict[str, object]) -> str:
    volumes = [{"name": "lives", "emptyDir": {}}]
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 2, "containers": list(containers), "volumes": volumes}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec})


@pytest.fixture(scope="package")
def talker(site: Site, board: Board) -> Iterator[str]:
    """The name of a pod with two containers: one talks, one serves HTTP on its loopback."""
    name = "talker"
    site.kubectl("apply", "-f", "-", stdin=pod(name, board.node, TALKER, SERVER))
    site.wait("the talker running", lambda: _ready(site, name), within=60)
    yield name
    site.kubectl("delete", "pod", name, "--wait=false")


def _ready(site: Site, name: str) -> bool:
    statuses = site.get("pod", name)["status"].get("containerStatuses", [])
    return len(statuses) == 2 and all(status["ready"] for status in statuses)


class Local:
    """The command line on the board."""

    def __init__(self, board: Board) -> None:
        self._socket = str(board.folder / "edgecore.sock")

    def command(self, *words: str) -> list[str]:
        return [str(BIN / "edgecore"), words[0], "--socket", self._socket, *words[1:]]

    def run(self, *words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words), input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True, timeout=60
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def say(self, *words: str, stdin: bytes | None = None) -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="package")
def local(board: Board) -> Local:
    return Local(board)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}
