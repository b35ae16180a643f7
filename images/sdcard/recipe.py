"""What an image is made of: values and what follows from them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

SUITE = "trixie"
COMPONENTS = ("main", "non-free-firmware")
OURS = ("bramble-common", "bramble-edgecore", "bramble-mappers")

USER = "bramble"
GROUPS = ("sudo", "dialout", "systemd-journal")

SECTOR = 512
FIRMWARE_START = 8192
"""Sectors; a multiple of every card's erase block."""
FIRMWARE_SECTORS = 512 * 2048
ROOT_START = FIRMWARE_START + FIRMWARE_SECTORS

_SPARE = 192 * 1024 * 1024
"""Bytes of room in the root before it has grown."""

_ROOT_INODE, _FIRST_INODE = 2, 11
"""Of ext4; those between are the file system's own."""

_SYSTEM = (
    *("initramfs-tools", "zstd", "raspi-firmware", "firmware-brcm80211", "wireless-regdb", "wpasupplicant"),
    *("systemd-sysv", "systemd-resolved", "systemd-timesyncd", "systemd-zram-generator", "udev", "dbus", "kmod"),
    *("openssh-server", "sudo", "iproute2", "iputils-ping", "procps", "ca-certificates", "tzdata", "less", "nano"),
    *("cloud-guest-utils", "fdisk", "e2fsprogs", "dosfstools"),
)
_ELSEWHERE = {"python3-rpi-lgpio"}
"""Raspberry Pi OS has it, Debian has not."""

_BOARDS_ONLY = {"raspi-firmware", "python3-rpi.gpio"}

ENABLED = (
    *("systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service", "ssh.service"),
    *("bramble-firstboot.service", "bramble-join.service", "bramble-grow-root.service", "bramble-host-keys.service"),
)
DISABLED = ("wpa_supplicant.service", "podman-auto-update.timer")
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "man-db.timer"),
    "systemd-networkd-wait-online.service",
)


@dataclass(frozen=True, slots=True)
class Arch:
    """``debian`` is Debian's name, ``interpreter`` that of qemu's binary format, ``kernel`` the package that always names the newest.
    Without ``firmware`` nothing but an emulator that is handed the kernel starts the image."""

    debian: str
    interpreter: str
    kernel: str
    boards: str
    firmware: bool = True


ARCHES = {
    "arm64": Arch("arm64", "qemu-aarch64", "linux-image-arm64", "Raspberry Pi 3, 4, Zero 2 W"),
    "armhf": Arch("armhf", "qemu-arm", "linux-image-armmp", "Raspberry Pi 2, 3"),
    "amd64": Arch("amd64", "qemu-x86_64", "linux-image-amd64", "no board: the same system for quick trials in an emulator", firmware=False),
}


def packages(arch: Arch, control: str) -> list[str]:
    """Debian's packages, those included that ours (``control`` describes them) ask for, the first where there is a choice."""
    wanted = {arch.kernel, *_SYSTEM}
    for paragraph in control.split("\n\n"):
        if (name := re.search(r"^Package: (\S+)$", paragraph, re.MULTILINE)) and name[1] in OURS:
            wanted |= _asked_for(paragraph)
    return sorted(wanted if arch.firmware else wanted - _BOARDS_ONLY)


def _asked_for(paragraph: str) -> set[str]:
    found = set()
    for line in re.findall(r"^(?:Depends|Recommends): (.*)$", paragraph, re.MULTILINE):
        for term in line.split(","):
            choices = [choice.split("(")[0].strip() for choice in term.split("|")]
            name = next((choice for choice in choices if choice not in _ELSEWHERE), "")
            if name and not name.startswith(("$", *OURS)):
                found.add(name)
    return found


def sources(mirror: str, security: str) -> list[str]:
    """apt's lines; without ``security`` only those of the suite as it was released."""
    components = " ".join(COMPONENTS)
    released = [f"deb {mirror} {SUITE} {components}"]
    if not security:
        return released
    return [*released, f"deb {mirror} {SUITE}-updates {components}", f"deb {security} {SUITE}-security {components}"]


def security_mirror(mirror: str) -> str:
    """Where a mirror of Debian keeps the security archive: beside the other."""
    return re.sub(r"/debian/?$", "/debian-security", mirror.rstrip("/"))


def root_bytes(used: int) -> int:
    """Of a file system for ``used`` bytes of files, in whole 4 MiB."""
    whole = used + used // 6 + _SPARE
    return -(-whole // (4 << 20)) * (4 << 20)


def partition_table(root: int, disk_id: str) -> str:
    """What sfdisk reads; ``root`` in bytes."""
    return (
        f"label: dos\nlabel-id: 0x{disk_id}\nunit: sectors\nsector-size: {SECTOR}\n"
        f"start={FIRMWARE_START}, size={FIRMWARE_SECTORS}, type=c\n"
        f"start={ROOT_START}, size={root // SECTOR}, type=83\n"
    )


def used_inodes(dumpe2fs: str) -> list[int]:
    """The root's and those of files, from what dumpe2fs prints."""
    count = re.search(r"^Inode count: +([0-9]+)$", dumpe2fs, re.MULTILINE)
    if count is None:
        raise ValueError("dumpe2fs names no count of inodes")
    free: set[int] = set()
    for line in re.findall(r"^ *Free inodes: ([0-9, -]+)$", dumpe2fs, re.MULTILINE):
        for part in line.split(","):
            first, _, last = part.strip().partition("-")
            free.update(range(int(first), int(last or first) + 1))
    return [inode for inode in (_ROOT_INODE, *range(_FIRST_INODE, int(count[1]) + 1)) if inode not in free]


def identity(arch: Arch, version: str, epoch: int) -> uuid.UUID:
    """The same for the same image, so that two builds do not differ by chance."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:bramble:image:{arch.debian}:{version}:{epoch}")
