"""Mappers: their memory, the even beat of twenty slaves on one bus, from a desired value to a register, and what devices cost the disk."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from cloudcore.devicecontroller.profile import profile_text
from demo.stage import wait_for
from mappers.sdk import registry
from tests.bench.figure import Figure, Group, latencies, percentile, pss_mb
from tests.bench.stand import NODE, Stand
from tests.fakes import twenty
from tests.fakes.fieldbus import TcpSlave
from tests.system.api import api_session

_SETTLE = 5.0
_CYCLE = 1.0
_DISK_SECONDS = 60.0
_DAY = 86_400.0
_DEVICES = 10
DOCS = Path(__file__).parents[2] / "docs"


# Memory: each installed mapper with its simulated devices.


def measure_memory(_: None) -> Iterator[Figure]:
    for protocol in registry.protocols():
        with tempfile.TemporaryDirectory() as folder, _simulated(protocol, Path(folder)) as process:
            time.sleep(_SETTLE)
            assert process.poll() is None, f"the mapper of {protocol} ended"
            yield Figure(f"mapper_pss.{protocol}", pss_mb(process.pid), "MB")


@contextmanager
def _simulated(protocol: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """With the devices that it brings, or those of its page in the documentation."""
    command = [sys.executable, "-m", "mappers.sdk.cli", protocol, "--simulate", "--broker", "tcp://127.0.0.1:1"]
    with registry.simulation_of(protocol) as simulation:
        if not simulation.profile:
            path = folder / "deviceProfile.json"
            path.write_text(_profile_of_page(protocol))
            command += ["--profile", str(path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stderr=file)
    try:
        wait_for(f"the devices of {protocol}", lambda: "serving " in log.read_text() or process.poll() is not None, within=60)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _profile_of_page(protocol: str) -> str:
    text = (DOCS / f"mappers-{protocol}.md").read_text()
    found = [manifest for block in text.split("```yaml\n")[1:] for manifest in yaml.safe_load_all(block.split("```")[0])]
    devices, models = ([each for each in found if each["kind"] == kind] for kind in ("Device", "DeviceModel"))
    return profile_text(devices, models) or "{}"


MEMORY = Group(tuple(f"mapper_pss.{protocol}" for protocol in registry.protocols()), measure_memory)


# Twenty slaves on one serial bus, one dead and one flapping: counted on the slaves' side.


def measure_bus(_: None) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        seen = twenty.watch(Path(folder), cycle=_CYCLE, warm_up=5.0, flaps=4, away=6.0)
    periods = [period / _CYCLE * 100 for unit in seen.periods.values() for period in unit]
    means = [sum(unit) / len(unit) / _CYCLE * 100 for unit in seen.periods.values()]
    yield Figure("modbus_bus.mean_period.least", min(means), "%_of_the_cycle")
    yield Figure("modbus_bus.mean_period.most", max(means), "%_of_the_cycle")
    yield Figure("modbus_bus.within_10_percent", sum(90 <= each <= 110 for each in periods) / len(periods) * 100, "%_of_all_periods")
    yield Figure("modbus_bus.period.p99", percentile(periods, 0.99), "%_of_the_cycle")
    yield Figure("modbus_bus.recovery.p50", percentile(seen.recoveries, 0.5) / _CYCLE, "cycles")
    yield Figure("modbus_bus.recovery.most", max(seen.recoveries) / _CYCLE, "cycles")


BUS = Group(
    (
        "modbus_bus.mean_period.least",
        "modbus_bus.mean_period.most",
        "modbus_bus.within_10_percent",
        "modbus_bus.period.p99",
        "modbus_bus.recovery.p50",
        "modbus_bus.recovery.most",
    ),
    measure_bus,
)


# A board with Modbus devices: slaves of another maker.

_MODEL = """
apiVersion: devices.kubeedge.io/v1alpha1
kind: DeviceModel
metadata: {name: bench-slave, namespace: default}
spec:
  properties:
  - {name: level, type: {int: {accessMode: ReadWrite}}}
  propertyVisitors:
  - {propertyName: level, modbus: {register: HoldingRegister, offset: 0, limit: 1}}
"""


def _device(name: str, port: int) -> str:
    spec = {
        "deviceModelRef": {"name": "bench-slave"},
        "protocol": {"modbus": {"tcp": {"ip": "127.0.0.1", "port": port, "slaveID": "1"}}},
        "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": [NODE]}]}]},
    }
    twin = {"propertyName": "level", "desired": {"value": "", "metadata": {"type": "int"}}, "reported": {"value": ""}}
    return json.dumps(
        {
            "apiVersion": "devices.kubeedge.io/v1alpha1",
            "kind": "Device",
            "metadata": {"name": name, "namespace": "default"},
            "spec": spec,
            "status": {"twins": [twin]},
        }
    )


@contextmanager
def _fleet(stand: Stand, count: int) -> Iterator[tuple[list[str], list[TcpSlave], subprocess.Popen[bytes]]]:
    """Devices of a mapper that polls each second, and their slaves; all known and reported."""
    with ExitStack() as stack:
        slaves = []
        for _ in range(count):
            slaves.append(TcpSlave())
            stack.callback(slaves[-1].stop)
        names = [f"slave-{number}" for number in range(count)]
        manifests = [_MODEL, *(_device(name, slave.port) for name, slave in zip(names, slaves, strict=True))]
        stand.site.kubectl("apply", "-f", "-", stdin="\n---\n".join(manifests))
        stack.callback(stand.site.kubectl, "delete", "devices", *names)
        profile = next(stand.folder.rglob("deviceProfile.json"), None) or wait_for(
            "the device profile", lambda: next(stand.folder.rglob("deviceProfile.json"), None), within=30
        )
        broker = f"tcp://127.0.0.1:{stand.board.mqtt}"
        process = stack.enter_context(twenty.mapper(Path(profile), poll=1.0, broker=broker))
        wait_for("reported values", lambda: all(_reported(stand, name) for name in names), within=60)
        yield names, slaves, process


def _reported(stand: Stand, name: str) -> str:
    twins: list[dict[str, Any]] = stand.site.get("device", name)["status"].get("twins", [])
    return str(twins[0].get("reported", {}).get("value", "")) if twins else ""


def measure_desired(stand: Stand) -> Iterator[Figure]:
    """From the PATCH of a desired value to the write request that the slave carries out."""
    with _fleet(stand, 1) as (names, slaves, _):
        yield from latencies("desired_to_register", asyncio.run(_desires(stand, names[0], slaves[0], 100)))


async def _desires(stand: Stand, name: str, slave: TcpSlave, count: int) -> list[float]:
    taken = []
    path = f"/apis/devices.kubeedge.io/v1alpha1/namespaces/default/devices/{name}"
    async with api_session(stand.site) as session:
        for value in range(1, count + 1):
            twin = {"propertyName": "level", "desired": {"value": str(value), "metadata": {"type": "int"}}}
            sent = time.perf_counter()
            body = json.dumps({"status": {"twins": [twin]}})
            async with session.patch(path, data=body, headers={"Content-Type": "application/merge-patch+json"}) as answer:
                answer.raise_for_status()
            taken.append(await asyncio.to_thread(_written, slave, value) - sent)
    return taken


def _written(slave: TcpSlave, value: int) -> float:
    """When the slave was told ``value``."""
    with slave.news:
        slave.news.wait_for(lambda: any(told == value for _, told, _ in slave.changed), timeout=60)
        return next(at for _, told, at in slave.changed if told == value)


DESIRED = Group(("desired_to_register.p50", "desired_to_register.p99"), measure_desired, needs_board=True)


def measure_disk(stand: Stand) -> Iterator[Figure]:
    """What EdgeCore, its broker and a mapper write to block devices, by the kernel's account; not the file system's own journal."""
    assert stand.board.process is not None
    with _fleet(stand, _DEVICES) as (_, slaves, process):
        pids = (stand.board.process.pid, stand.broker_pid(), process.pid)
        time.sleep(_SETTLE)
        yield Figure("disk_a_day.10_devices_still", _disk_a_day(pids, slaves, change=False), "MB")
        yield Figure("disk_a_day.10_devices_changing", _disk_a_day(pids, slaves, change=True), "MB")


def _disk_a_day(pids: tuple[int, ...], slaves: list[TcpSlave], *, change: bool) -> float:
    before, began, beat = sum(map(_written_bytes, pids)), time.monotonic(), 0
    while time.monotonic() - began < _DISK_SECONDS:
        beat += 1
        for slave in slaves:
            if change:
                slave.bank.set_holding_registers(0, [beat])
        time.sleep(max(0.0, began + beat - time.monotonic()))
    written = sum(map(_written_bytes, pids)) - before
    return written / (time.monotonic() - began) * _DAY / 1e6


def _written_bytes(pid: int) -> int:
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])


DISK = Group(("disk_a_day.10_devices_still", "disk_a_day.10_devices_changing"), measure_disk, needs_board=True)
