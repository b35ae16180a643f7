"""Which volume a claim gets, when, and what keeps it."""

from __future__ import annotations

from typing import Any

from cloudstub.controllers import claims, scheduler, volumes
from cloudstub.controllers.writes import Bind, Create, Update, UpdateStatus, Write
from tests.unit.cloudstub.made import NOW, ago, node, pod

LOCAL = {
    "metadata": {"name": "local", "uid": "uid-local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": claims.PROVISIONER,
    "reclaimPolicy": "Retain",
    "volumeBindingMode": "WaitForFirstConsumer",
}
USES = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}


def claim(uid: str = "c1", *, deleting: bool = False, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "data", "namespace": "default", "uid": uid, "resourceVersion": "1", "creationTimestamp": ago(10)}
    if deleting:
        metadata["deletionTimestamp"] = ago(1)
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {**asked, **spec},
        "status": {"phase": "Pending"},
    }


class World:
    """Objects, and a round of the controllers after the other until they ask for nothing more."""

    def __init__(self, *objects: dict[str, Any], classes: list[dict[str, Any]] | None = None) -> None:
        self.kinds: dict[str, list[dict[str, Any]]] = {claims.CLASSES: [LOCAL] if classes is None else classes}
        self.told: set[str] = set()
        for obj in objects:
            self.put({"Pod": "pods", "Node": "nodes", "PersistentVolumeClaim": claims.CLAIMS}[obj["kind"]], obj)

    def put(self, resource: str, obj: dict[str, Any]) -> None:
        others = [one for one in self.kinds.get(resource, []) if one["metadata"]["name"] != obj["metadata"]["name"]]
        gone = obj["metadata"].get("deletionTimestamp") and not obj["metadata"].get("finalizers")
        self.kinds[resource] = others if gone else [*others, obj]

    def settle(self) -> None:
        for _ in range(10):
            snapshot = {resource: self.kinds.get(resource, []) for resource in (*volumes.READS,)}
            writes = [w for w in [*scheduler.decide(snapshot, NOW), *volumes.decide(snapshot, NOW)] if self.is_news(w)]
            if not writes:
                return
            for write in writes:
                self.perform(write)
        raise AssertionError(f"they never come to rest: {writes}")

    def is_news(self, write: Write) -> bool:
        if isinstance(write, Create) and write.resource == "events":
            known, text = self.told.copy(), write.object["message"]
            self.told.add(text)
            return text not in known
        return True

    def perform(self, write: Write) -> None:
        match write:
            case Create(resource="events"):
                pass
            case Create():
                made = {**write.object, "metadata": {**write.object["metadata"], "uid": f"uid-{write.object['metadata']['name']}"}}
                self.put(write.resource, {**made, "status": {"phase": "Available"}})
            case Update() | UpdateStatus():
                self.put(write.resource, write.object)
            case Bind():
                found = next(one for one in self.kinds["pods"] if one["metadata"]["name"] == write.pod)
                self.put("pods", {**found, "spec": {**found["spec"], "nodeName": write.node}})

    def claim(self) -> dict[str, Any]:
        return self.kinds[claims.CLAIMS][0]

    def volume(self) -> dict[str, Any]:
        return self.kinds[claims.VOLUMES][0]

    def node_of(self, name: str) -> str:
        return str(next(one for one in self.kinds["pods"] if one["metadata"]["name"] == name)["spec"].get("nodeName", ""))


def test_a_claim_waits_for_its_first_pod_and_then_lies_on_the_node_of_that_pod() -> None:
    world = World(claim(), node("a"), node("b"))
    world.settle()
    assert world.claim()["status"] == {"phase": "Pending"}
    assert world.claim()["spec"]["storageClassName"] == "local"
    assert "waiting for first consumer to be created before binding" in world.told
    world.put("pods", pod("first", **USES))
    world.settle()
    where = world.node_of("first")
    assert where
    assert world.claim()["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    assert world.claim()["metadata"]["annotations"][claims.SELECTED_NODE] == where
    assert world.volume()["status"]["phase"] == "Bound"
    assert world.volume()["spec"]["nodeAffinity"] == claims.affinity(None, where)
    for name in ("second", "third"):
        world.put("pods", pod(name, **USES))
    world.settle()
    assert {world.node_of(name) for name in ("second", "third")} == {where}


def test_pods_that_come_at_once_and_share_a_claim_go_to_one_node() -> None:
    world = World(claim(), node("a"), node("b"), *(pod(f"p{n}", **USES) for n in range(4)))
    world.settle()
    assert len({world.node_of(f"p{n}") for n in range(4)} - {""}) == 1


def test_a_pod_says_what_its_claim_lacks() -> None:
    missing = World(node("a"), pod("p", **USES))
    missing.settle()
    assert 'persistentvolumeclaim "data" not found' in missing.told
    unknown = World(claim(storageClassName="fast"), node("a"), pod("p", **USES))
    unknown.settle()
    assert 'storageclass.storage.k8s.io "fast" not found' in unknown.told
    assert "pod has unbound immediate PersistentVolumeClaims" in unknown.told
    assert unknown.node_of("p") == ""
    full = World(claim(), node("a"), node("b", taints=[{"key": "k", "effect": "NoSchedule"}]), pod("p", **USES))
    full.settle()
    full.kinds["nodes"] = [node("a", taints=[{"key": "k", "effect": "NoSchedule"}]), node("b")]
    full.put("pods", pod("q", **USES))
    full.settle()
    assert full.node_of("q") == ""
    assert any("1 node(s) had volume node affinity conflict" in text for text in full.told)


def test_a_claim_in_use_is_not_let_go_and_its_volume_outlives_it() -> None:
    world = World(claim(), node("a"), pod("p", **USES))
    world.settle()
    held = world.claim()
    world.put(claims.CLAIMS, {**held, "metadata": {**held["metadata"], "deletionTimestamp": ago(0)}})
    world.settle()
    assert world.kinds[claims.CLAIMS], "its pod still runs"
    world.kinds["pods"][0]["status"]["phase"] = "Succeeded"
    world.settle()
    assert world.kinds[claims.CLAIMS] == []
    assert world.volume()["status"]["phase"] == "Released"


def test_a_claim_that_is_made_again_gets_what_its_predecessor_left() -> None:
    world = World(claim(), node("a"), pod("p", **USES))
    world.settle()
    before = world.volume()["metadata"]["name"]
    world.kinds[claims.CLAIMS], world.kinds["pods"] = [claim("c2")], []
    world.kinds["nodes"] = [node("b"), node("a")]
    world.settle()
    assert world.claim()["status"]["phase"] == "Bound"
    assert [one["metadata"]["name"] for one in world.kinds[claims.VOLUMES]] == [before]
    world.put("pods", pod("q", **USES))
    world.settle()
    assert world.node_of("q") == "a"


def test_a_claim_whose_volume_was_removed_is_lost() -> None:
    world = World(claim(), node("a"), pod("p", **USES))
    world.settle()
    world.kinds[claims.VOLUMES] = []
    world.settle()
    assert world.claim()["status"]["phase"] == "Lost"
