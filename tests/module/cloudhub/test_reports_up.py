"""What comes up in ledger mode: routing, order, answers, refusals, and that one report never holds another (P4; D1, D3, D8, I1, X2)."""

from __future__ import annotations

import asyncio

import pytest

from cloudcore.errors import KubeConflict, KubeForbidden, KubeInvalid, KubeUnreachable, Refused
from tests.fakes.edge import Site, report, runs, site, until
from viaduct import acknowledgements
from viaduct.message import Message, reply_to


@runs
async def test_a_report_is_acknowledged_after_its_controller_has_taken_it_and_not_before() -> None:
    async with site() as made:
        written = asyncio.Event()

        async def slow(message: Message) -> None:
            await written.wait()

        made.pods.answer = slow
        edge = await made.connect("edge1")
        said = await edge.say(report("default/podstatus/web"))
        await until(lambda: made.pods.taken)
        await edge.hears_nothing()
        written.set()
        answer = await edge.hear()
        assert (answer.route.operation, answer.content, answer.header.parent_msg_id) == ("response", "OK", said.id)


@runs
async def test_twin_reports_go_to_the_device_controller_and_the_rest_to_the_edge_controller() -> None:
    async with site() as made:
        edge = await made.connect("edge1")
        await edge.say(report("device/membership-x/twin/edge_updated", source="twin", group="resource"))
        await edge.hear()
        await edge.say(report("default/podstatus/membership"))
        await edge.hear()
        assert [message.route.resource for _, message in made.devices.taken] == ["device/membership-x/twin/edge_updated"]
        assert [(node, message.route.resource) for node, message in made.pods.taken] == [("edge1", "default/podstatus/membership")]


@runs
async def test_reports_of_one_object_stay_in_order_and_a_slow_one_holds_no_other() -> None:
    async with site() as made:
        gate = asyncio.Event()
        done: list[str] = []

        async def take(message: Message) -> None:
            if message.content == "slow":
                await gate.wait()
            done.append(message.content)

        made.pods.answer = take
        edge = await made.connect("edge1")
        for resource, content in (("slow", "slow"), ("slow", "after slow"), ("quick", "quick")):
            await edge.say(report(f"default/podstatus/{resource}", content=content))
        await until(lambda: done == ["quick"])
        gate.set()
        await until(lambda: done == ["quick", "slow", "after slow"])


@runs
async def test_the_order_of_one_object_holds_across_a_reconnect() -> None:
    async with site() as made:
        gate = asyncio.Event()
        done: list[str] = []

        async def take(message: Message) -> None:
            if message.content == "first":
                await gate.wait()
            done.append(message.content)

        made.pods.answer = take
        edge = await made.connect("edge1")
        await edge.say(report("default/podstatus/web", content="first"))
        await until(lambda: made.pods.taken)
        await edge.socket.close()
        edge = await made.connect("edge1")
        await edge.say(report("default/podstatus/web", content="second"))
        await edge.say(report("default/podstatus/other", content="other"))
        await until(lambda: done == ["other"])
        gate.set()
        await until(lambda: done == ["other", "first", "second"])


@pytest.mark.parametrize(
    ("raised", "code", "retry"),
    [
        (Refused("no such device", code=404), 404, False),
        (KubeInvalid("spec: wrong", code=422), 422, False),
        (KubeForbidden("not allowed to patch", code=403), 403, True),
        (KubeConflict("changed", code=409), 409, True),
        (KubeUnreachable("connection refused"), 503, True),
        (RuntimeError("bug"), 500, True),
    ],
)
def test_what_a_controller_raises_becomes_an_error_that_says_whether_to_try_again(raised: Exception, code: int, retry: bool) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made:

            async def fail(message: Message) -> None:
                raise raised

            made.pods.answer = fail
            edge = await made.connect("edge1")
            said = await edge.say(report("default/podstatus/web"))
            answer = await edge.hear()
            assert (answer.route.operation, answer.header.parent_msg_id) == ("error", said.id)
            assert (answer.content["code"], answer.content["retry"]) == (code, retry)
            assert answer.content["reason"]

    scenario()


@runs
async def test_the_answer_to_a_question_is_its_acknowledgement_too() -> None:
    async with site() as made:

        async def answer(message: Message) -> Message:
            return reply_to(message, {"data": {"a": "b"}}, now_ms=1, resource_version="12")

        made.pods.answer = answer
        edge = await made.connect("edge1")
        said = await edge.say(report("default/configmap/web", operation="query"))
        heard = await edge.hear()
        assert (heard.header.parent_msg_id, heard.header.resource_version) == (said.id, "12")
        assert heard.content == {"data": {"a": "b"}}
        await edge.hears_nothing()


@pytest.mark.parametrize(
    ("resource", "operation", "word"),
    [
        ("default/nodestatus/edge2", "update", "another node"),
        ("default/nodestatus/edge2", "insert", "another node"),
        ("default/node/edge2", "query", "another node"),
        ("default/node/edge1", "delete", "may not"),
        ("default/secret/other", "query", "no pod bound to it names it"),
        ("default/configmap/web", "update", "only query"),
        ("default/pod/web", "delete", "only query"),
        ("default/podstatus/web", "delete", "may not"),
    ],
)
def test_a_node_touches_only_what_is_its_own(resource: str, operation: str, word: str) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made:
            edge = await made.connect("edge1")
            await edge.say(report(resource, operation=operation))
            answer = await edge.hear()
            assert answer.route.operation == "error"
            assert answer.content["code"] == 403 and not answer.content["retry"]
            assert word in answer.content["reason"]
            assert made.pods.taken == []

    scenario()


@runs
async def test_one_node_that_floods_does_not_delay_another() -> None:
    async with site() as made:
        stuck = asyncio.Event()

        async def take(message: Message) -> None:
            if message.content == "flood":
                await stuck.wait()

        made.pods.answer = take
        flooding = await made.connect("flooding")
        quiet = await made.connect("quiet")
        for index in range(1000):
            await flooding.say(report(f"default/podstatus/p{index}", content="flood"))
        said = await quiet.say(report("default/podstatus/web"))
        assert (await quiet.hear(2.0)).header.parent_msg_id == said.id
        await until(lambda: sum(node == "flooding" for node, _ in made.pods.taken) == 64)
        stuck.set()
        await until(lambda: len(made.pods.taken) == 1001)


@runs
async def test_writes_that_end_together_are_acknowledged_in_one_message() -> None:
    async with site() as made:
        written = asyncio.Event()

        async def take(message: Message) -> None:
            await written.wait()

        made.pods.answer = take
        edge = await made.connect("edge1")
        said = {(await edge.say(report(f"default/podstatus/p{index}"))).id for index in range(50)}
        await until(lambda: len(made.pods.taken) == 50)
        written.set()
        heard: set[str] = set()
        messages = 0
        while heard != said:
            message = await edge.hear()
            heard.update(acknowledgements.named_in(message) if acknowledgements.names_many(message) else [message.header.parent_msg_id])
            messages += 1
        assert messages <= 5


@runs
async def test_a_controller_that_is_switched_off_is_named_in_the_refusal() -> None:
    async with site() as made:
        made.hub.introduce({})
        edge = await made.connect("edge1")
        await edge.say(report("default/podstatus/web"))
        assert "modules.edgecontroller.enable" in (await edge.hear()).content["reason"]


@runs
async def test_a_hundred_nodes_at_once_get_their_own_messages_only() -> None:
    async with site() as made:
        await _hundred(made)


async def _hundred(made: Site) -> None:
    edges = await asyncio.gather(*(made.connect(f"edge{index}") for index in range(100)))
    await until(lambda: len(made.hub.connected()) == 100)
    said = await asyncio.gather(*(edge.say(report("default/podstatus/web")) for edge in edges))
    heard = await asyncio.gather(*(edge.hear() for edge in edges))
    assert [message.header.parent_msg_id for message in heard] == [message.id for message in said]
