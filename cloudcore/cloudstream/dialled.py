"""Under which name each TLS connection to a listener was opened (SNI)."""

from __future__ import annotations

import ssl
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web


class DialledNames:
    """``note`` them from a context on, then ask ``of`` a request that came over it."""

    def __init__(self) -> None:
        self._names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def note(self, context: ssl.SSLContext) -> None:
        context.sni_callback = self._remember

    def of(self, request: web.Request) -> str:
        """Empty where the client named none, as one that dials an address."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        return self._names.get(connection, "") if connection is not None else ""

    def _remember(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        if name:
            self._names[connection] = name
