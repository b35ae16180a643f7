"""What a broker retains of ours: read when a connection begins, so that nothing of devices that are gone stays there (P6.9)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgecore.eventbus.broker import BrokerClient

TIMEOUT = 5.0


def retained(client: BrokerClient, filters: Sequence[str], mark: tuple[str, bytes], timeout: float = TIMEOUT) -> dict[str, bytes] | None:
    """Payload by topic; None where the broker lets us not read there. For the thread that connected, between two turns.

    ``mark``: a topic that one of ``filters`` matches, and what to retain there. A broker sends what it keeps before what is said after the
    subscription, so when it comes back there is no more. Raises BrokerError as ``BrokerClient.turn`` does.
    """
    found: dict[str, bytes] = {}
    ended = False

    def receive(topic: str, payload: bytes, retained: bool) -> None:
        nonlocal ended
        if retained:
            found[topic] = payload
        elif topic == mark[0]:
            ended = True

    client.receive = receive
    # At QoS 0, so that a broker's limit on what waits for a slow client does not cut the answer short.
    client.subscribe(filters, 0)
    client.publish([(*mark, True)], qos=1)
    deadline = time.monotonic() + timeout
    while not ended and (left := deadline - time.monotonic()) > 0:
        client.turn(left)
    client.unsubscribe(filters)
    client.receive = None
    return found if ended else None
