"""EdgeSite's component config: the API server on this machine and the settings of the CloudCore beside it.

An ``edgesite.yaml`` of KubeEdge 1.2 (contract 9.4) reads too; that program ran pods next to a foreign API server, so of its settings
only those of the controllers mean something here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cloudcore.config
import componentconfig.errors
from cloudcore.errors import ConfigError
from componentconfig import checks
from componentconfig.file import load
from componentconfig.reading import read
from componentconfig.setting import section, setting

DEFAULT_FILE = "/etc/kubeedge/config/edgesite.yaml"


@dataclass(frozen=True, slots=True)
class ApiServer:
    address: str = setting("127.0.0.1", "Address that the Kubernetes API listens on.", minimal=True, check=checks.address)
    data_dir: str = setting(
        "/var/lib/bramble/edgesite",
        "Where the objects of the site, the keys of its API and what nodes uploaded are kept.",
        minimal=True,
        check=checks.absolute_path,
    )
    kube_config: str = setting(
        "/etc/bramble/kubeconfig", "The kubeconfig that is written for kubectl, mode 0600.", minimal=True, check=checks.absolute_path
    )
    port: int = setting(6443, "Port of the Kubernetes API; 0 takes a free one.", expected="a port", minimum=0, maximum=65535, minimal=True)


@dataclass(frozen=True, slots=True)
class CloudHub(cloudcore.config.CloudHub):
    announce: bool = setting(
        True,
        "Tell the networks of this machine by mDNS where boards can join, for boards that show a pairing code (edgecore pair).",
    )


@dataclass(frozen=True, slots=True)
class Modules(cloudcore.config.Modules):
    IGNORED: ClassVar[tuple[str, ...]] = (*cloudcore.config.Modules.IGNORED, "edged", "metaManager")

    cloudhub: CloudHub = section(CloudHub, "The door to the nodes.")


@dataclass(frozen=True, slots=True)
class EdgeSiteConfig:
    API_VERSION: ClassVar = "edgesite.config.kubeedge.io/v1alpha1"
    KIND: ClassVar = "EdgeSite"
    IGNORED: ClassVar[tuple[str, ...]] = ("database", "kubeAPIConfig")

    api_server: ApiServer = section(ApiServer, "The Kubernetes API of this site.")
    common_config: cloudcore.config.CommonConfig = section(cloudcore.config.CommonConfig, "What the services of CloudCore share.")
    modules: Modules = section(Modules, "The services of the CloudCore of this site.")


def read_config(path: str | Path) -> tuple[EdgeSiteConfig, list[str]]:
    """The config in the file at ``path`` over the defaults, and the warnings to print.

    Raises:
        cloudcore.errors.ConfigError: with every problem, each beginning with the full key or the file.
    """
    try:
        return read(load(Path(path)), EdgeSiteConfig)
    except componentconfig.errors.ConfigError as exc:
        raise ConfigError(*exc.problems) from exc
