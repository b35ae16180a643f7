"""What edged must be told; ``settings_from`` reads it out of the component config."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgecore import config

_LEAST_PULL_LIMIT = 600.0
"""Podman says nothing while it fetches one big layer, so "no progress" must be meant generously (seconds)."""


@dataclass(frozen=True, slots=True)
class EdgedSettings:
    """``pull_limit`` and ``status_every`` in seconds. ``node_address`` empty: that of the default route."""

    node: str
    root_directory: str
    version: str
    node_address: str = ""
    register: bool = True
    status_every: float = 10.0
    pull_limit: float = _LEAST_PULL_LIMIT
    cluster_dns: str = ""
    cluster_domain: str = ""


def settings_from(edged: config.Edged, *, version: str) -> EdgedSettings:
    return EdgedSettings(
        node=node_name(edged),
        root_directory=edged.root_directory,
        version=version,
        node_address=edged.node_ip,
        register=edged.register_node,
        status_every=float(edged.node_status_update_frequency),
        pull_limit=max(_LEAST_PULL_LIMIT, float(edged.image_pull_progress_deadline)),
        cluster_dns=edged.cluster_dns,
        cluster_domain=edged.cluster_domain,
    )


def node_name(edged: config.Edged) -> str:
    """The configured name, else the host name in the form of a Kubernetes name."""
    return edged.hostname_override or os.uname().nodename.lower().replace("_", "-") or "default-edge-node"
