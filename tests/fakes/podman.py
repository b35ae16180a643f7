"""A real Podman for tests: our own service in a directory of its own, and an image made of busybox. What a test made goes away with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from edgecore.containers import labels
from edgecore.containers.engine import Engine
from edgecore.containers.engine_facts import machine_facts
from edgecore.containers.podman import PodmanRuntime
from edgecore.edged.volume_files import memory_root

BUSYBOX = "/usr/bin/busybox"
ENDS_WHEN_ASKED = ("/bin/sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.05; done')
"""A first process must end on SIGTERM by itself, or every stop takes its whole grace."""


class Podman:
    """``root`` is short on purpose: socket paths have a limit of 108 bytes."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="bre-"))
        self.image = f"localhost/bramble-test-{uuid.uuid4().hex[:8]}:1"
        self.instance = labels.instance_of(str(self.root))
        self.engine = Engine(str(self.root), facts=machine_facts, system_socket="/nonexistent")
        self.runtime: PodmanRuntime = self.engine.runtime()
        self._build()

    def run(self, *words: str, check: bool = True) -> str:
        """The podman command line with the same private configuration."""
        environment = {**os.environ, "CONTAINERS_CONF": str(self.root / "containers.conf")}
        done = subprocess.run(["podman", *words], env=environment, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"podman {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def ids(self) -> list[str]:
        return self.run("ps", "-aq", "--filter", f"label={labels.INSTANCE}={self.instance}").split()

    def close(self) -> None:
        mine = f"label={labels.INSTANCE}={self.instance}"
        for pod in self.run("pod", "ps", "-q", "--filter", mine, check=False).split():
            self.run("pod", "rm", "-f", "-t", "0", pod, check=False)
        for container in self.ids():
            self.run("rm", "-f", "-t", "0", container, check=False)
        for volume in self.run("volume", "ls", "-q", "--filter", mine, check=False).split():
            self.run("volume", "rm", "-f", volume, check=False)
        self.run("rmi", "-f", self.image, check=False)
        self.engine.stop()
        shutil.rmtree(self.root, ignore_errors=True)
        memory = memory_root(self.instance)
        if memory is not None:
            shutil.rmtree(memory, ignore_errors=True)

    def _build(self) -> None:
        folder = self.root / "image"
        folder.mkdir()
        shutil.copy(BUSYBOX, folder / "busybox")
        lines = ("FROM scratch", "COPY busybox /bin/busybox", 'RUN ["/bin/busybox","--install","-s","/bin"]')
        (folder / "Containerfile").write_text("\n".join(lines) + "\n")
        self.run("build", "-q", "-t", self.image, str(folder))
