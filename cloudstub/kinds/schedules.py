"""Schedules of CronJobs: the door to ``cronsim``. Five fields as cron has them, or one of the macros, in a time zone by its name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = 5


def schedule_fault(text: object) -> str:
    """What is wrong with a schedule; empty if nothing."""
    if not isinstance(text, str):
        return "must be a string"
    if "TZ=" in text:
        return "use spec.timeZone instead of a time zone in the schedule"
    expression = MACROS.get(text.strip(), text)
    if len(expression.split()) != _FIELDS:
        return f"must have {_FIELDS} fields (minute, hour, day of month, month, day of week) or be one of {', '.join(MACROS)}"
    try:
        CronSim(expression.upper(), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as exc:
        return str(exc)[:1].lower() + str(exc)[1:]
    return ""


def zone_fault(name: object) -> str:
    """What is wrong with the name of a time zone; empty if nothing."""
    if not isinstance(name, str) or not name or name.lower() == "local":
        return "must be the name of a time zone, such as Europe/Berlin"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "unknown time zone"
    return ""


def latest(schedule: str, zone: str, *, after: datetime, until: datetime) -> datetime | None:
    """The last time of the schedule in (``after``, ``until``], in UTC; None where there is none."""
    found = _next(schedule, zone, until + timedelta(seconds=1), reverse=True)
    return found if found is not None and found > after else None


def following(schedule: str, zone: str, after: datetime) -> datetime | None:
    """The first time of the schedule later than ``after``, in UTC; None: never."""
    return _next(schedule, zone, after, reverse=False)


def _next(schedule: str, zone: str, start: datetime, *, reverse: bool) -> datetime | None:
    place: tzinfo = ZoneInfo(zone) if zone else UTC
    expression = MACROS.get(schedule.strip(), schedule).upper()
    found = next(CronSim(expression, start.astimezone(place).replace(microsecond=0), reverse), None)
    return None if found is None else found.astimezone(UTC)
