"""The CustomResourceDefinitions that CloudCore needs: made where missing, upgraded where ours and older (decision 0086)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import yaml

from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeForbidden, KubeInvalid, KubeNotFound
from cloudcore.kube.ownership import MANAGED_BY, OWNER, Fate, Webhook, equipped, fate_of, is_ours, serves, upgraded
from cloudcore.kube.resources import CRDS, Resource

__all__ = ["MANAGED_BY", "OWNER", "Webhook", "install", "is_ours", "packaged"]

logger = logging.getLogger(__name__)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ_IN = "v1alpha1"
"""The version of all of them in which CloudCore reads."""


class Definitions(Protocol):
    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]: ...

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]: ...

    async def update(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]: ...


@cache
def packaged() -> tuple[dict[str, Any], ...]:
    """The definitions that ship with CloudCore, by file name: read once, to be changed by nobody."""
    folder = files("cloudcore").joinpath("crds")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return tuple(yaml.load(entry.read_text("utf-8"), Loader=_Loader) for entry in entries)


async def install(kube: Definitions, webhook: Webhook | None) -> None:
    """Bring every definition to where it should be, with conversion by ``webhook`` (None: only the stored versions are served).

    One that is not ours is never touched, nor one of a newer CloudCore. Where we may not write, say so and go on.

    Raises:
        KubeError: the API failed.
    """
    for definition in packaged():
        wanted = equipped(definition, webhook)
        name = wanted["metadata"]["name"]
        try:
            await _bring(kube, name, wanted)
        except (KubeAlreadyExists, KubeConflict):
            logger.info("another CloudCore writes CustomResourceDefinition %s", name)
        except (KubeForbidden, KubeInvalid) as exc:
            logger.warning(
                "CustomResourceDefinition %s cannot be read or written (%s): give CloudCore the rights of rbac.yaml (docs/operations.md)",
                name,
                exc,
            )


async def _bring(kube: Definitions, name: str, wanted: dict[str, Any]) -> None:
    try:
        there = await kube.get(CRDS, None, name)
    except KubeNotFound:
        await kube.create(CRDS, None, wanted)
        logger.info("created CustomResourceDefinition %s", name)
        return
    match fate_of(there, wanted):
        case Fate.UPGRADE:
            await kube.update(CRDS, None, upgraded(there, wanted))
            logger.info("upgraded CustomResourceDefinition %s", name)
        case Fate.NEWER:
            logger.info("CustomResourceDefinition %s is of a newer CloudCore and stays as it is", name)
        case Fate.FOREIGN:
            what = (
                ""
                if serves(there, _READ_IN)
                else f"; it does not serve {_READ_IN}, in which CloudCore reads, so CloudCore sees none of them"
            )
            logger.warning("CustomResourceDefinition %s is not of CloudCore (KubeEdge's own?) and stays as it is%s", name, what)
