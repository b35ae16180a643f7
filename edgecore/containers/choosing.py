"""Which container a person means who names a pod. Pure."""

from __future__ import annotations

import json

from edgecore.containers.labels import CONTAINER, POD_UID, RECORD, RESTARTS
from edgecore.containers.model import Container, State
from edgecore.errors import NotFound


def choose(found: list[Container], pod: str, container: str, *, previous: bool = False) -> Container:
    """The container that is meant: the newest of its name, or with ``previous`` the one that ended last of those that had to be started
    again: the newest itself while it waits for that.

    Raises:
        NotFound: none is, or more than one.
    """
    if not found:
        raise NotFound(f"pod {pod} has no containers on this node")
    names = list(dict.fromkeys(c.label(CONTAINER) for c in sorted(found, key=lambda c: c.created)))
    if not container and len(names) > 1:
        raise NotFound(f"pod {pod} has several containers: name one of {', '.join(names)}")
    wanted = container or names[0]
    same = sorted((c for c in found if c.label(CONTAINER) == wanted), key=_age, reverse=True)
    if not same:
        raise NotFound(f"pod {pod} has no container {wanted}: it has {', '.join(names)}")
    if not previous or _comes_back(same[0]):
        return same[0]
    if len(same) < 2:
        raise NotFound(f"previous terminated container {wanted} in pod {pod} not found")
    return same[1]


def newest(found: list[Container]) -> list[Container]:
    """Without those that are kept for their logs: one of each name in each pod."""
    return list({(c.label(POD_UID), c.label(CONTAINER)): c for c in sorted(found, key=_age)}.values())


def _comes_back(container: Container) -> bool:
    """Whether it has ended and is to be started again."""
    policy = container.label(RESTARTS)
    return container.state is State.ENDED and (policy == "Always" or (policy == "OnFailure" and container.exit_code != 0))


def _age(container: Container) -> tuple[int, float]:
    """Later ones are greater; the engine's times are whole seconds, so the count of restarts goes first."""
    try:
        restarts = int(json.loads(container.label(RECORD) or "{}").get("restarts") or 0)
    except (ValueError, TypeError, AttributeError):
        restarts = 0
    return restarts, container.created
