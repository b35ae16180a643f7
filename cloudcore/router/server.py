"""The door for who asks applications on boards: ``http://127.0.0.1:9444/NODE/PORT/PATH``, on loopback."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from cloudcore.router.calls import BadPlace, place_of
from cloudcore.router.service import Router
from viaduct.httpcall import MAX_BODY, MAX_HEADERS, Answer, passed_on

logger = logging.getLogger(__name__)

_READ_SECONDS = 15.0
_HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})


class RouterServer:
    def __init__(self, router: Router, *, read_seconds: float = _READ_SECONDS) -> None:
        self._router = router
        self._read_seconds = read_seconds
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, auto_decompress=False)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises: OSError: the address is taken or not ours."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound = int(self._runner.addresses[0][1])
        logger.info("applications on nodes are called at http://%s:%d/NODE/PORT/PATH", host, bound)
        return bound

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            _require_here(request.host)
            place = place_of(request.raw_path)
            headers = passed_on(list(request.headers.items())[:MAX_HEADERS])
            async with asyncio.timeout(self._read_seconds):
                body = await request.read()
            return _response(await self._router.call(place, request.method, headers, body), request.method)
        except BadPlace as exc:
            return web.Response(status=exc.status, text=f"{exc}\n")
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text=f"the body is longer than {MAX_BODY} bytes\n", headers={"Connection": "close"})
        except TimeoutError:
            text = f"the body did not come within {self._read_seconds:g} s\n"
            return web.Response(status=408, text=text, headers={"Connection": "close"})


def _require_here(host: str) -> None:
    """A page of the web that has its name lead to loopback is not a program of this machine."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name not in _HERE:
        raise BadPlace(403, "expected 127.0.0.1, localhost or [::1] as Host")


def _response(answer: Answer, method: str) -> web.Response:
    headers = [(name, text) for name, texts in answer.headers.items() for text in texts]
    bare = method == "HEAD" or answer.status in (204, 304)
    return web.Response(status=answer.status, headers=headers, body=None if bare else answer.body)
