"""The schemas of the CRDs that ship, by kind and version."""

from __future__ import annotations

from functools import cache
from typing import Any

from cloudcore.kube.definitions import packaged


@cache
def schemas(kind: str) -> dict[str, dict[str, Any]]:
    """By version."""
    definition = next(one for one in packaged() if one["spec"]["names"]["kind"] == kind)
    return {version["name"]: version["schema"]["openAPIV3Schema"] for version in definition["spec"]["versions"]}
