"""Buses, pins and radios of the board, and whether mappers may use them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.edged.devices import read_devices
from edgecore.errors import EdgeCoreError

MAPPER_USER = "bramble-mapper"
_WANTS = "/etc/systemd/system/multi-user.target.wants/bramble-mapper@{}.service"
_BOOT = ("/boot/firmware", "/boot")


@dataclass(frozen=True, slots=True)
class Access:
    """One kind of device. ``wanted``: its mapper is set to run as a service. ``files``: device files that are there. ``group``: who may
    use them, empty where there is no such group. ``member``: the mappers' user is in it; None where there is no such user."""

    wanted: bool
    files: Sequence[str]
    group: str
    member: bool | None


def judge_access(kind: str, access: Access, *, absent: str) -> Verdict:
    """``absent``: how the device files come to be there."""
    if not access.wanted and not access.files:
        return skipped(f"no {kind} here, and bramble-mapper@{kind} is not enabled")
    if not access.files:
        return wrong(f"bramble-mapper@{kind} is enabled and there is no {kind} device", absent)
    if access.member is False and access.group:
        text = f"user {MAPPER_USER} is not in group {access.group}, which owns {access.files[0]}"
        mend = f"usermod -a -G {access.group} {MAPPER_USER}, then systemctl restart bramble-mapper@{kind}"
        return wrong(text, mend, fixable=True) if access.wanted else warning(text, mend, fixable=True)
    return ok(f"{', '.join(access.files[:4])}{' …' if len(access.files) > 4 else ''}")


def judge_device_files(devices: Mapping[str, Sequence[str]], missing: Collection[str]) -> Verdict:
    if not devices:
        return ok("no devices are given to pods by name")
    lost = [
        f"{name} ({', '.join(path for path in paths if path in missing)})" for name, paths in devices.items() if set(paths) & set(missing)
    ]
    if lost:
        return wrong(f"not there: {'; '.join(lost)}", "plug it in, or correct modules.edged.devices; pods that ask for it wait")
    return ok(f"{len(devices)} devices are there")


def judge_console(console: str, *, wanted: bool) -> Verdict:
    """``console``: the serial line that the kernel's console has, empty where none."""
    if console and wanted:
        return warning(
            f"the kernel's console uses {console}: what it prints goes to the device at the line",
            "raspi-config: Serial Port, no login shell; reboot",
        )
    return ok("the kernel's console uses no serial line" if not console else f"the kernel's console uses {console}, and no mapper wants it")


def judge_overlays(lines: Sequence[str] | None, wanted: Collection[str]) -> Verdict:
    """``lines`` of config.txt, None on a board without one; ``wanted``: kinds of mappers that are set to run."""
    if lines is None:
        return skipped("no config.txt: this is no Raspberry Pi")
    settings = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    troubles = [
        f"{kind}: {text}"
        for kind, text in (
            ("i2c", "" if "dtparam=i2c_arm=on" in settings else "dtparam=i2c_arm=on is missing"),
            ("serial", "" if "enable_uart=1" in settings else "enable_uart=1 is missing, which the UART at the pins needs"),
            ("bluetooth", "dtoverlay=disable-bt turns it off" if "dtoverlay=disable-bt" in settings else ""),
        )
        if kind in wanted and text
    ]
    if troubles:
        return warning(
            "; ".join(troubles), "correct config.txt, or raspi-config, Interface Options; then reboot. A USB adapter needs none of it"
        )
    return ok("config.txt turns on what the mappers here need" if wanted else "no mapper here needs an overlay")


@dataclass(frozen=True, slots=True)
class Radio:
    """``daemon``: bluetoothd runs. ``soft`` and ``hard``: blocked by a setting, by a switch."""

    wanted: bool
    adapters: Sequence[str]
    daemon: bool
    soft: bool
    hard: bool


def judge_bluetooth(radio: Radio) -> Verdict:
    if not radio.wanted and not radio.adapters:
        return skipped("no Bluetooth adapter here")
    trouble = wrong if radio.wanted else warning
    if not radio.adapters:
        return wrong(
            "a Bluetooth mapper is set to run and there is no adapter", "remove dtoverlay=disable-bt from config.txt, or plug one in"
        )
    if radio.hard:
        return trouble("Bluetooth is turned off by a switch of the board", "turn it on")
    if radio.soft:
        return trouble("Bluetooth is turned off (rfkill)", "rfkill unblock bluetooth", fixable=True)
    if not radio.daemon:
        return trouble("bluetoothd does not run", "apt install bluez; systemctl enable --now bluetooth")
    return ok(f"{', '.join(radio.adapters)} with bluetoothd")


def judge_mappers(failed: Sequence[str]) -> Verdict:
    if failed:
        return wrong(f"do not run: {', '.join(failed)}", f"journalctl -u {failed[0]} -n 30")
    return ok("no mapper service has failed")


def _access(case: Case, kind: str, patterns: Sequence[str], group: str) -> Access:
    board = case.board
    files = [path for pattern in patterns for path in board.find(pattern)]
    groups = {fields[0]: (fields[2], fields[3].split(",")) for fields in _table(case, "/etc/group") if len(fields) > 3}
    users = {fields[0]: fields[3] for fields in _table(case, "/etc/passwd") if len(fields) > 3}
    number, members = groups.get(group, ("", []))
    member = MAPPER_USER in members or users[MAPPER_USER] == number if MAPPER_USER in users else None
    return Access(_enabled(case, kind), files, group if number else "", member)


def _table(case: Case, path: str) -> list[list[str]]:
    return [line.split(":") for line in case.board.text(path).splitlines()]


def _enabled(case: Case, kind: str) -> bool:
    return bool(case.board.find(_WANTS.format(kind)))


def _join_group(case: Case, group: str) -> str:
    ran = case.board.run("usermod", "-a", "-G", group, MAPPER_USER)
    if ran.code:
        raise EdgeCoreError(f"usermod -a -G {group} {MAPPER_USER}: {ran.error}")
    return f"{MAPPER_USER} was put into group {group}; restart its mappers"


_SERIAL = ("/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/serial0")


def _look_serial(case: Case) -> Verdict:
    access = _access(case, "serial", _SERIAL, "dialout")
    wanted = access.wanted or (_enabled(case, "modbus") and bool(access.files))
    return judge_access(
        "serial",
        Access(wanted, access.files, access.group, access.member),
        absent="plug the adapter in; for the pins of a Raspberry Pi enable_uart=1 in config.txt, then reboot",
    )


def _look_console(case: Case) -> Verdict:
    words = case.board.text("/proc/cmdline").split()
    lines = [word.removeprefix("console=").partition(",")[0] for word in words if word.startswith("console=")]
    console = next((line for line in lines if line.startswith(("serial0", "ttyAMA", "ttyS"))), "")
    return judge_console(console, wanted=_enabled(case, "serial") or _enabled(case, "modbus"))


def _look_overlays(case: Case) -> Verdict:
    file = next((f"{path}/config.txt" for path in _BOOT if case.board.exists(f"{path}/config.txt")), "")
    wanted = {kind for kind in ("i2c", "serial", "bluetooth") if _enabled(case, kind)}
    return judge_overlays(case.board.text(file).splitlines() if file else None, wanted)


def _look_i2c(case: Case) -> Verdict:
    folder = next((path for path in _BOOT if case.board.exists(f"{path}/config.txt")), _BOOT[0])
    absent = f"dtparam=i2c_arm=on in {folder}/config.txt and i2c-dev in /etc/modules, then reboot (raspi-config does both)"
    return judge_access("i2c", _access(case, "i2c", ("/dev/i2c-*",), "i2c"), absent=absent)


def _look_gpio(case: Case) -> Verdict:
    access = _access(case, "gpio", ("/dev/gpiochip*",), "gpio")
    return judge_access("gpio", access, absent="use a kernel with CONFIG_GPIO_CDEV, which every Raspberry Pi OS has")


def _look_bluetooth(case: Case) -> Verdict:
    board = case.board
    adapters = [path.rsplit("/", 1)[-1] for path in board.find("/sys/class/bluetooth/hci*")]
    switches = _switches(case)
    radio = Radio(
        wanted=_enabled(case, "bluetooth"),
        adapters=adapters,
        daemon="bluetoothd" in board.processes().values(),
        soft=any(board.text(f"{path}/soft") == "1" for path in switches),
        hard=any(board.text(f"{path}/hard") == "1" for path in switches),
    )
    return judge_bluetooth(radio)


def _switches(case: Case) -> list[str]:
    board = case.board
    return [path.rsplit("/", 1)[0] for path in board.find("/sys/class/rfkill/*/type") if board.text(path) == "bluetooth"]


def _repair_bluetooth(case: Case) -> str:
    for path in _switches(case):
        case.board.write(f"{path}/soft", "0")
    return "Bluetooth was unblocked"


def _look_device_files(case: Case) -> Verdict:
    devices = read_devices(case.config.modules.edged.devices)
    return judge_device_files(devices, {path for paths in devices.values() for path in paths if not case.board.exists(path)})


def _look_mappers(case: Case) -> Verdict:
    if not case.board.exists("/run/systemd/system"):
        return skipped("there is no systemd")
    ran = case.board.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "bramble-mapper@*")
    return judge_mappers([line.split()[0] for line in ran.output.splitlines() if line.strip()])


CHECKS = (
    Check(
        "device-files",
        Group.DEVICES,
        "devices that modules.edged.devices names are there",
        "The Node offers 0 of a device that is missing, and pods that ask for it wait.",
        _look_device_files,
    ),
    Check(
        "serial",
        Group.DEVICES,
        "serial ports are there and mappers may use them",
        "Without the group dialout a mapper is refused by the kernel.",
        _look_serial,
        repair=lambda case: _join_group(case, "dialout"),
        repairs=f"puts {MAPPER_USER} into the group dialout",
    ),
    Check(
        "serial-console",
        Group.DEVICES,
        "the kernel's console does not use a serial line that a mapper wants",
        "A device at the line hears the kernel's messages and answers nonsense.",
        _look_console,
    ),
    Check(
        "overlays",
        Group.DEVICES,
        "config.txt of a Raspberry Pi turns on the buses and radios of the mappers that are set to run",
        "I2C and the UART are off on a fresh Raspberry Pi.",
        _look_overlays,
    ),
    Check(
        "i2c",
        Group.DEVICES,
        "I2C buses are on and mappers may use them",
        "Without bus or group a mapper is refused by the kernel.",
        _look_i2c,
        repair=lambda case: _join_group(case, "i2c"),
        repairs=f"puts {MAPPER_USER} into the group i2c",
    ),
    Check(
        "gpio",
        Group.DEVICES,
        "pins are there and mappers may use them",
        "Without the group gpio a mapper is refused by the kernel.",
        _look_gpio,
        repair=lambda case: _join_group(case, "gpio"),
        repairs=f"puts {MAPPER_USER} into the group gpio",
    ),
    Check(
        "bluetooth",
        Group.DEVICES,
        "the Bluetooth adapter is on and bluetoothd runs",
        "The Bluetooth mapper speaks to the radio through it.",
        _look_bluetooth,
        repair=_repair_bluetooth,
        repairs="unblocks Bluetooth (rfkill)",
    ),
    Check("mappers", Group.DEVICES, "no mapper service has failed", "Its devices are not read and not set.", _look_mappers),
)
