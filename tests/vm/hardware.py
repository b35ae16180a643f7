"""``make test-hardware``: the mappers on the kernel's own simulated pins and buses, in a guest: tests/hardware with this checkout."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from demo.stage import Failed, run
from tests.vm import guests
from tests.vm.image import CACHE, TOP, image
from tests.vm.machine import Machine
from tests.vm.steps import play

FOLDER = TOP / "dist" / "vm" / "hardware"

_WANTED = ("mappers", "dev")
_NOT_WANTED = re.compile(r"ruff|mypy|import-linter|types-|adafruit|pynmea2|modbus|pymodbus|psutil|pytest-xdist", re.IGNORECASE)
_PYTHON = "3.11"
"""Of the guest's Debian."""

_PREPARE = """
modprobe gpio-sim
modprobe i2c-dev
modprobe i2c-stub chip_addr=0x20,0x76
modprobe hci_vhci
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
"""


class Hardware:
    """The steps in order."""

    def __init__(self) -> None:
        self.machine: Machine | None = None

    def boot(self) -> str:
        made = image(guests.hardware())
        self.machine = Machine(made, FOLDER)
        self.machine.start()
        return f"Linux {self.machine.run('uname -r').strip()}, {(made.folder / 'accelerator').read_text()}"

    def copy(self) -> str:
        assert self.machine is not None
        self.machine.put(python_packages(), "/packages")
        self.machine.put(
            TOP, "/bramble", names="setup.cfg pyproject.toml tests mappers viaduct componentconfig supervision demo examples packaging"
        )
        return "this checkout and the Python packages of setup.cfg"

    def devices(self) -> str:
        assert self.machine is not None
        self.machine.run(_PREPARE)
        return "gpio-sim, i2c-stub, hci_vhci"

    def test(self) -> str:
        assert self.machine is not None
        command = (
            "cd /bramble && PYTHONPATH=/packages:/bramble PYTHONUNBUFFERED=1 python3 -m pytest -p no:cacheprovider -rs -vv tests/hardware"
        )
        log = FOLDER / "pytest.log"
        code = self.machine.stream(f"{command} {os.environ.get('ARGS', '')}", log)
        last = log.read_text("utf-8", "replace").strip().splitlines()[-1]
        if code != 0:
            raise Failed(f"pytest ended with {code}: {last}")
        if "skipped" in last:
            raise Failed(f"not all ran: {last}")
        return last.strip("= ")

    def down(self) -> None:
        if self.machine is not None:
            self.machine.down()


def python_packages() -> Path:
    """A folder of what the mappers and their tests need, for the guest's Python; fetched with this machine's pip and kept."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    lines = [line.strip() for extra in _WANTED for line in setup["options.extras_require"][extra].splitlines()]
    wanted = sorted({line for line in lines if line and not _NOT_WANTED.match(line)})
    folder = CACHE / f"packages-{hashlib.sha256(chr(10).join((_PYTHON, *wanted)).encode()).hexdigest()[:16]}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        platforms = (f"--platform=manylinux{glibc}_x86_64" for glibc in ("2014", "_2_28", "_2_34"))
        where: tuple[str | Path, ...] = ("--target", unfinished, "--python-version", _PYTHON, "--implementation", "cp", *platforms)
        run(sys.executable, "-m", "pip", "install", "-q", "--only-binary=:all:", "--no-compile", *where, *wanted, timeout=900)
        unfinished.rename(folder)
    return folder


def main() -> int:
    hardware = Hardware()
    steps = (
        ("boot a Debian guest", hardware.boot),
        ("copy this checkout", hardware.copy),
        ("load the kernel's simulated devices", hardware.devices),
        ("run tests/hardware", hardware.test),
    )
    return play(steps, hardware.down)


if __name__ == "__main__":
    sys.exit(main())
