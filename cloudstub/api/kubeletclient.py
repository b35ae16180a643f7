"""The door to kubelets: an HTTPS client with this server's own certificate, for plain answers and for upgraded connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from cloudstub.errors import Backend, ConfigError
from cloudstub.verbs.kubelet import Location

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""A kubelet may have to reach its node first."""

_MOST_HEAD = 16 * 1024
_MOST_ERROR = 64 * 1024
_LOCAL = ".localhost"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection after its 101. ``head``: the answer as it came, up to the empty line."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class KubeletClient:
    """``ca`` None: a kubelet's certificate is not checked, as Kubernetes does without --kubelet-certificate-authority."""

    def __init__(self, certificate: Path, key: Path, ca: Path | None = None) -> None:
        """Raises: ConfigError: the file of the CA cannot be used."""
        try:
            self._context = ssl.create_default_context(cafile=str(ca)) if ca else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        except (OSError, ValueError) as exc:
            why = "holds no certificate" if isinstance(exc, ssl.SSLError) else getattr(exc, "strerror", None) or exc
            raise ConfigError(f"--kubelet-certificate-authority: {str(ca)[:200]!r}: {why}") from exc
        if ca is None:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        self._context.load_cert_chain(certificate, key)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def get(self, at: Location) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to a GET, once it has begun well.

        Raises:
            Backend: the kubelet cannot be reached, or answers with an error.
        """
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._context, limit=0, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
            )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        url = f"https://{_bracketed(_dialed(at.host))}:{at.port}"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await self._session.get(
                    URL(url + at.path, encoded=True),
                    headers={"Host": _authority(at)},
                    timeout=timeout,
                    allow_redirects=False,
                    server_hostname=at.host,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise _unreachable(at, exc) from exc
        try:
            if response.status != 200:
                raise Backend(
                    _text(await response.content.read(_MOST_ERROR)) or f"the kubelet answered {response.status}", code=response.status
                )
            yield response
        finally:
            response.close()

    async def upgrade(self, method: str, at: Location, headers: Mapping[str, str]) -> Upgraded:
        """Ask for an upgrade with ``headers`` and give the connection.

        Raises:
            Backend: the kubelet cannot be reached, or does not upgrade.
        """
        reader, writer = await self._dial(at)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                lines = [
                    f"{method} {at.path} HTTP/1.1",
                    f"Host: {_authority(at)}",
                    *(f"{name}: {value}" for name, value in headers.items()),
                ]
                writer.write(("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode("latin-1"))
                head = await reader.readuntil(b"\r\n\r\n")
                status = _status(head)
                if status == 101:
                    return Upgraded(head, reader, writer)
                text = _text(await reader.read(_MOST_ERROR))
                raise Backend(text or f"the kubelet answered {status} to an upgrade", code=status if status >= 400 else 502)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as exc:
            writer.transport.abort()
            raise _unreachable(at, exc) from exc
        except BaseException:
            writer.transport.abort()
            raise

    async def _dial(self, at: Location) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    _dialed(at.host), at.port, ssl=self._context, server_hostname=at.host, limit=_MOST_HEAD
                )
        except (OSError, TimeoutError) as exc:
            raise _unreachable(at, exc) from exc


def _dialed(host: str) -> str:
    """Names below ``localhost`` are this machine (RFC 6761), whether or not the resolver knows."""
    return "127.0.0.1" if host == "localhost" or host.endswith(_LOCAL) else host


def _authority(at: Location) -> str:
    return f"{_bracketed(at.host)}:{at.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _status(head: bytes) -> int:
    """Raises ValueError."""
    return int(head.split(b"\r\n", 1)[0].split(b" ")[1])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()[:2000]


def _unreachable(at: Location, exc: BaseException) -> Backend:
    why = "no answer within the time limit" if isinstance(exc, TimeoutError) else str(exc) or type(exc).__name__
    return Backend(f"error dialing backend: the kubelet of node {at.node} at {_authority(at)}: {why}")
