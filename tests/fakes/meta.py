"""MetaManager's answers to edged, in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from edgecore.errors import NoAnswer, NotFound
from edgecore.metaclient import Token
from viaduct.tokenrequest import TokenRequest


class FakeMeta:
    """``pods_stored`` and ``objects`` are what the store holds; ``statuses`` what was reported, newest last.
    ``tokens``: by (service account, audience), and for how many seconds they are fresh; ``asked`` what was asked for. ``away``: so is the
    cloud; ``refused``: registrations that failed for it."""

    def __init__(self, *, away: bool = False) -> None:
        self.pods_stored: dict[str, dict[str, Any]] = {}
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.statuses: list[tuple[str, dict[str, Any]]] = []
        self.node_statuses: list[dict[str, Any]] = []
        self.registrations: list[dict[str, str]] = []
        self.events: dict[str, dict[str, Any]] = {}
        self.tokens: dict[tuple[str, str], str] = {}
        self.fresh = 3000.0
        self.asked: list[tuple[str, TokenRequest, bool]] = []
        self.away = away
        self.refused = 0
        self._last_by_uid: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()

    def pods(self) -> list[dict[str, Any]]:
        return list(self.pods_stored.values())

    def pod_statuses(self) -> dict[str, dict[str, Any]]:
        return dict(self._last_by_uid)

    def stored(self, type_: str) -> list[dict[str, Any]]:
        return [value for (_, kind, _), value in list(self.objects.items()) if kind == type_]

    def get(self, namespace: str, type_: str, name: str, *, timeout: float = 10.0) -> dict[str, Any]:
        try:
            return self.objects[(namespace, type_, name)]
        except KeyError:
            raise NotFound(f"{namespace}/{type_}/{name}") from None

    def token(self, namespace: str, account: str, request: TokenRequest, *, needed: bool, timeout: float = 10.0) -> Token:
        self.asked.append((account, request, needed))
        if self.away:
            raise NoAnswer("not stored here, and the cloud is away")
        if (account, request.audience) not in self.tokens:
            raise NotFound("the API offers no tokens")
        return Token(self.tokens[account, request.audience], self.fresh)

    def report_pod_status(self, namespace: str, name: str, uid: str, status: dict[str, Any], *, timeout: float = 10.0) -> None:
        with self._changed:
            self.statuses.append((name, status))
            self._last_by_uid[uid] = status
            self._changed.notify_all()

    def report_event(self, namespace: str, name: str, event: dict[str, Any]) -> None:
        with self._changed:
            self.events[name] = event
            self._changed.notify_all()

    def reasons(self, pod: str) -> list[str]:
        """Of the events about ``pod``, in the order in which they were first told."""
        return [event["reason"] for event in self.events.values() if event["involvedObject"]["name"] == pod]

    def report_node_status(self, node: str, status: dict[str, Any], *, timeout: float = 10.0) -> None:
        with self._changed:
            self.node_statuses.append(status)
            self._changed.notify_all()

    def register_node(self, node: str, labels: dict[str, str], status: dict[str, Any], *, timeout: float = 60.0) -> bool:
        if self.away:
            with self._changed:
                self.refused += 1
                self._changed.notify_all()
            raise NoAnswer("the cloud is away")
        with self._changed:
            self.registrations.append(labels)
            self._changed.notify_all()
        return True

    def last_status(self, name: str) -> dict[str, Any]:
        return next((status for pod, status in reversed(self.statuses) if pod == name), {})

    def wait_for(self, claim: Callable[[], Any], limit: float = 5.0) -> Any:
        """Until ``claim()`` is true; it is looked at whenever something is reported, and often."""
        deadline = time.monotonic() + limit
        with self._changed:
            while not (found := claim()):
                if time.monotonic() > deadline:
                    raise AssertionError(f"not within {limit} s; statuses: {self.statuses[-3:]}")
                self._changed.wait(0.02)
        return found
