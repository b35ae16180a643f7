"""The stream connections of all boards; one that is not there is asked for over the main link (P7.7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from cloudcore.cloudstream.stream import UNAVAILABLE, Stream
from cloudcore.cloudstream.tunnel import Pulse, Tunnel
from cloudcore.errors import StreamError
from cloudcore.ports import StreamWire, Summoner
from cloudcore.readings import Reading, gauge
from viaduct.message import new_message
from viaduct.streamrequest import StreamRequest
from viaduct.vocabulary import STREAM_RESOURCE, Group, Operation, Source

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
READY_SECONDS = 30.0


class Tunnels:
    """A ``StreamTaker``. ``now_ms``: epoch milliseconds, for the header of messages."""

    def __init__(
        self,
        summoner: Summoner,
        *,
        now_ms: Callable[[], int],
        connect_seconds: float = CONNECT_SECONDS,
        ready_seconds: float = READY_SECONDS,
        pulse: Pulse | None = None,
    ) -> None:
        self._summoner = summoner
        self._now_ms = now_ms
        self._connect_seconds = connect_seconds
        self._ready_seconds = ready_seconds
        self._pulse = pulse
        self._tunnels: dict[str, Tunnel] = {}
        self._awaited: dict[str, asyncio.Future[Tunnel]] = {}
        self._asked: dict[str, str] = {}

    async def open(self, node: str, request: StreamRequest) -> Stream:
        """A stream on which what was asked for runs.

        Raises:
            StreamError: the node is away, or refuses; with a code as HTTP has them.
        """
        tunnel = self._tunnels.get(node)
        if tunnel is None or tunnel.over:
            tunnel = await self._summoned(node)
        stream = await tunnel.open(request)
        try:
            await stream.wait_ready(self._ready_seconds)
        except BaseException:
            stream.close()
            raise
        return stream

    async def serve(self, node: str, wire: StreamWire) -> None:
        """For as long as the connection lives."""
        tunnel = Tunnel(node, wire, self._pulse)
        self._tunnels[node] = tunnel
        awaited = self._awaited.get(node)
        if awaited is not None and not awaited.done():
            awaited.set_result(tunnel)
        logger.info("node %s: stream connection opened", node)
        try:
            await tunnel.run()
        finally:
            if self._tunnels.get(node) is tunnel:
                del self._tunnels[node]
            logger.info("node %s: stream connection closed", node)

    def refused(self, node: str, msg_id: str, reason: str) -> None:
        """The node will not open the connection that message ``msg_id`` asked for; any other message is not ours."""
        awaited = self._awaited.get(node)
        if awaited is not None and not awaited.done() and self._asked.get(node) == msg_id:
            awaited.set_exception(StreamError(f"node {node} opens no stream connection: {reason}", code=UNAVAILABLE))

    def readings(self) -> Iterator[Reading]:
        tunnels = list(self._tunnels.values())
        yield gauge("stream_connections", "Nodes with a stream connection", len(tunnels))
        yield gauge("streams_open", "Streams that are open", sum(tunnel.open_streams for tunnel in tunnels))

    async def _summoned(self, node: str) -> Tunnel:
        """One message is under way at a time, however many ask."""
        awaited = self._awaited.get(node)
        if awaited is None or awaited.done():
            awaited = self._awaited[node] = asyncio.get_running_loop().create_future()
            awaited.add_done_callback(lambda done: self._no_longer_awaited(node, done))
            asyncio.get_running_loop().call_later(self._connect_seconds, self._give_up, node, awaited)
            self._summon(node, awaited)
        return await asyncio.shield(awaited)

    def _summon(self, node: str, awaited: asyncio.Future[Tunnel]) -> None:
        if node not in self._summoner.connected():
            awaited.set_exception(StreamError(f"node {node} is not connected", code=UNAVAILABLE))
            return
        message = new_message(
            source=Source.CLOUDSTREAM,
            group=Group.STREAM,
            operation=Operation.CONNECT,
            resource=STREAM_RESOURCE,
            now_ms=self._now_ms(),
            content={},
        )
        self._asked[node] = message.id
        if not (self._summoner.serves_streams(node) and self._summoner.tell(node, message)):
            awaited.set_exception(StreamError(f"node {node} serves no streams: it runs KubeEdge's EdgeCore", code=UNAVAILABLE))

    def _give_up(self, node: str, awaited: asyncio.Future[Tunnel]) -> None:
        if not awaited.done():
            reason = f"node {node} is connected, but opened no stream connection within {self._connect_seconds:g} s"
            awaited.set_exception(StreamError(reason, code=UNAVAILABLE))

    def _no_longer_awaited(self, node: str, done: asyncio.Future[Tunnel]) -> None:
        if not done.cancelled():
            done.exception()  # whoever asked may be gone: not a failure of ours
        if self._awaited.get(node) is done:
            del self._awaited[node]
            self._asked.pop(node, None)
