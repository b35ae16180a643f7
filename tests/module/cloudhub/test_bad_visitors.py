"""Whatever comes in through port 10000: refused in clear words, counted, and without effect on anyone else (X1, X4, X7, D8)."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from datetime import timedelta

import aiohttp
import pytest

from cloudcore.cloudhub.listener import Listener
from cloudcore.cloudhub.session import Limits
from cloudcore.pki.authority import Authority
from cloudcore.pki.certificates import Signer, create_authority
from cloudcore.pki.signing import CA_LIFETIME, serial_number, validity
from cloudcore.pki.tls import server_ssl_context
from tests.fakes.edge import LEDGER, authority, edge_context, inventory, pod, report, runs, site, until
from viaduct.codec import MAX_FRAME_BYTES, encode


@runs
async def test_without_a_certificate_there_is_no_connection() -> None:
    async with site() as made:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await made.dial("edge1", context=edge_context(None))
        assert not made.hub.connected()


@runs
async def test_a_certificate_of_another_authority_is_refused() -> None:
    now = time.time()
    other = Authority(Signer(*create_authority("KubeEdge", serial_number(now, 9), validity(now, CA_LIFETIME))))
    async with site() as made:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await made.dial("edge1", context=edge_context("edge1", other))


@runs
async def test_a_certificate_that_ran_out_brings_no_session_and_is_told_what_to_do() -> None:
    async with site() as made, aiohttp.ClientSession() as client:
        headers = {"node_id": "edge1", "ConnectionUse": "msg"}
        context = edge_context("edge1", age=timedelta(days=3))
        async with client.get(f"https://127.0.0.1:{made.port}/a/b", ssl=context, headers=headers) as answer:
            assert answer.status in (401, 403)
            assert "ran out" in await answer.text()
        assert not made.hub.connected()


@pytest.mark.parametrize(
    ("headers", "status", "word"),
    [
        ({"node_id": "edge2"}, 403, "the certificate is for 'edge1'"),
        ({"node_id": ""}, 403, "node_id"),
        ({"node_id": "x" * 4000}, 403, "node_id"),
        ({"ConnectionUse": "shr"}, 400, "ConnectionUse"),
        ({"ConnectionUse": ""}, 400, "ConnectionUse"),
        ({"Bramble-Delivery": "ledger", "Bramble-Ping": "soon"}, 400, "Bramble-Ping"),
        ({"Bramble-Delivery": "ledger", "Bramble-Ping": "0"}, 400, "Bramble-Ping"),
        ({"Bramble-Delivery": "ledger", "Bramble-Ping": "9" * 5000}, 400, "Bramble-Ping"),
    ],
)
def test_a_request_that_does_not_fit_the_certificate_is_turned_away(headers: dict[str, str], status: int, word: str) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made, aiohttp.ClientSession() as client:
            all_headers = {"node_id": "edge1", "ConnectionUse": "msg"} | headers
            async with client.get(f"https://127.0.0.1:{made.port}/a/b", ssl=edge_context("edge1"), headers=all_headers) as answer:
                assert answer.status == status
                assert word in await answer.text()
            assert not made.hub.connected()

    scenario()


@runs
async def test_a_plain_http_request_is_told_what_was_expected() -> None:
    async with site() as made, aiohttp.ClientSession() as client:
        headers = {"node_id": "edge1", "ConnectionUse": "msg"}
        for method in ("GET", "POST", "DELETE"):
            async with client.request(
                method,
                f"https://127.0.0.1:{made.port}/",
                ssl=edge_context("edge1"),
                headers=headers,
                data=b"x" if method == "POST" else None,
            ) as answer:
                assert answer.status == 400
                assert "websocket" in await answer.text()


@runs
async def test_a_revoked_node_is_turned_away_and_one_that_is_connected_is_closed() -> None:
    revoked: set[str] = set()
    async with site(is_revoked=lambda node, serial: node in revoked and serial > 0) as made:
        edge = await made.connect("edge1")
        other = await made.connect("edge2")
        await until(lambda: len(made.hub.connected()) == 2)
        revoked.add("edge1")
        await made.hub.close_revoked()
        assert (await edge.hear_close())[1] == "this node's certificate was revoked"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await made.connect("edge1")
        assert refused.value.status == 403
        await other.say(report("default/podstatus/web"))
        assert (await other.hear()).content == "OK"


@runs
async def test_the_node_limit_refuses_further_nodes_and_cuts_off_nobody() -> None:
    async with site(node_limit=2) as made:
        first, _ = await made.connect("edge1"), await made.connect("edge2")
        await until(lambda: len(made.hub.connected()) == 2)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await made.connect("edge3")
        assert refused.value.status == 503
        await first.say(report("default/podstatus/web"))
        assert (await first.hear()).content == "OK"
        again = await made.connect("edge1")
        await again.say(report("default/podstatus/web"))
        assert (await again.hear()).content == "OK"


def _envelope(**changes: object) -> str:
    value: dict[str, object] = {"header": {"msg_id": "m1", "timestamp": 1}, "route": {"operation": "update"}, "content": 1}
    return json.dumps(value | changes)


@pytest.mark.parametrize(
    ("frame", "field", "answered"),
    [
        ("", "frame", False),
        ("{", "frame", False),
        ("[]", "frame", False),
        ("null", "frame", False),
        (b"\xff\xfe\x00", "frame", False),
        ("[" * 100_000, "frame", False),
        ('{"a":' * 5000 + "1" + "}" * 5000, "frame", False),
        (_envelope(header=3), "header", False),
        (_envelope(header={"timestamp": 1}), "header.msg_id", False),
        (_envelope(header={"msg_id": "m1", "timestamp": "x"}), "header.timestamp", True),
        (_envelope(header={"msg_id": "m1", "timestamp": 1, "sync": "x"}), "header.sync", True),
        (_envelope(route=[]), "route", True),
        (_envelope(route={"operation": 7}), "route.operation", True),
        (_envelope(route={"operation": "ping"}), "route.operation", True),
        (_envelope(route={"operation": "update", "resource": "x" * 10_000}), "route.resource", True),
    ],
)
def test_a_malformed_frame_changes_nothing_and_its_sender_is_told_the_field(
    frame: str | bytes, field: str, answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made:
            edge = await made.connect("edge1")
            if isinstance(frame, bytes):
                await edge.socket.send_bytes(frame)
            else:
                await edge.socket.send_str(frame)
            await until(lambda: made.hub.counts.malformed == 1)
            if answered:
                error = await edge.hear()
                assert (error.route.operation, error.header.parent_msg_id) == ("error", "m1")
                assert error.content["reason"].startswith(field)
            await edge.say(report("default/podstatus/web"))
            assert (await edge.hear()).content == "OK"
            assert len(made.pods.taken) == 1

    scenario()
    assert any(f"malformed message: {field}" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("resource", "source", "group"),
    [
        ("", "edged", "meta"),
        ("a", "edged", "meta"),
        ("a/b/c/d", "edged", "meta"),
        ("default/nonsense/web", "edged", "meta"),
        ("../podstatus/web", "edged", "meta"),
        ("default/podstatus/web%2f..", "edged", "meta"),
        ("device//twin/edge_updated", "twin", "resource"),
        ("device/a b/twin/edge_updated", "twin", "resource"),
        ("membership", "twin", "resource"),
        ("c29tZS90b3BpYw", "eventbus", "user"),
    ],
)
def test_a_resource_outside_the_grammar_is_refused_for_good(resource: str, source: str, group: str) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made:
            edge = await made.connect("edge1")
            await edge.say(report(resource, source=source, group=group))
            answer = await edge.hear()
            assert answer.route.operation == "error" and answer.content["retry"] is False
            assert answer.content["reason"].startswith("route.")
            assert made.pods.taken == made.devices.taken == []

    scenario()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "content.objects"),
        ({}, "content.objects"),
        ({"objects": {}}, "content.objects"),
        ({"objects": [1]}, "content.objects[0]"),
        ({"objects": [{"uid": "u"}]}, "content.objects[0].key"),
        ({"objects": [{"key": "a"}, {"key": "b", "uid": 3}]}, "content.objects[1].uid"),
        ({"objects": [{"key": "a", "version": "9" * 600}]}, "content.objects[0].version"),
    ],
)
def test_a_malformed_inventory_removes_nothing(content: object, field: str) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made:
            edge = await made.dial("edge1", headers=LEDGER)
            said = await edge.say(report("inventory", operation="inventory", source="edgehub", group="resource", content=content))
            error = await edge.hear()
            assert error.header.parent_msg_id == said.id
            assert error.content["reason"].startswith(field + ":")
            await edge.hears_nothing(0.05)

    scenario()


@runs
async def test_after_many_malformed_frames_the_session_is_closed_with_the_reason() -> None:
    async with site(limits=Limits(malformed=3)) as made:
        edge = await made.connect("edge1")
        for _ in range(3):
            await edge.socket.send_str("{")
        code, reason = await edge.hear_close()
        assert code == 1008 and reason.startswith("3 malformed messages, the last: frame: not JSON")


@runs
async def test_a_frame_over_the_limit_closes_its_own_session_only() -> None:
    async with site() as made:
        bad, good = await made.connect("bad"), await made.connect("good")
        await until(lambda: len(made.hub.connected()) == 2)
        await bad.socket.send_str("x" * (MAX_FRAME_BYTES + 10))
        assert (await bad.hear_close())[0] == 1009
        await until(lambda: made.hub.connected() == {"good"})
        await good.say(report("default/podstatus/web"))
        assert (await good.hear()).content == "OK"


@runs
async def test_a_large_frame_within_the_limit_arrives() -> None:
    async with site() as made:
        edge = await made.connect("edge1")
        await edge.say(report("default/podstatus/web", content="x" * (1024 * 1024)))
        assert (await edge.hear()).content == "OK"


@runs
async def test_a_frame_that_stops_half_way_is_closed_by_the_keepalive_time() -> None:
    async with site(limits=Limits(keepalive=0.3)) as made:
        writer = await _raw_session(made.port, "edge1")
        await until(lambda: made.hub.connected())
        text = encode(inventory()).encode()
        writer.write(bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text[:20])
        await writer.drain()
        await until(lambda: not made.hub.connected())
        writer.close()


@runs
async def test_a_node_that_vanishes_without_a_word_leaves_no_trace() -> None:
    async with site() as made:
        writer = await _raw_session(made.port, "edge1")
        await until(lambda: made.hub.connected())
        writer.transport.abort()
        await until(lambda: not made.hub.connected())
        assert not made.hub.offer("edge1", pod("web", 3))


@runs
async def test_a_node_that_does_not_read_is_cut_off_by_the_write_limit() -> None:
    async with site(limits=Limits(write=0.3)) as made:
        writer = await _raw_session(made.port, "deaf", ledger=False)
        await until(lambda: made.hub.connected())
        for index in range(8):
            message = report("default/podlist/all", content="x" * 3_000_000 + str(index))
            made.hub.tell("deaf", message)
        await until(lambda: not made.hub.connected())
        writer.close()


@runs
async def test_a_connection_that_never_asks_is_cut_off() -> None:
    async with site() as made:
        await made.hub._listener.stop()
        listener = Listener(made.hub._admit, made.hub._serve, request_seconds=0.2)
        context = server_ssl_context(authority(), ["127.0.0.1"], client_required=True, now=time.time())
        port = await listener.start("127.0.0.1", 0, context)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=edge_context("edge1"), server_hostname="127.0.0.1")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            async with asyncio.timeout(5):
                if await reader.read() == b"":
                    raise ConnectionResetError
        writer.close()
        await listener.stop()


async def _raw_session(port: int, node: str, *, ledger: bool = True) -> asyncio.StreamWriter:
    """A websocket by hand, so that a test can break its framing; what is answered is not read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=edge_context(node), server_hostname="127.0.0.1", limit=1024)
    mode = "Bramble-Delivery: ledger\r\n" if ledger else ""
    writer.write(
        f"GET /p/{node}/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nnode_id: {node}\r\nConnectionUse: msg\r\n{mode}\r\n".encode()
    )
    await writer.drain()
    assert b"101" in await reader.readline()
    return writer
