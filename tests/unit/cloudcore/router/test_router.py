"""HTTP to applications on boards and back (P5.13, P5.14), without a hub: its doors are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cloudcore.cloudhub.routing import Target, lane_of, target_of
from cloudcore.errors import Refused
from cloudcore.router.calls import SAYS_WHO, BadPlace, Place, place_of
from cloudcore.router.client import Client
from cloudcore.router.server import RouterServer
from cloudcore.router.service import AT_ONCE_OF_A_NODE, Router
from tests.fakes.edge import runs
from tests.wire.recording import recordings
from viaduct.codec import decode
from viaduct.httpcall import MAX_BODY, Answer, answer_content
from viaduct.message import Message, new_message

RECORDED = {one.name: one for one in recordings("core")}


@dataclass
class Hub:
    """Nodes that answer every call as ``answer`` says; None: never."""

    answer: Callable[[Message], Answer | None] = lambda message: Answer(200, {}, b"")
    nodes: frozenset[str] = frozenset({"edge1"})
    ledger: bool = True
    told: list[tuple[str, Message]] = field(default_factory=list)
    router: Router | None = None

    def tell(self, node: str, message: Message) -> bool:
        if node not in self.nodes:
            return False
        self.told.append((node, message))
        answer = self.answer(message)
        if answer is not None and self.router is not None:
            asyncio.get_running_loop().create_task(self.router.take(node, reply(message.id, answer_content(answer))))
        return True

    def acknowledges_devices(self, node: str) -> bool:
        return self.ledger


def reply(parent: str, content: Any) -> Message:
    return new_message(source="servicebus", group="user", operation="", resource="", now_ms=1, content=content, parent_msg_id=parent)


def ask(url: str, content: Any) -> Message:
    return new_message(source="servicebus", group="user", operation="upload", resource=url, now_ms=1, content=content)


@asynccontextmanager
async def door(hub: Hub, *, seconds: float = 5.0) -> AsyncIterator[str]:
    hub.router = Router(hub, (), seconds=seconds, now_ms=lambda: 1)
    server = RouterServer(hub.router, read_seconds=0.2)
    port = await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop()
        await hub.router.stop()


@asynccontextmanager
async def target(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/orders"
    finally:
        await runner.cleanup()


async def _asked(method: str, url: str, **more: Any) -> tuple[int, str, Any]:
    async with aiohttp.ClientSession() as client, client.request(method, url, **more) as response:
        return response.status, await response.text(), response.headers


@runs
async def test_a_call_goes_to_the_application_with_its_headers_and_body_and_its_answer_comes_back() -> None:
    hub = Hub(lambda message: Answer(201, {"X-A": ["1", "2"], "Content-Type": ["text/plain"]}, b"made"))
    async with door(hub) as url:
        status, text, headers = await _asked("POST", f"{url}/edge1/8080/api/v1/light?on=%20", data=b"hi", headers={"X-Kind": "k"})
        assert (status, text, headers.getall("X-A")) == (201, "made", ["1", "2"])
    ((node, message),) = hub.told
    assert (node, message.route.source, message.route.group) == ("edge1", "router_servicebus", "user")
    assert (message.route.operation, message.route.resource) == ("POST", "8080:api/v1/light?on=%20")
    assert message.content["body"] == "aGk=" and message.content["header"]["X-Kind"] == ["k"]
    assert "Host" not in message.content["header"]


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_an_answer_keeps_its_status(status: int) -> None:
    @runs
    async def asked() -> None:
        async with door(Hub(lambda message: Answer(status, {}, b"" if status < 400 else b"why"))) as url:
            found = await _asked("GET", f"{url}/edge1/80/")
            assert found[:2] == (status, "" if status < 400 else "why")

    asked()


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/", 404, "/NODE/PORT/PATH"),
        ("GET", "/edge1", 404, "/NODE/PORT/PATH"),
        ("GET", "/edge1/80", 404, "/NODE/PORT/PATH"),
        ("GET", "/edge1/0/", 404, "/NODE/PORT/PATH"),
        ("GET", "/edge1/65536/", 404, "/NODE/PORT/PATH"),
        ("GET", "/EDGE_1/80/", 404, "/NODE/PORT/PATH"),
        ("GET", "/edge1/80/" + "a" * 500, 414, "480"),
        ("TRACE", "/edge1/80/", 405, "POST"),
        ("GET", "/edge2/80/", 503, "edge2 is not connected"),
    ],
)
def test_what_leads_to_no_application_says_why(method: str, path: str, status: int, words: str) -> None:
    @runs
    async def asked() -> None:
        async with door(Hub()) as url:
            found = await _asked(method, url + path)
            assert found[0] == status and words in found[1]

    asked()


@runs
async def test_who_does_not_answer_goes_away_or_says_nonsense_is_told_apart() -> None:
    async with door(Hub(lambda message: None), seconds=0.1) as url:
        status, text, _ = await _asked("GET", f"{url}/edge1/80/")
        assert status == 504 and "modules.servicebus.enable" in text
    hub = Hub(lambda message: None)
    async with door(hub) as url:
        for event, words in ((lambda: _nonsense(hub), "cannot be read"), (lambda: _gone(hub), "went away")):
            hub.told.clear()
            call = asyncio.create_task(_asked("GET", f"{url}/edge1/80/"))
            while not hub.told:
                await asyncio.sleep(0.005)
            await event()
            status, text, _ = await call
            assert status == 502 and words in text


async def _nonsense(hub: Hub) -> None:
    assert hub.router is not None
    with pytest.raises(Refused, match=r"content\.status_code"):
        await hub.router.take("edge1", reply(hub.told[0][1].id, {"status_code": "fine"}))


async def _gone(hub: Hub) -> None:
    assert hub.router is not None
    hub.router.node_changed("edge1", False)


@runs
async def test_only_the_node_that_was_asked_may_answer() -> None:
    hub = Hub(lambda message: None, nodes=frozenset({"edge1", "edge2"}))
    async with door(hub) as url:
        call = asyncio.create_task(_asked("GET", f"{url}/edge1/80/"))
        while not hub.told:
            await asyncio.sleep(0.005)
        assert hub.router is not None
        forged = reply(hub.told[0][1].id, answer_content(Answer(200, {}, b"forged")))
        with pytest.raises(Refused, match="nobody waits"):
            await hub.router.take("edge2", forged)
        await hub.router.take("edge1", reply(hub.told[0][1].id, answer_content(Answer(200, {}, b"true"))))
        assert (await call)[1] == "true"
        with pytest.raises(Refused, match="nobody waits"):
            await hub.router.take("edge1", forged)


@runs
async def test_a_node_that_answers_nothing_holds_only_so_many_calls_and_the_next_is_told_to_come_again() -> None:
    hub = Hub(lambda message: None)
    router = hub.router = Router(hub, (), seconds=5, now_ms=lambda: 1)
    waiting = [asyncio.create_task(router.call(Place("edge1", 80, ""), "GET", (), b"")) for _ in range(AT_ONCE_OF_A_NODE)]
    await asyncio.sleep(0)
    with pytest.raises(BadPlace, match="come again"):
        await router.call(Place("edge1", 80, ""), "GET", (), b"")
    router.node_changed("edge1", False)
    await asyncio.gather(*waiting, return_exceptions=True)
    hub.answer = lambda message: Answer(200, {}, b"")
    assert (await router.call(Place("edge1", 80, ""), "GET", (), b"")).status == 200
    await router.stop()


@runs
async def test_visitors_that_are_too_long_half_or_of_another_name_disturb_nobody() -> None:
    async with door(Hub()) as url:
        assert (await _asked("POST", f"{url}/edge1/80/", data=bytes(MAX_BODY + 1)))[0] == 413
        assert (await _asked("GET", f"{url}/edge1/80/", headers={"Host": "evil.example"}))[0] == 403
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /edge1/80/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        assert b" 408 " in await reader.readline()
        writer.close()
        assert (await _asked("GET", f"{url}/edge1/80/"))[0] == 200


def test_a_place_keeps_its_path_as_it_was_written() -> None:
    assert place_of("/edge1/8080/a%2Fb?c=d/e").resource == "8080:a%2Fb?c=d/e"


@runs
async def test_an_application_asks_a_target_and_the_target_hears_which_node_asks() -> None:
    heard: list[tuple[str, str, str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        kind = request.headers.get("Content-Type", "")
        heard.append((request.method, request.path_qs, kind, f"{request.headers[SAYS_WHO]}: {await request.text()}"))
        return web.Response(status=201, text="ok")

    async with target(handle) as url:
        router = Router(Hub(), (url,), seconds=1, now_ms=lambda: 1)
        answer = await router.take("edge1", ask(f"{url}?dry=1", '{"method": "post", "payload": {"item": 7}}'))
        assert answer is not None and answer.content["status_code"] == 201 and answer.content["body"] == "b2s="
        plain = await Router(Hub(ledger=False), (url,), seconds=1, now_ms=lambda: 1).take(
            "edge1", ask(url, {"method": "PUT", "payload": "t"})
        )
        assert plain is not None and plain.content == "ok"
        assert heard == [
            ("POST", "/orders?dry=1", "application/json", 'edge1: {"item": 7}'),
            ("PUT", "/orders", "text/plain; charset=utf-8", "edge1: t"),
        ]
        await router.stop()


@pytest.mark.parametrize(
    ("url", "content", "field"),
    [
        ("http://127.0.0.1:1/other", {"method": "GET"}, "route.resource"),
        ("http://127.0.0.1:1/a/../secret", {"method": "GET"}, "route.resource"),
        ("http://127.0.0.1:1/a", "not json", "content"),
        ("http://127.0.0.1:1/a", [], "content"),
        ("http://127.0.0.1:1/a", {"method": "CONNECT"}, "content.method"),
        ("http://127.0.0.1:1/a", {"method": 7}, "content.method"),
        ("http://127.0.0.1:1/a", {"method": "POST", "payload": "x" * (MAX_BODY + 1)}, "content.payload"),
    ],
)
def test_what_may_not_be_asked_is_refused_by_the_field(url: str, content: Any, field: str) -> None:
    router = Router(Hub(), ("http://127.0.0.1:1/a",), seconds=1, now_ms=lambda: 1)
    with pytest.raises(Refused, match=field.replace(".", r"\.")):
        asyncio.run(router.take("edge1", ask(url, content)))


@runs
async def test_a_target_that_is_away_slow_endless_or_leads_elsewhere_is_an_answer_too() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.query_string == "slow":
            await asyncio.sleep(5)
        if request.query_string == "elsewhere":
            raise web.HTTPFound("http://169.254.169.254/")
        return web.Response(body=bytes(MAX_BODY + 1))

    async with target(handle) as url:
        router = Router(Hub(), (url, "http://127.0.0.1:1/"), seconds=1, now_ms=lambda: 1, client=Client(0.2))
        statuses = {}
        for one in ("http://127.0.0.1:1/", f"{url}?slow", f"{url}?endless", f"{url}?elsewhere"):
            answer = await router.take("edge1", ask(one, {"method": "GET"}))
            assert answer is not None
            statuses[one.rpartition("?")[2]] = answer.content["status_code"]
        assert statuses == {"http://127.0.0.1:1/": 502, "slow": 502, "endless": 502, "elsewhere": 302}
        await router.stop()


def test_a_node_that_connects_is_told_which_targets_its_applications_may_ask() -> None:
    recorded = decode(RECORDED["servicebus-start"].text)
    hub = Hub(nodes=frozenset({"edge1"}))
    Router(hub, (recorded.route.resource,), seconds=1, now_ms=lambda: 1).node_changed("edge1", True)
    ((node, message),) = hub.told
    assert (node, message.route, message.content) == ("edge1", recorded.route, recorded.content)


@pytest.mark.parametrize("name", ["servicebus-reply", "servicebus-ask"])
def test_the_hub_hands_what_servicebus_says_to_the_router_each_on_a_lane_of_its_own(name: str) -> None:
    message = decode(RECORDED[name].text)
    assert target_of(message) is Target.ROUTER
    assert lane_of(message) == f"servicebus/{message.id}"
