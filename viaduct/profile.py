"""The ConfigMap in which a mapper finds its devices (contract 5.2): one for each node and namespace of devices."""

from __future__ import annotations

CONFIGMAP_PREFIX = "device-profile-config-"
FILE = "deviceProfile.json"


def configmap_of(node: str) -> str:
    return f"{CONFIGMAP_PREFIX}{node}"


def node_of(configmap: str) -> str:
    """The node whose mappers the ConfigMap is for, "" where it is no such ConfigMap."""
    return configmap.removeprefix(CONFIGMAP_PREFIX) if configmap.startswith(CONFIGMAP_PREFIX) else ""
