"""Events are for reading soon: they go after an hour, as in Kubernetes."""

from __future__ import annotations

from datetime import timedelta

from cloudstub.kinds.ages import parse_time
from cloudstub.store.records import Object
from cloudstub.verbs.world import World

EVENT_LIFE = timedelta(hours=1)


def expire_events(world: World) -> int:
    """Stage the end of every event that was last seen too long ago; how many there were."""
    limit = world.clock() - EVENT_LIFE
    expired = [r for r in world.store.peek_all("events") if (seen := parse_time(_seen(r.value))) and seen < limit]
    for record in expired:
        world.store.remove(record.key)
    return len(expired)


def _seen(event: Object) -> object:
    series = event.get("series")
    newest = series.get("lastObservedTime") if isinstance(series, dict) else None
    return newest or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
