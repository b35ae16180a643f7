"""A sink that publishes samples over MQTT, QoS 1, not retained. The door to aiomqtt.

<topic>/<node>/<device>/<property>    {"type": "float", "samples": [[1581066000000, "21.5"], …]}
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import aiomqtt

from cloudcore.history import text
from cloudcore.history.outlet import SinkAway
from cloudcore.history.sample import Batch


@dataclass(frozen=True, slots=True)
class MqttAddress:
    host: str
    port: int
    tls: bool = False
    username: str = ""
    password: str = ""


class MqttSink:
    """Connected with the first batch, and kept connected while samples come."""

    def __init__(self, address: MqttAddress, topic: str) -> None:
        self._address = address
        self._topic = topic
        self._client: aiomqtt.Client | None = None

    async def send(self, batches: Sequence[Batch]) -> int:
        try:
            client = await self._connected()
            await asyncio.gather(*(client.publish(topic, payload, qos=1) for topic, payload in text.mqtt_messages(batches, self._topic)))
        except BaseException as exc:
            await self.close()
            if isinstance(exc, aiomqtt.MqttError | OSError):
                raise SinkAway(str(exc) or type(exc).__name__) from exc
            raise
        return 0

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except (aiomqtt.MqttError, OSError):
                pass  # it was gone already

    async def _connected(self) -> aiomqtt.Client:
        if self._client is None:
            to = self._address
            client = aiomqtt.Client(
                to.host,
                to.port,
                username=to.username or None,
                password=to.password or None,
                tls_context=ssl.create_default_context() if to.tls else None,
                timeout=10,
            )
            await client.__aenter__()
            self._client = client
        return self._client
