"""Times as Kubernetes writes and shows them."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "<unknown>"


def timestamp(now: datetime) -> str:
    """``2024-05-01T10:00:00Z``."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: object) -> datetime | None:
    """RFC 3339 to an aware datetime; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def age(since: object, now: datetime) -> str:
    """How long ago, in at most two units: ``45s``, ``5m3s``, ``3h``, ``12d``, ``2y10d``."""
    moment = parse_time(since)
    return duration(int((now - moment).total_seconds())) if moment else UNKNOWN


def duration(seconds: int) -> str:
    """Seconds in kubectl's short form."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
