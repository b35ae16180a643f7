"""Whether the board gets enough power and stays cool."""

from __future__ import annotations

from collections.abc import Sequence

from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong

# What a Raspberry Pi's firmware says (vcgencmd get_throttled): now, and 16 bits higher since boot.
UNDER_VOLTAGE, CAPPED, THROTTLED, SOFT_LIMIT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
SINCE_BOOT = 16

HOT, TOO_HOT = 75.0, 85.0
_SUPPLY = "use the power supply made for this board and a short cable; unplug USB devices, or give them power of their own"
_COOL = "a heat sink, a fan, or a place with air"


def judge_under_voltage(flags: int | None, alarms: Sequence[bool]) -> Verdict:
    """``flags`` of the firmware, ``alarms`` of the kernel's voltage sensors: either may be missing."""
    if flags is None and not alarms:
        return skipped("this board does not tell about its supply")
    if (flags or 0) & UNDER_VOLTAGE or any(alarms):
        return wrong("the supply is too weak now: less than 4.63 V reach the board", _SUPPLY)
    if (flags or 0) & UNDER_VOLTAGE << SINCE_BOOT:
        return warning("the supply was too weak at some time since boot", _SUPPLY)
    return ok("the supply has been strong enough since boot")


def judge_throttling(flags: int | None) -> Verdict:
    if flags is None:
        return skipped("this board does not tell whether it is slowed down")
    slow = CAPPED | THROTTLED | SOFT_LIMIT
    if flags & slow:
        return warning("the processor is slowed down now, by heat or a weak supply", f"{_COOL}; see under-voltage")
    if flags >> SINCE_BOOT & slow:
        return warning("the processor was slowed down at some time since boot", f"{_COOL}; see under-voltage")
    return ok("the processor has not been slowed down since boot")


def judge_temperature(hottest: float | None) -> Verdict:
    """Degrees Celsius."""
    if hottest is None:
        return skipped("this board tells no temperature")
    if hottest >= TOO_HOT:
        return wrong(f"{hottest:.0f} °C", _COOL)
    return warning(f"{hottest:.0f} °C", _COOL) if hottest >= HOT else ok(f"{hottest:.0f} °C")


def _look_under_voltage(case: Case) -> Verdict:
    board = case.board
    sensors = [path.rsplit("/", 1)[0] for path in board.find("/sys/class/hwmon/*/name") if board.text(path) == "rpi_volt"]
    return judge_under_voltage(case.throttled(), [board.text(f"{sensor}/in0_lcrit_alarm") == "1" for sensor in sensors])


def _look_throttling(case: Case) -> Verdict:
    return judge_throttling(case.throttled())


def _look_temperature(case: Case) -> Verdict:
    readings = [case.board.text(path) for path in case.board.find("/sys/class/thermal/thermal_zone*/temp")]
    degrees = [int(text) / 1000 for text in readings if text.lstrip("-").isdecimal()]
    return judge_temperature(max(degrees, default=None))


CHECKS = (
    Check(
        "under-voltage",
        Group.POWER,
        "the supply is strong enough now, and was since boot",
        "A weak supply damages SD cards, drops USB devices and makes boards reset.",
        _look_under_voltage,
    ),
    Check(
        "throttling",
        Group.POWER,
        "the processor is not slowed down, and was not since boot",
        "Pods take several times as long, probes run out of time and restart them.",
        _look_throttling,
    ),
    Check(
        "temperature", Group.POWER, f"the board is cooler than {HOT:.0f} °C", "At 80 to 85 °C a board slows itself down.", _look_temperature
    ),
)
