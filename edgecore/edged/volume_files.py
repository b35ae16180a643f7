"""The door to the disk for volumes. All of a pod lies under ``<root>/pods/<uid>``; secrets and memory volumes on a tmpfs if there is one.

Files of ConfigMaps and Secrets are swapped as a whole: a new directory is filled, then the link ``..data`` is moved to it, so a reader sees
the old set or the new one, never a mixture. Readers in containers see the change without a restart.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import subprocess
from pathlib import Path

from edgecore.edged.errors import VolumeProblem
from edgecore.edged.volumes import Claim, Empty, Files, Host

logger = logging.getLogger(__name__)

_DATA = "..data"
_SINCE = "since"
_MADE_IF_MISSING = ("", "DirectoryOrCreate")
_TESTS = {
    "Directory": stat.S_ISDIR,
    "DirectoryOrCreate": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "FileOrCreate": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def memory_root(
    instance: str, *, mounts: Path = Path("/proc/self/mounts"), candidates: tuple[str, ...] = ("/run", "/dev/shm")
) -> Path | None:
    """A directory of our own on a tmpfs, or None where the machine has none that can be used."""
    try:
        tmpfs = {fields[1] for fields in (line.split() for line in mounts.read_text().splitlines()) if fields[2] == "tmpfs"}
    except (OSError, IndexError):
        return None
    for candidate in candidates:
        if candidate in tmpfs and os.access(candidate, os.W_OK):
            return Path(candidate) / f"bramble-{instance}"
    return None


class VolumeFiles:
    """Makes, updates and removes what lies on disk for pods. Every OSError becomes a VolumeProblem."""

    def __init__(self, root: Path, memory: Path | None) -> None:
        self._root = root / "pods"
        self._memory = memory / "pods" if memory is not None else None

    def open_claim(self, place: Path, volume: Claim) -> None:
        """A claim's volume that was just made: for the pod's group, or for every user as a directory of the pod's own would be."""
        try:
            _open_to_group(place, volume.group)
        except OSError as exc:
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{volume.name}" : {exc}') from exc

    def device(self, path: str) -> Path:
        """A device of the node, where links lead to it."""
        try:
            real = Path(path).resolve(strict=True)
            mode = real.stat().st_mode
        except OSError as exc:
            raise VolumeProblem(f"device {path} is not there") from exc
        if not stat.S_ISCHR(mode) and not stat.S_ISBLK(mode):
            raise VolumeProblem(f"{path} is no device")
        return real

    def prepare(self, uid: str, volume: Files | Empty | Host) -> Path:
        """Bring one volume up to date and say where it is."""
        try:
            if isinstance(volume, Host):
                return _host_path(volume)
            place = self._place(uid, volume)
            place.mkdir(parents=True, exist_ok=True)
            if isinstance(volume, Files):
                _swap_in(place, volume)
            else:
                if volume.in_memory and volume.size is not None:
                    _limit_memory(place, volume.size)
                _open_to_group(place, volume.group)
            return place
        except OSError as exc:
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{volume.name}" : {exc}') from exc

    def inside(self, place: Path, sub_path: str) -> Path:
        """``sub_path`` in a volume, made as a directory where it is missing. It must not lead out of the volume, links included."""
        try:
            base = place.resolve(strict=True)
            real = (base / sub_path).resolve()
            if real != base and base not in real.parents:
                raise VolumeProblem(f"subPath {sub_path!r} leads out of its volume")
            _make_like(base, real)
        except OSError as exc:
            raise VolumeProblem(f"subPath {sub_path!r}: {exc}") from exc
        return real

    def used(self, uid: str, volume: str = "") -> int:
        """Bytes that a volume of the pod's own takes on disk; without a name all of them."""
        total = 0
        for directory, _, files in os.walk(self._root / uid / "volumes" / volume):
            for name in files:
                try:
                    total += os.lstat(os.path.join(directory, name)).st_blocks * 512
                except OSError:
                    continue
        return total

    def note_since(self, uid: str, moment: float) -> None:
        """Remember a moment of a clock that begins with each boot. Without a tmpfs nothing is remembered."""
        if self._memory is None:
            return
        try:
            (self._memory / uid).mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self._memory / uid / f"{_SINCE}.new"
            fresh.write_text(repr(moment))
            fresh.replace(self._memory / uid / _SINCE)
        except OSError as exc:
            logger.warning("since when pod %s is active could not be noted: %s", uid, exc)

    def noted_since(self, uid: str) -> float | None:
        """What was noted in this boot."""
        if self._memory is None:
            return None
        try:
            return float((self._memory / uid / _SINCE).read_text())
        except (OSError, ValueError):
            return None

    def forget(self, uid: str) -> None:
        """Remove everything of a pod."""
        for root in self._roots():
            _unmount_all(root / uid / "volumes")
            shutil.rmtree(root / uid, ignore_errors=True)

    def known(self) -> set[str]:
        """The uids of pods that have something on disk."""
        return {entry.name for root in self._roots() if root.is_dir() for entry in os.scandir(root) if entry.is_dir()}

    def _roots(self) -> list[Path]:
        return [self._root, *([self._memory] if self._memory is not None else [])]

    def _place(self, uid: str, volume: Files | Empty) -> Path:
        root = self._memory if volume.in_memory and self._memory is not None else self._root
        for directory in (root, root / uid):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return root / uid / "volumes" / volume.name


def _make_like(base: Path, directory: Path) -> None:
    """Make what is missing of ``directory`` with the rights of the volume ``base``, whose group it inherits."""
    mode = stat.S_IMODE(base.stat().st_mode)
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(mode)


def _swap_in(place: Path, volume: Files) -> None:
    digest = hashlib.sha256()
    for path, file in sorted(volume.files.items()):
        digest.update(f"{path}\0{file.mode}\0{len(file.data)}\0".encode() + file.data)
    version = f"..{digest.hexdigest()[:16]}"
    link = place / _DATA
    if link.is_symlink() and os.readlink(link) == version and (place / version).is_dir():
        return
    before = os.readlink(link) if link.is_symlink() else ""
    _write_all(place / version, volume)
    fresh_link = place / "..data_tmp"
    fresh_link.unlink(missing_ok=True)
    fresh_link.symlink_to(version)
    os.replace(fresh_link, link)
    _link_names(place, {path.split("/")[0] for path in volume.files})
    if before and before != version and "/" not in before and before.startswith(".."):
        shutil.rmtree(place / before, ignore_errors=True)


def _write_all(directory: Path, volume: Files) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o755)
    for path, file in volume.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(file.data)
            mode = file.mode & 0o777
            if file.owner is not None:
                os.fchown(descriptor, file.owner, -1)
            if volume.group is not None:
                os.fchown(descriptor, -1, volume.group)
                mode |= (mode & 0o400) >> 3
            os.fchmod(descriptor, mode)


def _link_names(place: Path, names: set[str]) -> None:
    for entry in os.scandir(place):
        if not entry.name.startswith("..") and entry.name not in names:
            os.unlink(entry.path)
    for name in names:
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"{_DATA}/{name}")


def _limit_memory(place: Path, size: int) -> None:
    """A tmpfs of its own that holds ``size`` bytes. One that is mounted already stays: containers look into it."""
    if os.path.ismount(place):
        return
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},nosuid,nodev", "bramble", str(place)], capture_output=True, timeout=30, check=False
    )
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip() or f"mount ended with code {done.returncode}")


def _unmount_all(volumes: Path) -> None:
    if not volumes.is_dir():
        return
    for entry in os.scandir(volumes):
        if os.path.ismount(entry.path):
            subprocess.run(["umount", "-l", entry.path], capture_output=True, timeout=30, check=False)


def _open_to_group(place: Path, group: int | None) -> None:
    if group is not None:
        os.chown(place, -1, group)
        place.chmod(0o2777)
    else:
        place.chmod(0o777)


def _host_path(volume: Host) -> Path:
    path = Path(volume.path)
    if not path.exists():
        if volume.kind in _MADE_IF_MISSING:
            path.mkdir(mode=0o755, parents=True)
        elif volume.kind == "FileOrCreate":
            path.touch(mode=0o644)
    if volume.kind:
        test = _TESTS.get(volume.kind)
        if test is None:
            raise VolumeProblem(f"volume {volume.name}: hostPath.type {volume.kind!r} is unknown")
        if not path.exists() or not test(path.stat().st_mode):
            raise VolumeProblem(f"volume {volume.name}: hostPath type check failed: {path} is not a {volume.kind}")
    return path
