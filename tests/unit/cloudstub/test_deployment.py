"""Rollouts: the arithmetic as tables, revisions and history, and what the status says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudstub.controllers import deployment, rollout
from cloudstub.controllers.rollout import Set
from cloudstub.controllers.writes import Create, Delete, Update, UpdateStatus, Write
from tests.unit.cloudstub.made import NOW, ago, owned_by, pod, template, workload

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def replica_set(
    name: str, image: str, *, replicas: int, available: int | None = None, revision: int = 1, age: float = 100
) -> dict[str, Any]:
    one = workload("ReplicaSet", name, replicas=replicas, template=template(image, {"app": "web", HASH: name}))
    one["metadata"] |= {
        "ownerReferences": owned_by("uid-web", "Deployment"),
        "labels": {"app": "web", HASH: name},
        "annotations": {REVISION: str(revision)},
        "creationTimestamp": ago(age),
    }
    count = replicas if available is None else available
    one["status"] = {"replicas": replicas, "availableReplicas": count, "readyReplicas": count}
    return one


def look(web: dict[str, Any], sets: list[dict[str, Any]], pods: list[dict[str, Any]] | None = None) -> list[Write]:
    return deployment.decide({"deployments.apps": [web], "replicasets.apps": sets, "pods": pods or []}, NOW)


def web(**spec: Any) -> dict[str, Any]:
    return workload("Deployment", "web", **{"replicas": 4, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 2, **spec})


def scaled(writes: list[Write]) -> dict[str, int]:
    return {
        write.object["metadata"]["name"]: write.object["spec"]["replicas"]
        for write in writes
        if isinstance(write, Update) and write.resource == "replicasets.apps"
    }


def status_in(writes: list[Write]) -> dict[str, Any]:
    (status,) = (write.object["status"] for write in writes if isinstance(write, UpdateStatus))
    return dict(status)


@pytest.mark.parametrize(
    ("replicas", "rolling", "expected"),
    [
        (4, {}, (1, 1)),
        (1, {}, (1, 0)),
        (10, {"maxSurge": "25%", "maxUnavailable": "25%"}, (3, 2)),
        (4, {"maxSurge": 0, "maxUnavailable": 0}, (0, 1)),
        (4, {"maxSurge": "0%", "maxUnavailable": 2}, (0, 2)),
        (2, {"maxSurge": 1, "maxUnavailable": 5}, (1, 2)),
    ],
)
def test_surge_rounds_up_and_unavailable_rounds_down(replicas: int, rolling: dict[str, Any], expected: tuple[int, int]) -> None:
    assert rollout.limits(replicas, rolling) == expected


@pytest.mark.parametrize(
    ("newest", "others", "surge", "expected"),
    [
        (0, [], 1, 4),
        (0, [4], 1, 1),
        (0, [4], 0, 0),
        (1, [4], 1, 1),
        (1, [3], 1, 2),
        (4, [], 1, 4),
        (6, [], 1, 4),
        (0, [2, 3], 1, 0),
    ],
)
def test_the_newest_set_grows_as_far_as_the_surge_lets_it(newest: int, others: list[int], surge: int, expected: int) -> None:
    sets = [Set(f"o{i}", count, count) for i, count in enumerate(others)]
    assert rollout.grown(Set("new", newest, newest), sets, replicas=4, surge=surge) == expected


@pytest.mark.parametrize(
    ("newest", "others", "expected"),
    [
        (Set("n", 1, 0), [Set("o", 4, 4)], {"o": 3}),
        (Set("n", 1, 1), [Set("o", 4, 4)], {"o": 2}),
        (Set("n", 2, 0), [Set("o", 3, 3)], {}),
        (Set("n", 1, 0), [Set("o", 4, 0)], {"o": 3}),
        (Set("n", 2, 2), [Set("o1", 1, 0), Set("o2", 2, 2)], {"o1": 0, "o2": 1}),
        (Set("n", 4, 4), [Set("o", 1, 1)], {"o": 0}),
        (Set("n", 4, 3), [Set("o", 1, 1)], {"o": 0}),
        (Set("n", 4, 2), [Set("o", 1, 1)], {}),
    ],
)
def test_old_sets_shrink_while_enough_pods_serve(newest: Set, others: list[Set], expected: dict[str, int]) -> None:
    assert rollout.shrunk(newest, others, replicas=4, unavailable=1) == expected


def test_a_rollout_never_has_too_few_serving_or_too_many_pods_and_always_ends() -> None:
    for replicas in range(1, 8):
        for surge, unavailable in ((1, 0), (0, 1), (2, 1), (3, 3)):
            new, old = Set("n", 0, 0), Set("o", replicas, replicas)
            for _ in range(50):
                grown = rollout.grown(new, [old], replicas=replicas, surge=surge)
                kept = rollout.shrunk(new, [old], replicas=replicas, unavailable=min(unavailable, replicas))
                left = kept.get("o", old.replicas) if grown == new.replicas else old.replicas
                assert grown + left <= replicas + surge
                assert new.available + min(old.available, left) >= replicas - unavailable
                new, old = Set("n", grown, new.replicas), Set("o", left, left)
            assert (new.replicas, old.replicas) == (replicas, 0)


def test_the_first_set_carries_the_hash_in_name_labels_selector_and_template() -> None:
    create = next(write for write in look(web(), []) if isinstance(write, Create))
    made = create.object
    hashed = made["metadata"]["labels"][HASH]
    assert made["metadata"]["name"] == f"web-{hashed}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", HASH: hashed}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "web", HASH: hashed}
    assert made["spec"]["replicas"] == 4
    assert made["metadata"]["annotations"][REVISION] == "1"


def test_the_same_template_finds_its_set_again_whatever_hash_it_has() -> None:
    writes = look(web(), [replica_set("from-elsewhere", "i:1", replicas=4)])
    assert not [write for write in writes if isinstance(write, Create)]


def test_going_back_to_an_older_template_takes_its_set_up_as_the_next_revision() -> None:
    first = replica_set("one", "i:1", replicas=0, revision=1)
    second = replica_set("two", "i:2", replicas=4, revision=2, age=50)
    changed = next(
        write.object for write in look(web(), [first, second]) if isinstance(write, Update) and write.object["metadata"]["name"] == "one"
    )
    assert changed["metadata"]["annotations"][REVISION] == "3"
    assert changed["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert changed["spec"]["replicas"] == 1


def test_scaling_without_a_rollout_goes_straight_to_the_number() -> None:
    assert scaled(look(web(replicas=7), [replica_set("one", "i:1", replicas=4)])) == {"one": 7}
    assert scaled(look(web(replicas=0), [replica_set("one", "i:1", replicas=4)])) == {"one": 0}


def test_recreate_waits_until_every_old_pod_has_ended() -> None:
    paused_between = web(strategy={"type": "Recreate"}, template=template("i:2"))
    old = replica_set("old", "i:1", replicas=0, available=0)
    leaving = pod("p", owner="uid-old", node="n", deleting=True)
    assert not [write for write in look(paused_between, [old], [leaving]) if isinstance(write, Create)]
    created = [w for w in look(paused_between, [old], []) if isinstance(w, Create) and w.resource == "replicasets.apps"]
    assert [one.object["spec"]["replicas"] for one in created] == [4]


def test_recreate_takes_the_old_set_down_first() -> None:
    running = [pod("p", owner="uid-old", node="n", ready_for=9)]
    changed = web(strategy={"type": "Recreate"}, template=template("i:2"))
    assert scaled(look(changed, [replica_set("old", "i:1", replicas=4)], running)) == {"old": 0}


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    writes = look(web(paused=True, replicas=6, template=template("i:2")), [replica_set("one", "i:1", replicas=4)])
    assert not [write for write in writes if isinstance(write, Create) and write.resource == "replicasets.apps"]


def test_history_beyond_the_limit_is_forgotten_oldest_first() -> None:
    old = [replica_set(f"r{n}", f"i:{n + 10}", replicas=0, revision=n) for n in range(1, 6)]
    newest = replica_set("now", "i:1", replicas=4, revision=6)
    writes = look(web(), [*old, newest])
    assert [write.name for write in writes if isinstance(write, Delete)] == ["r1", "r2", "r3"]


def test_history_is_kept_while_a_rollout_goes_on() -> None:
    old = [replica_set(f"r{n}", f"i:{n + 10}", replicas=0, revision=n) for n in range(1, 6)]
    newest = replica_set("now", "i:1", replicas=4, available=3, revision=6)
    assert not [write for write in look(web(), [*old, newest]) if isinstance(write, Delete)]


def test_a_set_that_stands_alone_is_adopted() -> None:
    alone = replica_set("one", "i:1", replicas=4)
    del alone["metadata"]["ownerReferences"]
    (write,) = look(web(), [alone])
    assert isinstance(write, Update)
    assert write.object["metadata"]["ownerReferences"][0]["uid"] == "uid-web"


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def test_a_complete_rollout_is_available_and_progressed() -> None:
    status = status_in(look(web(), [replica_set("one", "i:1", replicas=4)]))
    assert {key: status[key] for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")} == dict.fromkeys(
        ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 4
    )
    assert conditions(status) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_too_few_serving_pods_are_said_to_be_too_few() -> None:
    status = status_in(look(web(), [replica_set("one", "i:1", replicas=4, available=2)]))
    assert conditions(status)["Available"] == ("False", "MinimumReplicasUnavailable")
    assert status["unavailableReplicas"] == 2


def stuck(seconds: float) -> dict[str, Any]:
    waiting = web()
    waiting["status"] = {
        "replicas": 4,
        "updatedReplicas": 4,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": ago(seconds)}],
    }
    return waiting


def test_a_rollout_that_stands_still_passes_its_deadline_once() -> None:
    sets = [replica_set("one", "i:1", replicas=4, available=0)]
    assert conditions(status_in(look(stuck(599), sets)))["Progressing"] == ("True", "ReplicaSetUpdated")
    late = stuck(600)
    status = status_in(look(late, sets))
    assert conditions(status)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    late["status"] = status
    assert not [write for write in look(late, sets) if isinstance(write, UpdateStatus)]
    assert deployment.due({"deployments.apps": [late]}, NOW) is None
    assert deployment.due({"deployments.apps": [stuck(500)]}, NOW) == NOW + timedelta(seconds=100)


def test_a_pod_that_fails_after_the_rollout_is_no_rollout() -> None:
    done = web()
    done["status"] = status_in(look(done, [replica_set("one", "i:1", replicas=4)]))
    status = status_in(look(done, [replica_set("one", "i:1", replicas=4, available=1)]))
    assert conditions(status) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_a_settled_deployment_writes_nothing() -> None:
    now, sets = web(), [replica_set("one", "i:1", replicas=4)]
    for _ in range(5):
        for write in look(now, sets):
            if isinstance(write, UpdateStatus | Update):
                target = now if write.resource == "deployments.apps" else sets[0]
                target.clear()
                target.update(write.object)
    assert look(now, sets) == []
    assert now["metadata"]["annotations"][REVISION] == "1"
