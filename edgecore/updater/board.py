"""How the board is: edgecore.service by systemctl, the link and the containers by EdgeCore's local socket."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path
from typing import Any

from edgecore.errors import EdgeCoreError, UpdateError
from edgecore.localapi import client
from edgecore.updater.health import ENDED_WELL, RUNNING, Seen

logger = logging.getLogger(__name__)

UNIT = "edgecore.service"
_LIMIT = 180.0
_LEAST_MEMORY = 48 * 1024
"""Kilobytes that must be available: dpkg's and Python's."""


class Board:
    def __init__(self, socket: str) -> None:
        self._socket = socket

    def look(self) -> Seen:
        shown = _systemctl("show", UNIT, "--property=ActiveState,MainPID,NRestarts,Job")
        facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if not facts.get("ActiveState"):
            raise UpdateError(f"systemd does not say how {UNIT} is")
        active = facts["ActiveState"] == "active"
        pid, restarts, job = (int(facts.get(key) or 0) for key in ("MainPID", "NRestarts", "Job"))
        if not active:
            # At boot the updater may come before EdgeCore, whose start then is a job that waits.
            return Seen(False, pid, restarts, starting=facts["ActiveState"] == "activating" or job != 0)
        if not self._socket:
            return Seen(True, pid, restarts)
        try:
            return self._ask(pid, restarts)
        except (EdgeCoreError, LookupError, TypeError) as exc:
            logger.info("EdgeCore does not answer: %s", exc)
            return Seen(active, pid, restarts)

    def start(self) -> None:
        """Where it is to run and does not, because systemd gave it up, or the packages were cut before they started it."""
        _systemctl("daemon-reload")
        _systemctl("reset-failed", UNIT)
        _systemctl("start", "--no-block", UNIT)

    def stop(self) -> None:
        _systemctl("stop", UNIT)

    def check(self, items: tuple[str, ...]) -> None:
        """Raises UpdateError: it is short of memory, or busy."""
        if "mem" in items:
            facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
            available = int(facts.get("MemAvailable", "0 kB").split()[0])
            if available < _LEAST_MEMORY:
                raise UpdateError(f"mem: {available // 1024} MB are available, {_LEAST_MEMORY // 1024} MB are wanted")
        if "cpu" in items:
            load, cores = os.getloadavg()[1], os.cpu_count() or 1
            if load > 4 * cores:
                raise UpdateError(f"cpu: the load of the last five minutes is {load:.1f} with {cores} cores")

    def _ask(self, pid: int, restarts: int) -> Seen:
        status = client.ask(self._socket, {"verb": "status"})
        listed = client.ask(self._socket, {"verb": "get", "kind": "pods", "namespace": "", "name": ""})
        containers: dict[str, str] = {}
        pods = []
        for pod in listed:
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            pods.append(f"{namespace}/{name}")
            containers |= self._containers(namespace, name)
        return Seen(True, pid, restarts, True, bool(status["link"]["connected"]), frozenset(pods), containers)

    def _containers(self, namespace: str, name: str) -> dict[str, str]:
        """Nothing where the container engine does not say."""
        try:
            pod = client.ask(self._socket, {"verb": "describe", "kind": "pods", "namespace": namespace, "name": name})
        except EdgeCoreError as exc:
            logger.info("pod %s/%s: %s", namespace, name, exc)
            return {}
        found: dict[str, str] = {}
        for one in pod["containersOnNode"]:
            key, state = f"{namespace}/{name}/{one['container']}", _state(one)
            if found.get(key) != RUNNING:
                found[key] = state
        return found


def _state(container: dict[str, Any]) -> str:
    state = str(container["state"])
    return ENDED_WELL if state == "ended" and container.get("exitCode") == 0 else state


def _systemctl(*arguments: str) -> str:
    try:
        told = subprocess.run(
            ["systemctl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise UpdateError(f"systemctl {arguments[0]}: {exc}") from exc
    return told.stdout
