"""Keeps the profile ConfigMaps (contract 5.2) equal to what the caches say. One loop; nothing is remembered between two looks (bug C16)."""

from __future__ import annotations

import asyncio
import logging

from cloudcore.cluster import Cluster, Informer
from cloudcore.devicecontroller.bindings import Bindings
from cloudcore.devicecontroller.profile import model_of, profile_text
from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeInvalid, KubeNotFound
from cloudcore.kube.resources import CONFIGMAPS
from cloudcore.objects import identity, uid_of
from cloudcore.ports import JsonObject
from viaduct.profile import FILE, configmap_of, node_of

logger = logging.getLogger(__name__)

OWNER_LABEL = "app.kubernetes.io/managed-by"
OWNER = "bramble-devicecontroller"
_GATHER_SECONDS = 0.05
_RETRY_SECONDS = 2.0


class Profiles:
    """``mark`` what may have changed; ``run`` writes what really differs."""

    def __init__(
        self,
        kube: Cluster,
        *,
        devices: Informer,
        models: Informer,
        configmaps: Informer,
        bindings: Bindings,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._kube = kube
        self._devices = devices
        self._models = models
        self._configmaps = configmaps
        self._bindings = bindings
        self._retry_seconds = retry_seconds
        self._marked: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()

    def mark(self, node: str, namespace: str) -> None:
        if node:
            self._marked[node, namespace] = None
            self._wake.set()

    def model_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        namespace, name = identity(new if new is not None else old or {})
        for device in self._devices.values():
            if identity(device)[0] == namespace and model_of(device) == name:
                self.mark(self._bindings.node_of(identity(device)), namespace)

    def configmap_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        """Somebody (maybe we) wrote or deleted a profile: look at it."""
        namespace, name = identity(new if new is not None else old or {})
        if node_of(name):
            self.mark(node_of(name), namespace)

    async def run(self) -> None:
        """Until cancelled. Start it when the caches are filled: half a view would give half a profile."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._wake.clear()
            marked, self._marked = self._marked, {}
            for node, namespace in marked:
                await self._keep(node, namespace)

    async def _keep(self, node: str, namespace: str) -> None:
        try:
            await self._write(node, namespace)
        except (KubeInvalid, KubeNotFound) as exc:
            logger.warning("profile of node %s in %s cannot be written: %s", node, namespace, exc)
        except KubeError as exc:
            logger.warning("profile of node %s in %s cannot be written now: %s", node, namespace, exc)
            asyncio.get_running_loop().call_later(self._retry_seconds, self.mark, node, namespace)
        except Exception:
            # A device that no schema has checked must not end the profiles of all the others.
            logger.exception("profile of node %s in %s cannot be made", node, namespace)

    async def _write(self, node: str, namespace: str) -> None:
        name = configmap_of(node)
        current = self._configmaps.get(namespace, name)
        for _ in range(5):
            wanted = profile_text(self._served(node, namespace), self._models_of(namespace))
            try:
                await self._make_so(namespace, name, current, wanted)
                return
            except (KubeConflict, KubeAlreadyExists):
                current = await self._kube.get(CONFIGMAPS, namespace, name)
            except KubeNotFound:
                if current is None:
                    raise
                current = None
        raise KubeConflict(f"ConfigMap {namespace}/{name}: changed each time while it was written", code=409)

    async def _make_so(self, namespace: str, name: str, current: JsonObject | None, wanted: str | None) -> None:
        if wanted is None:
            if current is not None and _is_ours(current):
                await self._kube.delete(CONFIGMAPS, namespace, name, uid=uid_of(current))
                logger.info("profile %s/%s is deleted with its last device", namespace, name)
            return
        if current is None:
            metadata = {"name": name, "namespace": namespace, "labels": {OWNER_LABEL: OWNER}}
            await self._kube.create(
                CONFIGMAPS, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {FILE: wanted}}
            )
            logger.info("profile %s/%s is written", namespace, name)
        elif (current.get("data") or {}).get(FILE) != wanted or not _is_ours(current):
            await self._kube.update(CONFIGMAPS, namespace, _with_profile(current, wanted))
            logger.info("profile %s/%s is updated", namespace, name)

    def _served(self, node: str, namespace: str) -> list[JsonObject]:
        places = [place for place in self._bindings.served_by(node) if place[0] == namespace]
        return [device for device in (self._devices.get(*place) for place in places) if device is not None]

    def _models_of(self, namespace: str) -> list[JsonObject]:
        return [model for model in self._models.values() if identity(model)[0] == namespace]


def _is_ours(configmap: JsonObject) -> bool:
    return ((configmap.get("metadata") or {}).get("labels") or {}).get(OWNER_LABEL) == OWNER


def _with_profile(configmap: JsonObject, text: str) -> JsonObject:
    metadata = configmap.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | {OWNER_LABEL: OWNER}
    return configmap | {"metadata": metadata | {"labels": labels}, "data": (configmap.get("data") or {}) | {FILE: text}}
