"""The catalogue follows the CustomResourceDefinitions that are committed."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cloudstub.kinds.catalog import Catalog
from cloudstub.kinds.custom import DEFINITIONS, kind_of
from cloudstub.store.records import DELETED, Change
from cloudstub.store.store import Store

logger = logging.getLogger(__name__)


def follow(store: Store, catalog: Catalog) -> None:
    """Serve every stored definition now, and keep to what changes."""
    for record in store.ordered(DEFINITIONS):
        catalog.install(kind_of(record.value))

    def observe(changes: Iterable[Change]) -> None:
        for change in changes:
            if change.key.resource == DEFINITIONS:
                _take(store, catalog, change)

    store.observers.append(observe)


def _take(store: Store, catalog: Catalog, change: Change) -> None:
    if change.type != DELETED:
        if change.type != "MODIFIED" or change.before is None or change.before.value["spec"] != change.after.value["spec"]:
            catalog.install(kind_of(change.after.value))
            logger.info("custom kind %s is served", change.key.name)
        return
    plural, _, group = change.key.name.partition(".")
    catalog.remove(group, plural)
    store.broadcast.end(change.key.name)
    logger.info("custom kind %s is gone", change.key.name)
