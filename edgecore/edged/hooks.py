"""Lifecycle hooks: postStart after a container has started, preStop before it is asked to end (core/v1 Lifecycle)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edgecore.containers.model import Container
from edgecore.edged.errors import ConfigProblem
from edgecore.edged.handlers import Handler, Outcome, handler_of
from edgecore.edged.handling import handle
from edgecore.edged.pod import PodPlan, Wanted
from edgecore.edged.ports import Workshop
from edgecore.errors import EngineError

logger = logging.getLogger(__name__)

POST_START_LIMIT = 600.0
"""Seconds. Kubernetes knows no limit and lets a container wait for ever; nobody gains from that."""

_LOOK_UP = 0.2


def hook_of(wanted: Wanted, name: str) -> Handler | None:
    """Raises:
    ConfigProblem: a hook that this node cannot run.
    """
    lifecycle = wanted.document.get("lifecycle")
    document = lifecycle.get(name) if isinstance(lifecycle, dict) else None
    return handler_of(document, wanted.document, f"lifecycle.{name}") if isinstance(document, dict) else None


class Hooks:
    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def after_start(self, plan: PodPlan, wanted: Wanted, container: str, address: str, given_up: Callable[[], bool]) -> Outcome:
        """Waits for the hook's end, or until the pod is ``given_up``: it is to go while the hook still runs."""
        handler = hook_of(wanted, "postStart")
        if handler is None:
            return Outcome(True)
        done = threading.Event()
        outcomes: list[Outcome] = []

        def run() -> None:
            outcomes.append(self._run(handler, container, address, POST_START_LIMIT))
            done.set()

        threading.Thread(target=run, name=f"hook-{plan.uid[:8]}", daemon=True).start()
        while not done.wait(_LOOK_UP):
            if given_up():
                return Outcome(True)
        return outcomes[0]

    def before_stop(self, plan: PodPlan, wanted: Wanted, container: Container, limit: float) -> Outcome:
        """Waits for the hook's end, ``limit`` seconds at most."""
        try:
            handler = hook_of(wanted, "preStop")
        except ConfigProblem as exc:
            return Outcome(False, str(exc))
        if handler is None or limit <= 0:
            return Outcome(True)
        address = self._shop.around().host_address if plan.host_network else container.address
        return self._run(handler, container.id, address, limit)

    def _run(self, handler: Handler, container: str, address: str, limit: float) -> Outcome:
        try:
            return handle(handler, runtime=self._shop.runtime, container=container, address=address, timeout=limit)
        except EngineError as exc:
            return Outcome(False, str(exc))
