"""What edged needs of the rest of EdgeCore, and what its own parts share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from edgecore.containers.pulls import Pulls
from edgecore.containers.runtime import Runtime
from edgecore.edged.events import Events
from edgecore.edged.fields import Surroundings
from edgecore.edged.naming import Naming
from edgecore.edged.podspec import NodeRules
from edgecore.edged.prober import Prober
from edgecore.edged.volume_files import VolumeFiles
from edgecore.metaclient import Token
from viaduct.tokenrequest import TokenRequest


class Meta(Protocol):
    """``edgecore.metaclient.MetaClient``, as far as edged uses it."""

    def pods(self) -> list[dict[str, Any]]: ...
    def stored(self, type_: str) -> list[dict[str, Any]]: ...
    def pod_statuses(self) -> dict[str, dict[str, Any]]: ...
    def get(self, namespace: str, type_: str, name: str, *, timeout: float = 10.0) -> dict[str, Any]: ...
    def token(self, namespace: str, account: str, request: TokenRequest, *, needed: bool, timeout: float = 10.0) -> Token: ...
    def report_pod_status(self, namespace: str, name: str, uid: str, status: dict[str, Any], *, timeout: float = 10.0) -> None: ...
    def report_event(self, namespace: str, name: str, event: dict[str, Any]) -> None: ...
    def report_node_status(self, node: str, status: dict[str, Any], *, timeout: float = 10.0) -> None: ...
    def register_node(self, node: str, labels: dict[str, str], status: dict[str, Any], *, timeout: float = 60.0) -> bool: ...


class EnginePort(Protocol):
    """``edgecore.containers.engine.Engine``, as far as edged uses it. ``missing``: limits that this kernel cannot keep, and why."""

    missing: dict[str, str]

    def runtime(self) -> Runtime: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every pod worker works with. ``runtime``, ``rules`` and ``around`` are asked each time: they change when the engine comes.

    ``clock`` is the wall clock (epoch seconds), which may be wrong and may jump: for what is told, never for what is waited for.
    """

    meta: Meta
    runtime: Callable[[], Runtime]
    pulls: Pulls
    files: VolumeFiles
    rules: Callable[[], NodeRules]
    around: Callable[[], Surroundings]
    prober: Prober
    events: Events
    naming: Naming | None = None
    """None: this node does not serve Services."""
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic

    def told(self) -> None:
        """A pod is not what it was."""
        if self.naming is not None:
            self.naming.changed()
