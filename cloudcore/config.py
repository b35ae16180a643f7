"""CloudCore's component config (contract 9.2 and the keys of 1.3 that mean something here) and the reading of its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import componentconfig.errors
from cloudcore.configfile import load
from cloudcore.errors import ConfigError
from componentconfig import checks
from componentconfig.reading import read
from componentconfig.setting import section, setting

DEFAULT_FILE = "/etc/kubeedge/config/cloudcore.yaml"


@dataclass(frozen=True, slots=True)
class KubeAPI:
    IGNORED: ClassVar[tuple[str, ...]] = ("contentType",)

    burst: int = setting(200, "Requests to the API that may go out at once.", expected="a number of requests", minimum=1, maximum=100_000)
    kube_config: str = setting(
        "/root/.kube/config", "The kubeconfig of the Kubernetes API. Not needed inside a cluster.", minimal=True, check=checks.absolute_path
    )
    master: str = setting("", "URL of the API server, instead of the one in the kubeconfig.", minimal=True)
    qps: int = setting(100, "Requests to the API per second in the long run.", expected="a number of requests", minimum=1, maximum=100_000)


@dataclass(frozen=True, slots=True)
class WebSocketServer:
    address: str = setting("0.0.0.0", "Address to listen on.", minimal=True, check=checks.address)
    enable: bool = setting(True, "Listen for nodes.", minimal=True)
    port: int = setting(10000, "Port to listen on; 0 takes a free one.", expected="a port", minimum=0, maximum=65535, minimal=True)


@dataclass(frozen=True, slots=True)
class HttpsServer:
    address: str = setting("0.0.0.0", "Address to listen on.", minimal=True, check=checks.address)
    enable: bool = setting(True, "Sign certificates for nodes that have a token, and renew them.", minimal=True)
    port: int = setting(10002, "Port to listen on; 0 takes a free one.", expected="a port", minimum=0, maximum=65535, minimal=True)


@dataclass(frozen=True, slots=True)
class CloudHub:
    IGNORED: ClassVar[tuple[str, ...]] = (
        *("authorization", "quic", "tlsCAFile", "tlsCAKeyFile", "tlsCertFile", "tlsPrivateKeyFile", "tokenRefreshDuration", "unixsocket"),
    )

    advertise_address: tuple[str, ...] = setting(
        (),
        "Addresses under which nodes reach this CloudCore, beside those of this machine; they go into its certificate.",
        minimal=True,
        check=checks.addresses,
    )
    dns_names: tuple[str, ...] = setting((), "Names under which nodes reach this CloudCore.", check=checks.host_names)
    edge_cert_signing_duration: int = setting(365, "Days that a node's certificate is good for.", expected="days", minimum=1, maximum=3650)
    enable: bool = setting(True, "Serve nodes.")
    https: HttpsServer = section(HttpsServer, "Enrolment of nodes.")
    keepalive_interval: int = setting(
        30, "Seconds without any sign of life after which a node's link is closed.", expected="seconds", minimum=1, maximum=3600
    )
    node_limit: int = setting(
        10_000,
        "Nodes that may be connected at once. At the limit further nodes are refused; those that are connected stay.",
        expected="a number of nodes",
        minimum=1,
        maximum=1_000_000,
        minimal=True,
    )
    websocket: WebSocketServer = section(WebSocketServer, "The link of nodes: websocket over mutual TLS.")
    write_timeout: int = setting(
        30, "Seconds that the sending of one message to a node may take.", expected="seconds", minimum=1, maximum=3600
    )


@dataclass(frozen=True, slots=True)
class EdgeController:
    IGNORED: ClassVar[tuple[str, ...]] = ("buffer", "context", "load")

    enable: bool = setting(True, "Carry pods, configs and nodes between the API and the nodes.")
    node_update_frequency: int = setting(
        10, "Seconds between two renewals of the leases of connected nodes.", expected="seconds", minimum=1, maximum=3600
    )


@dataclass(frozen=True, slots=True)
class DeviceController:
    IGNORED: ClassVar[tuple[str, ...]] = ("buffer", "context", "load")

    enable: bool = setting(True, "Carry devices and their twins between the API and the nodes.")


@dataclass(frozen=True, slots=True)
class SyncController:
    enable: bool = setting(True, "Find and repair what a node has missed.")


@dataclass(frozen=True, slots=True)
class Modules:
    IGNORED: ClassVar[tuple[str, ...]] = ("cloudStream", "dynamicController", "iptablesManager", "router", "taskManager")

    cloudhub: CloudHub = section(CloudHub, "The door to the nodes.")
    devicecontroller: DeviceController = section(DeviceController, "Devices.")
    edgecontroller: EdgeController = section(EdgeController, "Pods, configs and nodes.")
    synccontroller: SyncController = section(SyncController, "Repair.")


@dataclass(frozen=True, slots=True)
class CloudCoreConfig:
    API_VERSION: ClassVar = "cloudcore.config.kubeedge.io/v1alpha1"
    KIND: ClassVar = "CloudCore"
    IGNORED: ClassVar[tuple[str, ...]] = ("commonConfig", "featureGates", "leaderElection")

    kube_api: KubeAPI = section(KubeAPI, "The Kubernetes API.", key="kubeAPIConfig")
    modules: Modules = section(Modules, "The services of CloudCore.")
    state_dir: str = setting(
        "/var/lib/bramble/cloudcore", "Where CloudCore may keep files. Nothing there is needed after a restart.", check=checks.absolute_path
    )


def read_config(path: str | Path) -> tuple[CloudCoreConfig, list[str]]:
    """The config in the file at ``path`` over the defaults, and the warnings to print.

    Raises:
        cloudcore.errors.ConfigError: with every problem, each beginning with the full key or the file.
    """
    try:
        return read(load(Path(path)), CloudCoreConfig)
    except componentconfig.errors.ConfigError as exc:
        raise ConfigError(*exc.problems) from exc
