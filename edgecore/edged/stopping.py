"""Ends the containers of one pod: those that do its work all at once, then its sidecars, the last one first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from edgecore.containers import labels
from edgecore.containers.model import Container
from edgecore.edged.hooks import Hooks
from edgecore.edged.pod import PodPlan
from edgecore.edged.ports import Workshop
from edgecore.errors import EngineError

logger = logging.getLogger(__name__)

_LEAST_GRACE = 2.0
"""Seconds between the request to end and the kill, however much of the grace a hook or other containers have used up."""


class Stopper:
    """``plan`` is None where nobody knows any more what the pod was."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._hooks = Hooks(shop)

    def stop(self, plan: PodPlan | None, container: Container, grace: float, *, why: str = "") -> None:
        """Returns when it has ended. Its preStop hook is part of the grace."""
        began = time.monotonic()
        wanted = next((w for w in plan.wanted if w.name == container.label(labels.CONTAINER)), None) if plan is not None else None
        if plan is not None and wanted is not None:
            self._shop.events.about_pod(plan, "Killing", why or f"Stopping container {wanted.name}", container=wanted.name)
            outcome = self._hooks.before_stop(plan, wanted, container, grace)
            if not outcome.ok:
                logger.warning("pod %s/%s: container %s: preStop hook failed: %s", plan.namespace, plan.name, wanted.name, outcome.text)
                self._shop.events.about_pod(plan, "FailedPreStopHook", outcome.text, container=wanted.name, warning=True)
        left = max(min(_LEAST_GRACE, grace), grace - (time.monotonic() - began))
        self._shop.runtime().stop(container.id, left)

    def stop_all(self, plan: PodPlan | None, running: Sequence[Container], grace: float) -> None:
        """Raises:
        EngineError: the first one, after all have been asked.
        """
        deadline = time.monotonic() + grace
        sidecars = [wanted.name for wanted in plan.inits if wanted.sidecar] if plan is not None else []
        workers = [c for c in running if c.label(labels.CONTAINER) not in sidecars]
        self._together(plan, workers, grace)
        for name in reversed(sidecars):
            for container in (c for c in running if c.label(labels.CONTAINER) == name):
                self.stop(plan, container, max(min(_LEAST_GRACE, grace), deadline - time.monotonic()))

    def _together(self, plan: PodPlan | None, containers: Sequence[Container], grace: float) -> None:
        """So that the grace of one does not begin after that of another."""
        errors: list[EngineError] = []

        def stop(container: Container) -> None:
            try:
                self.stop(plan, container, grace)
            except EngineError as exc:
                errors.append(exc)

        others = [threading.Thread(target=stop, args=(container,), name="stop", daemon=True) for container in containers[1:]]
        for thread in others:
            thread.start()
        for container in containers[:1]:
            stop(container)
        _join(others)
        if errors:
            raise errors[0]


def _join(threads: Iterable[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
