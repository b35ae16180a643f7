"""What identity needs from a Kubernetes API. ``KubeSecrets`` gives it from a client of ``cloudcore.kube``."""

from __future__ import annotations

from typing import Any, Protocol

NAMESPACE = "kubeedge"
"""Where KubeEdge keeps its Secrets (contract 2.8); ours lie beside them."""


class SecretStore(Protocol):
    """Secrets of the namespace ``kubeedge`` as raw Kubernetes objects.

    Every method raises a ``cloudcore.errors.KubeError``: KubeNotFound, KubeAlreadyExists, KubeConflict where they apply.
    """

    async def read(self, name: str) -> dict[str, Any]: ...

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create the Secret, and the namespace first where it is missing."""

    async def replace(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Compare-and-set: refused with KubeConflict unless metadata.resourceVersion is the newest."""
