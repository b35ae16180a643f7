"""May EdgeCore start here: not beside a kubelet (contract 8.6), and not twice over one database."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from edgecore.errors import EdgeCoreError

SWITCH = "CHECK_EDGECORE_ENVIRONMENT"
_LOCK_NAME = "edgecore.lock"
_RIVALS = frozenset({"kubelet", "kube-proxy"})


class NotHere(EdgeCoreError):
    """EdgeCore must not start; the text says why and what may help."""


def check(environment: Mapping[str, str] | None = None, proc: Path = Path("/proc")) -> None:
    """Raises NotHere when a kubelet or kube-proxy runs on this machine and ``CHECK_EDGECORE_ENVIRONMENT`` is not ``false``."""
    environment = os.environ if environment is None else environment
    if environment.get(SWITCH, "").strip().lower() == "false":
        return
    rivals = sorted({name for name in map(_program, proc.glob("[0-9]*")) if name in _RIVALS})
    if rivals:
        raise NotHere(
            f"{' and '.join(rivals)} runs on this machine; both would manage its containers. Stop it, or set {SWITCH}=false to go on"
        )


def holder(directory: Path, proc: Path = Path("/proc")) -> int:
    """The process that holds the InstanceLock over ``directory``, 0 where none does. Only looks: to try the lock would, for that moment,
    keep an EdgeCore from starting."""
    path = directory / _LOCK_NAME
    try:
        written = path.read_text(errors="replace").strip()
        found = path.stat()
        locks = [line.split() for line in (proc / "locks").read_text().splitlines()]
    except OSError:
        return 0
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders = [int(fields[4]) for fields in locks if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place]
    if any(holders):
        return max(holders)
    # Where files lie in layers (btrfs, overlay) the kernel's table names another device than a stat does.
    return int(written) if written.isdecimal() and _has_open(proc / written, path) else 0


class InstanceLock:
    """Held as long as EdgeCore runs; the kernel frees it when the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        """Raises NotHere: another EdgeCore runs over ``directory``, or it cannot be written."""
        path = directory / _LOCK_NAME
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise NotHere(f"{path} cannot be made: {exc.strerror}") from exc
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise NotHere(f"another EdgeCore (process {holder or 'unknown'}) already uses {directory}") from exc
        os.ftruncate(self._descriptor, 0)
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same, it only cannot say whose it is
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _has_open(process: Path, path: Path) -> bool:
    for handle in process.glob("fd/*"):
        with contextlib.suppress(OSError):
            if handle.readlink() == path.resolve():
                return True
    return False


def _program(process: Path) -> str:
    try:
        return Path(os.readlink(process / "exe")).name.removesuffix(" (deleted)")
    except OSError:
        return ""
