"""A Kubernetes client that holds Secrets, namespaces and nodes in memory, with resourceVersions that work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeNotFound, KubeUnreachable
from cloudcore.kube.client import Listing
from cloudcore.kube.resources import Resource


class SecretKube:
    """``broken`` makes every call fail as if the API were away. ``writes`` counts what changed."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.broken = False
        self.writes = 0

    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]:
        await self._turn()
        try:
            return deepcopy(self.objects[resource.plural, namespace or "", name])
        except KeyError:
            raise KubeNotFound(f"{resource} {name}") from None

    async def list(self, resource: Resource, namespace: str | None = None) -> Listing:
        await self._turn()
        items = [deepcopy(body) for (plural, _, _), body in self.objects.items() if plural == resource.plural]
        return Listing(items, str(self.writes))

    def holds_no(self, name: str) -> bool:
        return all(key[2] != name for key in self.objects)

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        await self._turn()
        if namespace and ("namespaces", "", namespace) not in self.objects:
            raise KubeNotFound(f"namespace {namespace}")
        key = (resource.plural, namespace or "", body["metadata"]["name"])
        if key in self.objects:
            raise KubeAlreadyExists(f"{resource} {key[2]}")
        return self._put(key, body)

    async def update(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        await self._turn()
        key = (resource.plural, namespace or "", body["metadata"]["name"])
        if key not in self.objects:
            raise KubeNotFound(f"{resource} {key[2]}")
        if body["metadata"].get("resourceVersion") != self.objects[key]["metadata"]["resourceVersion"]:
            raise KubeConflict(f"{resource} {key[2]}")
        return self._put(key, body)

    async def _turn(self) -> None:
        """Let others run between any two calls, as a network would."""
        await asyncio.sleep(0)
        if self.broken:
            raise KubeUnreachable("connection refused")

    def _put(self, key: tuple[str, str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        self.writes += 1
        stored = deepcopy(dict(body))
        stored["metadata"]["resourceVersion"] = str(self.writes)
        self.objects[key] = stored
        return deepcopy(stored)
