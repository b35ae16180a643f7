"""A board by qemu, with a card in it. Nobody logs in: it is seen from its console, from the card and from the site."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from demo.stage import Failed, Running, Stage, run, stop_left_over, wait_for
from images.sdcard.recipe import FIRMWARE_START, SECTOR
from tests.vm.machine import Died

T = TypeVar("T")

_FAT = FIRMWARE_START * SECTOR
_GROWN = 1 << 30
"""Bytes by which the card is larger than the image."""

_BOOT_SECONDS = 3600.0
_USUAL_BOOT = 130.0
"""Seconds to the login prompt, emulated on an idle machine of two cores."""

# The processor and the machine, the console's name, the bus of its devices.
_MACHINES = {
    "arm64": (("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"), "ttyAMA0", "device"),
    "armhf": (("qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15"), "ttyAMA0", "device"),
    # With AES for TLS, which this emulates quickly.
    "amd64": (("qemu-system-x86_64", "-M", "q35", "-cpu", "Westmere,+rdrand"), "ttyS0", "pci"),
}
_PACKAGES = {"qemu-system-aarch64": "qemu-system-arm", "qemu-system-arm": "qemu-system-arm", "qemu-system-x86_64": "qemu-system-x86"}


class Board:
    """``folder`` keeps the card, the console and the logs. ``slowness`` is that of this machine, seen at the boot."""

    def __init__(self, arch: str, image: Path, folder: Path) -> None:
        program = _MACHINES[arch][0][0]
        if shutil.which(program) is None:
            run(
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                _PACKAGES[program],
                timeout=600,
                env={"DEBIAN_FRONTEND": "noninteractive"},
            )
        stop_left_over(folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.arch = arch
        self.card = folder / "card.img"
        self.console = folder / "console.log"
        self.slowness = 1.0
        self._folder = folder
        self._stage = Stage(folder)
        self._qemu: Running | None = None
        if image.suffix == ".xz":
            with self.card.open("wb") as file:
                run_into(file.fileno(), "xz", "--decompress", "--stdout", image)
        else:
            run("cp", "--sparse=always", image, self.card, timeout=600)
        with self.card.open("r+b") as file:
            file.truncate(self.card.stat().st_size + _GROWN)

    def lay(self, name: str, text: str) -> None:
        """A file on the card's FAT partition, as from a laptop."""
        beside = self._folder / "laid"
        beside.write_text(text)
        run("mcopy", "-o", "-i", f"{self.card}@@{_FAT}", beside, f"::{name}")

    def read(self, name: str) -> str:
        """A file of the FAT partition, or nothing where there is none."""
        try:
            return run("mtype", "-i", f"{self.card}@@{_FAT}", f"::{name}")
        except Failed:
            return ""

    def lay_in_root(self, source: Path, target: str) -> None:
        """A file on the root partition, and the folders above it."""
        lines = [f"mkdir {parent}" for parent in reversed(Path(target).parents[:-1])]
        start, _ = self.root()
        run(
            "debugfs",
            "-w",
            "-f",
            "-",
            f"{self.card}?offset={start}",
            stdin="\n".join([*lines, f"write {source} {target}", ""]),
            timeout=600,
        )

    def in_root(self, path: str) -> str:
        """What debugfs says of a path of the root partition while no board runs."""
        start, _ = self.root()
        return run("debugfs", "-R", f"stat {path}", f"{self.card}?offset={start}")

    def root(self) -> tuple[int, int]:
        """Where the root partition begins and how long it is, in bytes, as the card's table has it."""
        with self.card.open("rb") as file:
            table = file.read(SECTOR)[446:510]
        start, length = struct.unpack("<II", table[24:32])
        return start * SECTOR, length * SECTOR

    def has(self, secret: str) -> bool:
        """Whether the bytes are anywhere in the FAT partition, in its free space too."""
        start, _ = self.root()
        with self.card.open("rb") as file:
            file.seek(_FAT)
            return secret.encode() in file.read(start - _FAT)

    def on(self) -> None:
        firmware = self._folder / "firmware"
        shutil.rmtree(firmware, ignore_errors=True)
        firmware.mkdir()
        run("mcopy", "-s", "-n", "-i", f"{self.card}@@{_FAT}", "::*", firmware, timeout=300)
        (kernel,), (initrd,) = list(firmware.glob("vmlinuz-*")), list(firmware.glob("initrd.img-*"))
        line = (firmware / "cmdline.txt").read_text().strip()
        machine, console, bus = _MACHINES[self.arch]
        self._qemu = self._stage.start(
            "qemu",
            *(*machine, "-smp", "2", "-m", "1024", "-accel", "tcg,thread=multi,tb-size=512"),
            *("-nodefaults", "-display", "none", "-kernel", kernel, "-initrd", initrd, "-append", f"{line} console={console}"),
            *("-drive", f"file={self.card},if=none,id=card,format=raw,cache=writeback", "-device", f"virtio-blk-{bus},drive=card"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *("-netdev", "user,id=net", "-device", f"virtio-net-{bus},netdev=net", "-device", f"virtio-rng-{bus}"),
        )

    def wait_up(self, ups: int = 1) -> None:
        """Until the console shows the ``ups``-th login prompt."""
        begun = time.monotonic()
        self.wait("a login prompt on the console", lambda: self.told().count(" login:") >= ups, within=_BOOT_SECONDS, every=1.0)
        self.slowness = max(1.0, (time.monotonic() - begun) / _USUAL_BOOT)

    def cut(self) -> None:
        """Switch the power off."""
        if self._qemu is not None:
            self._qemu.kill()
            self._stage.forget(self._qemu)
            self._qemu = None

    def told(self) -> str:
        return self.console.read_text("utf-8", "replace") if self.console.exists() else ""

    def wait(self, what: str, claim: Callable[[], T | None], *, within: float, every: float = 2.0) -> T:
        def alive_and_true() -> T | None:
            if self._qemu is None or not self._qemu.alive():
                raise Died(f"qemu ended by itself:\n{self._qemu.tail() if self._qemu else ''}")
            return claim()

        return wait_for(what, alive_and_true, within=within * self.slowness, every=every)

    def down(self) -> None:
        self.cut()
        self._stage.stop()
        self.card.unlink(missing_ok=True)


def run_into(handle: int, *command: str | Path) -> None:
    """A command whose output goes to an open file. Raises: Failed."""
    done = subprocess.run([str(word) for word in command], stdout=handle, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
