"""A running guest: qemu, its console, and ssh over loopback. It has no network beyond this machine, and ends with its owner."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

from demo.stage import Failed, Running, Stage, answers, free_port, run, stop_left_over, wait_for
from tests.vm.image import MARKER, Image

T = TypeVar("T")

_BOOT_SECONDS = 1200.0
_LONGEST_LOOK = 30.0
"""Seconds. More between two looks at a claim means that everything stood still, guest included, as when a laptop sleeps."""
_USUAL_BOOT = 60.0
"""Seconds, emulated on an idle machine. Beside eight busy processes 420 were seen."""

# What an emulated processor does quickly, with AES for TLS. One, since of two the second now and then runs into what the first is patching
# in the kernel ("Oops: int3"), as when a CPU is limited for the first time.
_EMULATED = ("-accel", "tcg,tb-size=512", "-cpu", "Westmere,+rdrand", "-smp", "1")
_VIRTUAL = ("-accel", "kvm", "-cpu", "host", "-smp", "2")


class Machine:
    """``folder`` keeps its disk (what differs from the image), its console and its logs. ``cut`` is what a power cut is.

    ``tunnel`` is a port of this machine that leads to the port ``into`` of the guest's loopback. With ``keep`` the disk outlives ``down``,
    and the moments that were saved on it: another machine in the same folder can go on there.
    """

    def __init__(self, image: Image, folder: Path, memory: int = 2048, *, into: int = 0, keep: bool = False) -> None:
        stop_left_over(folder)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.console = folder / "console.log"
        self.tunnel = free_port()
        self._into = into
        self._image = image
        self._memory = memory
        self._keep = keep
        self._stage = Stage(folder)
        self._disk = folder / "disk.qcow2"
        self._sockets = Path(tempfile.mkdtemp(prefix="vm-"))  # a path of a socket must be short
        self._monitor = self._sockets / "monitor"
        self._port = free_port()
        self._qemu: Running | None = None
        self._ssh: Running | None = None
        self._panics_before = 0
        self.boot_seconds = _USUAL_BOOT
        if not self._disk.exists():
            run("qemu-img", "create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "raw", self._disk)

    def start(self) -> None:
        """Returns when the guest has started its services and answers; ``boot_seconds`` says how long that took."""
        ups = self._ups()
        self._start_qemu()
        self._wait_up(ups)

    def save(self, moment: str) -> None:
        """Memory and disk, onto the disk. One of the same name is replaced."""
        (self.folder / f"{moment}.boot").write_text(str(self.boot_seconds))
        if trouble := self._order(f"savevm {moment}"):
            raise Failed(f"the moment “{moment}” cannot be saved: {trouble}")

    def restore(self, moment: str) -> None:
        """Instead of ``start``: go on where ``save`` was. The guest's clock does too.

        Raises:
            Failed: there is no such moment.
        """
        kept = self.folder / f"{moment}.boot"
        if not kept.exists():
            raise Failed(f"no moment “{moment}” is kept in {self.folder}")
        self.boot_seconds = float(kept.read_text())
        self._start_qemu("-loadvm", moment)
        self._meet()

    def reboot(self) -> None:
        """From inside, in good order."""
        ups = self._ups()
        self.attempt("systemctl reboot")
        self._drop_ssh()
        self._wait_up(ups)

    def cut(self) -> None:
        """End qemu at once: what it had not yet written out is lost."""
        assert self._qemu is not None
        self._qemu.kill()
        self._stage.forget(self._qemu)
        self._qemu = None
        self._drop_ssh()

    def run(self, command: str, *, timeout: float = 300.0, stdin: str | None = None) -> str:
        """What a shell command of root's printed in the guest.

        Raises:
            Failed: it ended with another code than 0; carries what it printed.
        """
        done = self._shell(command, timeout, stdin)
        if done.returncode != 0:
            raise Failed(f"{command} ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-3000:]}")
        return done.stdout

    def attempt(self, command: str, *, timeout: float = 300.0) -> tuple[int, str]:
        """The exit code of a command that may fail, and all that it printed."""
        done = self._shell(command, timeout, None)
        return done.returncode, done.stdout + done.stderr

    def put(self, source: Path, target: str, *, names: str = ".") -> None:
        """Copy what is in the folder ``source`` into the guest's folder ``target``."""
        inner = f"mkdir -p {shlex.quote(target)} && tar -x --no-same-owner -C {shlex.quote(target)}"
        pipe = f"tar -c -C {shlex.quote(str(source))} {names} | {shlex.join([*self._ssh_command(), inner])}"
        run("bash", "-o", "pipefail", "-c", pipe, timeout=600 * self._slowness)

    def stream(self, command: str, log: Path) -> int:
        """The exit code of a command whose output is shown as it comes, and kept in ``log``."""
        with log.open("wb") as kept:
            process = subprocess.Popen(
                [*self._ssh_command(), command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                print("  " + line.decode("utf-8", "replace"), end="", flush=True)
            return process.wait()

    def wait(self, what: str, claim: Callable[[], T | None], *, within: float, every: float = 1.0) -> T:
        """What ``claim`` gives as soon as it is truthy. Ends at once when the machine has, and is as patient as the machine is slow.

        Raises:
            Died: the machine ended by itself.
            Failed: not within ``within`` seconds; names ``what`` and the last error of ``claim``.
        """
        patience, waited, last, before = within * self._slowness, 0.0, "", time.monotonic()
        while True:
            if self._qemu is None or not self._qemu.alive():
                raise Died(f"qemu ended by itself:\n{self._qemu.tail() if self._qemu else ''}")
            if self._panics() > self._panics_before:
                raise Died(f"the guest's kernel gave up; see {self.console}")
            try:
                if value := claim():
                    return value
            except (OSError, ValueError, KeyError, IndexError, TypeError, Failed, subprocess.SubprocessError) as exc:
                last = f" (last: {exc})"
            now = time.monotonic()
            waited, before = waited + min(now - before, _LONGEST_LOOK), now
            if waited >= patience:
                raise Failed(f"{what}: not within {patience:.0f} s{last}")
            time.sleep(every)

    def down(self) -> None:
        """End all; the disk goes, console and logs stay."""
        self._stage.stop()
        if not self._keep:
            self._disk.unlink(missing_ok=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _wait_up(self, ups: int) -> None:
        begun, self.boot_seconds = time.monotonic(), _USUAL_BOOT
        self.wait("the guest up", lambda: self._ups() > ups, within=_BOOT_SECONDS, every=0.5)
        self.boot_seconds = time.monotonic() - begun
        self._meet()

    @property
    def _slowness(self) -> float:
        return max(1.0, self.boot_seconds / _USUAL_BOOT)

    def _start_qemu(self, *flags: str) -> None:
        accelerator = _accelerator(self._image)
        command = _command(self._image, self._disk, self.console, accelerator, self._memory, self._port)
        self._panics_before = self._panics()
        monitor = f"unix:{self._monitor},server=on,wait=off"
        self._qemu = self._stage.start("qemu", *command, "-qmp", monitor, *flags)

    def _order(self, words: str) -> str:
        """What qemu says to a command of its monitor; nothing where all is well."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(600.0)
            monitor.connect(str(self._monitor))
            lines = monitor.makefile("rw", encoding="utf-8")
            lines.readline()  # a greeting
            _ask(lines, "qmp_capabilities")
            return str(_ask(lines, "human-monitor-command", **{"command-line": words})).strip()

    def _meet(self) -> None:
        self.wait("the guest's ssh", lambda: self.attempt("true")[0] == 0, within=60.0, every=0.5)
        tunnel = ("-L", f"{self.tunnel}:127.0.0.1:{self._into}") if self._into else ()
        self._ssh = self._stage.start("ssh", *self._ssh_command("-M", "-N", *tunnel))
        self.wait("the tunnel", lambda: not tunnel or answers(self.tunnel), within=60.0, every=0.5)

    def _ups(self) -> int:
        return self._heard(MARKER)

    def _panics(self) -> int:
        return self._heard("Kernel panic - not syncing")

    def _heard(self, words: str) -> int:
        return self.console.read_bytes().count(words.encode()) if self.console.exists() else 0

    def _shell(self, command: str, timeout: float, stdin: str | None) -> subprocess.CompletedProcess[str]:
        source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            [*self._ssh_command(), command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout * self._slowness,
            check=False,
            **source,
        )

    def _ssh_command(self, *flags: str) -> list[str]:
        options = {
            "ControlPath": str(self._sockets / "ssh"),
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "30",
            "ServerAliveInterval": "30",
            "ServerAliveCountMax": "10",
        }
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "/dev/null", "-i", str(self._image.key), *settings, "-p", str(self._port), *flags, "root@127.0.0.1"]

    def _drop_ssh(self) -> None:
        if self._ssh is not None:
            self._ssh.stop()
            self._stage.forget(self._ssh)
            self._ssh = None


def _ask(lines: TextIO, command: str, **arguments: str) -> object:
    lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    lines.flush()
    while line := lines.readline():
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise Failed(f"qemu does not {command}: {answer['error']}")
    raise Failed("qemu's monitor went away")


class Died(Exception):
    """The machine ended by itself."""


def _command(image: Image, disk: Path, console: Path, accelerator: tuple[str, ...], memory: int, port: int) -> list[str]:
    return [
        *("qemu-system-x86_64", "-M", "q35", "-m", str(memory), *accelerator),
        *("-nodefaults", "-display", "none", "-kernel", str(image.kernel), "-initrd", str(image.initrd)),
        *("-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no systemd.mask=serial-getty@ttyS0.service mitigations=off"),
        *("-drive", f"file={disk},if=virtio,format=qcow2,cache=writeback", "-device", "virtio-rng-pci"),
        *("-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console"),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=net"),
    ]


def _accelerator(image: Image) -> tuple[str, ...]:
    """KVM where a guest comes up with it: on some machines the device is there and the guest dies. Tried once for each image."""
    verdict = image.folder / "accelerator"
    if not verdict.exists():
        verdict.write_text("kvm" if _kvm_works(image) else "tcg")
    return _VIRTUAL if verdict.read_text() == "kvm" else _EMULATED


def _kvm_works(image: Image) -> bool:
    if not Path("/dev/kvm").exists():
        return False
    with tempfile.TemporaryDirectory(prefix="vm-kvm-") as place:
        stage, console = Stage(Path(place)), Path(place) / "console.log"
        disk = Path(place) / "disk.qcow2"
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "raw", disk)
        qemu = stage.start("qemu", *_command(image, disk, console, _VIRTUAL, 1024, free_port()))

        def settled() -> bool:
            failed = not qemu.alive() or "KVM internal error" in qemu.log.read_text("utf-8", "replace")
            return failed or MARKER in console.read_text("utf-8", "replace")

        try:
            wait_for("an end of the trial", settled, within=120.0, every=0.5)
            return qemu.alive() and MARKER in console.read_text("utf-8", "replace")
        except Failed:
            return False
        finally:
            stage.stop()
