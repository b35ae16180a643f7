"""EdgeController on a fake API server: what goes down, what comes up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudcore.edgecontroller.leases import NAMESPACE as LEASES_NAMESPACE
from cloudcore.errors import Denied, KubeConflict, KubeError, KubeUnreachable, Refused
from cloudcore.kube.resources import CONFIGMAPS, LEASES, NODES, PODS, SECRETS
from cloudcore.objects import micro_stamp
from tests.fakes.downlink import until
from tests.fakes.kube import FakeKube
from tests.module.cloudcore.building import NOW, Cloud, cloud, in_loop, upstream


def pod(name: str = "web", node: str = "edge1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"nodeName": node} | spec, "status": {"phase": "Pending"}}


def secret_pod(name: str = "web", node: str = "edge1") -> dict[str, Any]:
    return pod(
        name, node, volumes=[{"name": "v", "secret": {"secretName": "db"}}], containers=[{"envFrom": [{"configMapRef": {"name": "c"}}]}]
    )


def named(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def node(name: str = "edge1", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {}}


def report(kube: FakeKube, phase: str = "Running", *, name: str = "web", uid: str = "", **status: Any) -> dict[str, Any]:
    current = kube.peek(PODS, "default", name)
    return {"UID": uid or (current or {}).get("metadata", {}).get("uid", ""), "Name": name, "Status": {"phase": phase} | status}


def phase(at: Cloud, name: str = "web") -> Any:
    return (at.kube.peek(PODS, "default", name) or {}).get("status", {}).get("phase")


@in_loop
async def test_a_pod_goes_down_after_what_it_names_and_takes_it_along_when_it_goes() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(SECRETS, named("db"))
        at.kube.put(CONFIGMAPS, named("c"))
        at.kube.put(SECRETS, named("strangers"))
        await until(lambda: len(list(at.edge._downstream._caches["secret"].values())) == 2)
        at.kube.put(PODS, secret_pod())
        await until(lambda: len(at.hub.offers) == 3)
        assert at.hub.said("edge1") == [("insert", "default/configmap/c"), ("update", "default/secret/db"), ("insert", "default/pod/web")]
        await at.kube.delete(PODS, "default", "web", grace_seconds=0)
        await until(lambda: len(at.hub.offers) == 6)
        assert at.hub.said("edge1")[3:] == [
            ("delete", "default/pod/web"),
            ("delete", "default/configmap/c"),
            ("delete", "default/secret/db"),
        ]
        assert at.hub.said("edge2") == []


@in_loop
async def test_a_configmap_goes_to_the_nodes_whose_pods_name_it() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(PODS, secret_pod())
        at.kube.put(PODS, pod("other", "edge2"))
        await until(lambda: len(at.hub.offers) == 2)
        at.kube.put(CONFIGMAPS, named("c", a="1"))
        at.kube.put(CONFIGMAPS, named("c", a="2"))
        await at.kube.delete(CONFIGMAPS, "default", "c")
        await until(lambda: len(at.hub.offers) == 5)
        assert at.hub.said("edge1")[1:] == [(word, "default/configmap/c") for word in ("insert", "update", "delete")]
        assert at.hub.said("edge2") == [("insert", "default/pod/other")]


@in_loop
async def test_a_status_does_not_go_down_and_does_not_make_the_node_lack_anything() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        version = at.hub.offers[0][1].version
        await at.edge.take("edge1", upstream("default/podstatus/web", report(at.kube)))
        at.kube.put(CONFIGMAPS, named("x"))
        await until(lambda: (next(at.edge._pods.values())).get("status", {}).get("phase") == "Running")
        assert len(at.hub.offers) == 1
        assert [held for _, _, held in at.edge.holdings("edge1")] == [version]
        assert list(at.edge.holdings("edge1")) == [("default/pod/web", at.hub.offers[0][1].uid, version)]


@in_loop
async def test_a_pod_that_is_to_go_is_deleted_when_its_node_has_stopped_it() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        await at.kube.delete(PODS, "default", "web")
        await until(lambda: at.hub.said("edge1") == [("insert", "default/pod/web"), ("update", "default/pod/web")])
        await at.edge.take(
            "edge1", upstream("default/podstatus/web", report(at.kube, "Running", containerStatuses=[{"state": {"running": {}}}]))
        )
        assert phase(at) == "Running"
        await at.edge.take(
            "edge1", upstream("default/podstatus/web", report(at.kube, "Failed", containerStatuses=[{"state": {"terminated": {}}}]))
        )
        await until(lambda: at.hub.said("edge1")[-1] == ("delete", "default/pod/web"))
        assert at.kube.peek(PODS, "default", "web") is None


@in_loop
async def test_a_pod_that_ended_before_it_was_to_go_is_deleted_too() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod() | {"status": {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {}}}]}})
        await until(lambda: at.hub.offers)
        at.kube.fail = lambda verb, plural, name: KubeUnreachable("away") if verb == "delete" and len(at.kube.calls) % 2 else None
        at.edge._endings._retry_seconds = 0.01
        at.kube.put(PODS, at.kube.objects["pods", "default", "web"] | {"metadata": at.kube.objects["pods", "default", "web"]["metadata"] | {
            "deletionTimestamp": "2020-01-01T00:00:00Z"}})  # fmt: skip
        await until(lambda: at.kube.peek(PODS, "default", "web") is None)


@in_loop
async def test_a_status_of_a_deleted_pod_does_not_land_on_its_successor() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        assert await at.edge.take("edge1", upstream("default/podstatus/web", report(at.kube, uid="the-old-one"))) is None
        assert phase(at) == "Pending"
        assert at.hub.said("edge1")[-1] == ("insert", "default/pod/web")


@in_loop
async def test_a_status_of_an_unknown_pod_is_answered_by_its_removal() -> None:
    async with cloud("edge1") as at:
        assert await at.edge.take("edge1", upstream("default/podstatus/ghost", report(at.kube, name="ghost", uid="u9"))) is None
        ((to, owed),) = at.hub.offers
        assert (to, owed.key, owed.uid, owed.removal) == ("edge1", "default/pod/ghost", "u9", True)


@in_loop
async def test_a_node_does_not_report_for_another_nodes_pod() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        with pytest.raises(Denied, match="not bound to node edge2"):
            await at.edge.take("edge2", upstream("default/podstatus/web", report(at.kube)))
        assert phase(at) == "Pending"
        assert at.hub.said("edge2") == [("delete", "default/pod/web")]


def event(**about: Any) -> dict[str, Any]:
    return {
        "involvedObject": {"kind": "Pod", "name": "web", **about},
        "reason": "BackOff",
        "message": "Back-off",
        "type": "Warning",
        "count": 1,
        "firstTimestamp": "2020-02-07T09:00:00Z",
        "lastTimestamp": "2020-02-07T09:00:00Z",
    }


@in_loop
async def test_an_event_of_a_node_is_stored_once_and_counted_on() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        for count in (1, 1, 5, 2):
            await at.edge.take("edge1", upstream("default/event/web.1", {**event(), "count": count}))
        stored = at.kube.objects["events", "default", "web.1"]
        assert (stored["count"], stored["source"]["host"], stored["involvedObject"]["uid"]) == (
            5,
            "edge1",
            at.kube.objects["pods", "default", "web"]["metadata"]["uid"],
        )


@in_loop
async def test_a_node_tells_events_about_its_own_alone() -> None:
    async with cloud("edge1", "edge2") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        cases = [
            ("edge2", event(), "not bound to node edge2"),
            ("edge1", event(uid="another"), "is gone"),
            ("edge1", event(name="ghost"), "is gone"),
            ("edge2", event(kind="Node", name="edge1"), "speaks only for itself"),
        ]
        for node, told, text in cases:
            name = f"{told['involvedObject']['name']}.1"
            with pytest.raises(Refused, match=text):
                await at.edge.take(node, upstream(f"default/event/{name}", told))
        assert not [key for key in at.kube.objects if key[0] == "events"]


@in_loop
async def test_a_batch_of_statuses_goes_in_whatever_one_of_them_is() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod("a"))
        at.kube.put(PODS, pod("b"))
        content = [report(at.kube, name="a"), report(at.kube, name="ghost", uid="x"), report(at.kube, name="b")]
        await at.edge.take("edge1", upstream("default/podstatus", content))
        assert (phase(at, "a"), phase(at, "b")) == ("Running", "Running")


@in_loop
async def test_a_status_is_written_though_others_write_the_pod_at_the_same_time() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        await until(lambda: at.hub.offers)
        for number in range(3):
            current = at.kube.objects["pods", "default", "web"]
            at.kube.put(PODS, current | {"metadata": current["metadata"] | {"labels": {"n": str(number)}}})
        await at.edge.take("edge1", upstream("default/podstatus/web", report(at.kube)))
        current = at.kube.objects["pods", "default", "web"]
        assert (current["status"]["phase"], current["metadata"]["labels"]) == ("Running", {"n": "2"})


@in_loop
async def test_what_the_api_did_not_accept_is_not_acknowledged() -> None:
    async with cloud("edge1") as at:
        at.kube.put(PODS, pod())
        at.kube.fail = lambda verb, plural, name: KubeUnreachable("away") if verb.startswith("update") else None
        with pytest.raises(KubeUnreachable):
            await at.edge.take("edge1", upstream("default/podstatus/web", report(at.kube)))
        at.kube.fail = lambda verb, plural, name: KubeConflict("changed") if verb.startswith("update") else None
        with pytest.raises(KubeError):
            await at.edge.take("edge1", upstream("default/podstatus/web", report(at.kube)))


@in_loop
async def test_a_node_registers_and_then_reports() -> None:
    ready = [{"type": "Ready", "status": "True"}]
    async with cloud("edge1") as at:
        with pytest.raises(Refused) as refused:
            await at.edge.take("edge1", upstream("default/nodestatus/edge1", {"Status": {"conditions": ready}}))
        assert refused.value.code == 404
        content = {"metadata": {"labels": {"kubernetes.io/arch": "arm64"}}, "status": {"conditions": ready}}
        request = upstream("default/nodestatus/edge1", content, operation="insert")
        answer = await at.edge.take("edge1", request)
        assert answer is not None
        assert (answer.content, answer.route.operation, answer.route.resource) == ("OK", "response", "default/node/edge1")
        assert answer.header.parent_msg_id == request.id
        known = at.kube.peek(NODES, "", "edge1") or {}
        assert known["metadata"]["labels"]["node-role.kubernetes.io/edge"] == ""
        assert known["status"]["conditions"][0]["lastHeartbeatTime"] == "2020-05-01T12:00:00Z"
        answer = await at.edge.take("edge1", upstream("default/nodestatus/edge1", {"Status": {"conditions": ready}}))
        assert answer is not None
        assert answer.header.resource_version == (at.kube.peek(NODES, "", "edge1") or {})["metadata"]["resourceVersion"]


@in_loop
async def test_a_node_that_is_known_gets_its_labels_and_keeps_those_of_people() -> None:
    async with cloud("edge1") as at:
        at.kube.put(NODES, node("edge1", mine="yes"))
        content = {"metadata": {"labels": {"site": "a", "node-role.kubernetes.io/master": ""}}, "status": {}}
        await at.edge.take("edge1", upstream("default/nodestatus/edge1", content, operation="insert"))
        assert (at.kube.peek(NODES, "", "edge1") or {})["metadata"]["labels"] == {"mine": "yes", "site": "a"}


@in_loop
async def test_a_query_is_always_answered() -> None:
    async with cloud("edge1") as at:
        at.kube.put(SECRETS, named("db", a="1"))
        at.kube.put(SECRETS, named("strangers"))
        at.kube.put(NODES, node("edge1"))
        at.kube.put(PODS, secret_pod())
        await until(lambda: at.hub.offers)
        request = upstream("default/secret/db", operation="query")
        answer = await at.edge.take("edge1", request)
        assert answer is not None
        assert (answer.content["data"], answer.header.parent_msg_id) == ({"a": "1"}, request.id)
        assert answer.header.resource_version
        for resource, code in (
            ("default/configmap/c", 404),
            ("default/secret/strangers", 403),
            ("default/secret", 400),
            ("x/node/edge2", 403),
        ):
            with pytest.raises(Refused) as refused:
                await at.edge.take("edge1", upstream(resource, operation="query"))
            assert refused.value.code == code, resource
        own = await at.edge.take("edge1", upstream("default/node/edge1", operation="query"))
        assert own is not None
        assert own.content["metadata"]["name"] == "edge1"


@pytest.mark.parametrize(
    ("resource", "content", "operation"),
    [
        ("", {}, "update"),
        ("a/b/c/d", {}, "update"),
        ("default/pod/web", {}, "delete"),
        ("default/podstatus/web", "{half", "update"),
        ("default/podstatus/web", [[[]]], "update"),
        ("default/podstatus", {"UID": ""}, "update"),
        ("default/nodestatus/edge1", None, "insert"),
        ("default/nodestatus/edge2", {"status": {}}, "insert"),
        ("default/nodestatus/edge2", {"Status": {}}, "update"),
        ("default/node/edge1", {"metadata": {"annotations": 5}}, "update"),
        ("default/lease/edge1", {}, "update"),
        ("default/secret/db", {}, "publish"),
    ],
)
def test_garbage_is_refused_and_changes_nothing(resource: str, content: Any, operation: str) -> None:
    @in_loop
    async def refuses() -> None:
        async with cloud("edge1") as at:
            at.kube.put(PODS, pod())
            at.kube.put(NODES, node())
            with pytest.raises(Refused):
                await at.edge.take("edge1", upstream(resource, content, operation=operation))
            assert at.kube.written("pods") + at.kube.written("nodes") == 0

    refuses()


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        ("default/secret/db", True), ("default/configmap/c", True), ("default/secret/other", False), ("other/secret/db", False),
        ("null/node/edge1", True), ("null/node/edge2", False), ("default/service/db", False), ("rubbish", False), ("a/b/c", False),
    ],
)  # fmt: skip
def test_a_node_reads_what_its_pods_name(resource: str, allowed: bool) -> None:
    @in_loop
    async def reads() -> None:
        async with cloud("edge1") as at:
            at.kube.put(PODS, secret_pod())
            await until(lambda: at.hub.offers)
            assert at.edge.may_read("edge1", resource) is allowed

    reads()


@in_loop
async def test_before_the_first_list_nobody_is_told_to_drop_everything() -> None:
    async with cloud("edge1") as at:
        at.edge._pods.synced.clear()
        with pytest.raises(KubeUnreachable):
            at.edge.holdings("edge1")


@in_loop
async def test_the_lease_of_a_node_lives_with_its_session() -> None:
    async with cloud("edge1") as at:
        at.kube.put(NODES, node("edge1"))
        await until(lambda: at.edge._leases._nodes.get("", "edge1"))
        at.edge._leases._period = 0.02
        at.edge.node_changed("edge1", True)
        at.edge.node_changed("nobody", True)
        await until(lambda: at.kube.peek(LEASES, LEASES_NAMESPACE, "edge1"))
        known = at.kube.peek(LEASES, LEASES_NAMESPACE, "edge1") or {}
        assert known["spec"] == {"holderIdentity": "edge1", "leaseDurationSeconds": 40, "renewTime": micro_stamp(NOW)}
        assert known["metadata"]["ownerReferences"][0]["uid"] == (at.kube.peek(NODES, "", "edge1") or {})["metadata"]["uid"]
        renewed = at.kube.written("leases")
        await until(lambda: at.kube.written("leases") >= renewed + 3)
        assert at.kube.peek(LEASES, LEASES_NAMESPACE, "nobody") is None
        at.edge.node_changed("edge1", False)
        assert set(at.edge._leases._turns) == {"nobody"}


@in_loop
async def test_leases_are_renewed_again_after_an_outage_and_after_another_writer() -> None:
    async with cloud("edge1") as at:
        at.kube.put(NODES, node("edge1"))
        await until(lambda: at.edge._leases._nodes.get("", "edge1"))
        at.edge._leases._period = 0.01
        at.edge.node_changed("edge1", True)
        await until(lambda: at.kube.peek(LEASES, LEASES_NAMESPACE, "edge1"))
        at.kube.fail = lambda verb, plural, name: KubeUnreachable("away") if plural == "leases" else None
        await until(lambda: at.edge._leases._failing)
        current = at.kube.objects["leases", LEASES_NAMESPACE, "edge1"]
        at.kube.put(LEASES, current | {"spec": current["spec"] | {"renewTime": micro_stamp(datetime(2019, 1, 1, tzinfo=UTC))}})
        at.kube.fail = lambda verb, plural, name: None
        await until(lambda: (at.kube.peek(LEASES, LEASES_NAMESPACE, "edge1") or {})["spec"]["renewTime"] == micro_stamp(NOW))


@in_loop
async def test_a_node_has_one_turn_however_often_it_comes_and_goes() -> None:
    async with cloud("edge1") as at:
        at.kube.put(NODES, node("edge1"))
        await until(lambda: at.edge._leases._nodes.get("", "edge1"))
        for _ in range(20):
            at.edge.node_changed("edge1", True)
            at.edge.node_changed("edge1", False)
            at.edge.node_changed("edge1", True)
        await until(lambda: at.kube.peek(LEASES, LEASES_NAMESPACE, "edge1"))
        await until(lambda: len(at.edge._leases._due) == 1)


def ready(obj: dict[str, Any], said: str, **more: str) -> dict[str, Any]:
    said_of = {"Ready": said} | more
    conditions = [{"type": kind, "status": status, "lastTransitionTime": "2020-01-01T00:00:00Z"} for kind, status in said_of.items()]
    return obj | {"status": {"phase": "Running", "conditions": conditions}}


def is_ready(at: Cloud, name: str) -> bool:
    return (at.kube.peek(PODS, "default", name) or {})["status"]["conditions"][0]["status"] == "True"


@in_loop
async def test_pods_that_the_cluster_marked_not_ready_are_ready_again_when_their_node_is_back() -> None:
    """As a node controller leaves them; before this they stayed so until their next change, and no Service led to them."""
    async with cloud("edge1", "edge2") as at:
        at.edge._readiness._pause_seconds = 0.01
        at.kube.put(NODES, ready(node("edge1"), "Unknown"))
        at.kube.put(NODES, ready(node("edge2"), "True"))
        for name, where, containers in (("web", "edge1", "True"), ("ill", "edge1", "False"), ("far", "edge2", "True")):
            at.kube.put(PODS, ready(pod(name, where), "False", ContainersReady=containers))
        at.edge.node_changed("edge1", True)
        await until(lambda: len(list(at.edge._pods.values())) == 3 and len(list(at.edge._readiness._nodes.values())) == 2)
        assert at.kube.written("pods") == 0, "a node that is not ready is doubted with reason"
        at.kube.put(NODES, ready(node("edge1"), "True"))
        await until(lambda: is_ready(at, "web"))
        at.edge.node_changed("edge2", True)
        await until(lambda: is_ready(at, "far"))
        assert not is_ready(at, "ill")
        at.kube.put(PODS, ready(pod("web"), "False", ContainersReady="True"))
        await until(lambda: is_ready(at, "web"))
        at.edge.node_changed("edge1", False)
        at.kube.put(PODS, ready(pod("web"), "False", ContainersReady="True"))
        at.kube.put(PODS, ready(pod("far", "edge2"), "False", ContainersReady="True"))
        await until(lambda: is_ready(at, "far"))
        assert not is_ready(at, "web")


@in_loop
async def test_pods_are_ready_again_though_the_api_is_away_when_their_node_comes() -> None:
    async with cloud("edge1") as at:
        at.edge._readiness._pause_seconds = 0.01
        refused: list[str] = []

        def fail(verb: str, plural: str, name: str) -> Exception | None:
            if (verb, plural) != ("update status", "pods") or len(refused) == 3:
                return None
            refused.append(name)
            return KubeUnreachable("away")

        at.kube.fail = fail
        at.kube.put(NODES, ready(node("edge1"), "True"))
        at.kube.put(PODS, ready(pod(), "False", ContainersReady="True"))
        at.edge.node_changed("edge1", True)
        await until(lambda: is_ready(at, "web"))
        assert len(refused) == 3
