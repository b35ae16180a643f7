"""GET of one object."""

from __future__ import annotations

from cloudstub.store.records import Record
from cloudstub.verbs.world import Target, World, not_found


def get(world: World, target: Target) -> Record:
    """The committed record.

    Raises:
        NotFound: there is none.
    """
    record = world.store.get(target.key)
    if record is None:
        raise not_found(target)
    return record
