"""The CustomResourceDefinitions that CloudCore needs, created where they are missing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Protocol

import yaml

from cloudcore.errors import KubeAlreadyExists, KubeInvalid, KubeNotFound
from cloudcore.kube.resources import CRDS, Resource

logger = logging.getLogger(__name__)


class Creator(Protocol):
    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]: ...

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any]) -> dict[str, Any]: ...


def packaged() -> list[dict[str, Any]]:
    """The definitions that ship with CloudCore, by file name."""
    folder = files("cloudcore").joinpath("crds")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return [yaml.safe_load(entry.read_text("utf-8")) for entry in entries]


async def create_missing(kube: Creator) -> None:
    """One that exists is left as it is: an administrator's, or KubeEdge's own. Where we may not create it, say so and go on.

    Raises:
        KubeError: the API failed.
    """
    for definition in packaged():
        name = definition["metadata"]["name"]
        try:
            await kube.get(CRDS, None, name)
        except KubeNotFound:
            await _create(kube, name, definition)
        except KubeInvalid as exc:
            logger.info("cannot look at %s: %s", name, exc)


async def _create(kube: Creator, name: str, definition: dict[str, Any]) -> None:
    try:
        await kube.create(CRDS, None, definition)
        logger.info("created CustomResourceDefinition %s", name)
    except KubeAlreadyExists:
        pass
    except KubeInvalid as exc:
        if exc.code != 403:
            raise
        logger.warning("may not create CustomResourceDefinition %s (%s): apply packaging/crds as an administrator", name, exc)
