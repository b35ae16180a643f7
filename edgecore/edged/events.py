"""What happens to pods and to the node, told as core/v1 Events (P5.7): ``kubectl get events``, ``kubectl describe``.

The same fact told again raises the count of its event, and goes up less and less often: flash and the link are spared (S2, C7).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecore.edged.pod import PodPlan
from edgecore.edged.static_pods import is_static
from edgecore.edged.status import timestamp
from edgecore.errors import Busy, NoAnswer, StoreError

logger = logging.getLogger(__name__)

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
_REMEMBERED = 512
_MOST_TEXT = 1000
_NAMED = 220

Report = Callable[[str, str, dict[str, Any]], None]
"""``report(namespace, name, event)``; may raise Busy, NoAnswer and StoreError."""


@dataclass(slots=True)
class _Fact:
    first: float
    count: int = 0
    pause: float = 0.0
    due: float = 0.0


class Events:
    """From any thread. Telling is never worth more than what is told about: it waits little, and a failure is only logged."""

    def __init__(self, node: str, report: Report, clock: Callable[[], float] = time.time) -> None:
        self._node = node
        self._report = report
        self._clock = clock
        self._facts: OrderedDict[tuple[str, ...], _Fact] = OrderedDict()
        self._lock = threading.Lock()

    def about_pod(self, plan: PodPlan, reason: str, message: str, *, container: str = "", warning: bool = False) -> None:
        """Of static pods nothing is told: the cloud knows none."""
        if is_static(plan.document):
            return
        about = {"kind": "Pod", "namespace": plan.namespace, "name": plan.name, "uid": plan.uid}
        if container:
            init = any(wanted.name == container for wanted in plan.inits)
            about["fieldPath"] = f"spec.{'initContainers' if init else 'containers'}{{{container}}}"
        self._tell(plan.namespace, about, reason, message, warning)

    def about_node(self, reason: str, message: str, *, warning: bool = False) -> None:
        self._tell("default", {"kind": "Node", "name": self._node}, reason, message, warning)

    def _tell(self, namespace: str, about: dict[str, str], reason: str, message: str, warning: bool) -> None:
        message = message[:_MOST_TEXT] or reason
        identity = (about.get("uid", about["name"]), about.get("fieldPath", ""), reason, message)
        told = self._count(identity)
        if told is None:
            return
        digest = hashlib.sha256("\0".join((*identity, repr(told.first))).encode()).hexdigest()[:16]
        event = {
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "count": told.count,
            "firstTimestamp": timestamp(told.first),
            "lastTimestamp": timestamp(self._clock()),
        }
        try:
            self._report(namespace, f"{about['name'][:_NAMED]}.{digest}", event)
        except (Busy, NoAnswer, StoreError) as exc:
            logger.debug("event %s of %s/%s: %s", reason, namespace, about["name"], exc)

    def _count(self, identity: tuple[str, ...]) -> _Fact | None:
        """The fact as it is to be told now; None: later, with a higher count."""
        now = self._clock()
        with self._lock:
            fact = self._facts.setdefault(identity, _Fact(now))
            self._facts.move_to_end(identity)
            while len(self._facts) > _REMEMBERED:
                self._facts.popitem(last=False)
            fact.count += 1
            if now < fact.due <= now + LONGEST_PAUSE:
                return None
            fact.pause = min(max(FIRST_PAUSE, fact.pause * 2.0), LONGEST_PAUSE)
            fact.due = now + fact.pause
            return _Fact(fact.first, fact.count)
