"""Processes of containers, seen from the host. An id alone proves nothing, it may be another's by now; the cgroup tells whose it is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def belongs_to(pid: int, container: str) -> bool:
    """Whether process ``pid`` runs in ``container`` (its full id)."""
    try:
        return pid > 0 and bool(container) and container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def tell(pid: int, container: str, signal_number: int) -> None:
    """Send a signal to ``pid`` if it is a process of ``container``."""
    if belongs_to(pid, container):
        with contextlib.suppress(OSError):
            os.kill(pid, signal_number)
