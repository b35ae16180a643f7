"""The door to targets: one HTTP request, with a time limit for all of it and a cap on the answer. No redirect is followed."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from cloudcore.router.calls import SAYS_WHO, Asked, unanswered
from viaduct.httpcall import MAX_BODY, Answer, passed_on

logger = logging.getLogger(__name__)

SECONDS = 10.0


class Client:
    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def send(self, asked: Asked, node: str) -> Answer | None:
        """What the target answers; None where it does not."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        headers = {SAYS_WHO: node} | ({"Content-Type": asked.content_type} if asked.content_type else {})
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.request(
                    asked.method,
                    asked.url,
                    data=asked.body or None,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                return await _answer(response)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            logger.warning("node %s: %s %s: %s", node, asked.method, asked.url, str(exc) or f"no answer within {self._seconds:g} s")
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            return unanswered(502, f"the answer is longer than {MAX_BODY} bytes")
    headers: dict[str, list[str]] = {}
    for name, text in passed_on(response.headers.items()):
        if text.isascii() and text.isprintable() and name.lower() != "content-encoding":  # it is unpacked here
            headers.setdefault(name, []).append(text)
    return Answer(response.status, headers, bytes(body))
