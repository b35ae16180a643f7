"""A whole site in one event loop: the Kubernetes API of cloudstub, and the CloudCore that talks to it like to any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cloudcore.app
import cloudstub.app
import cloudstub.config
import cloudstub.errors
from cloudcore.config import CloudCoreConfig, KubeAPI
from cloudcore.errors import ConfigError
from edgesite.config import EdgeSiteConfig


@dataclass(slots=True)
class Running:
    """A site at work."""

    api: cloudstub.app.Running
    cloud: cloudcore.app.Running

    async def stop(self) -> None:
        """CloudCore first, so that what it still has to write finds the API."""
        await self.cloud.stop()
        await self.api.stop()


async def start(config: EdgeSiteConfig) -> Running:
    """The API, then CloudCore; returns when boards can enrol.

    Raises:
        ConfigError: a setting that cannot be used, a taken port or data directory included.
    """
    api = await _start_api(config)
    try:
        kube_api = KubeAPI(kube_config=str(api.kubeconfig))
        cloud = await cloudcore.app.start(CloudCoreConfig(config.common_config, kube_api, config.modules, config.api_server.data_dir))
    except BaseException:
        await api.stop()
        raise
    return Running(api, cloud)


async def _start_api(config: EdgeSiteConfig) -> cloudstub.app.Running:
    settings = config.api_server
    advertised = config.modules.cloudhub
    try:
        return await cloudstub.app.start(
            cloudstub.config.Config(
                data_dir=Path(settings.data_dir),
                host=settings.address,
                port=settings.port,
                kubeconfig=Path(settings.kube_config),
                sans=(*advertised.advertise_address, *advertised.dns_names),
            )
        )
    except cloudstub.errors.CloudstubError as exc:
        raise ConfigError(f"apiServer.dataDir: {exc}") from exc
    except PermissionError as exc:
        raise ConfigError(f"apiServer.dataDir: {exc.filename}: {exc.strerror}") from exc
    except OSError as exc:
        raise ConfigError(f"apiServer.port: cannot listen on {settings.address} port {settings.port}: {exc.strerror or exc}") from exc
