"""A sink that takes samples by HTTP POST: Prometheus, InfluxDB, webhooks. The door to aiohttp as a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import aiohttp

from cloudcore.history.outlet import SinkAway, SinkRefused
from cloudcore.history.sample import Batch

Encode = Callable[[Sequence[Batch]], tuple[bytes, int]]
"""The body, and how many samples are left out of it."""

_NOT_NOW = frozenset({408, 425, 429})
_SAID = 300


class HttpSink:
    """2xx: taken. 5xx, 408, 425 and 429: not now. Whatever else: never, as the same body would be refused again."""

    def __init__(self, url: str, encode: Encode, headers: Mapping[str, str]) -> None:
        self._url = url
        self._encode = encode
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, batches: Sequence[Batch]) -> int:
        data, unfit = self._encode(batches)
        if unfit == sum(batch.number for batch in batches):
            return unfit
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(self._url, data=data, headers=self._headers, allow_redirects=False) as answer:
                said = (await answer.content.read(_SAID)).decode("utf-8", "replace")
                status = answer.status
        except (aiohttp.ClientError, OSError) as exc:
            raise SinkAway(str(exc) or type(exc).__name__) from exc
        if 200 <= status < 300:
            return unfit
        text = " ".join(f"{status} {said}".split())
        raise SinkAway(text) if status >= 500 or status in _NOT_NOW else SinkRefused(text)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
