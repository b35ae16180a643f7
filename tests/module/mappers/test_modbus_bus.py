"""A mapper process on a serial bus with twenty slaves of another maker; counted on the slaves' side. Promise I1.

How even the periods are is for ``make bench`` to print (``modbus_bus``); the rule itself is told with a clock of its own in
``tests/unit/mappers/test_modbus_breaker.py``.
"""

from __future__ import annotations

import ctypes
import json
import os
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.fakes import twenty
from tests.fakes.fieldbus import SOCAT, Slaves, TcpSlave, serial_bus
from tests.unit.mappers.test_worker import eventually

pytestmark = [pytest.mark.system, pytest.mark.skipif(SOCAT is None, reason="needs socat")]


def test_one_dead_and_one_flapping_of_twenty_cost_the_others_no_poll_and_the_flapping_one_is_back_within_two_cycles(tmp_path: Path) -> None:
    cycle = 1.0
    seen = twenty.watch(tmp_path, cycle=cycle, warm_up=3.0, flaps=3, away=4.0)
    due = seen.seconds / cycle
    for unit, periods in seen.periods.items():
        # A machine that is busy with something else takes turns away from all of them.
        assert 0.8 * due <= len(periods) + 1 <= 1.1 * due, (unit, len(periods), due)
        assert median(periods) == pytest.approx(cycle, rel=0.1), (unit, sorted(periods))
    assert sorted(seen.meanwhile)[1] <= 2, seen.meanwhile


def _polls(slaves: Slaves, unit: int) -> int:
    return len(slaves.times(unit))


def test_a_profile_that_changes_for_one_device_leaves_the_port_and_the_others_alone(tmp_path: Path) -> None:
    with serial_bus(tmp_path) as (port, slaves):
        for unit in (1, 2, 3, 4):
            slaves.add(unit, "holding", 0, [unit])
        path = tmp_path / "deviceProfile.json"
        path.write_text(json.dumps(twenty.profile(port, range(2, 4))))
        with twenty.mapper(path, poll=0.2):
            eventually(lambda: _polls(slaves, 2) > 3 and _polls(slaves, 3) > 3, within=30)
            openings = Openings(port)
            put(path, twenty.profile(port, range(1, 4)))
            eventually(lambda: _polls(slaves, 1) > 3)
            changed = twenty.profile(port, range(1, 4))
            changed["protocols"][0]["protocol_config"]["slaveID"] = 4
            put(path, changed)
            eventually(lambda: _polls(slaves, 4) > 3)
            assert openings.seen() == b""
        assert openings.seen() != b""


def test_a_device_in_front_of_another_in_the_profile_does_not_cost_it_its_connection(tmp_path: Path) -> None:
    first, second = TcpSlave(), TcpSlave()
    path = tmp_path / "deviceProfile.json"
    put(path, _tcp(second))
    with twenty.mapper(path, poll=0.1) as process:
        eventually(lambda: len(_connections(process.pid, second.port)) == 1, within=30)
        kept = _connections(process.pid, second.port)
        put(path, _tcp(first, second))
        eventually(lambda: len(_connections(process.pid, first.port)) == 1)
        time.sleep(0.3)
        assert _connections(process.pid, second.port) == kept
    first.stop()
    second.stop()


def put(path: Path, body: dict[str, Any]) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps(body))
    fresh.replace(path)


def _tcp(*slaves: TcpSlave) -> dict[str, Any]:
    body = twenty.profile("", range(0))
    for slave in slaves:
        name = f"d{slave.port}"
        body["deviceInstances"].append({"id": name, "name": name, "protocol": name, "model": "m"})
        config = {"ip": "127.0.0.1", "port": slave.port, "slaveID": "1"}
        body["protocols"].append({"name": name, "protocol": "modbus-tcp", "protocol_config": config})
    return body


class Openings:
    """What the kernel (inotify) says about openings and closings of a device from now on."""

    def __init__(self, port: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._notes = libc.inotify_init1(os.O_NONBLOCK)
        opened, closed = 0x20, 0x18
        assert libc.inotify_add_watch(self._notes, os.path.realpath(port).encode(), opened | closed) >= 0

    def seen(self) -> bytes:
        try:
            return os.read(self._notes, 65536)
        except BlockingIOError:
            return b""


def _connections(pid: int, port: int) -> set[str]:
    """Our ends of the connections to a port on loopback, by their own port."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}
