"""Which container of a name counts, and which one is kept for its log alone. Pure.

When a container is started again, the one before it stays until its successor has ended too: for ``logs --previous``, as a kubelet does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgecore.containers import labels
from edgecore.containers.model import Container
from edgecore.edged import restarts


def by_age(observed: Iterable[Container]) -> list[Container]:
    """The oldest first; the engine's times are whole seconds, so the count of restarts decides."""
    return sorted(observed, key=lambda c: (restarts.record_of(c).restarts, c.created))


def current(observed: Sequence[Container], status: Mapping[str, Any]) -> dict[str, Container]:
    """The newest container of each name.

    ``status`` is the pod's as it was last told. Where that tells of a later container than any that is here, somebody has removed the later
    one, and what is here was only kept for its log: there is none then.
    """
    newest = {container.label(labels.CONTAINER): container for container in by_age(observed)}
    return {name: container for name, container in newest.items() if not _is_outlived(name, container, status)}


def predecessors(observed: Sequence[Container], there: Mapping[str, Container]) -> list[Container]:
    """Of each name the one that ended last before the current one (``there``), which has not ended itself."""
    older: dict[str, list[Container]] = defaultdict(list)
    for container in by_age(observed):
        if container is not there.get(container.label(labels.CONTAINER)):
            older[container.label(labels.CONTAINER)].append(container)
    kept = []
    for name, containers in older.items():
        successor = there.get(name)
        if restarts.ended(containers[-1]) is not None and (successor is None or restarts.ended(successor) is None):
            kept.append(containers[-1])
    return kept


def spare(observed: Sequence[Container]) -> list[Container]:
    """Of many pods' containers those that are here for their logs alone: they go when the disk fills."""
    families: dict[tuple[str, str], list[Container]] = defaultdict(list)
    for container in by_age(observed):
        families[container.label(labels.POD_UID), container.label(labels.CONTAINER)].append(container)
    return [container for family in families.values() for container in family[:-1] if restarts.ended(container) is not None]


def _is_outlived(name: str, container: Container, status: Mapping[str, Any]) -> bool:
    if restarts.ended(container) is None:
        return False
    told = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    counts = (int(each.get("restartCount") or 0) for each in told if isinstance(each, dict) and each.get("name") == name)
    return max(counts, default=0) > restarts.record_of(container).restarts
