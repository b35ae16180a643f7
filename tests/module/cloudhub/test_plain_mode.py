"""A KubeEdge edge at the other end (contract 2.5, 2.6, 3): its rules are kept, its cloud's bugs are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudcore.errors import KubeNotFound, KubeUnreachable, Refused
from cloudcore.ports import Owed
from tests.fakes.edge import pod, report, runs, site, until
from viaduct.delivery import Timing
from viaduct.message import Message, new_message, reply_to


def _device(name: str, version: int, resource: str = "membership") -> Owed:
    message = new_message(
        source="devicecontroller",
        group="twin",
        operation="update",
        resource=resource,
        now_ms=1,
        content={"twin": version},
        resource_version=str(version),
    )
    return Owed(f"device/{name}", "d1", str(version), message)


@runs
async def test_on_connect_it_is_sent_what_the_record_says_it_misses() -> None:
    async with site() as made:
        made.pods.held["edge1"] = [pod("same", 100), pod("newer", 100), pod("missing", 3), pod("other", 8, uid="u9")]
        made.record.recorded = {
            "default/pod/same": ("u1", "100"),
            "default/pod/newer": ("u1", "99"),
            "default/pod/other": ("u1", "4"),
            "default/pod/gone": ("u1", "4"),
        }
        edge = await made.dial("edge1")
        heard = []
        for _ in range(5):
            message = await edge.hear()
            heard.append((message.route.operation, message.route.resource))
            await edge.acknowledge(message)
        assert sorted(heard) == [
            ("delete", "default/pod/gone"),
            ("delete", "default/pod/other"),
            ("insert", "default/pod/missing"),
            ("insert", "default/pod/other"),
            ("update", "default/pod/newer"),
        ]
        assert heard.index(("delete", "default/pod/other")) < heard.index(("insert", "default/pod/other"))
        await edge.hears_nothing()


@runs
async def test_one_message_at_a_time_goes_out_and_the_same_again_until_it_is_acknowledged() -> None:
    async with site() as made:
        edge = await made.dial("edge1")
        session = await until(lambda: made.hub.session_of("edge1"))
        session.outbox._delivery._timing = Timing(window=1, first_retry=0.1, min_retry=0.1, max_doubled=0.1)
        for name in ("a", "b"):
            made.hub.offer("edge1", pod(name, 7))
        first = await edge.hear()
        assert (await edge.hear()) == first == await edge.hear()
        await edge.acknowledge(first)
        assert (await edge.hear()).route.resource == "default/pod/b"
        assert made.record.written == [("edge1", "default/pod/a", "7")]


@runs
async def test_a_kubeedge_edge_is_not_sent_services() -> None:
    async with site() as made:
        held = [pod("web", 3), replace(pod("web", 4), key="default/service/web"), replace(pod("web", 5), key="default/endpoints/web")]
        made.pods.held["edge1"] = held
        edge = await made.dial("edge1")
        message = await edge.hear()
        await edge.acknowledge(message)
        assert made.hub.offer("edge1", held[1])
        await edge.hears_nothing()
        assert message.route.resource == "default/pod/web"


@runs
async def test_twin_messages_are_said_once_and_without_a_version() -> None:
    async with site() as made:
        edge = await made.dial("edge1")
        await until(lambda: made.hub.session_of("edge1"))
        made.hub.offer("edge1", _device("t", 7))
        made.hub.offer("edge1", _device("t", 8, "device/t/twin/cloud_updated"))
        heard = [await edge.hear(), await edge.hear()]
        assert [message.route.resource for message in heard] == ["membership", "device/t/twin/cloud_updated"]
        assert [message.header.resource_version for message in heard] == ["", ""]
        await edge.hears_nothing()


@runs
async def test_a_pod_whose_name_has_membership_in_it_is_delivered_like_any_other() -> None:
    async with site() as made:
        edge = await made.dial("edge1")
        await until(lambda: made.hub.session_of("edge1"))
        made.hub.offer("edge1", pod("membership-podlist", 7))
        message = await edge.hear()
        await edge.acknowledge(message)
        await until(lambda: made.record.written == [("edge1", "default/pod/membership-podlist", "7")])


@runs
async def test_reports_are_taken_and_not_answered() -> None:
    async with site() as made:

        async def refuse(message: Message) -> Message | None:
            if message.content == "bad":
                raise Refused("no")
            return None

        made.pods.answer = refuse
        edge = await made.dial("edge1")
        for content in ("good", "bad"):
            await edge.say(report("default/podstatus/web", content=content))
        await until(lambda: len(made.pods.taken) == 2)
        await edge.hears_nothing()


@runs
async def test_registration_is_answered_with_ok() -> None:
    async with site() as made:

        async def answer(message: Message) -> Message:
            return reply_to(message, "OK", now_ms=1)

        made.pods.answer = answer
        edge = await made.dial("edge1")
        said = await edge.say(replace(report("default/nodestatus/edge1", operation="insert"), content={"status": {}}))
        heard = await edge.hear()
        assert (heard.route.operation, heard.content, heard.header.parent_msg_id) == ("response", "OK", said.id)
        await edge.hears_nothing()


@pytest.mark.parametrize("raised", [Refused("no such thing"), KubeNotFound("not there", code=404), KubeUnreachable("away")])
def test_a_question_that_cannot_be_answered_gets_an_error_instead_of_silence(raised: Exception) -> None:
    @runs
    async def scenario() -> None:
        async with site() as made:

            async def fail(message: Message) -> None:
                raise raised

            made.pods.answer = fail
            edge = await made.dial("edge1")
            said = await edge.say(report("default/configmap/web", operation="query"))
            heard = await edge.hear()
            assert (heard.route.operation, heard.header.parent_msg_id) == ("error", said.id)
            assert str(raised) in heard.content

    scenario()


@runs
async def test_keepalive_is_not_answered() -> None:
    async with site() as made:
        edge = await made.dial("edge1")
        await edge.say(report("node", operation="keepalive", source="websocket", group="resource", content="ping"))
        await edge.hears_nothing()
        assert made.pods.taken == []


@runs
async def test_an_inventory_is_no_part_of_plain_mode() -> None:
    async with site() as made:
        edge = await made.dial("edge1")
        said = await edge.say(report("inventory", operation="inventory", source="edgehub", group="resource", content={"objects": []}))
        heard = await edge.hear()
        assert heard.header.parent_msg_id == said.id and "ledger mode only" in heard.content


@runs
async def test_pings_are_agreed_in_ledger_mode_only_and_answered_in_both() -> None:
    async with site() as made:
        edge = await made.dial("edge1", headers={"Bramble-Ping": "180"})
        assert "Bramble-Ping" not in edge.socket._response.headers
        await edge.socket.ping(b"x")
        said = await edge.say(report("default/configmap/web", operation="query"))
        await until(lambda: made.pods.taken)
        assert made.pods.taken[0][1].id == said.id


@runs
async def test_an_acknowledgement_of_many_is_refused_in_plain_mode() -> None:
    async with site() as made:
        edge = await made.dial("edge1")
        said = await edge.say(report("acknowledgements", operation="response", group="resource", content={"acknowledged": ["m1"]}))
        heard = await edge.hear()
        assert heard.header.parent_msg_id == said.id and "ledger mode only" in heard.content
