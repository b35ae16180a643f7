"""SyncController on a fake API server: records of what was acknowledged, repairs of what was not."""

from __future__ import annotations

from typing import Any

from cloudcore.errors import KubeUnreachable
from cloudcore.kube.resources import CONFIGMAPS, DEVICES, NODES, OBJECT_SYNCS, PODS
from cloudcore.ports import Owed
from tests.fakes.downlink import until
from tests.fakes.kube import FakeKube
from tests.module.cloudcore.building import Cloud, cloud, in_loop, upstream
from tests.unit.cloudcore.devicecontroller.devices import device, twin

KEY = "default/pod/web"


def pod(name: str = "web", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"} | metadata, "spec": {"nodeName": "edge1"}, "status": {"phase": "Pending"}}


def recorded(at: Cloud) -> dict[str, str]:
    """objectName to version of every ObjectSync."""
    syncs = [obj for (plural, _, _), obj in at.kube.objects.items() if plural == OBJECT_SYNCS.plural]
    return {obj["spec"]["objectName"]: (obj.get("status") or {}).get("objectResourceVersion", "") for obj in syncs}


async def offered(at: Cloud, count: int) -> Owed:
    await until(lambda: len(at.hub.offers) >= count)
    return at.hub.offers[-1][1]


@in_loop
async def test_an_acknowledgement_is_recorded_and_a_removal_deletes_the_record() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        owed = await offered(at, 1)
        at.record.delivered("edge1", owed)
        assert at.record.known("edge1") == {KEY: (owed.uid, owed.version)}
        await until(lambda: recorded(at) == {"web": owed.version})
        sync = at.kube.peek(OBJECT_SYNCS, "default", f"edge1.{owed.uid}") or {}
        assert sync["spec"] == {"nodeName": "edge1", "objectAPIVersion": "v1", "objectKind": "pod", "objectName": "web"}
        await at.kube.delete(PODS, "default", "web", grace_seconds=0)
        at.record.delivered("edge1", await offered(at, 2))
        await until(lambda: recorded(at) == {})
        assert at.record.known("edge1") == {}


@in_loop
async def test_many_acknowledgements_of_one_object_are_one_write_and_never_go_back() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        owed = await offered(at, 1)
        for version in ("300", "1000", "999"):
            at.record.delivered("edge1", Owed(owed.key, owed.uid, version, owed.message))
        await until(lambda: recorded(at) == {"web": "1000"})
        assert at.kube.written("objectsyncs") == 2
        at.record.delivered("edge1", Owed(owed.key, owed.uid, "400", owed.message))
        await until(lambda: not at.record.unwritten)
        assert recorded(at) == {"web": "1000"}


@in_loop
async def test_records_wait_for_an_api_that_is_away() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        owed = await offered(at, 1)
        at.kube.fail = lambda verb, plural, name: KubeUnreachable("away") if plural == "objectsyncs" else None
        at.record.delivered("edge1", owed)
        await until(lambda: at.record._failing)
        assert at.record.known("edge1") == {KEY: (owed.uid, owed.version)}
        at.kube.fail = lambda verb, plural, name: None
        await until(lambda: recorded(at) == {"web": owed.version})


@in_loop
async def test_what_is_not_acknowledged_is_said_again_until_it_is() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        await offered(at, 3)
        assert {key for _, key in at.hub.said("edge1")} == {KEY}
        at.record.delivered("edge1", at.hub.offers[-1][1])
        await until(lambda: "edge1" not in at.sync._doubts)
        said = len(at.hub.offers)
        await at.sync.look()
        assert len(at.hub.offers) == said


@in_loop
async def test_a_status_does_not_make_the_node_a_suspect_for_ever() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        at.record.delivered("edge1", await offered(at, 1))
        status = {"UID": at.hub.offers[0][1].uid, "Name": "web", "Status": {"phase": "Running"}}
        await at.edge.take("edge1", upstream("default/podstatus/web", status))
        at.sync.notice("edge1", KEY)
        await until(lambda: "edge1" not in at.sync._doubts)
        assert len({owed.version for _, owed in at.hub.offers}) == 1


@in_loop
async def test_an_older_record_is_renewed_by_an_update() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        first = await offered(at, 1)
        at.record.delivered("edge1", Owed(first.key, first.uid, "7", first.message))
        await until(lambda: at.hub.said("edge1")[-1] == ("update", KEY))


@in_loop
async def test_what_nobody_owes_is_taken_away() -> None:
    kube = FakeKube()
    kube.put(NODES, {"metadata": {"name": "edge1"}})
    sync = {"metadata": {"name": "edge1.u9", "namespace": "default"}, "spec": {"objectKind": "pod", "objectName": "ghost"}}
    kube.put(OBJECT_SYNCS, sync | {"status": {"objectResourceVersion": "5"}})
    async with cloud("edge1", kube=kube) as at:
        at.sync.node_changed("edge1", True)
        await until(lambda: at.hub.said("edge1"))
        owed = at.hub.offers[0][1]
        assert (owed.key, owed.uid, owed.removal) == ("default/pod/ghost", "u9", True)
        at.record.delivered("edge1", owed)
        await until(lambda: recorded(at) == {})


@in_loop
async def test_a_successor_under_the_same_name_ends_the_record_of_the_old_one() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod(uid="old"))
        at.record.delivered("edge1", await offered(at, 1))
        await until(lambda: len(recorded(at)) == 1)
        await at.kube.delete(PODS, "default", "web", grace_seconds=0)
        at.kube.put(PODS, pod(uid="new"))
        await until(lambda: at.hub.offers[-1][1].uid == "new")
        at.record.delivered("edge1", at.hub.offers[-1][1])
        await until(lambda: [name for plural, _, name in at.kube.objects if plural == "objectsyncs"] == ["edge1.new"])
        assert not any(owed.removal and owed.uid == "new" for _, owed in at.hub.offers)


@in_loop
async def test_the_records_of_a_node_go_with_it_also_while_nobody_watched() -> None:
    kube = FakeKube()
    kube.put(NODES, {"metadata": {"name": "edge1"}})
    for node in ("edge1", "gone.long.ago"):
        spec = {"objectKind": "configmap", "objectName": node}
        kube.put(OBJECT_SYNCS, {"metadata": {"name": f"{node}.u1", "namespace": "default"}, "spec": spec})
    async with cloud(kube=kube) as at:
        await until(lambda: set(recorded(at)) == {"edge1"})
        await kube.delete(NODES, "", "edge1")
        await until(lambda: recorded(at) == {})


@in_loop
async def test_a_node_that_is_away_is_left_in_peace() -> None:
    async with cloud() as at:
        at.kube.put(PODS, pod())
        at.kube.put(CONFIGMAPS, {"metadata": {"name": "x", "namespace": "default"}})
        at.sync.notice("edge1", KEY)
        await until(lambda: "edge1" not in at.sync._doubts)
        assert at.hub.offers == []


@in_loop
async def test_devices_are_recorded_too_and_not_missed_on_a_node_that_never_acknowledges_them() -> None:
    async with cloud("edge1") as at:
        at.kube.put(DEVICES, device(twins=[twin("t", "1")]))
        owed = await offered(at, 1)
        await until(lambda: "edge1" not in at.sync._doubts)
        assert len(at.hub.offers) == 1
        at.record.delivered("edge1", owed)
        await until(lambda: recorded(at) == {"thermometer": owed.version})
        assert at.kube.peek(OBJECT_SYNCS, "default", f"edge1.{owed.uid}") is not None
        at.kube.put(DEVICES, device(twins=[twin("t", "2")]))
        await offered(at, 3)


def edge_node(name: str = "edge1") -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"node-role.kubernetes.io/edge": ""}}}


def behind(at: Cloud) -> dict[str, tuple[str, bool | None]]:
    """objectName to (version, behind) of every ObjectSync."""
    syncs = [obj for (plural, _, _), obj in at.kube.objects.items() if plural == OBJECT_SYNCS.plural]
    statuses = {obj["spec"]["objectName"]: obj.get("status") or {} for obj in syncs}
    return {name: (status.get("objectResourceVersion", ""), status.get("behind")) for name, status in statuses.items()}


@in_loop
async def test_a_record_that_was_removed_by_hand_comes_back() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        owed = await offered(at, 1)
        at.record.delivered("edge1", owed)
        await until(lambda: recorded(at) == {"web": owed.version} and "edge1" not in at.sync._doubts)
        said = len(at.hub.offers)
        await at.kube.delete(OBJECT_SYNCS, "default", f"edge1.{owed.uid}")
        again = await offered(at, said + 1)
        assert (again.key, again.version) == (KEY, owed.version)
        at.record.delivered("edge1", again)
        await until(lambda: behind(at) == {"web": (owed.version, False)})


@in_loop
async def test_a_record_that_was_set_back_by_hand_is_set_right() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        owed = await offered(at, 1)
        at.record.delivered("edge1", owed)
        await until(lambda: recorded(at) == {"web": owed.version} and "edge1" not in at.sync._doubts)
        said = len(at.hub.offers)
        sync = at.kube.peek(OBJECT_SYNCS, "default", f"edge1.{owed.uid}")
        at.kube.put(OBJECT_SYNCS, sync | {"status": {"objectResourceVersion": "1"}})
        at.record.delivered("edge1", await offered(at, said + 1))
        await until(lambda: behind(at) == {"web": (owed.version, False)})


@in_loop
async def test_what_a_node_that_is_away_should_have_by_now_shows_as_behind_until_it_has_it() -> None:
    kube = FakeKube()
    kube.put(NODES, edge_node())
    async with cloud("edge1", kube=kube) as at:
        kube.put(PODS, pod("old"))
        owed = await offered(at, 1)
        at.record.delivered("edge1", owed)
        await until(lambda: behind(at) == {"old": (owed.version, False)})
        at.hub.nodes.clear()
        at.sync.node_changed("edge1", False)
        kube.put(PODS, pod("old", labels={"a": "b"}))
        kube.put(PODS, pod("new"))
        await until(lambda: behind(at) == {"old": (owed.version, True), "new": ("0", True)})
        await until(lambda: not at.sync._doubts)
        at.hub.nodes.add("edge1")
        at.sync.node_changed("edge1", True)
        await until(lambda: {owed.key for _, owed in at.hub.offers[1:]} == {"default/pod/old", "default/pod/new"})
        newest = {owed.key: owed for _, owed in at.hub.offers}
        for owed in newest.values():
            at.record.delivered("edge1", owed)
        await until(lambda: not any(flag for _, flag in behind(at).values()))
        assert behind(at)["new"][0] == newest["default/pod/new"].version


@in_loop
async def test_a_removal_that_a_node_has_not_heard_of_shows_as_behind() -> None:
    kube = FakeKube()
    kube.put(NODES, edge_node())
    async with cloud("edge1", kube=kube) as at:
        kube.put(PODS, pod())
        owed = await offered(at, 1)
        at.record.delivered("edge1", owed)
        await until(lambda: behind(at) == {"web": (owed.version, False)})
        at.hub.nodes.clear()
        await kube.delete(PODS, "default", "web", grace_seconds=0)
        await until(lambda: behind(at) == {"web": (owed.version, True)})


@in_loop
async def test_a_cloudcore_that_starts_again_finds_what_changed_meanwhile() -> None:
    kube = FakeKube()
    kube.put(NODES, edge_node())
    async with cloud("edge1", kube=kube) as at:
        kube.put(CONFIGMAPS, {"metadata": {"name": "x", "namespace": "default"}})
        kube.put(PODS, pod() | {"spec": {"nodeName": "edge1", "containers": [{"envFrom": [{"configMapRef": {"name": "x"}}]}]}})
        await offered(at, 2)
        for _, owed in list(at.hub.offers):
            at.record.delivered("edge1", owed)
        await until(lambda: len(behind(at)) == 2)
    kube.put(CONFIGMAPS, {"metadata": {"name": "x", "namespace": "default"}, "data": {"a": "b"}})
    async with cloud(kube=kube) as at:
        await until(lambda: behind(at)["x"][1] is True)
        assert behind(at)["web"][1] is False


@in_loop
async def test_what_is_under_way_is_not_said_again() -> None:
    async with cloud("edge1") as at:
        at.hub.owes = lambda node, key: True  # type: ignore[method-assign]
        at.kube.put(PODS, pod())
        await offered(at, 1)
        await until(lambda: behind(at) == {"web": ("0", True)})
        assert len(at.hub.offers) == 1


@in_loop
async def test_pods_of_nodes_that_a_kubelet_serves_are_no_business_of_ours() -> None:
    kube = FakeKube()
    kube.put(NODES, {"metadata": {"name": "edge1"}})
    async with cloud(kube=kube) as at:
        kube.put(PODS, pod())
        await until(lambda: at.edge.holding("edge1", KEY))
        await at.sync.look()
        assert at.sync._doubts == {} and recorded(at) == {}


@in_loop
async def test_a_look_costs_by_what_differs_not_by_the_fleet() -> None:
    kube = FakeKube()
    names = [f"edge{number}" for number in range(200)]
    for name in names:
        kube.put(NODES, edge_node(name))
        kube.put(PODS, pod(name) | {"spec": {"nodeName": name}})
    async with cloud(*names, kube=kube, sync_period=3600.0) as at:
        await offered(at, 200)
        for node, owed in list(at.hub.offers):
            at.record.delivered(node, owed)
        await at.sync.look()
        await until(lambda: not at.record.unwritten)
        asked: list[str] = []
        for source in (at.edge, at.device):
            holdings = source.holdings
            source.holdings = lambda node, holdings=holdings: asked.append(node) or holdings(node)  # type: ignore[method-assign]
        kube.put(PODS, pod("edge7", labels={"a": "b"}) | {"spec": {"nodeName": "edge7"}})
        await until(lambda: at.sync._doubts == {"edge7": {"default/pod/edge7": None}})
        await at.sync.look()
        assert len(set(asked)) == 20
