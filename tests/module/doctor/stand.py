"""A board in a folder, for the commands as processes: nothing of this machine's own EdgeCore is read or changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]

CONFIG = """\
apiVersion: edgecore.config.kubeedge.io/v1alpha1
kind: EdgeCore
database:
  dataSource: {folder}/data/edgecore.db
metrics:
  port: 0
modules:
  edged:
    enable: false
    hostnameOverride: edge1
    rootDirectory: {folder}/edged
    staticPodPath: {folder}/pods
  edgehub:
    tlsCaFile: {folder}/ca.pem
    tlsCertFile: {folder}/node.pem
    tlsPrivateKeyFile: {folder}/node_key.pem
    websocket:
      server: 127.0.0.1:{port}
  eventbus:
    enable: false
  localAPI:
    socket: {folder}/edgecore.sock
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def checks(self) -> dict[str, dict[str, Any]]:
        return {check["id"]: check for check in json.loads(self.out)["checks"]}


def edgecore(*arguments: str, cwd: Path, timeout: float = 60) -> Ended:
    command = [sys.executable, "-m", "edgecore.cli", *arguments]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def lay_config(folder: Path, *, port: int = 1, more: str = "") -> Path:
    path = folder / "edgecore.yaml"
    path.write_text(CONFIG.format(folder=folder, port=port) + more)
    return path


def doctor(folder: Path, *words: str, ids: Sequence[str] = ()) -> Ended:
    return edgecore("doctor", "--config", str(folder / "edgecore.yaml"), *words, *ids, cwd=folder)
