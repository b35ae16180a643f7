"""The ConfigMap in which a mapper finds its devices (contract 5.2): one for each node and namespace of devices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

CONFIGMAP_PREFIX = "device-profile-config-"
FILE = "deviceProfile.json"


def configmap_of(node: str) -> str:
    return f"{CONFIGMAP_PREFIX}{node}"


def node_of(configmap: str) -> str:
    """The node whose mappers the ConfigMap is for, "" where it is no such ConfigMap."""
    return configmap.removeprefix(CONFIGMAP_PREFIX) if configmap.startswith(CONFIGMAP_PREFIX) else ""


def digest_of(profiles: Mapping[str, str]) -> str:
    """What tells whether two sets of profiles (their text by namespace) are the same (P6.16)."""
    return sha256(json.dumps(sorted(profiles.items())).encode()).hexdigest()[:32]
