"""What goes down in ledger mode: repair by inventory, the window, newest wins, acknowledgements (P3, P4; D2 to D6)."""

from __future__ import annotations

import asyncio

from cloudcore.cloudhub.session import Limits
from tests.fakes.edge import LEDGER, inventory, pod, removal, report, runs, site, until
from viaduct.delivery import Timing
from viaduct.message import new_message


@runs
async def test_the_answer_to_the_upgrade_names_the_chosen_mode() -> None:
    async with site() as made:
        ledger = await made.dial("edge1", headers=LEDGER)
        plain = await made.dial("edge2")
        assert ledger.socket._response.headers["Bramble-Delivery"] == "ledger"
        assert plain.socket._response.headers["Bramble-Delivery"] == "plain"


@runs
async def test_an_inventory_is_answered_with_the_difference_and_nothing_else() -> None:
    async with site() as made:
        made.pods.held["edge1"] = [pod("same", 5), pod("newer", 10), pod("missing", 3), pod("other", 8, uid="u9")]
        edge = await made.connect(
            "edge1",
            ("default/pod/same", "u1", "5"),
            ("default/pod/newer", "u1", "9"),
            ("default/pod/other", "u1", "4"),
            ("default/pod/surplus", "u1", "4"),
            ("device/gone", "d1", "4"),
        )
        heard = []
        for _ in range(6):
            message = await edge.hear()
            heard.append((message.route.operation, message.route.resource, message.header.resource_version))
            await edge.acknowledge(message)
        assert sorted(heard) == [
            ("delete", "default/pod/other", ""),
            ("delete", "default/pod/surplus", ""),
            ("insert", "default/pod/missing", "3"),
            ("insert", "default/pod/newer", "10"),
            ("insert", "default/pod/other", "8"),
            ("update", "membership", ""),
        ]
        assert heard.index(("delete", "default/pod/other", "")) < heard.index(("insert", "default/pod/other", "8"))
        await edge.hears_nothing()
        assert ("edge1", "default/pod/same", "5") in made.record.written


@runs
async def test_a_wiped_board_is_sent_everything_again() -> None:
    async with site() as made:
        made.pods.held["edge1"] = [pod(f"p{index}", index + 1) for index in range(200)]
        edge = await made.connect("edge1")
        seen = set()
        while len(seen) < 200:
            message = await edge.hear()
            seen.add(message.route.resource)
            await edge.acknowledge(message)
        await until(lambda: len(made.record.written) == 200)


@runs
async def test_no_more_than_the_window_is_in_flight() -> None:
    async with site() as made:
        made.pods.held["edge1"] = [pod(f"p{index}", index + 1) for index in range(Timing().window + 10)]
        edge = await made.connect("edge1")
        first = [await edge.hear() for _ in range(Timing().window)]
        await edge.hears_nothing()
        await edge.acknowledge(first[0])
        assert (await edge.hear()).route.resource.startswith("default/pod/")
        await edge.hears_nothing()


@runs
async def test_while_one_version_is_in_flight_only_the_newest_of_the_later_ones_follows() -> None:
    async with site() as made:
        edge = await made.connect("edge1")
        await until(lambda: "edge1" in made.hub.connected())
        made.hub.offer("edge1", pod("web", 9, operation="update"))
        first = await edge.hear()
        for version in (10, 11, 100, 99):
            assert made.hub.offer("edge1", pod("web", version, operation="update"))
        await edge.hears_nothing()
        await edge.acknowledge(first)
        second = await edge.hear()
        await edge.acknowledge(second)
        await edge.hears_nothing()
        assert second.header.resource_version == "100"
        assert first.header.resource_version == "9"


@runs
async def test_a_lost_acknowledgement_brings_the_same_message_again_and_a_duplicate_one_does_no_harm() -> None:
    async with site() as made:
        edge = await made.connect("edge1")
        session = await until(lambda: made.hub.session_of("edge1"))
        session.outbox._delivery._timing = Timing(first_retry=0.1)
        made.hub.offer("edge1", pod("web", 7))
        first = await edge.hear()
        again = await edge.hear()
        assert again == first
        for _ in range(3):
            await edge.acknowledge(first)
        await until(lambda: made.hub.counts.unmatched == 2)
        assert made.record.written == [("edge1", "default/pod/web", "7")]
        assert session.outbox.in_flight == 0


@runs
async def test_one_acknowledgement_may_name_a_whole_window() -> None:
    async with site() as made:
        made.pods.held["edge1"] = [pod(f"p{index}", index + 1) for index in range(Timing().window + 10)]
        edge = await made.connect("edge1")
        ids = [(await edge.hear()).id for _ in range(Timing().window)]
        await edge.say(report("acknowledgements", operation="response", group="resource", content={"acknowledged": [*ids, "unknown"]}))
        for _ in range(10):
            await edge.acknowledge(await edge.hear())
        await until(lambda: len(made.record.written) == Timing().window + 10)
        assert made.hub.counts.unmatched == 1


@runs
async def test_a_malformed_acknowledgement_of_many_acknowledges_nothing() -> None:
    async with site() as made:
        edge = await made.connect("edge1")
        session = await until(lambda: made.hub.session_of("edge1"))
        made.hub.offer("edge1", pod("web", 7))
        first = await edge.hear()
        said = await edge.say(report("acknowledgements", operation="response", group="resource", content={"acknowledged": [first.id, 7]}))
        error = await edge.hear()
        assert (error.header.parent_msg_id, error.content["code"]) == (said.id, 400)
        assert error.content["reason"].startswith("content.acknowledged[1]:")
        assert session.outbox.in_flight == 1


@runs
async def test_the_deletion_of_one_object_is_not_replaced_by_its_successor_of_the_same_name() -> None:
    async with site() as made:
        edge = await made.connect("edge1")
        await until(lambda: made.hub.session_of("edge1"))
        made.hub.offer("edge1", pod("web", 5, uid="u1"))
        blocker = await edge.hear()
        made.hub.offer("edge1", removal("default/pod/web", "u1"))
        made.hub.offer("edge1", pod("web", 8, uid="u2"))
        made.hub.offer("edge1", pod("web", 9, uid="u2", operation="update"))
        await edge.acknowledge(blocker)
        heard = []
        for _ in range(2):
            message = await edge.hear()
            heard.append((message.route.operation, message.header.resource_version))
            await edge.acknowledge(message)
        assert heard == [("delete", ""), ("update", "9")]


@runs
async def test_nothing_is_kept_for_a_node_that_is_away() -> None:
    async with site() as made:
        assert not made.hub.offer("edge1", pod("web", 7))
        assert not made.hub.tell("edge1", report("default/node/edge1"))
        edge = await made.connect("edge1")
        await edge.hears_nothing()


@runs
async def test_a_node_that_asks_for_patience_is_asked_again_later_and_one_that_refuses_is_not() -> None:
    async with site(limits=Limits(put_off=0.05)) as made:
        edge = await made.connect("edge1")
        session = await until(lambda: made.hub.session_of("edge1"))

        async def error(parent: str, *, retry: bool) -> None:
            content = {"code": 507, "reason": "disk full", "retry": retry}
            await edge.say(
                new_message(
                    source="metaManager", group="resource", operation="error", resource="x", now_ms=1, content=content, parent_msg_id=parent
                )
            )

        made.hub.offer("edge1", pod("web", 7))
        first = await edge.hear()
        await error(first.id, retry=True)
        assert (await edge.hear()).id == first.id
        await error(first.id, retry=False)
        await until(lambda: session.outbox.in_flight == 0)
        assert made.record.written == []
        assert made.hub.counts.refused_by_node == 1


@runs
async def test_a_newer_connection_takes_over_and_the_older_one_is_told_why() -> None:
    async with site() as made:
        older = await made.connect("edge1")
        await until(lambda: made.hub.session_of("edge1"))
        newer = await made.connect("edge1")
        code, reason = await older.hear_close()
        assert (code, reason) == (4001, "replaced by a newer connection of this node")
        assert made.hub.offer("edge1", pod("web", 7))
        assert (await newer.hear()).route.resource == "default/pod/web"
        assert made.pods.changes == [("edge1", True), ("edge1", False), ("edge1", True)]
        await newer.socket.close()
        await until(lambda: made.pods.changes[-1] == ("edge1", False))
        assert not made.hub.connected()


@runs
async def test_a_node_that_says_nothing_is_closed_after_the_keepalive_time() -> None:
    async with site(limits=Limits(keepalive=1, inventory=1)) as made:
        talking = await made.connect("talking")
        silent = await made.connect("silent")

        async def keep_alive() -> None:
            while True:
                await talking.say(report("node", operation="keepalive", source="websocket", group="resource", content="ping"))
                await asyncio.sleep(0.05)

        beating = asyncio.create_task(keep_alive())
        try:
            assert await silent.hear_close() == (1008, "nothing heard for 1 s")
            await until(lambda: made.hub.connected() == {"talking"})
        finally:
            beating.cancel()


@runs
async def test_a_node_that_pings_may_be_silent_for_as_long_as_was_agreed() -> None:
    async with site(limits=Limits(keepalive=0.3, inventory=5)) as made:
        edge = await made.dial("edge1", headers=LEDGER | {"Bramble-Ping": "1"})
        assert edge.socket._response.headers["Bramble-Ping"] == "1"
        await edge.say(inventory())
        for _ in range(3):
            await edge.hears_nothing(0.6)
            await edge.socket.ping()
        assert made.hub.connected() == {"edge1"}
        assert await edge.hear_close() == (1008, "nothing heard for 1.3 s")


@runs
async def test_an_edge_that_promised_an_inventory_and_never_gives_it_is_closed() -> None:
    async with site(limits=Limits(keepalive=30, inventory=0.1)) as made:
        edge = await made.dial("edge1", headers=LEDGER)
        code, reason = await edge.hear_close()
        assert code == 1008 and "no inventory" in reason


@runs
async def test_an_error_in_a_controller_never_makes_a_node_drop_what_it_holds() -> None:
    async with site() as made:

        def broken(node: str) -> list[object]:
            raise RuntimeError("bug")

        made.pods.holdings = broken
        edge = await made.connect("edge1", ("default/pod/web", "u1", "4"))
        assert (await edge.hear_close())[0] == 1011
        await until(lambda: made.hub.session_of("edge1") is None)


@runs
async def test_a_second_inventory_in_one_session_is_answered_as_well() -> None:
    async with site() as made:
        made.pods.held["edge1"] = [pod("web", 7)]
        edge = await made.connect("edge1", ("default/pod/web", "u1", "7"))
        await edge.hears_nothing()
        await edge.say(inventory())
        assert (await edge.hear()).route.resource == "default/pod/web"
