"""The door to what the kernel and the system say of this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from edgecore.edged.node import Machine

_TIMEX_SIZE = 512
_TIME_ERROR = 5


def read_machine(
    root_directory: str, *, node_address: str = "", proc: Path = Path("/proc"), etc: Path = Path("/etc"), run: Path = Path("/run")
) -> Machine:
    """Cheap enough to be asked every few seconds. ``node_address`` is the configured one, empty: that of the default route."""
    memory = _memory(proc)
    disk, disk_available, readonly = _disk(root_directory)
    system = os.uname()
    return Machine(
        hostname=system.nodename,
        machine=system.machine,
        kernel=system.release,
        os_image=_os_image(etc),
        machine_id=_text(etc / "machine-id"),
        system_uuid=_text(Path("/sys/class/dmi/id/product_uuid")) or _text(etc / "machine-id"),
        boot_id=_text(proc / "sys/kernel/random/boot_id"),
        cpus=os.cpu_count() or 1,
        memory=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", memory.get("MemTotal", 0)),
        disk=disk,
        disk_available=disk_available,
        readonly_disk=readonly,
        pids=_count_of_processes(proc),
        pids_most=_number(_text(proc / "sys/kernel/pid_max")),
        address=node_address or route_address(),
        clock_synced=_clock_synced(run),
    )


def route_address() -> str:
    """The address that this machine shows to others: that of its default route, else loopback."""
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"


def _clock_synced(run: Path) -> bool:
    """What systemd's time service says where it runs, else the kernel; where neither can be asked, nothing is claimed."""
    if (run / "systemd/timesync").is_dir():
        return (run / "systemd/timesync/synchronized").exists()
    import ctypes

    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    except (OSError, AttributeError):
        return True
    return bool(state != _TIME_ERROR)


def _memory(proc: Path) -> dict[str, int]:
    found = {}
    for line in _text(proc / "meminfo").splitlines():
        key, _, rest = line.partition(":")
        found[key] = _number((rest.split() or ["0"])[0]) * 1024
    return found


def _disk(root_directory: str) -> tuple[int, int, bool]:
    path = root_directory
    while not os.path.exists(path) and path not in ("/", ""):
        path = os.path.dirname(path)
    try:
        facts = os.statvfs(path or "/")
    except OSError:
        return 0, 0, False
    return facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize, bool(facts.f_flag & os.ST_RDONLY)


def _count_of_processes(proc: Path) -> int:
    """The denominator of the run queue in /proc/loadavg: processes and threads, without walking /proc."""
    fields = _text(proc / "loadavg").split()
    return _number(fields[3].partition("/")[2]) if len(fields) > 3 else 0


def _os_image(etc: Path) -> str:
    for line in _text(etc / "os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip('"')
    return "Linux"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
