"""The Kubernetes API as the controllers see it. ``kube/`` fulfils these interfaces; tests put a fake in their place.

Objects are raw JSON (dicts). What an informer hands out is shared: read it, copy it, never change it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from cloudcore.kube.resources import Resource
from cloudcore.ports import JsonObject

Handler = Callable[[JsonObject | None, JsonObject | None], None]
"""``(old, new)``: added has no old, deleted has no new. Called in the event loop, must not wait."""

Clock = Callable[[], datetime]
"""The time now, with its zone."""


class Informer(Protocol):
    """All objects of one resource, as of a moment ago."""

    synced: asyncio.Event
    """Set once the first list is in the cache."""

    def get(self, namespace: str, name: str) -> JsonObject | None: ...

    def values(self) -> Iterator[JsonObject]: ...

    def follow(self, handler: Handler) -> None:
        """Call ``handler`` for every change; what is in the cache already is told at once as added."""


class Cluster(Protocol):
    """A client of the API. Every method raises the ``Kube*`` errors of ``cloudcore.errors``; ``namespace`` is "" where there is none."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject: ...

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = "") -> JsonObject:
        """With ``subresource``, below the object that ``body`` names."""

    async def update(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = "") -> JsonObject:
        """Replace. With ``metadata.resourceVersion``, only that version; KubeConflict where it is not the newest."""

    async def patch(self, resource: Resource, namespace: str | None, name: str, patch: Any) -> JsonObject:
        """Lay ``patch`` over the newest version (RFC 7386)."""

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, grace_seconds: int | None = None, uid: str = ""
    ) -> JsonObject:
        """``uid``: only this very object (a precondition; KubeConflict where another has its name)."""
