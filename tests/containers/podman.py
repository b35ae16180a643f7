"""Podman with storage, networks and settings of its own, and the images of this checkout in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from demo.parts import quietly
from demo.stage import Failed, run
from edgecore.containers.engine_choice import configure
from edgecore.containers.engine_facts import machine_facts
from viaduct import __version__

SUBNET = "10.213.77.0/24"
GATEWAY = "10.213.77.1"
"""This machine, as containers see it."""

HARDENED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")
"""What a Pod of the profile ``restricted`` with a read-only root is; only what is mounted can be written."""


class Podman:
    """``archives``: the folder with the OCI archives."""

    def __init__(self, archives: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="brc-"))
        self._conf = self.folder / "containers.conf"
        # The networks of another storage are not ours, nor is the backend that was chosen for it.
        self._conf.write_text(configure(machine_facts()).containers_conf + '[network]\nnetwork_backend="netavark"\n')
        self._own = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--network-config-dir", self.folder / "networks")
        self._images: dict[str, str] = {}
        self.archives = archives
        self.run("network", "create", "--subnet", SUBNET, "--gateway", GATEWAY, "--disable-dns", "bramble-test")

    def run(self, *words: str | Path, timeout: float = 300.0) -> str:
        return run("podman", *self._own, *words, timeout=timeout, env={"CONTAINERS_CONF": str(self._conf)})

    def ended(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Of a container that runs to its end, whatever its exit code."""
        command = [
            "env",
            f"CONTAINERS_CONF={self._conf}",
            "podman",
            *map(str, self._own),
            "run",
            "--rm",
            "--network=none",
            *map(str, words),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def image(self, name: str, arch: str) -> str:
        """Loaded from its archive; its id, since architectures share a name."""
        key = f"{name}_{__version__}_{arch}"
        if key not in self._images:
            archive = self.archives / f"bramble-{key}.oci.tar"
            if not archive.exists():
                raise Failed(f"there is no {archive}: make containers ARCHES='{arch}'")
            self.run("load", "--quiet", "--input", archive)
            self._images[key] = self.inspect("image", f"localhost/bramble-{name}:{__version__}")["Id"]
        return self._images[key]

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        return dict(json.loads(self.run("inspect", "--type", kind, name))[0])

    def log(self, container: str) -> str:
        done = subprocess.run(
            ["env", f"CONTAINERS_CONF={self._conf}", "podman", *map(str, self._own), "logs", container],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def close(self) -> None:
        for words in (
            ("rm", "--all", "--force", "--time", "2"),
            ("volume", "rm", "--all", "--force"),
            ("network", "rm", "--force", "bramble-test"),
        ):
            quietly(lambda words=words: self.run(*words))
        self.run("rmi", "--all", "--force")
        subprocess.run(["umount", str(self.folder / "root" / "overlay")], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
