"""CloudStream: kubectl logs, exec, attach, port-forward and top for pods of boards, over the boards' own outgoing connections.

To the Kubernetes API CloudCore is the kubelet of every node (``kubeletserver``); to the boards it is who opens streams (``tunnels``).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator

from cloudcore.cloudstream.access import Access, Reviews, trust_clients
from cloudcore.cloudstream.kubeletserver import KubeletServer, PodPlace
from cloudcore.cloudstream.tunnels import Tunnels
from cloudcore.errors import KubeError, KubeNotFound
from cloudcore.ports import KubeletEndpoint, Summoner
from cloudcore.readings import Reading

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 60.0


class CloudStream:
    """``tunnels`` is what CloudHub serves stream connections with. ``start``, then ``endpoint`` says where API servers find us."""

    def __init__(
        self, kube: Reviews, summoner: Summoner, pod_place: PodPlace, *, now_ms: Callable[[], int], domain: str, address: str = ""
    ) -> None:
        self.tunnels = Tunnels(summoner, now_ms=now_ms)
        self.endpoint: KubeletEndpoint | None = None
        self._kube = kube
        self._domain = domain
        self._address = address
        self.access = Access(kube, lambda: asyncio.get_running_loop().time())
        self._server = KubeletServer(self.tunnels, self.access, pod_place, domain=domain, now=lambda: now_ms() / 1000)
        self._context: ssl.SSLContext | None = None
        self._trusting: asyncio.Task[None] | None = None
        self._complaint = ""

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen for API servers; returns the port. ``context`` comes to trust the API's client CA, now or when it is published.

        Raises:
            OSError: the address is taken or not ours.
        """
        self._context = context
        trusted = await self._trust("")
        bound = await self._server.start(host, port, context)
        self._trusting = asyncio.create_task(self._keep_trusting(trusted), name="client CA of the API")
        self.endpoint = KubeletEndpoint(bound, self._domain, self._address)
        logger.info("API servers find the nodes' logs and terminals on %s port %d, as <node>.%s", host, bound, self._domain)
        return bound

    async def stop(self) -> None:
        if self._trusting is not None:
            self._trusting.cancel()
            await asyncio.gather(self._trusting, return_exceptions=True)
        await self._server.stop()

    def readings(self) -> Iterator[Reading]:
        return self.tunnels.readings()

    async def _keep_trusting(self, trusted: str) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            trusted = await self._trust(trusted)

    async def _trust(self, before: str) -> str:
        assert self._context is not None
        try:
            return await trust_clients(self._kube, self._context)
        except KubeNotFound:
            if not before:
                logger.debug("the API publishes no client CA: API servers need a bearer token")
        except (KubeError, ssl.SSLError) as exc:
            if str(exc) != self._complaint:
                logger.warning("the API's client CA cannot be read, so API servers need a bearer token; trying again: %s", exc)
            self._complaint = str(exc)
        return before
