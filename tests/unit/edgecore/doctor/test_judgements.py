"""What follows from what was read, check by check: tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecore.certs.identity import NodeIdentity
from edgecore.containers.engine_choice import Cgroups, MachineFacts
from edgecore.doctor.board import Space, Speed
from edgecore.doctor.checks import (
    agent,
    broker,
    clock,
    cloud,
    config,
    containers,
    database,
    devices,
    identity,
    kernel,
    power,
    storage,
    updates,
)
from edgecore.doctor.checks.broker import Wanted
from edgecore.doctor.checks.config import SecretFile
from edgecore.doctor.checks.devices import Access, Radio
from edgecore.doctor.checks.storage import Card
from edgecore.doctor.network import Listener
from edgecore.doctor.verdict import Outcome, Verdict
from edgecore.edged.node import Machine
from edgecore.eventbus.modes import Plan
from edgecore.store.inspection import KNOWN_SCHEMA, Inspection
from edgecore.updates.order import Result
from viaduct.upgrades.state import State

OK, WARNING, WRONG, SKIPPED = Outcome
MB = 1024 * 1024
NOW = 1_800_000_000.0
DAY = 86_400


def space(path: str = "/", *, free: int = 50, nodes_free: int = 50, readonly: bool = False) -> Space:
    """Percent."""
    return Space(path, 1, 1000 * MB, free * 10 * MB, 1000, nodes_free * 10, readonly)


def facts(
    cgroups: Cgroups = Cgroups.V2, controllers: tuple[str, ...] = ("memory", "cpu"), runtimes: tuple[str, ...] = ("crun",)
) -> MachineFacts:
    return MachineFacts(
        cgroups,
        frozenset(controllers),
        True,
        runtimes,
        nofile_hard=-1,
        nproc_hard=-1,
        may_raise_limits=True,
        has_policy=True,
        has_registries=True,
    )


def machine(available: int = 500) -> Machine:
    return Machine("b", "aarch64", "6", "", "", "", "", 4, 1000 * MB, available * MB, 0, 0, 0, 0, "192.0.2.5")


def certificate(since: float, until: float) -> NodeIdentity:
    return NodeIdentity("edge1", int(NOW + since * DAY), int(NOW + until * DAY), "1", "", "")


def update(state: State | None, *, versions: str = "11", under_way: bool = False, runs: bool = True) -> dict[str, Any]:
    """``versions``: of the two packages."""
    last = None if state is None else Result("o", state, "" if state is State.SUCCESSFUL else "it broke", "1", "2", int(NOW))
    installed = [(package, version, "ii") for package, version in zip(("bramble-common", "bramble-edgecore"), versions, strict=True)]
    return {"last": last, "under_way": under_way, "installed": installed, "runs": runs, "kept": "/p"}


def unit(**properties: str) -> dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": "active", "Result": "success", "NRestarts": "0", "UnitFileState": "enabled", **properties}


def module(name: str = "edged", *, running: bool = True, restarts: int = 0, error: str = "") -> dict[str, Any]:
    return {"name": name, "running": running, "restarts": restarts, "lastError": error}


RUN_OWN, USE_EXTERNAL = Plan(False, True, 1884, "a broker of our own"), Plan(True, False, 0, "the external broker answers")
KUBEEDGE = Plan(True, False, 0, "waiting", "mosquitto is not installed")
PORTS = [Wanted("metrics.port", 10355, "this board runs without its numbers")]

TABLE: list[tuple[str, Callable[[], Verdict], Outcome, str]] = [
    ("no config", lambda: config.judge_config("/e.yaml", configured=False, problems=(), warnings=()), WRONG, "not set up"),
    (
        "a wrong setting",
        lambda: config.judge_config("/e.yaml", configured=True, problems=("a.b: bad",), warnings=()),
        WRONG,
        "/e.yaml: a.b: bad",
    ),
    ("many", lambda: config.judge_config("/e.yaml", configured=True, problems=["k: x"] * 7, warnings=()), WRONG, "and 2 more"),
    (
        "what has no meaning",
        lambda: config.judge_config("/e", configured=True, problems=(), warnings=["x is ignored"]),
        WARNING,
        "x is ignored",
    ),
    ("a good config", lambda: config.judge_config("/e.yaml", configured=True, problems=(), warnings=()), OK, "can be read"),
    ("an open key", lambda: config.judge_secret_files([SecretFile("/k", 0o644, 0)]), WRONG, "/k (mode 0644)"),
    ("a closed key", lambda: config.judge_secret_files([SecretFile("/k", 0o400, 0)]), OK, "1 files"),
    ("no secrets", lambda: config.judge_secret_files([]), SKIPPED, "no files"),
    ("no token", lambda: config.judge_token("", has_certificate=True, expires=None, now=NOW), OK, "no join token"),
    ("a token of no use", lambda: config.judge_token("t", has_certificate=True, expires=None, now=NOW), WARNING, "of no use"),
    ("no token at all", lambda: config.judge_token("t", has_certificate=False, expires=None, now=NOW), WRONG, "no join token"),
    ("a late token", lambda: config.judge_token("t", has_certificate=False, expires=int(NOW) - 1, now=NOW), WRONG, "expired on 2027-01-15"),
    ("a good token", lambda: config.judge_token("t", has_certificate=False, expires=int(NOW) + 7200, now=NOW), OK, "another 2 h"),
    ("not joined", lambda: identity.judge_identity(["/k"], present=[], fits=False, trouble=""), WRONG, "not joined"),
    ("half", lambda: identity.judge_identity(["/k"], present=["/c"], fits=False, trouble=""), WRONG, "/k missing"),
    (
        "of another CA",
        lambda: identity.judge_identity([], present=["/c"], fits=True, trouble="not one of the CA"),
        WRONG,
        "not one of the CA",
    ),
    ("another key", lambda: identity.judge_identity([], present=["/c"], fits=False, trouble=""), WRONG, "not that of the certificate"),
    ("joined", lambda: identity.judge_identity([], present=["/c"], fits=True, trouble=""), OK, "belong together"),
    ("early", lambda: identity.judge_certificate(certificate(1, 9), NOW, rotates=True), WARNING, "good from"),
    ("late, renewed", lambda: identity.judge_certificate(certificate(-9, -1), NOW, rotates=True), WARNING, "ended on"),
    ("late, not renewed", lambda: identity.judge_certificate(certificate(-9, -1), NOW, rotates=False), WRONG, "ended on"),
    ("soon, not renewed", lambda: identity.judge_certificate(certificate(-95, 5), NOW, rotates=False), WARNING, "is not renewed"),
    ("overdue", lambda: identity.judge_certificate(certificate(-95, 5), NOW, rotates=True), WARNING, "overdue"),
    ("good", lambda: identity.judge_certificate(certificate(-5, 95), NOW, rotates=True), OK, "node edge1"),
    ("a CA that ended", lambda: identity.judge_ca(0, int(NOW) - 1, NOW), WRONG, "ended on"),
    ("a CA that ends", lambda: identity.judge_ca(0, int(NOW) + 9 * DAY, NOW), WARNING, "ends on"),
    ("a good CA", lambda: identity.judge_ca(0, int(NOW) + 900 * DAY, NOW), OK, "good until"),
    ("another name", lambda: identity.judge_node_name("b", overridden=False, certified="a"), WARNING, "the host name is b"),
    ("its name", lambda: identity.judge_node_name("a", overridden=True, certified="a"), OK, "node a"),
    ("it runs", lambda: agent.judge_agent(7, unit(), "/e"), OK, "process 7"),
    ("again and again", lambda: agent.judge_agent(7, unit(NRestarts="12"), "/e"), WARNING, "12 times"),
    ("wrong setting", lambda: agent.judge_agent(0, unit(ExecMainStatus="2", Result="exit-code"), "/e"), WRONG, "wrong setting"),
    ("it hung", lambda: agent.judge_agent(0, unit(Result="watchdog"), "/e"), WRONG, "ended with watchdog"),
    ("stopped", lambda: agent.judge_agent(0, unit(ActiveState="inactive"), "/e"), WRONG, "does not run"),
    ("no systemd", lambda: agent.judge_agent(0, {}, "/e"), WRONG, "does not run"),
    ("at boot", lambda: agent.judge_boot(unit()), OK, "starts with the board"),
    ("not at boot", lambda: agent.judge_boot(unit(UnitFileState="disabled")), WARNING, "disabled"),
    ("no unit", lambda: agent.judge_boot({}), SKIPPED, "no service"),
    ("modules", lambda: agent.judge_modules({"modules": [module()]}), OK, "1 modules"),
    ("a module is down", lambda: agent.judge_modules({"modules": [module(running=False, error="boom")]}), WRONG, "edged (boom)"),
    ("a module fell", lambda: agent.judge_modules({"modules": [module(restarts=2, error="boom")]}), WARNING, "edged 2 times (boom)"),
    ("a kubelet", lambda: agent.judge_rival("kubelet runs"), WRONG, "kubelet runs"),
    ("no kubelet", lambda: agent.judge_rival(""), OK, "no kubelet"),
    ("no update", lambda: updates.judge_update(**update(None)), SKIPPED, "no update"),
    ("amid an update", lambda: updates.judge_update(**update(State.ROLLED_BACK, under_way=True)), OK, "under way"),
    ("updated", lambda: updates.judge_update(**update(State.SUCCESSFUL, versions="22")), OK, "from 1 to 2 ended as Successful"),
    ("nothing was changed", lambda: updates.judge_update(**update(State.FAILED)), OK, "ended as Failed (it broke)"),
    ("rolled back", lambda: updates.judge_update(**update(State.ROLLED_BACK)), WARNING, "was rolled back (it broke); 1 runs"),
    (
        "rolled back, then another by hand",
        lambda: updates.judge_update(**update(State.ROLLED_BACK, versions="33")),
        OK,
        "3 was installed since",
    ),
    (
        "not even back",
        lambda: updates.judge_update(**update(State.ROLLBACK_FAILED, versions="12", runs=False)),
        WRONG,
        "bramble-edgecore 2 (ii)",
    ),
    (
        "back, but it does not run",
        lambda: updates.judge_update(**update(State.ROLLBACK_FAILED, runs=False)),
        WRONG,
        "so did going back (it broke)",
    ),
    ("not even back, then mended", lambda: updates.judge_update(**update(State.ROLLBACK_FAILED)), WARNING, "EdgeCore runs now"),
    ("no network", lambda: cloud.judge_network("127.0.0.1"), WARNING, "no way"),
    ("a network", lambda: cloud.judge_network("192.0.2.1"), OK, "192.0.2.1"),
    ("no such name", lambda: cloud.judge_dns("c.example", [], "unknown", ["192.0.2.53"]), WRONG, "asked: 192.0.2.53"),
    ("no server for a name", lambda: cloud.judge_dns("c.example", [], "unknown", []), WRONG, "no DNS server"),
    ("a name", lambda: cloud.judge_dns("c.example", ["192.0.2.1"], "", []), OK, "c.example is 192.0.2.1"),
    ("no DNS at all", lambda: cloud.judge_dns("", [], "", []), WARNING, "no DNS server"),
    ("DNS, no name", lambda: cloud.judge_dns("", [], "", ["192.0.2.53"]), OK, "192.0.2.53"),
    ("port closed", lambda: cloud.judge_port("c:1", "Connection refused", "k"), WRONG, "Connection refused"),
    ("port open", lambda: cloud.judge_port("c:1", "", "k"), OK, "answers"),
    ("linked", lambda: cloud.judge_contact({"connected": True, "seconds": 7300}), OK, "2 h"),
    ("away a moment", lambda: cloud.judge_contact({"connected": False, "seconds": 60}), OK, "tries again"),
    ("away an hour", lambda: cloud.judge_contact({"connected": False, "seconds": 3600}), WARNING, "60 min"),
    ("away for days", lambda: cloud.judge_contact({"connected": False, "seconds": 3 * DAY}), WRONG, "3 days"),
    ("nothing owed", lambda: cloud.judge_outbox(3, 300, 64 * MB, {}), OK, "none was lost"),
    ("nearly full", lambda: cloud.judge_outbox(3, 60 * MB, 64 * MB, {}), WARNING, "93 %"),
    ("dropped", lambda: cloud.judge_outbox(0, 0, 64 * MB, {"size": 4, "age": 0}), WARNING, "4 (size)"),
    ("1970", lambda: clock.judge_clock(1000, signed=0, written=0, synced=True, kept=True), WRONG, "1970-01-01"),
    ("set back", lambda: clock.judge_clock(NOW, signed=NOW + 100, written=0, synced=True, kept=True), WRONG, "later than that"),
    ("deaf service", lambda: clock.judge_clock(NOW, signed=0, written=NOW, synced=False, kept=True), WARNING, "not heard"),
    ("kept by nobody", lambda: clock.judge_clock(NOW, signed=0, written=NOW, synced=False, kept=False), OK, "see clock-source"),
    ("kept", lambda: clock.judge_clock(NOW, signed=NOW - 9, written=NOW, synced=True, kept=True), OK, "2027-01-15"),
    ("no service", lambda: clock.judge_source((), installed=True, has_rtc=False), WARNING, "no clock with a battery"),
    ("a service", lambda: clock.judge_source({"chronyd"}, installed=False, has_rtc=True), OK, "chronyd"),
    ("ahead", lambda: clock.judge_offset(90), WARNING, "90 s ahead"),
    ("behind", lambda: clock.judge_offset(-90), WARNING, "90 s behind"),
    ("agreed", lambda: clock.judge_offset(2), OK, "agree"),
    ("weak now", lambda: power.judge_under_voltage(0x50005, []), WRONG, "now"),
    ("weak before", lambda: power.judge_under_voltage(0x50000, []), WARNING, "since boot"),
    ("weak, says a sensor", lambda: power.judge_under_voltage(None, [False, True]), WRONG, "now"),
    ("strong", lambda: power.judge_under_voltage(0, []), OK, "strong enough"),
    ("no Pi", lambda: power.judge_under_voltage(None, []), SKIPPED, "does not tell"),
    ("slow now", lambda: power.judge_throttling(0x4), WARNING, "now"),
    ("slow before", lambda: power.judge_throttling(0x80000), WARNING, "since boot"),
    ("only weak, not slow", lambda: power.judge_throttling(0x10001), OK, "not been slowed"),
    ("too hot", lambda: power.judge_temperature(86.0), WRONG, "86 °C"),
    ("hot", lambda: power.judge_temperature(77.0), WARNING, "77 °C"),
    ("cool", lambda: power.judge_temperature(45.0), OK, "45 °C"),
    ("full", lambda: storage.judge_space([space("/var", free=4)], threshold=80), WRONG, "/var: 40 MB of 1000 MB"),
    ("tight", lambda: storage.judge_space([space(free=15)], threshold=80), WARNING, "more than 80 %"),
    ("room", lambda: storage.judge_space([space(free=50)], threshold=80), OK, "500 MB free"),
    ("no inodes", lambda: storage.judge_inodes([space(nodes_free=1)]), WRONG, "hardly a file"),
    ("inodes", lambda: storage.judge_inodes([space()]), OK, "50 %"),
    ("btrfs counts none", lambda: storage.judge_inodes([Space("/", 1, 1, 1, 0, 0, False)]), SKIPPED, "none"),
    ("read-only (S3)", lambda: storage.judge_writable([space("/data", readonly=True)], ""), WRONG, "read-only: /data; running pods go on"),
    ("full for EdgeCore (S3)", lambda: storage.judge_writable([space()], "disk is full"), WRONG, "disk is full; running pods go on"),
    ("writable", lambda: storage.judge_writable([space()], ""), OK, "can be written"),
    ("worn out", lambda: storage.judge_cards([Card("mmcblk0", "MMC", "X", "", (11, 2), 1)]), WRONG, "worn out"),
    ("no spare", lambda: storage.judge_cards([Card("mmcblk0", "MMC", "X", "", (2, 2), 3)]), WRONG, "worn out"),
    ("nearly", lambda: storage.judge_cards([Card("mmcblk0", "MMC", "X", "", (9, 1), 1)]), WARNING, "nearly"),
    ("a SD card", lambda: storage.judge_cards([Card("mmcblk0", "SD", "SC32G", "03/2021")]), OK, "SC32G of 03/2021) tells nothing"),
    ("no card", lambda: storage.judge_cards([]), SKIPPED, "no SD card"),
    ("ext4 errors", lambda: storage.judge_disk_errors({"sda1": 3}, []), WRONG, "sda1: 3"),
    ("I/O errors", lambda: storage.judge_disk_errors({"sda1": 0}, ["I/O error, dev mmcblk0"]), WRONG, "I/O error, dev mmcblk0"),
    ("no errors", lambda: storage.judge_disk_errors({"sda1": 0}, []), OK, "no error"),
    ("very slow", lambda: storage.judge_speed(Speed(2.0, 9e6)), WRONG, "2000.0 ms"),
    ("slow", lambda: storage.judge_speed(Speed(0.2, 9e6)), WARNING, "200.0 ms"),
    ("slow at length", lambda: storage.judge_speed(Speed(0.01, 1e6)), WARNING, "1 MB/s"),
    ("fast", lambda: storage.judge_speed(Speed(0.005, 2e7)), OK, "5.0 ms"),
    ("a fat journal", lambda: storage.judge_journal(900 * MB, on_flash=True), WARNING, "900 MB"),
    ("a fat journal on a disk", lambda: storage.judge_journal(900 * MB, on_flash=False), OK, "900 MB"),
    ("swap", lambda: storage.judge_swap(["/swapfile"]), WARNING, "/swapfile"),
    ("no swap", lambda: storage.judge_swap([]), OK, "no swap"),
    ("no memory", lambda: storage.judge_memory(machine(10), 0), WRONG, "10 MB of 1000 MB"),
    ("killed", lambda: storage.judge_memory(machine(), 3), WARNING, "3 processes"),
    ("memory", lambda: storage.judge_memory(machine(), 0), OK, "500 MB"),
    ("no database yet", lambda: database.judge_database(None, "", "/d"), OK, "first start"),
    ("unreadable", lambda: database.judge_database(None, "not a database", "/d"), WRONG, "not a database"),
    ("damaged", lambda: database.judge_database(Inspection(1, 3, flaw="page 4"), "", "/d"), WRONG, "page 4"),
    ("of later", lambda: database.judge_database(Inspection(1, KNOWN_SCHEMA + 1), "", "/d"), WRONG, "later Bramble"),
    ("sound", lambda: database.judge_database(Inspection(2048, 3, rows={"meta": 2}), "", "/d"), OK, "2 kB, 2 rows"),
    ("put aside", lambda: database.judge_aside("/d.corrupt", 2048), WARNING, "2 kB"),
    ("nothing aside", lambda: database.judge_aside("/d.corrupt", None), OK, "no damaged"),
    (
        "no memory cgroup",
        lambda: kernel.judge_memory_cgroup(facts(controllers=("cpu",)), switched_on=False, fixable=True),
        WRONG,
        "no memory cgroup",
    ),
    ("reboot owed", lambda: kernel.judge_memory_cgroup(facts(controllers=()), switched_on=True, fixable=True), WRONG, "after a reboot"),
    ("memory cgroup", lambda: kernel.judge_memory_cgroup(facts(), switched_on=False, fixable=True), OK, "keeps memory limits"),
    ("no quotas", lambda: kernel.judge_cpu_cgroup(facts(controllers=("memory",))), WARNING, "CPU limits are left out"),
    ("quotas", lambda: kernel.judge_cpu_cgroup(facts()), OK, "keeps CPU"),
    ("v2", lambda: kernel.judge_cgroup_mode(facts()), OK, "v2"),
    ("hybrid, crun", lambda: kernel.judge_cgroup_mode(facts(Cgroups.HYBRID)), WRONG, "crun refuses"),
    ("hybrid, runc", lambda: kernel.judge_cgroup_mode(facts(Cgroups.HYBRID, runtimes=("runc",))), WARNING, "deprecates"),
    ("no overlay", lambda: kernel.judge_modules(["overlay"], known=True), WRONG, "lacks overlay"),
    ("modules there", lambda: kernel.judge_modules([], known=True), OK, "are there"),
    ("modules unknown", lambda: kernel.judge_modules([], known=False), OK, "built in"),
    ("modules gone", lambda: kernel.judge_reboot("6.1", ["6.6"], required=False), WRONG, "6.1 are gone"),
    ("updates", lambda: kernel.judge_reboot("6.1", ["6.1", "6.6"], required=True), WARNING, "waits for a reboot"),
    ("no reboot", lambda: kernel.judge_reboot("6.1", [], required=False), OK, "no reboot"),
    ("32 on 64", lambda: kernel.judge_architecture("aarch64", "32bit"), WARNING, "32-bit programs"),
    ("64 on 64", lambda: kernel.judge_architecture("aarch64", "64bit"), OK, "aarch64"),
    ("no podman", lambda: containers.judge_podman(""), WRONG, "not installed"),
    ("old podman", lambda: containers.judge_podman("podman version 3.0.1"), WRONG, "too old"),
    ("podman", lambda: containers.judge_podman("podman version 4.3.1"), OK, "4.3.1"),
    ("late podman", lambda: containers.judge_podman("podman version 6.0.0"), WARNING, "later than"),
    ("no runtime", lambda: containers.judge_runtime(facts(runtimes=())), WRONG, "neither crun nor runc"),
    ("runtime", lambda: containers.judge_runtime(facts()), OK, "crun"),
    ("engine silent", lambda: containers.judge_service("refused", None, facts(), 30), WRONG, "refused"),
    ("long path", lambda: containers.judge_service("", None, facts(), 200), WRONG, "too long"),
    ("not asked", lambda: containers.judge_service(None, None, facts(), 30), SKIPPED, "cannot be asked"),
    ("own engine", lambda: containers.judge_service("", "it uses crun", facts(), 30), OK, "it uses crun"),
    ("engine", lambda: containers.judge_service("", "", facts(), 30), OK, "answers"),
    ("vfs", lambda: containers.judge_storage({"store": {"graphDriverName": "vfs"}}), WRONG, "full copy"),
    (
        "in memory",
        lambda: containers.judge_storage({"store": {"graphDriverName": "overlay", "graphStatus": {"Backing Filesystem": "tmpfs"}}}),
        WRONG,
        "in memory",
    ),
    ("btrfs", lambda: containers.judge_storage({"store": {"graphDriverName": "btrfs"}}), WARNING, "btrfs"),
    ("overlay", lambda: containers.judge_storage({"store": {"graphDriverName": "overlay", "graphRoot": "/g"}}), OK, "/g"),
    ("says nothing", lambda: containers.judge_storage({}), SKIPPED, "does not tell"),
    ("no netavark", lambda: containers.judge_network("netavark", has_program=False), WRONG, "missing"),
    ("netavark", lambda: containers.judge_network("netavark", has_program=True), OK, "netavark"),
    ("no nft", lambda: containers.judge_network("netavark", has_program=True, firewall="nft"), WRONG, "nft, which is missing"),
    (
        "strangers",
        lambda: containers.judge_leftover_containers({"aa": ["web"], "bb": ["x"]}, "bb"),
        WARNING,
        "1 containers are of another EdgeCore (aa)",
    ),
    ("ours", lambda: containers.judge_leftover_containers({"bb": ["x"]}, "bb"), OK, "1 containers"),
    ("left programs", lambda: containers.judge_leftover_programs(0, {9: "a broker"}), WARNING, "a broker (process 9)"),
    ("its programs", lambda: containers.judge_leftover_programs(5, {}), OK, "runs"),
    ("nothing left", lambda: containers.judge_leftover_programs(0, {}), OK, "nothing"),
    ("a bad manifest", lambda: containers.judge_static_pods("/m", 1, ["/m/a.yaml: no"]), WRONG, "/m/a.yaml"),
    ("manifests", lambda: containers.judge_static_pods("/m", 2, []), OK, "2 pods"),
    ("no broker", lambda: broker.judge_broker(KUBEEDGE, "refused", agent=0, own_answers=False), WRONG, "not installed"),
    ("broker away", lambda: broker.judge_broker(USE_EXTERNAL, "Not authorized", agent=0, own_answers=False), WRONG, "Not authorized"),
    ("own broker silent", lambda: broker.judge_broker(RUN_OWN, "refused", agent=7, own_answers=False), WRONG, "does not answer"),
    ("own broker later", lambda: broker.judge_broker(RUN_OWN, "refused", agent=0, own_answers=False), OK, "of our own"),
    ("broker", lambda: broker.judge_broker(USE_EXTERNAL, "", agent=7, own_answers=False), OK, "answers"),
    ("open broker (X6)", lambda: broker.judge_exposed([Listener("0.0.0.0", 1883)], anonymous=True), WARNING, "no password"),
    ("broker with passwords", lambda: broker.judge_exposed([Listener("::", 1883)], anonymous=False), OK, "asks visitors"),
    ("broker at home, as Java says it", lambda: broker.judge_exposed([Listener("::ffff:127.0.0.1", 1883)], anonymous=True), OK, "only"),
    ("broker at home", lambda: broker.judge_exposed([Listener("127.0.0.1", 1883)], anonymous=True), OK, "only"),
    (
        "port taken",
        lambda: broker.judge_ports(PORTS, [Listener("::", 10355, 9, "prometheus")], frozenset({7})),
        WARNING,
        "prometheus (process 9)",
    ),
    ("port ours", lambda: broker.judge_ports(PORTS, [Listener("127.0.0.1", 10355, 7)], frozenset({7})), OK, "10355"),
    ("port free", lambda: broker.judge_ports(PORTS, [], frozenset()), OK, "10355"),
    ("unplugged", lambda: devices.judge_device_files({"b/t": ("/dev/t",)}, {"/dev/t"}), WRONG, "b/t (/dev/t)"),
    ("plugged in", lambda: devices.judge_device_files({"b/t": ("/dev/t",)}, ()), OK, "1 devices"),
    ("none by name", lambda: devices.judge_device_files({}, ()), OK, "no devices"),
    ("no bus", lambda: devices.judge_access("i2c", Access(True, (), "i2c", True), absent="dtparam"), WRONG, "no i2c device"),
    ("bus refused", lambda: devices.judge_access("i2c", Access(True, ("/dev/i2c-1",), "i2c", False), absent=""), WRONG, "not in group i2c"),
    (
        "bus of nobody",
        lambda: devices.judge_access("i2c", Access(False, ("/dev/i2c-1",), "i2c", False), absent=""),
        WARNING,
        "not in group i2c",
    ),
    ("bus", lambda: devices.judge_access("i2c", Access(True, ("/dev/i2c-1",), "i2c", True), absent=""), OK, "/dev/i2c-1"),
    ("no user", lambda: devices.judge_access("i2c", Access(False, ("/dev/i2c-1",), "i2c", None), absent=""), OK, "/dev/i2c-1"),
    ("not wanted", lambda: devices.judge_access("i2c", Access(False, (), "", None), absent=""), SKIPPED, "not enabled"),
    ("console", lambda: devices.judge_console("serial0", wanted=True), WARNING, "serial0"),
    ("console of nobody", lambda: devices.judge_console("serial0", wanted=False), OK, "serial0"),
    ("no Pi, no overlays", lambda: devices.judge_overlays(None, {"i2c"}), SKIPPED, "no Raspberry Pi"),
    ("I2C is off", lambda: devices.judge_overlays(["#dtparam=i2c_arm=on"], {"i2c"}), WARNING, "i2c: dtparam=i2c_arm=on is missing"),
    ("I2C is on", lambda: devices.judge_overlays(["[all]", "dtparam=i2c_arm=on "], {"i2c"}), OK, "turns on"),
    ("no radio by overlay", lambda: devices.judge_overlays(["dtoverlay=disable-bt"], {"bluetooth"}), WARNING, "disable-bt"),
    ("no overlay wanted", lambda: devices.judge_overlays(["dtoverlay=disable-bt"], ()), OK, "no mapper"),
    ("no adapter", lambda: devices.judge_bluetooth(Radio(True, (), True, False, False)), WRONG, "no adapter"),
    ("blocked", lambda: devices.judge_bluetooth(Radio(True, ("hci0",), True, True, False)), WRONG, "rfkill"),
    ("switched off", lambda: devices.judge_bluetooth(Radio(False, ("hci0",), True, False, True)), WARNING, "switch"),
    ("no daemon", lambda: devices.judge_bluetooth(Radio(True, ("hci0",), False, False, False)), WRONG, "bluetoothd"),
    ("radio", lambda: devices.judge_bluetooth(Radio(False, ("hci0",), True, False, False)), OK, "hci0"),
    ("no radio", lambda: devices.judge_bluetooth(Radio(False, (), False, False, False)), SKIPPED, "no Bluetooth"),
    ("mapper failed", lambda: devices.judge_mappers(["bramble-mapper@i2c.service"]), WRONG, "bramble-mapper@i2c"),
    ("mappers", lambda: devices.judge_mappers([]), OK, "no mapper"),
]


@pytest.mark.parametrize(("judge", "outcome", "words"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_a_judgement(judge: Callable[[], Verdict], outcome: Outcome, words: str) -> None:
    verdict = judge()
    assert (verdict.outcome, words in verdict.text) == (outcome, True), verdict
    assert bool(verdict.mend) == verdict.troubles, "what is wrong comes with how to mend it, and nothing else does"


def test_every_judgement_is_in_the_table() -> None:
    families = (agent, broker, clock, cloud, config, containers, database, devices, identity, kernel, power, storage, updates)
    judges = {name for family in families for name in vars(family) if name.startswith("judge_")}
    used = {name for _, judge, _, _ in TABLE for name in judge.__code__.co_names}
    assert judges <= used
