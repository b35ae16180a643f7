"""The APIService that makes us the cluster's metrics.k8s.io: ours is kept right, metrics-server's is left alone (decision 0170)."""

from __future__ import annotations

import asyncio
import base64
import logging
from enum import Enum, auto

from cloudcore.cluster import Cluster
from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeForbidden, KubeInvalid, KubeNotFound
from cloudcore.kube.ownership import MANAGED_BY, OWNER
from cloudcore.kube.resources import API_SERVICES
from cloudcore.ports import JsonObject
from supervision.usage import GROUP, VERSION

logger = logging.getLogger(__name__)

NAME = f"{VERSION}.{GROUP}"
SERVED_BY = "bramble.io/served-by"
"""Annotation: the Service that we named. Who applies another APIService over ours changes the Service and leaves our mark. One of our Helm
chart has it too, and no CA; its label ``managed-by`` is Helm's."""

LOOK_AGAIN_SECONDS = 30.0
_PRIORITY = 100
_PORT = 443


class Fate(Enum):
    CREATE = auto()
    UPDATE = auto()
    KEEP = auto()
    REMOVE = auto()
    FOREIGN = auto()


def api_service(service: tuple[str, str], ca_pem: str) -> JsonObject:
    """``service``: namespace and name; its port 443 leads to us."""
    namespace, name = service
    return {
        "apiVersion": API_SERVICES.api_version,
        "kind": API_SERVICES.kind,
        "metadata": {"name": NAME, "labels": {MANAGED_BY: OWNER}, "annotations": {SERVED_BY: f"{namespace}/{name}"}},
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "groupPriorityMinimum": _PRIORITY,
            "versionPriority": _PRIORITY,
            "service": {"namespace": namespace, "name": name, "port": _PORT},
            "caBundle": base64.b64encode(ca_pem.encode()).decode(),
        },
    }


def fate_of(there: JsonObject | None, wanted: JsonObject | None) -> Fate:
    """What becomes of the one in the cluster. ``wanted`` None: we serve no metrics."""
    if there is None:
        return Fate.KEEP if wanted is None else Fate.CREATE
    if not _is_served_by_us(there):
        return Fate.FOREIGN
    if wanted is None:
        return Fate.REMOVE
    spec = there.get("spec") or {}
    return Fate.KEEP if all(spec.get(key) == value for key, value in wanted["spec"].items()) else Fate.UPDATE


async def settle(kube: Cluster, wanted: JsonObject | None) -> None:
    """Bring it to where it should be. Where we may not, say so and go on.

    Raises:
        KubeError: the API failed.
    """
    try:
        await _settle(kube, wanted)
    except (KubeAlreadyExists, KubeConflict):
        logger.info("somebody else writes APIService %s", NAME)
    except KubeNotFound:
        logger.warning("the Kubernetes API knows no APIService: it aggregates nothing, so kubectl top asks whom it asked before")
    except (KubeForbidden, KubeInvalid) as exc:
        say = logger.debug if wanted is None else logger.warning
        say("APIService %s cannot be read or written (%s): give CloudCore the rights of rbac.yaml (docs/operations.md)", NAME, exc)


async def keep_trusted(kube: Cluster, wanted: JsonObject) -> None:
    """Give our CA to one that Helm made after our start. Whatever has a CA is left alone: two CloudCores never fight."""
    while True:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        try:
            there = await _there(kube)
            if there is not None and not (there.get("spec") or {}).get("caBundle") and _is_served_by_us(there):
                await settle(kube, wanted)
        except KubeError as exc:
            logger.debug("APIService %s: looking again: %s", NAME, exc)


async def _settle(kube: Cluster, wanted: JsonObject | None) -> None:
    there = await _there(kube)
    match fate_of(there, wanted):
        case Fate.CREATE if wanted is not None:
            await kube.create(API_SERVICES, None, wanted)
            logger.info("registered APIService %s: kubectl top asks CloudCore", NAME)
        case Fate.UPDATE if wanted is not None and there is not None:
            metadata = there["metadata"]
            annotations = (metadata.get("annotations") or {}) | wanted["metadata"]["annotations"]
            changed = {"metadata": metadata | {"annotations": annotations}, "spec": (there.get("spec") or {}) | wanted["spec"]}
            await kube.update(API_SERVICES, None, there | changed)
            logger.info("updated APIService %s", NAME)
        case Fate.REMOVE if there is not None:
            await kube.delete(API_SERVICES, None, NAME, uid=str(there["metadata"].get("uid") or ""))
            logger.info("removed APIService %s, which CloudCore serves no more", NAME)
        case Fate.FOREIGN if wanted is not None:
            logger.warning("APIService %s is not of CloudCore (metrics-server's?) and stays as it is: kubectl top asks who serves it", NAME)


async def _there(kube: Cluster) -> JsonObject | None:
    try:
        return await kube.get(API_SERVICES, None, NAME)
    except KubeNotFound:
        return None


def _is_served_by_us(there: JsonObject) -> bool:
    service = (there.get("spec") or {}).get("service") or {}
    said = ((there.get("metadata") or {}).get("annotations") or {}).get(SERVED_BY)
    return bool(service) and said == f"{service.get('namespace')}/{service.get('name')}"
