"""What edged must be told; ``settings_from`` reads it out of the component config."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from edgecore import config
from edgecore.edged.devices import Devices, read_devices
from edgecore.edged.housekeeping import USUAL, DiskRules


@dataclass(frozen=True, slots=True)
class EdgedSettings:
    """Seconds: ``pull_stall``, for which a layer may stand still, and ``status_every``. ``node_address`` empty: by the default route."""

    node: str
    root_directory: str
    version: str
    node_address: str = ""
    register: bool = True
    status_every: float = 10.0
    pull_stall: float = 60.0
    cluster_dns: str = ""
    cluster_domain: str = ""
    disk: DiskRules = USUAL
    devices: Devices = field(default_factory=dict)
    static_pods: str = ""
    """Folder of static pods; empty: none."""


def settings_from(edged: config.Edged, *, version: str) -> EdgedSettings:
    return EdgedSettings(
        node=node_name(edged),
        root_directory=edged.root_directory,
        version=version,
        node_address=edged.node_ip,
        register=edged.register_node,
        status_every=float(edged.node_status_update_frequency),
        pull_stall=float(edged.image_pull_progress_deadline),
        cluster_dns=edged.cluster_dns,
        cluster_domain=edged.cluster_domain,
        disk=DiskRules(edged.image_gc_high_threshold, edged.image_gc_low_threshold),
        devices=read_devices(edged.devices),
        static_pods=edged.static_pod_path,
    )


def node_name(edged: config.Edged) -> str:
    """The configured name, else the host name in the form of a Kubernetes name."""
    return edged.hostname_override or os.uname().nodename.lower().replace("_", "-") or "default-edge-node"
