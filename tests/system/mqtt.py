"""An MQTT client of our tests: not our own door, so that it plays a foreign mapper."""

from __future__ import annotations

import json
import queue
import socket
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho


class Client:
    """Connected to a broker on loopback; ``arrivals`` is every (topic, payload) of what was subscribed, in order."""

    def __init__(self, port: int, *filters: str) -> None:
        self.arrivals: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.stamps: queue.Queue[float] = queue.Queue()
        version = getattr(paho, "CallbackAPIVersion", None)
        self._client = paho.Client(version.VERSION2, protocol=paho.MQTTv311) if version else paho.Client(protocol=paho.MQTTv311)
        self._client.max_inflight_messages_set(1000)
        self._client.on_message = lambda client, data, message: self.arrivals.put((message.topic, message.payload))
        self._subscribed: queue.Queue[int] = queue.Queue()
        self._client.on_subscribe = lambda *arguments: self._subscribed.put(1)
        # Without it the kernel holds small packets of this client back for 40 ms, and a measured delay would be our own.
        self._client.on_socket_open = lambda client, data, opened: opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.is_open = True
        for pattern in filters:
            self._client.subscribe(pattern, 1)
            self._subscribed.get(timeout=10)

    def stamp_arrivals(self) -> None:
        """From now on ``stamps`` gets the time (``perf_counter``) of each arrival."""
        self._client.on_message = lambda client, data, message: self.stamps.put(time.perf_counter())

    def publish(self, topic: str, payload: Any) -> paho.MQTTMessageInfo:
        data = payload if isinstance(payload, bytes | str) else json.dumps(payload)
        return self._client.publish(topic, data, qos=1)

    def wait(self, claim: Callable[[str, Any], bool], *, within: float = 20.0) -> Any:
        """The first payload (parsed) for which ``claim(topic, payload)`` holds; what came before it is dropped."""
        deadline = time.monotonic() + within
        while True:
            topic, payload = self.arrivals.get(timeout=max(0.01, deadline - time.monotonic()))
            value = json.loads(payload)
            if claim(topic, value):
                return value

    def close(self) -> None:
        self.is_open = False
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def actual(name: str, value: str) -> dict[str, Any]:
    """A twin/update payload that reports one value."""
    return {"event_id": "", "timestamp": 0, "twin": {name: {"actual": {"value": value}, "metadata": {"type": "string"}}}}
