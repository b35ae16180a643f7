"""The door to uvloop: the event loop of our servers. It takes a sixth of asyncio's memory for a TLS connection."""

from __future__ import annotations

from typing import Any

import uvloop


class _Loop(uvloop.Loop):
    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As uvloop's, and the socket that a caller gave belongs to the transport from then on, however it ends.

        Where the peer resets a connection at once, uvloop 0.23 closes the transport before it has tied the socket to it. The socket object
        then closes its number a second time when it is collected, which by then may be another connection's: that one is dead without
        knowing it, and whoever gets the number next is refused.
        """
        try:
            return await super().create_connection(*args, **kwargs)
        finally:
            sock = kwargs.get("sock")
            if sock is not None:
                sock.detach()


def new_event_loop() -> uvloop.Loop:
    """For ``asyncio.Runner(loop_factory=…)``."""
    return _Loop()
