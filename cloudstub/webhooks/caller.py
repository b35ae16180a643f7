"""The door to webhooks: one HTTPS POST with JSON in and out, within a time and a size (aiohttp)."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from functools import lru_cache
from typing import Any

import aiohttp

from cloudstub.kinds.webhook_client import Client
from cloudstub.store.store import Store
from cloudstub.webhooks.addresses import Unroutable, reach

ANSWER_LIMIT = 32 * 1024 * 1024
CONNECT_SECONDS = 5.0
AT_ONCE = 64
_QUOTED = 300


class WebhookUnanswered(Exception):
    """No answer that could be read: not reached, too slow, too long, not HTTP 200, not JSON. The text says which and where."""


class Caller:
    """One pool of connections for all webhooks. ``store`` knows the addresses of services."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, client: Client, review: dict[str, Any], *, seconds: float) -> Any:
        """The webhook's answer to ``review``, within ``seconds``.

        Raises:
            WebhookUnanswered: there is none.
        """
        try:
            url, name = reach(self._store, client)
        except Unroutable as exc:
            raise WebhookUnanswered(str(exc)) from exc
        body = json.dumps(review, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(url, name, client.ca_pem, body)
        except TimeoutError as exc:
            raise WebhookUnanswered(f'Post "{url}": no answer within {seconds:g} seconds') from exc
        except (aiohttp.ClientError, OSError, ssl.SSLError) as exc:
            raise WebhookUnanswered(f'Post "{url}": {exc or type(exc).__name__}') from exc

    async def _exchange(self, url: str, name: str | None, ca_pem: str, body: bytes) -> Any:
        sent = {"Content-Type": "application/json", "Accept": "application/json"}
        context = _context(ca_pem)
        async with self._open().post(url, data=body, headers=sent, ssl=context, server_hostname=name, allow_redirects=False) as response:
            answer = await _limited(response, url)
        if response.status != 200:
            raise WebhookUnanswered(f'Post "{url}": HTTP status {response.status}: {answer[:_QUOTED].decode("utf-8", "replace")}')
        try:
            return parsed(answer)
        except ValueError as exc:
            raise WebhookUnanswered(f'Post "{url}": the answer is not JSON: {str(exc)[:_QUOTED]}') from exc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=AT_ONCE)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session


def parsed(answer: bytes) -> Any:
    """The JSON of an answer.

    Raises:
        ValueError: it is none, or holds what could not be stored or told: an infinite number, half of a surrogate pair, a bottomless nest.
    """
    try:
        value = _DECODER.decode(answer.decode())
        if b"\\ud" in answer.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:32]} is larger than any number here")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


async def _limited(response: aiohttp.ClientResponse, url: str) -> bytes:
    chunks = bytearray()
    async for chunk in response.content.iter_any():
        chunks += chunk
        if len(chunks) > ANSWER_LIMIT:
            raise WebhookUnanswered(f'Post "{url}": the answer is larger than {ANSWER_LIMIT} bytes')
    return bytes(chunks)


@lru_cache(maxsize=32)
def _context(ca_pem: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem or None)
