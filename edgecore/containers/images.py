"""What an image name means and when it is fetched. Pure.

Decisions (they differ from a kubelet's where a board without a network would suffer):

* A name without a registry is looked for among the local images first, as Podman's own tools do; if it is pulled, then from docker.io.
* Images of the registry ``localhost`` were built here. They are never pulled: ``Always`` means ``IfNotPresent`` for them.
* ``Always`` pulls when a pod's container is made for the first time, not when it is restarted; where the registry cannot be reached and
  the image is here, the local one is used (promise A1).
"""

from __future__ import annotations

import base64
import binascii
import json
from enum import StrEnum
from typing import Any

DEFAULT_REGISTRY = "docker.io"


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


def registry_of(name: str) -> str:
    """``localhost/web:1`` to ``localhost``; empty where the name has none (``web:1``, ``library/web``)."""
    head, slash, _ = name.partition("/")
    return head if slash and (head == "localhost" or "." in head or ":" in head) else ""


def full_name(name: str) -> str:
    """The name to pull: with registry, and a tag or digest (``web`` to ``docker.io/library/web:latest``)."""
    if not registry_of(name):
        name = f"{DEFAULT_REGISTRY}/{name if '/' in name else 'library/' + name}"
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def policy_for(name: str, asked: str) -> PullPolicy:
    """``asked`` is the pod's imagePullPolicy, empty for the default: ``Always`` for ``:latest`` or no tag, else ``IfNotPresent``."""
    policy = PullPolicy(asked) if asked in PullPolicy.__members__.values() else None
    if policy is None:
        policy = PullPolicy.ALWAYS if full_name(name).endswith(":latest") else PullPolicy.IF_NOT_PRESENT
    if policy is PullPolicy.ALWAYS and registry_of(name) == "localhost":
        return PullPolicy.IF_NOT_PRESENT
    return policy


def credentials_for(name: str, docker_configs: list[dict[str, Any]]) -> str:
    """The engine's X-Registry-Auth value for ``name`` out of ``.dockerconfigjson`` documents; empty where none fits."""
    registry = registry_of(full_name(name))
    for document in docker_configs:
        auths = document.get("auths", document)
        for server, entry in auths.items() if isinstance(auths, dict) else ():
            host = str(server).removeprefix("https://").removeprefix("http://").split("/")[0]
            if isinstance(entry, dict) and host in (registry, "index." + registry):
                return _header(entry)
    return ""


def _header(entry: dict[str, Any]) -> str:
    user, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if not user and entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return ""
    return base64.urlsafe_b64encode(json.dumps({"username": user, "password": password}).encode()).decode()
