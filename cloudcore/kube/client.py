"""The door to a Kubernetes API: aiohttp and raw JSON dicts; every failure becomes one of our ``Kube*`` errors."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from cloudcore.errors import ConfigError, KubeError, KubeUnreachable
from cloudcore.kube.answers import error_of
from cloudcore.kube.calls import Calls
from cloudcore.kube.kubeconfig import Access
from cloudcore.kube.resources import Resource

JsonObject = dict[str, Any]

_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_EVENT_BYTES = 8 * 1024 * 1024
_TOKEN_FRESH_SECONDS = 60.0


class PatchType(StrEnum):
    """How a patch is meant; the value is its content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


class WatchEvent(NamedTuple):
    """``type`` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: JsonObject


@dataclass(frozen=True, slots=True)
class Listing:
    """``version`` is where a watch goes on from."""

    items: list[JsonObject]
    version: str


class KubeClient:
    """One pool of connections. ``timeout`` limits each request (seconds), a watch excepted."""

    def __init__(self, access: Access, *, timeout: float = 30.0, max_connections: int = 128) -> None:
        self.calls = Calls()
        self._access = access
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=10.0)
        self._max_connections = max_connections
        self._ssl = _ssl_context(access)
        self._session: aiohttp.ClientSession | None = None
        self._token = access.token
        self._token_read = float("-inf")

    @property
    def server(self) -> str:
        return self._access.server

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> Listing:
        """Every object, read in pages of ``limit``. ``apiVersion`` and ``kind`` are added to items, which lists leave out.

        Raises:
            KubeGone: the list changed so much between two pages that it must begin again.
        """
        params = _selectors(label_selector, field_selector) | {"limit": str(limit)}
        items: list[JsonObject] = []
        while True:
            page = await self._call("GET", resource.path(namespace), params=params)
            meta = page.get("metadata") or {}
            for item in page.get("items") or []:
                items.append({"apiVersion": resource.api_version, "kind": resource.kind} | item)
            if not meta.get("continue"):
                return Listing(items, str(meta.get("resourceVersion") or ""))
            params = params | {"continue": meta["continue"]}

    async def create(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = "") -> JsonObject:
        name = body["metadata"]["name"] if subresource else ""
        return await self._call("POST", resource.path(namespace, name, subresource), body=_named(resource, body))

    async def update(self, resource: Resource, namespace: str | None, body: Mapping[str, Any], *, subresource: str = "") -> JsonObject:
        """Replace the object that ``body`` names; with a resourceVersion in it, only that version (else KubeConflict)."""
        path = resource.path(namespace, body["metadata"]["name"], subresource)
        return await self._call("PUT", path, body=_named(resource, body))

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        type: PatchType = PatchType.MERGE,
        *,
        subresource: str = "",
    ) -> JsonObject:
        return await self._call("PATCH", resource.path(namespace, name, subresource), body=patch, content_type=type.value)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_seconds: int | None = None,
        uid: str = "",
    ) -> JsonObject:
        """With ``uid``, only the object that has it (else KubeConflict)."""
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid:
            options["preconditions"] = {"uid": uid}
        return await self._call("DELETE", resource.path(namespace, name), body=options)

    async def watch(
        self,
        resource: Resource,
        version: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        seconds: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after ``version`` until the server ends the watch, after ``seconds`` at most. Close the iterator (``aclosing``).

        Raises:
            KubeGone: ``version`` is compacted; list again.
        """
        what = f"watch {resource}"
        limit = random.randint(seconds * 4 // 5, seconds)
        params = _selectors(label_selector, field_selector) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(limit),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=limit + 15.0)
        try:
            async with self._open().get(
                self._access.server + resource.path(namespace),
                params=params,
                headers=await self._headers(),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise error_of(response.status, _decoded(await _body(response, what)), what)
                _notice_a_dead_link(response)
                async for line in _lines(response, what):
                    yield _event(line, what)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise KubeUnreachable(f"{what}: {_cause(exc)}") from exc

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> JsonObject:
        what = f"{method} {path}"
        headers = await self._headers()
        began = time.monotonic()
        status: int | None = None
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = content_type
        try:
            async with self._open().request(
                method,
                self._access.server + path,
                params=params,
                data=data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                answer = _decoded(await _body(response, what))
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise KubeUnreachable(f"{what}: {_cause(exc)}") from exc
        finally:
            self.calls.add(method, status, time.monotonic() - began)
        if response.status >= 300:
            raise error_of(response.status, answer, what)
        if not isinstance(answer, dict):
            raise KubeError(f"{what}: the answer is not a JSON object", code=response.status)
        return answer

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._ssl, limit=self._max_connections)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self._session

    async def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "bramble-cloudcore"}
        now = time.monotonic()
        if self._access.token_file and now - self._token_read > _TOKEN_FRESH_SECONDS:
            with suppress(OSError):
                self._token = Path(self._access.token_file).read_text("ascii").strip()
                self._token_read = now
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def _ssl_context(access: Access) -> ssl.SSLContext | bool:
    if access.server.startswith("http://"):
        return False
    try:
        context = ssl.create_default_context(cadata=access.ca_pem or None)
        if access.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.certificate_pem:
            _load_chain(context, access)
    except (ssl.SSLError, ValueError) as exc:
        raise ConfigError(f"certificates for {access.server}: {exc}") from exc
    return context


def _load_chain(context: ssl.SSLContext, access: Access) -> None:
    """ssl wants files: a private one, for a moment."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{access.certificate_pem}\n{access.key_pem}\n")
        file.flush()
        context.load_cert_chain(file.name)


def _notice_a_dead_link(response: aiohttp.ClientResponse) -> None:
    """A watch may be silent for minutes; TCP keepalive tells a silent server from a vanished one."""
    connection = response.connection
    sock = connection.transport.get_extra_info("socket") if connection and connection.transport else None
    if sock is None:
        return
    with suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    chosen = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in chosen.items() if value}


def _named(resource: Resource, body: Mapping[str, Any]) -> JsonObject:
    return {"apiVersion": resource.api_version, "kind": resource.kind} | dict(body)


async def _body(response: aiohttp.ClientResponse, what: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise KubeError(f"{what}: the answer is larger than {_MAX_BODY_BYTES} bytes", code=response.status)
        chunks.append(chunk)
    return b"".join(chunks)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body[:1000].decode("utf-8", "replace")


async def _lines(response: aiohttp.ClientResponse, what: str) -> AsyncIterator[bytes]:
    """Own lines instead of ``readline``: a watch event may be far longer than aiohttp's buffer."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > _MAX_EVENT_BYTES:
            raise KubeError(f"{what}: an event is larger than {_MAX_EVENT_BYTES} bytes")


def _event(line: bytes, what: str) -> WatchEvent:
    event = _decoded(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise KubeError(f"{what}: an event is not a JSON object: {line[:200]!r}")
    if event.get("type") == "ERROR":
        status = event["object"]
        raise error_of(int(status.get("code") or 500), status, what)
    return WatchEvent(str(event.get("type")), event["object"])


def _cause(exc: BaseException) -> str:
    if isinstance(exc, asyncio.TimeoutError | TimeoutError):
        return "no answer within the time limit"
    return str(exc) or type(exc).__name__
