"""Secrets of the namespace ``kubeedge`` through a Kubernetes client."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from cloudcore.errors import KubeAlreadyExists, KubeNotFound
from cloudcore.kube.resources import NAMESPACES, SECRETS, Resource
from cloudcore.pki.ports import NAMESPACE


class KubeObjects(Protocol):
    """The part of ``cloudcore.kube.client.KubeClient`` that is used here."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]: ...

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]: ...

    async def update(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]: ...


class KubeSecrets:
    """A SecretStore (ports.py)."""

    def __init__(self, kube: KubeObjects) -> None:
        self._kube = kube

    async def read(self, name: str) -> dict[str, Any]:
        return await self._kube.get(SECRETS, NAMESPACE, name)

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._kube.create(SECRETS, NAMESPACE, body)
        except KubeNotFound:
            await self._create_namespace()
            return await self._kube.create(SECRETS, NAMESPACE, body)

    async def replace(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._kube.update(SECRETS, NAMESPACE, body)

    async def _create_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        with suppress(KubeAlreadyExists):
            await self._kube.create(NAMESPACES, None, body)
