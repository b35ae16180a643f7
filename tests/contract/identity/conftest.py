"""A CloudCore's enrolment port, really listening on loopback with real TLS, over a Kubernetes API in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from cloudcore.cloudhub.enrolment import enrolment_app
from cloudcore.cloudhub.pairing import PairingDesk
from cloudcore.pki.identity import Identity, open_identity
from cloudcore.pki.tls import server_ssl_context
from edgecore.certs.files import IdentityFiles
from edgecore.certs.jointoken import Endpoint, JoinToken, parse_token
from tests.fakes.secretkube import SecretKube
from viaduct.handshake import HUB_PORT

T = TypeVar("T")


class Cloud:
    """Runs in a thread of its own, as the edge side blocks. ``shift_s`` moves the cloud's clock."""

    def __init__(self, *, lifetime: timedelta = timedelta(days=365), host: str = "127.0.0.1") -> None:
        self.kube = SecretKube()
        self.shift_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.identity: Identity = self.do(open_identity(self.kube, now=self.now()))
        self.endpoint = Endpoint(host, self.do(self._listen(lifetime, host)))

    def now(self) -> float:
        return time.time() + self.shift_s

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def token(self, *, ttl_s: int = 3600, one_time: bool = False) -> JoinToken:
        return parse_token(self.token_text(ttl_s=ttl_s, one_time=one_time))

    def token_text(self, *, ttl_s: int = 3600, one_time: bool = False) -> str:
        return self.do(self.identity.tokens.create(ttl_s, one_time=one_time, now=self.now()))[1]

    def close(self) -> None:
        self.do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self, lifetime: timedelta, host: str) -> int:
        identity = self.identity
        desk = PairingDesk(identity.expected, HUB_PORT, self.now)
        app = enrolment_app(identity.authority, identity.tokens, identity.revocations, desk=desk, lifetime=lifetime, now=self.now)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        context = server_ssl_context(identity.authority, [], client_required=False, now=self.now())
        site = web.TCPSite(self._runner, host, 0, ssl_context=context)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    running = Cloud()
    yield running
    running.close()


@pytest.fixture
def files(tmp_path: Path) -> IdentityFiles:
    return IdentityFiles(tmp_path / "ca" / "rootCA.crt", tmp_path / "certs" / "edge.crt", tmp_path / "certs" / "edge.key")
