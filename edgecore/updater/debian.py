"""dpkg and apt: the only file that runs them. Every command is a list of arguments; nothing is ever joined to a line for a shell."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecore.errors import UpdateError
from edgecore.updates.files import UpdateFolder

logger = logging.getLogger(__name__)

PREFIX = "bramble-"
ARCHIVES = Path("/var/cache/apt/archives")
MOST_BYTES = 256 * 1024 * 1024
"""Of one package (X4)."""

_COMMAND_LIMIT = 1800.0
_QUICK_LIMIT = 120.0
_NETWORK_LIMIT = 60.0
_LOCKED = "locked by another process"
"""What dpkg says, and debconf."""
_LOCKED_AGAIN, _LOCKED_LIMIT = 5.0, 600.0
_CONFOLD = ("--force-confold", "--force-confdef")
_APT = (
    *("-y", "-qq", "--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages"),
    *("-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-confdef", "-o", f"DPkg::Lock::Timeout={_LOCKED_LIMIT:g}"),
)
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
}
_DEPENDS = re.compile(rf"\b{PREFIX}[a-z0-9.+-]+")


@dataclass(frozen=True, slots=True)
class Deb:
    """A package file. ``needs``: the packages of Bramble that it depends on."""

    file: Path
    name: str
    version: str
    needs: frozenset[str] = frozenset()


class Debian:
    """The packages of Bramble on this machine. Every method may raise UpdateError."""

    def __init__(self, folder: UpdateFolder) -> None:
        self._folder = folder

    def installed(self) -> dict[str, str]:
        """Version by name of each that is unpacked, wholly or not."""
        said = _run(["dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Status}\n", f"{PREFIX}*"], fine=(0, 1)).stdout
        rows = [line.split("\t") for line in said.splitlines()]
        return {row[0]: row[1] for row in rows if len(row) == 3 and row[1] and row[2] not in ("config-files", "not-installed")}

    def is_whole(self) -> bool:
        """Whether each is installed and configured."""
        said = _run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Version}\n", f"{PREFIX}*"], fine=(0, 1)).stdout
        rows = [line.split("\t") for line in said.splitlines()]
        return all(row[0].strip() == "ii" for row in rows if row[0].strip() not in ("rc", "un", "pn") and row[1:] != [""])

    def fetch_by_apt(self, names: Iterable[str], version: str, into: Path) -> None:
        """From the archives that this machine knows, whose signatures apt checks."""
        told = _run(["apt-get", "update", "-qq"], check=False)
        if told.returncode:
            logger.warning("apt-get update: %s", _last_line(told))
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            _run(["apt-get", "download", "-qq", f"{name}={version}"], folder=into)

    def fetch_by_address(self, packages: Iterable[tuple[str, str]], into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        for number, (url, digest) in enumerate(packages):
            _download(url, digest, into / f"{number}.deb")

    def fetch_from_folder(self, source: Path, into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        files = sorted(source.glob(f"{PREFIX}*.deb"))
        if not files:
            raise UpdateError(f"{source}: there is no {PREFIX}*.deb")
        for file in files:
            try:
                shutil.copyfile(file, into / file.name)
            except OSError as exc:
                raise UpdateError(f"{file}: {exc.strerror or exc}") from exc

    def debs(self, folder: Path) -> list[Deb]:
        """What is in ``folder``; every file is read to its end, so that one that was cut short is found."""
        return [_read(file) for file in sorted(folder.glob("*.deb"))]

    def room(self, folder: Path) -> None:
        """Raises UpdateError where the packages in ``folder`` may not fit."""
        size = sum(file.stat().st_size for file in folder.glob("*.deb"))
        wanted = 20 * 1024 * 1024 + 8 * size
        for place in ("/usr", "/var/lib"):
            free = shutil.disk_usage(place).free
            if free < wanted:
                raise UpdateError(f"{place}: {free // 2**20} MB are free, {wanted // 2**20} MB are wanted")

    def others(self, folder: Path) -> None:
        """Have at hand what else the packages in ``folder`` need: nothing is downloaded once the exchange has begun."""
        _run(["apt-get", "install", "--download-only", *_APT, *_files(folder)])

    def install(self, folder: Path) -> None:
        """Make the packages in ``folder`` the installed ones, whatever dpkg was cut in. By apt, which brings what else they need; where it
        refuses, because an earlier cut left something that it does not understand, by dpkg itself, over whatever is there.

        On the disk when it returns: dpkg brings there what it unpacks, but not what maintainer scripts write, such as compiled Python."""
        files = _files(folder)
        self.mend()
        told = _run(["apt-get", "install", *_APT, *files], check=False)
        if told.returncode == 0 and self.is_whole():
            os.sync()
            return
        logger.warning("apt-get install: %s; installing with dpkg", _last_line(told))
        self.install_plainly(folder)

    def install_plainly(self, folder: Path) -> None:
        """By dpkg alone, for packages whose needs are met: on the way back. On the disk when it returns."""
        _unlocked(["dpkg", *_CONFOLD, "--install", *_files(folder)])
        if not self.is_whole():
            raise UpdateError("dpkg: the packages are not wholly installed")
        os.sync()

    def mend(self) -> None:
        """Finish what a cut has left unpacked. What cannot be finished is overwritten afterwards."""
        told = _unlocked(["dpkg", *_CONFOLD, "--configure", "--pending"], check=False)
        if told.returncode:
            logger.warning("dpkg --configure --pending: %s", _last_line(told))

    def find(self, wanted: Mapping[str, str], places: Iterable[Path]) -> list[Path]:
        """A file for each of ``wanted`` (version by name): from ``places``, apt's cache, or the archives. Raises UpdateError for the first
        that is nowhere."""
        at_hand = [deb for place in places if place.is_dir() for deb in self.debs(place)]
        at_hand += [_read(file) for file in ARCHIVES.glob(f"{PREFIX}*.deb")] if ARCHIVES.is_dir() else []
        found = []
        spare = self._folder.path / "fetched"
        shutil.rmtree(spare, ignore_errors=True)
        for name, version in wanted.items():
            file = next((deb.file for deb in at_hand if (deb.name, deb.version) == (name, version)), None)
            if file is None:
                spare.mkdir(exist_ok=True)
                _run(["apt-get", "download", "-qq", f"{name}={version}"], folder=spare)
                file = next((deb.file for deb in self.debs(spare) if (deb.name, deb.version) == (name, version)), None)
            if file is None:
                raise UpdateError(f"{name} {version}: no archive has it")
            found.append(file)
        return found


def needed(debs: Sequence[Deb], installed: Iterable[str]) -> list[Deb]:
    """Of ``debs`` those that this machine has, and what they need of Bramble's. Pure."""
    wanted, by_name = set(installed), {deb.name: deb for deb in debs}
    for _ in debs:
        wanted |= {need for name in wanted if name in by_name for need in by_name[name].needs}
    return [deb for deb in debs if deb.name in wanted]


def _files(folder: Path) -> list[str]:
    found = [str(file) for file in sorted(folder.glob("*.deb"))]
    if not found:
        raise UpdateError(f"{folder}: no packages are kept here")
    return found


def _read(file: Path) -> Deb:
    name, version, depends = (_run(["dpkg-deb", "--field", str(file), key], limit=_QUICK_LIMIT).stdout.strip() for key in _FIELDS)
    if not name.startswith(PREFIX):
        raise UpdateError(f"{file.name}: {name[:60]!r} is no package of Bramble")
    _run(["dpkg-deb", "--contents", str(file)], limit=_QUICK_LIMIT)
    return Deb(file, name, version, frozenset(_DEPENDS.findall(depends)) - {name})


_FIELDS = ("Package", "Version", "Depends")


def _download(url: str, digest: str, file: Path) -> None:
    """Raises UpdateError: it does not come, is too large, takes too long, or has another digest."""
    hashed, size, end = hashlib.sha256(), 0, time.monotonic() + _COMMAND_LIMIT
    try:
        with urllib.request.urlopen(url, timeout=_NETWORK_LIMIT) as answer, open(file, "wb") as stream:
            while part := answer.read(65536):
                size += len(part)
                if size > MOST_BYTES or time.monotonic() > end:
                    raise UpdateError(f"{url}: more than {MOST_BYTES // 2**20} MB, or longer than {_COMMAND_LIMIT:g} s")
                hashed.update(part)
                stream.write(part)
    except (OSError, urllib.error.URLError, ValueError) as exc:
        raise UpdateError(f"{url}: {exc}") from exc
    if hashed.hexdigest() != digest:
        raise UpdateError(f"{url}: its sha256 is {hashed.hexdigest()}, expected {digest}")


def _unlocked(command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Somebody else may be installing something."""
    end = time.monotonic() + _LOCKED_LIMIT
    while True:
        told = _run(command, check=False)
        if not (told.returncode and _LOCKED in told.stderr) or time.monotonic() > end:
            break
        time.sleep(_LOCKED_AGAIN)
    if check and told.returncode:
        raise UpdateError(f"{' '.join(command[:2])}: {_last_line(told)}")
    return told


def _run(
    command: list[str], *, folder: Path | None = None, check: bool = True, fine: Sequence[int] = (0,), limit: float = _COMMAND_LIMIT
) -> subprocess.CompletedProcess[str]:
    """Raises UpdateError: it cannot be run, takes longer than ``limit`` seconds or, with ``check``, ends with none of ``fine``."""
    logger.debug("running %s", command)
    try:
        told = subprocess.run(
            command,
            cwd=folder or "/",
            env=_ENVIRONMENT | {key: os.environ[key] for key in ("http_proxy", "https_proxy", "no_proxy") if key in os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except FileNotFoundError as exc:
        raise UpdateError(f"{command[0]} is not on this machine") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise UpdateError(f"{' '.join(command[:2])}: {exc}") from exc
    if check and told.returncode not in fine:
        raise UpdateError(f"{' '.join(command[:2])}: {_last_line(told)}")
    return told


def _last_line(told: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in f"{told.stdout}\n{told.stderr}".splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "dpkg: error", "dpkg-deb: error"))]
    return ((errors or lines or [f"ended with {told.returncode}"])[-1])[:300]
