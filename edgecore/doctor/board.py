"""The door to the board's files and programs. Checks read here and nowhere else, so that tests can give them a folder instead.

What is missing is empty or None; what only root may read raises NeedsRoot.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import stat
import statistics
import struct
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecore.errors import EdgeCoreError

_TEXT_LIMIT = 4 * 1024 * 1024
_OUTPUT_LIMIT = 4 * 1024 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SMALL, _SMALL_WRITES, _LARGE = 4096, 24, 4 * 1024 * 1024


class NeedsRoot(EdgeCoreError):
    """Only root may look; the text names what at."""


class TookTooLong(EdgeCoreError):
    """A program did not end within its time."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    mode: int
    owner: int
    group: int
    size: int
    changed: float

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)


@dataclass(frozen=True, slots=True)
class Space:
    """Of the filesystem that holds ``path``. Bytes; ``nodes`` 0 where it counts none. ``device`` tells filesystems apart."""

    path: str
    device: int
    total: int
    available: int
    nodes: int
    nodes_available: int
    readonly: bool


@dataclass(frozen=True, slots=True)
class Ran:
    """``code`` 127: there is no such program."""

    code: int
    output: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Speed:
    """``small``: seconds until 4 KiB are safe, the median; ``large``: bytes a second of one long write."""

    small: float
    large: float


class Board:
    """``root`` stands for ``/``."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def place(self, path: str | Path) -> Path:
        return self.root / str(path).lstrip("/")

    def text(self, path: str | Path) -> str:
        """Its text, without what a kernel or a device tree puts at its end."""
        try:
            with self.place(path).open("rb") as file:
                return file.read(_TEXT_LIMIT).decode("utf-8", "replace").strip("\0\n ")
        except PermissionError as exc:
            raise NeedsRoot(str(path)) from exc
        except OSError:
            return ""

    def exists(self, path: str | Path) -> bool:
        return self.facts(path) is not None

    def facts(self, path: str | Path) -> FileFacts | None:
        """Of what ``path`` leads to."""
        try:
            found = self.place(path).stat()
        except PermissionError as exc:
            raise NeedsRoot(str(path)) from exc
        except OSError:
            return None
        return FileFacts(found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_mtime)

    def find(self, pattern: str) -> list[str]:
        """Paths of the board that match, sorted."""
        try:
            return sorted("/" + str(path.relative_to(self.root)) for path in self.root.glob(pattern.lstrip("/")))
        except OSError:
            return []

    def size(self, folder: str | Path) -> int:
        """Bytes of the files in it, at any depth."""
        total = 0
        for path, _, names in os.walk(self.place(folder)):
            for name in names:
                try:
                    total += os.lstat(os.path.join(path, name)).st_blocks * 512
                except OSError:
                    continue
        return total

    def space(self, path: str | Path) -> Space | None:
        """Of the filesystem in which ``path`` is, or will be."""
        place = self.place(path)
        while not os.path.exists(place) and place != place.parent:
            place = place.parent
        try:
            facts = os.statvfs(place)
            device = os.stat(place).st_dev
        except OSError:
            return None
        unit = facts.f_frsize
        readonly = bool(facts.f_flag & os.ST_RDONLY)
        return Space(str(path), device, facts.f_blocks * unit, facts.f_bavail * unit, facts.f_files, facts.f_favail, readonly)

    def speed(self, folder: str | Path) -> Speed:
        """Of writes to a file in ``folder``, which is removed: some 4 MB are written.

        Raises:
            NeedsRoot: it is not ours to write.
            EdgeCoreError: the disk refused.
        """
        place = self.place(folder) / f".speed.{os.getpid()}"
        try:
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=0) as file:
                try:
                    small = statistics.median(_timed_write(file.fileno(), os.urandom(_SMALL)) for _ in range(_SMALL_WRITES))
                    large = _timed_write(file.fileno(), os.urandom(_LARGE))
                finally:
                    place.unlink()
        except PermissionError as exc:
            raise NeedsRoot(str(folder)) from exc
        except OSError as exc:
            raise EdgeCoreError(f"{folder}: cannot be written: {exc.strerror}") from exc
        return Speed(small, _LARGE / large)

    def processes(self) -> dict[int, str]:
        """Their short names (15 characters), by id."""
        found = {}
        for path in self.find("/proc/[0-9]*/comm"):
            name = self.text(path)
            if name:
                found[int(path.split("/")[2])] = name
        return found

    def program(self, name: str) -> str:
        """Its path, empty where it is not installed."""
        path = os.pathsep.join(str(self.place(folder)) for folder in _PATH.split(":"))
        return shutil.which(name, path=path) or ""

    def run(self, *command: str, timeout: float = 8.0, environment: Mapping[str, str] | None = None) -> Ran:
        """Raises: TookTooLong: not done within ``timeout`` seconds."""
        env = {**os.environ, "LC_ALL": "C", "PATH": _PATH, **(environment or {})}
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, env=env, check=False)
        except subprocess.TimeoutExpired:
            raise TookTooLong(f"{' '.join(command)}: not done within {timeout:g} s") from None
        except OSError as exc:
            return Ran(127, "", str(exc.strerror))
        output, error = (data[:_OUTPUT_LIMIT].decode("utf-8", "replace").strip() for data in (done.stdout, done.stderr))
        return Ran(done.returncode, output, error)

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def host_name(self) -> str:
        return socket.gethostname()

    def word_size(self) -> tuple[str, str]:
        """The kernel's architecture, and ``32bit`` or ``64bit`` of the programs."""
        return platform.machine(), f"{struct.calcsize('P') * 8}bit"

    def kernel(self) -> str:
        return os.uname().release

    def now(self) -> float:
        return time.time()

    def protect(self, path: str | Path, permissions: int) -> None:
        """Raises EdgeCoreError."""
        try:
            os.chmod(self.place(path), permissions)
        except OSError as exc:
            raise EdgeCoreError(f"{path}: {exc.strerror}") from exc

    def write(self, path: str | Path, text: str) -> None:
        """Into a file that is there, such as a switch of the kernel's. Raises EdgeCoreError."""
        try:
            with self.place(path).open("r+") as file:
                file.write(text)
        except OSError as exc:
            raise EdgeCoreError(f"{path}: {exc.strerror}") from exc


def _timed_write(descriptor: int, data: bytes) -> float:
    begun = time.monotonic()
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)
    return max(time.monotonic() - begun, 1e-6)
