"""A Debian guest as kernel, initrd and root file system, made without mounting anything and kept by its recipe."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.stage import Failed, run

TOP = Path(__file__).parent.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble" / "vm"

_NEEDED = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "mmdebstrap": "mmdebstrap", "ssh": "openssh-client"}

_SYSTEM = (
    *("linux-image-amd64", "initramfs-tools", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "udev", "dbus", "kmod"),
    *("openssh-server", "iproute2", "procps", "ca-certificates", "zstd"),
)
_ELSEWHERE = {"python3-rpi-lgpio"}
"""Raspberry Pi OS has it, Debian has not."""

_TOOLS = ("linux-headers-amd64", "linux-source", "make", "gcc", "libc6-dev", "xz-utils")

_SIZE = "6G"

# Few modules: the initrd only finds the root, and an emulated machine unpacks it slowly.
_FILES = {
    "etc/initramfs-tools/conf.d/few": "MODULES=list\nCOMPRESS=zstd\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
    "etc/dpkg/dpkg.cfg.d/small": "path-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\npath-exclude=/usr/share/info/*\n",
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 1\n",
    "etc/hostname": "board1\n",
    "etc/hosts": "127.0.0.1 localhost board1\n",
    "etc/systemd/network/wired.network": "[Match]\nType=ether\nKind=!veth bridge\n[Network]\nDHCP=yes\n",
    "etc/ssh/sshd_config.d/test.conf": "UsePAM no\nPermitRootLogin prohibit-password\nMaxSessions 50\n",
    "etc/sysctl.d/panic.conf": "kernel.panic=5\n",
    "etc/systemd/system/up.service": """\
[Unit]
Description=The marker of a guest that can be spoken to
After=multi-user.target ssh.service
[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/console
ExecStart=/bin/echo {marker}
[Install]
WantedBy=multi-user.target
""",
}
_OFF = "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer"

MARKER = "the guest is up"


@dataclass(frozen=True)
class Guest:
    """``workshop``: a script that makes what Debian leaves out, in a tree that has a compiler and the headers of its kernel meanwhile."""

    suite: str
    packages: frozenset[str]
    workshop: str = ""


@dataclass(frozen=True)
class Image:
    """``key`` opens the guest's root account over ssh."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def disk(self) -> Path:
        return self.folder / "root.img"

    @property
    def key(self) -> Path:
        return self.folder / "key"


def image(guest: Guest) -> Image:
    """Built when there is none of this recipe yet, which takes some minutes."""
    packages = sorted({*_SYSTEM, *guest.packages})
    files = (f"{name}\n{text}" for name, text in sorted(_FILES.items()))
    recipe = "\n".join((guest.suite, guest.workshop, *_TOOLS, _SIZE, _OFF, MARKER, *packages, *files))
    made = Image(CACHE / f"{guest.suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone(CACHE / "lock"):
        if not made.folder.exists():
            _install_tools()
            _build(guest, packages, made.folder)
    return made


def dependencies(control: str) -> set[str]:
    """What the packages need and recommend of Debian, the first where there is a choice."""
    found = set()
    for line in re.findall(r"^(?:Depends|Recommends): (.*)$", control, re.MULTILINE):
        for term in line.split(","):
            name = term.split("|")[0].split("(")[0].strip()
            if name not in _ELSEWHERE and not name.startswith(("$", "bramble-")):
                found.add(name)
    return found


def mirror() -> str:
    """This machine's own; Debian's where it names none."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        text = path.read_text() if path.exists() else ""
        found = re.search(r"^(?:URIs: *|deb (?:\[[^]]*\] )?)(\S+)", text, re.MULTILINE)
        if found:
            return found[1]
    return "http://deb.debian.org/debian"


def _install_tools() -> None:
    missing = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    if missing:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, timeout=600, env=quiet)


def _build(guest: Guest, packages: list[str], folder: Path) -> None:
    """Everything goes into a folder beside ``folder`` that becomes it at the end."""
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    made = Image(unfinished)
    tree = unfinished / "tree"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", made.key)
    _lay_tree(guest, packages, tree, made.key.with_suffix(".pub").read_text())
    shutil.copy(next(tree.glob("boot/vmlinuz-*")), made.kernel)
    shutil.copy(next(tree.glob("boot/initrd.img-*")), made.initrd)
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, made.disk, _SIZE, timeout=600)
    shutil.rmtree(tree)
    unfinished.rename(folder)


def _lay_tree(guest: Guest, packages: list[str], tree: Path, public_key: str) -> None:
    files = tree.with_name("files")
    for name, text in {**_FILES, "root/.ssh/authorized_keys": public_key}.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{marker}", MARKER))
    for folder in (files / "root", files / "root" / ".ssh"):
        folder.chmod(0o700)
    script = tree.with_name("workshop")
    script.write_text(guest.workshop)
    packages = [*packages, *(_TOOLS if guest.workshop else ())]
    workshop = (
        f'--customize-hook=chroot "$1" /bin/sh -eux < "{script}"',
        f'--customize-hook=chroot "$1" apt-get purge -y -qq --autoremove {" ".join(_TOOLS)}',
    )
    command = [
        # What it mounts into the tree goes with it, however it ends.
        *("unshare", "--mount", "--propagation", "private"),
        *("mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(packages)}"),
        f'--essential-hook=tar -c -C "{files}" --owner=0 --group=0 . | tar -x -C "$1" --no-same-owner --keep-directory-symlink',
        *(workshop if guest.workshop else ()),
        '--customize-hook=chroot "$1" systemctl enable ssh.service systemd-networkd.service up.service',
        f'--customize-hook=chroot "$1" systemctl mask {_OFF}',
        '--customize-hook=: >"$1"/etc/machine-id',
        *(guest.suite, str(tree), mirror()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"no tree of {guest.suite}: {done.stderr[-3000:]}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One build at a time, whoever else is here."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
