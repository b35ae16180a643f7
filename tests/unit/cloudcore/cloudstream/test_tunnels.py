"""The stream connections of boards: one message asks for one, streams have windows, whatever breaks ends with an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cloudcore.cloudstream.stream import Stream
from cloudcore.cloudstream.tunnel import Pulse
from cloudcore.cloudstream.tunnels import Tunnels
from cloudcore.errors import StreamError
from tests.fakes.edge import runs, until
from viaduct.message import Message
from viaduct.streamrequest import StreamRequest, Verb
from viaduct.tunnel import MAX_DATA, MAX_STREAMS, WINDOW, Channel, Credit, Data, End, Eof, Frame, Open, Ready, Resize, decode, encode

LOGS = StreamRequest(Verb.LOGS, namespace="default", pod="web")


class Wire:
    """The cloud's end of a websocket; ``said`` is what it sent."""

    def __init__(self) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self.said: list[Frame] = []
        self.pings = 0
        self.closed: tuple[int, str] | None = None
        self._come: asyncio.Queue[bytes | None] = asyncio.Queue()

    def come(self, *frames: Frame | bytes) -> None:
        for frame in frames:
            self._come.put_nowait(frame if isinstance(frame, bytes) else encode(frame))

    def leave(self) -> None:
        self._come.put_nowait(None)

    async def receive(self) -> bytes | None:
        return await self._come.get()

    async def send_bytes(self, data: bytes) -> None:
        if self.closed is not None:
            raise ConnectionResetError("closed")
        self.said.append(decode(data))

    async def ping(self) -> None:
        self.pings += 1

    async def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)
        self.leave()

    def abort(self) -> None:
        self.closed = (0, "aborted")
        self.leave()


class Hub:
    """A Summoner; ``on_tell`` is what the board does about a message."""

    def __init__(self) -> None:
        self.nodes = frozenset({"edge1"})
        self.ledger = True
        self.told: list[Message] = []
        self.on_tell: Callable[[], Any] = lambda: None

    def connected(self) -> frozenset[str]:
        return self.nodes

    def serves_streams(self, node: str) -> bool:
        return self.ledger

    def tell(self, node: str, message: Message) -> bool:
        self.told.append(message)
        self.on_tell()
        return True


class Ground:
    def __init__(self, **settings: Any) -> None:
        self.hub = Hub()
        self.tunnels = Tunnels(self.hub, now_ms=lambda: 1, **settings)
        self.wires: list[Wire] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.hub.on_tell = self.connect

    def connect(self) -> Wire:
        wire = Wire()
        self.wires.append(wire)
        self.tasks.append(asyncio.create_task(self.tunnels.serve("edge1", wire)))
        return wire

    @property
    def wire(self) -> Wire:
        return self.wires[-1]

    async def open(self, request: StreamRequest = LOGS) -> Stream:
        """A stream that the board says READY to."""
        opening = asyncio.create_task(self.tunnels.open("edge1", request))
        known = sum(len(wire.said) for wire in self.wires)
        await until(lambda: self.wires and sum(len(wire.said) for wire in self.wires) > known)
        frame = self.wire.said[-1]
        assert isinstance(frame, Open)
        self.wire.come(Ready(frame.stream))
        return await opening


async def refusal(work: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(StreamError) as refused:
        await work
    return refused.value.code, str(refused.value)


@runs
async def test_many_who_ask_at_once_cost_one_message_and_one_connection() -> None:
    it = Ground()
    opening = [asyncio.create_task(it.tunnels.open("edge1", LOGS)) for _ in range(5)]
    await until(lambda: it.wires and len(it.wire.said) == 5)
    it.wire.come(*(Ready(number) for number in range(1, 6)))
    streams = await asyncio.gather(*opening)
    assert [stream.number for stream in streams] == [1, 2, 3, 4, 5]
    (message,) = it.hub.told
    assert (message.route.source, message.route.group, message.route.operation) == ("cloudstream", "stream", "connect")
    assert (message.route.resource, message.content) == ("stream", {})


@runs
async def test_a_node_that_cannot_be_asked_is_named_at_once() -> None:
    it = Ground()
    it.hub.nodes = frozenset()
    assert await refusal(it.tunnels.open("edge1", LOGS)) == (503, "node edge1 is not connected")
    it.hub.nodes, it.hub.ledger = frozenset({"edge1"}), False
    code, said = await refusal(it.tunnels.open("edge1", LOGS))
    assert (code, "KubeEdge" in said) == (503, True)


@runs
async def test_a_board_that_does_not_dial_is_not_waited_for_long_and_is_asked_again() -> None:
    it = Ground(connect_seconds=0.05)
    it.hub.on_tell = lambda: None
    code, said = await refusal(it.tunnels.open("edge1", LOGS))
    assert (code, "within 0.05 s" in said) == (503, True)
    it.hub.on_tell = it.connect
    await it.open()
    assert len(it.hub.told) == 2


@runs
async def test_a_refusal_of_the_board_ends_the_wait() -> None:
    it = Ground()
    it.hub.on_tell = lambda: asyncio.get_running_loop().call_soon(
        lambda: it.tunnels.refused("edge1", it.hub.told[-1].id, "modules.edgeStream.enable is false")
    )
    code, said = await refusal(it.tunnels.open("edge1", LOGS))
    assert (code, said) == (503, "node edge1 opens no stream connection: modules.edgeStream.enable is false")
    it.tunnels.refused("edge1", "another", "what nobody waits for")


@runs
async def test_an_end_before_ready_is_a_refusal_with_its_code() -> None:
    it = Ground()
    it.hub.on_tell = lambda: it.connect().come(End(1, 404, "no such container"))
    opening = asyncio.create_task(it.tunnels.open("edge1", LOGS))
    await until(lambda: it.wires and it.wire.said)
    it.wire.come(End(1, 404, "no such container"))
    assert await refusal(opening) == (404, "no such container")


@runs
async def test_a_board_that_says_nothing_to_an_open_is_given_up() -> None:
    it = Ground(ready_seconds=0.05)
    code, _ = await refusal(it.tunnels.open("edge1", LOGS))
    assert code == 503
    await until(lambda: isinstance(it.wire.said[-1], End))


@runs
async def test_what_is_received_is_granted_again_and_not_more() -> None:
    it = Ground()
    stream = await it.open()
    for _ in range(WINDOW // MAX_DATA):
        it.wire.come(Data(1, Channel.STDOUT, b"x" * MAX_DATA))
    await asyncio.sleep(0.02)
    assert not [frame for frame in it.wire.said if isinstance(frame, Credit)]
    for _ in range(WINDOW // MAX_DATA):
        assert isinstance(await stream.receive(), Data)
    it.wire.come(End(1))
    assert isinstance(await stream.receive(), End)
    granted = sum(frame.count for frame in it.wire.said if isinstance(frame, Credit))
    assert WINDOW // 2 < granted <= WINDOW


@runs
async def test_a_board_that_sends_more_than_was_granted_loses_the_stream() -> None:
    it = Ground()
    stream = await it.open()
    it.wire.come(*(Data(1, Channel.STDOUT, b"x" * MAX_DATA) for _ in range(WINDOW // MAX_DATA)), Data(1, Channel.STDOUT, b"x"))
    await until(lambda: stream.ended)
    assert stream.ended is not None and "sent more than" in stream.ended.reason
    await until(lambda: isinstance(it.wire.said[-1], End))
    assert it.wire.closed is None


@runs
async def test_input_waits_for_room_at_the_board() -> None:
    it = Ground()
    stream = await it.open()
    sending = asyncio.create_task(stream.send(b"x" * (WINDOW + 10)))
    await until(lambda: sum(len(frame.data) for frame in it.wire.said if isinstance(frame, Data)) == WINDOW)
    assert not sending.done()
    it.wire.come(Credit(1, 10))
    await sending
    await stream.end_input()
    await stream.resize(80, 24)
    assert it.wire.said[-2:] == [Eof(1, Channel.STDIN), Resize(1, 80, 24)]


@runs
async def test_who_waits_for_room_hears_of_the_end() -> None:
    it = Ground()
    stream = await it.open()
    sending = asyncio.create_task(stream.send(b"x" * (WINDOW + 10)))
    await until(lambda: len(it.wire.said) > WINDOW // MAX_DATA)
    it.wire.come(End(1, 200, "it reads no more"))
    assert (await refusal(sending))[1] == "it reads no more"


@runs
async def test_a_connection_that_breaks_ends_every_stream_with_an_error() -> None:
    it = Ground()
    first, second = await it.open(), await it.open()
    it.wire.leave()
    for stream in (first, second):
        end = await stream.receive()
        assert isinstance(end, End) and (end.code, end.reason) == (503, "the connection to node edge1 broke")
    await it.open()
    assert len(it.wires) == 2


@runs
async def test_the_streams_of_one_node_are_counted() -> None:
    it = Ground()
    streams = [await it.open() for _ in range(MAX_STREAMS)]
    assert (await refusal(it.tunnels.open("edge1", LOGS)))[0] == 429
    streams[0].close()
    await it.open()


@pytest.mark.parametrize("raw", [b"", b"\x00", encode(Open(1, {})), b"\x03\x00\x00\x00\x00\x01x", b"\x09\x00\x00\x00\x63"])
def test_what_is_no_frame_ends_the_connection(raw: bytes) -> None:
    @runs
    async def test() -> None:
        it = Ground()
        stream = await it.open()
        it.wire.come(raw)
        await until(lambda: it.wire.closed)
        assert it.wire.closed is not None and it.wire.closed[0] == 1008
        assert isinstance(await stream.receive(), End)

    test()


@runs
async def test_a_malformed_frame_of_a_stream_ends_that_stream_only() -> None:
    it = Ground()
    first, second = await it.open(), await it.open()
    it.wire.come(b"\x03\x00\x00\x00\x01\x09x")
    end = await first.receive()
    assert isinstance(end, End) and "channel" in end.reason
    it.wire.come(Data(2, Channel.STDOUT, b"still here"))
    assert isinstance(await second.receive(), Data)


@runs
async def test_frames_of_a_stream_that_is_over_are_ignored() -> None:
    it = Ground()
    (await it.open()).close()
    stream = await it.open()
    it.wire.come(Data(1, Channel.STDOUT, b"late"), Ready(1), Credit(77, 5), Data(2, Channel.STDOUT, b"mine"))
    frame = await stream.receive()
    assert isinstance(frame, Data) and frame.data == b"mine"


@runs
async def test_a_connection_without_streams_is_closed_after_a_while_and_not_before() -> None:
    it = Ground(pulse=Pulse(ping=0.02, silence=60.0, idle=0.1))
    stream = await it.open()
    await until(lambda: it.wire.pings > 8)
    assert it.wire.closed is None
    stream.close()
    await until(lambda: it.wire.closed)
    assert it.wire.closed is not None and it.wire.closed[0] == 1000


@runs
async def test_a_connection_on_which_nothing_comes_is_given_up() -> None:
    it = Ground(pulse=Pulse(ping=0.02, silence=0.1, idle=60.0))
    stream = await it.open()
    end = await stream.receive()
    assert isinstance(end, End) and end.code == 503
