"""What every handler is given."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from cloudstub.api.auth import Authenticator
from cloudstub.api.bodies import BODY_LIMIT
from cloudstub.api.kubeletclient import KubeletClient
from cloudstub.api.summaries import Summaries
from cloudstub.errors import BadRequest, NotFound, RequestTimeout, TooLarge
from cloudstub.verbs.reviews import User
from cloudstub.verbs.world import Target, World, WriteOptions
from cloudstub.webhooks.writes import Webhooks

BODY_SECONDS = 30.0
STRICTNESS = ("Strict", "Warn", "Ignore")


@dataclass(frozen=True, slots=True)
class Service:
    """``version`` is what `kubectl version` shows."""

    world: World
    authenticator: Authenticator
    version: Mapping[str, str]
    webhooks: Webhooks
    kubelets: KubeletClient | None = None
    """None: the kubelets of nodes are not asked from here."""
    summaries: Summaries | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a resource."""

    service: Service
    request: web.Request
    target: Target
    subresource: str
    user: User

    @property
    def world(self) -> World:
        return self.service.world


async def body_of(request: web.Request) -> bytes:
    """The whole body.

    Raises:
        TooLarge, RequestTimeout: it is too long, or too long in coming.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as exc:
        raise TooLarge(f"Request entity too large: limit is {BODY_LIMIT} bytes") from exc
    except TimeoutError as exc:
        raise RequestTimeout(f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from exc


def media_type(request: web.Request) -> str:
    """The content type without its parameters, in lower case; empty if there is none."""
    return request.headers.get("Content-Type", "").split(";")[0].strip().lower()


def integer(query: Mapping[str, str], name: str, default: int = 0) -> int:
    """A query parameter that is a number of 0 or more.

    Raises:
        BadRequest: it is something else.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequest(f"{name}: must be an integer of 0 or more, not {text[:60]!r}")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A query parameter that is true or false.

    Raises:
        BadRequest: it is something else.
    """
    text = query.get(name, "")
    if text.lower() in ("", "0", "f", "false"):
        return False
    if text.lower() in ("1", "t", "true"):
        return True
    raise BadRequest(f"{name}: must be true or false, not {text[:60]!r}")


def write_options(query: Mapping[str, str]) -> WriteOptions:
    """Query parameters of a write.

    Raises:
        BadRequest: a value that is none.
    """
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise BadRequest(f"dryRun: Unsupported value: {dry_run[:60]!r}: supported values: 'All'")
    strictness = query.get("fieldValidation") or "Warn"
    if strictness not in STRICTNESS:
        raise BadRequest(f"fieldValidation: Unsupported value: {strictness[:60]!r}: supported values: {', '.join(STRICTNESS)}")
    return WriteOptions(dry_run == "All", strictness, query.get("fieldManager", ""), flag(query, "force"))


def unknown_resource() -> NotFound:
    return NotFound("the server could not find the requested resource")
