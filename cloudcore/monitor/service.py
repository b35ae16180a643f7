"""``GET /metrics``: the numbers of this CloudCore for Prometheus, on loopback unless told otherwise. Nothing can be changed here."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from aiohttp import web

from cloudcore.monitor.exposition import CONTENT_TYPE, Source, exposition
from componentconfig.checks import split_listen_address

logger = logging.getLogger(__name__)

_MAX_HEADER_BYTES = 4096


class Monitor:
    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1.0, keepalive_timeout=30.0, max_field_size=_MAX_HEADER_BYTES
        )

    async def start(self, address: str) -> int:
        """Listen on ``address`` (``127.0.0.1:9091``); returns the port.

        Raises:
            OSError: the address is taken or not ours.
        """
        host, port = split_listen_address(address)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = int(self._runner.addresses[0][1])
        logger.info("metrics on http://%s:%d/metrics", host, bound)
        return bound

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=exposition(self._sources), headers={"Content-Type": CONTENT_TYPE})
