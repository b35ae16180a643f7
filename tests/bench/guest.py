"""What Bramble adds to a machine with Debian's kernel and systemd: time to boot, room on the disk, memory, writes.

A virtual machine, like that of ``make test-vm`` (root, the network, a quarter of an hour where it is emulated). The site runs in it too; of
memory and writes only EdgeCore's part is counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.figure import Figure, Group
from tests.vm import guests
from tests.vm.board import Road
from tests.vm.image import TOP, image
from tests.vm.machine import Machine

_FOLDER = TOP / "dist" / "vm" / "bench"
_IDLE_SECONDS = 300.0
_DAY = 86_400.0

_BOOTED = "systemctl show --property FinishTimestampMonotonic --value"
_USED = "sync; df --output=used -B1 / | tail -n 1"
_LINKED = "journalctl -b -u edgecore -o short-monotonic | sed -n 's/^\\[ *\\([0-9.]*\\)\\].*linked to the cloud.*/\\1/p' | head -n 1"
_STARTED = """
set -e
ids=$(podman ps -q --filter label=io.bramble.managed=true)
[ "$(echo "$ids" | wc -l)" -ge 4 ]
for id in $ids; do
  cut -d ' ' -f 22 "/proc/$(podman inspect --format '{{.State.Pid}}' "$id")/stat"
done | sort -n | tail -n 1
"""
_OURS = "cat /sys/fs/cgroup$(systemctl show -p ControlGroup --value edgecore)/cgroup.procs"
_PSS = f"for pid in $({_OURS}); do cat /proc/$pid/smaps_rollup; done | awk '/^Pss:/ {{ sum += $2 }} END {{ print sum }}'"
_WRITTEN = f"for pid in $({_OURS}); do cat /proc/$pid/io; done | awk '/^write_bytes/ {{ sum += $2 }} END {{ print sum }}'"


def measure(_: None) -> Iterator[Figure]:
    road = Road()
    road.build()
    machine = road.use(Machine(image(guests.board()), _FOLDER))
    try:
        machine.start()
        machine.reboot()  # the first boot of an image does what no later one does
        bare = _booted(machine)
        yield Figure("guest.boot.bare", bare, "s")
        used = int(machine.run(_USED))
        road.install()
        yield Figure("guest.installed", (int(machine.run(_USED)) - used) / 1e6, "MB")
        road.join()
        road.run_pods()
        machine.reboot()
        linked, running = _moments(machine)
        yield Figure("guest.boot.ready", linked, "s")
        yield Figure("guest.boot.ready.of_bare", linked / bare, "ratio")
        yield Figure("guest.boot.pods", running, "s")
        yield Figure("guest.boot.pods.of_bare", running / bare, "ratio")
        yield Figure("guest.pss", int(machine.run(_PSS)) / 1024, "MB")
        before = int(machine.run(_WRITTEN))
        time.sleep(_IDLE_SECONDS)
        yield Figure("guest.idle_writes", (int(machine.run(_WRITTEN)) - before) / 1e6 * _DAY / _IDLE_SECONDS, "MB a day")
    finally:
        machine.down()


def _booted(machine: Machine) -> float:
    """Seconds from the start of the kernel to the end of the boot."""
    return machine.wait("the end of the boot", lambda: int(machine.run(_BOOTED)), within=120.0) / 1e6


def _moments(machine: Machine) -> tuple[float, float]:
    """Seconds from the start of the kernel until EdgeCore was linked to the site, and until the last container of its pods had started."""
    linked = machine.wait("the link to the site", lambda: machine.run(_LINKED).strip(), within=240.0)
    running = machine.wait("the pods", lambda: int(machine.run(_STARTED).strip()), within=240.0)
    return float(linked), running / 100


GROUP = Group(
    (
        "guest.boot.bare",
        "guest.installed",
        "guest.boot.ready",
        "guest.boot.ready.of_bare",
        "guest.boot.pods",
        "guest.boot.pods.of_bare",
        "guest.pss",
        "guest.idle_writes",
    ),
    measure,
)
