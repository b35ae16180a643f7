"""The webhooks that the API server calls about devices: conversion between the versions, and a word on what is being written.

    admission = Admission(has_model=…)
    port = await admission.start(host, port, context)

``/convert`` answers ConversionReviews, ``/devicemodels``, ``/devices`` (contract 10.4) and ``/devicerules`` (P8.7) AdmissionReviews.
Nothing here knows a secret or changes anything, so whoever reaches the port may ask; size and time of a request are limited.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web

from cloudcore.admission.judgement import HasModel, judge_device, judge_model, judge_rule
from cloudcore.admission.reviews import Malformed, answer_admission, answer_conversion
from cloudcore.ports import JsonObject
from cloudcore.tlsserver import TLSServer
from viaduct.jsontext import read_json

logger = logging.getLogger(__name__)

CONVERT, MODELS, DEVICES, RULES = "/convert", "/devicemodels", "/devices", "/devicerules"
BODY_LIMIT = 64 * 1024 * 1024
"""The API server asks about whole lists at once."""

BODY_SECONDS = 20.0


class Admission:
    def __init__(self, has_model: HasModel, *, body_limit: int = BODY_LIMIT, body_seconds: float = BODY_SECONDS) -> None:
        self._has_model = has_model
        self._body_limit = body_limit
        self._body_seconds = body_seconds
        application = web.Application(client_max_size=body_limit)
        application.router.add_post(CONVERT, self._convert)
        application.router.add_post(MODELS, self._models)
        application.router.add_post(DEVICES, self._devices)
        application.router.add_post(RULES, self._rules)
        self._server = TLSServer(application)

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen; the port (``port`` 0: any free one).

        Raises:
            OSError: the address is taken or not ours.
        """
        return await self._server.start(host, port, context)

    async def stop(self) -> None:
        await self._server.stop()

    async def _convert(self, request: web.Request) -> web.Response:
        return await self._answer(request, answer_conversion)

    async def _models(self, request: web.Request) -> web.Response:
        return await self._answer(request, lambda review: answer_admission(review, judge_model))

    async def _rules(self, request: web.Request) -> web.Response:
        return await self._answer(request, lambda review: answer_admission(review, judge_rule))

    async def _devices(self, request: web.Request) -> web.Response:
        def judge(review: Any) -> JsonObject:
            return answer_admission(review, lambda obj, namespace: judge_device(obj, namespace, self._has_model))

        return await self._answer(request, judge)

    async def _answer(self, request: web.Request, answer: Callable[[Any], JsonObject]) -> web.Response:
        self._server.heard(request)
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await request.read()
            return web.json_response(answer(read_json(body.decode())))
        except Malformed as exc:
            return _refused(400, str(exc))
        except ValueError as exc:
            return _refused(400, f"the body is not JSON: {str(exc)[:200]}")
        except TimeoutError:
            return _refused(408, f"the body did not arrive within {self._body_seconds:g} seconds")
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"the body is larger than {self._body_limit} bytes")


def _refused(status: int, text: str) -> web.Response:
    logger.warning("a review was refused: %s", text)
    return web.Response(status=status, text=f"{text}\n")
