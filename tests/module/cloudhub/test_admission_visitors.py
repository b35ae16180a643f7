"""Whoever reaches the port of CloudCore's webhooks: what is no review is told so, and keeps nobody waiting."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from cloudcore.admission.service import CONVERT, DEVICES, MODELS, Admission
from cloudcore.pki.tls import server_ssl_context
from tests.fakes.edge import authority, client_context, runs
from tests.fuzz.test_reviews import DEVICE, OLD_MODEL, admission_review, conversion_review


@dataclass
class Visitor:
    session: aiohttp.ClientSession
    context: ssl.SSLContext
    port: int

    async def post(self, path: str, body: Any) -> tuple[int, str]:
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.session.post(f"https://127.0.0.1:{self.port}{path}", ssl=self.context, **sent) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def visiting() -> AsyncIterator[Visitor]:
    admission = Admission(lambda namespace, name: False, body_limit=20_000, body_seconds=0.3)
    context = server_ssl_context(authority(), ["127.0.0.1"], client_required=False, now=time.time())
    port = await admission.start("127.0.0.1", 0, context)
    try:
        async with aiohttp.ClientSession() as session:
            yield Visitor(session, client_context(authority().certificate), port)
    finally:
        await admission.stop()


@runs
async def test_each_webhook_answers_its_reviews() -> None:
    async with visiting() as visitor:
        status, text = await visitor.post(CONVERT, conversion_review(DEVICE, "v1alpha1"))
        assert (status, '"status": "Success"' in text) == (200, True)
        status, text = await visitor.post(MODELS, admission_review(OLD_MODEL))
        assert (status, '"allowed": true' in text) == (200, True)
        status, text = await visitor.post(DEVICES, admission_review(DEVICE))
        assert "there is no DeviceModel 'm'" in text
        assert (await visitor.post("/elsewhere", {}))[0] == 404


@runs
async def test_a_body_that_is_no_review_is_refused_by_the_field() -> None:
    async with visiting() as visitor:
        for path, body, said in (
            (CONVERT, b"", "not JSON"),
            (CONVERT, b"\xff{}", "not JSON"),
            (CONVERT, b'{"a":1e999}', "not JSON"),
            (CONVERT, b"[" * 10_000, "not JSON"),
            (CONVERT, {"kind": "Odd"}, "kind: expected ConversionReview, got 'Odd'"),
            (MODELS, conversion_review(DEVICE, "v1alpha1"), "kind: expected AdmissionReview"),
            (DEVICES, admission_review(DEVICE) | {"request": {"uid": ""}}, "request.uid: expected text"),
        ):
            status, text = await visitor.post(path, body)
            assert status == 400
            assert said in text


@runs
async def test_a_body_beyond_the_limit_is_refused() -> None:
    async with visiting() as visitor:
        assert await visitor.post(CONVERT, b"[" + b"1," * 15_000 + b"1]") == (413, "the body is larger than 20000 bytes\n")


@runs
async def test_half_a_request_keeps_nobody_waiting() -> None:
    async with visiting() as visitor:
        reader, writer = await asyncio.open_connection("127.0.0.1", visitor.port, ssl=visitor.context, server_hostname="127.0.0.1")
        writer.write(b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert (await visitor.post(CONVERT, conversion_review(DEVICE, "v1alpha1")))[0] == 200
        assert b"408" in await reader.readline()
        writer.close()
