"""Edged's loops over a container engine in memory: what a pod's life looks like from outside. Promises A1, A2, A3, I1."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest

from edgecore.beehive.letters import ConfigChanged
from edgecore.containers import labels
from edgecore.containers.model import Container, State
from edgecore.edged import fetcher
from tests.module.edged.conftest import Stage
from tests.unit.edgecore.edged.pods import container, pod


def deleting(document: dict[str, Any], grace: int = 30) -> dict[str, Any]:
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
    return {**document, "metadata": {**document["metadata"], **ending}}


def test_a_pod_is_made_told_and_taken_down_again(stage: Stage) -> None:
    stage.apply(pod())
    status = stage.wait_phase("web-0", "Running")
    assert status["containerStatuses"][0]["ready"] is True
    assert status["podIP"] == "10.88.0.2"
    stage.apply(deleting(pod()))
    ended = stage.wait_phase("web-0", "Failed")
    assert ended["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    assert stage.runtime.everything() == []
    stage.delete("web-0")
    stage.wait(lambda: not (stage.root / "pods" / "0d2c7a4e-1").exists())


def test_the_end_of_a_deleting_pod_is_told_after_its_containers_are_gone(stage: Stage) -> None:
    stage.runtime.refuses_to_end.add("web")
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.apply(deleting(pod(), grace=1))
    while stage.meta.last_status("web-0")["phase"] == "Running":
        before = stage.runtime.everything()
        if not before:
            break
    status = stage.wait_phase("web-0", "Failed")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    assert stage.runtime.everything() == []


def test_a_restart_of_edged_touches_no_container(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    (before,) = stage.runtime.everything()
    stage.stop()
    assert stage.engine.stopped
    assert stage.runtime.everything() == [before]
    count = len(stage.meta.statuses)
    stage.start()
    stage.wait(lambda: len(stage.meta.statuses) > count)
    assert stage.runtime.everything() == [before]
    assert stage.runtime.removed == []


def test_containers_that_vanished_while_edged_was_down_are_made_again_from_the_store_alone(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.stop()
    stage.runtime.remove(stage.runtime.everything()[0].id)
    stage.meta.away = True
    stage.start()
    stage.wait(lambda: stage.running("web"))


@pytest.mark.parametrize("state", [State.RUNNING, State.ENDED])
def test_a_container_that_the_engine_lists_and_has_lost_is_removed_and_made_again(stage: Stage, state: State) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.stop()
    [old] = stage.runtime.everything()
    if state is State.ENDED:
        stage.runtime.end(old.id, 137)
    stage.runtime.lost.add(old.name)
    stage.start()
    stage.wait(lambda: stage.running("web") and stage.running("web")[0].id != old.id)
    assert stage.runtime.removed == [old.name]


def test_a_pod_whose_container_the_engine_has_lost_is_removed_to_its_end(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.stop()
    stage.runtime.lost.add(stage.runtime.everything()[0].name)
    stage.start()
    stage.delete("web-0")
    stage.wait(lambda: not stage.runtime.everything())


def test_a_container_that_is_killed_runs_again_and_keeps_count_and_address(stage: Stage) -> None:
    stage.apply(pod())
    address = stage.wait_phase("web-0", "Running")["podIP"]
    stage.runtime.end(stage.running("web")[0].id, 137)
    stage.wait(lambda: stage.meta.last_status("web-0")["containerStatuses"][0]["restartCount"] == 1)
    status = stage.wait_phase("web-0", "Running")
    web = status["containerStatuses"][0]
    assert (web["lastState"]["terminated"]["exitCode"], web["ready"], status["podIP"]) == (137, True, address)
    stage.stop()
    stage.start()
    stage.runtime.end(stage.running("web")[0].id, 1)
    stage.wait(lambda: stage.waiting_reason("web-0") == "CrashLoopBackOff")
    assert stage.meta.last_status("web-0")["containerStatuses"][0]["restartCount"] == 1


def attempts(stage: Stage) -> dict[int, State]:
    return {int(c.name.rpartition("_")[2]): c.state for c in stage.runtime.everything()}


def test_one_ended_container_stays_for_its_log_until_the_next_one_ends(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.runtime.end(stage.running("web")[0].id, 1)
    stage.wait(lambda: attempts(stage) == {0: State.ENDED, 1: State.RUNNING})
    stage.stop()
    stage.start()
    stage.wait(lambda: stage.meta.last_status("web-0")["containerStatuses"][0]["restartCount"] == 1)
    assert attempts(stage) == {0: State.ENDED, 1: State.RUNNING}
    stage.runtime.end(stage.running("web")[0].id, 1)
    stage.wait(lambda: attempts(stage) == {1: State.ENDED})
    stage.delete("web-0")
    stage.wait(lambda: stage.runtime.everything() == [])


def test_a_container_that_a_power_cut_spoilt_is_replaced_and_its_pod_can_be_deleted(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.stop()
    spoilt = stage.running("web")[0].id
    stage.runtime.end(spoilt, 0)
    stage.runtime.unreadable.add(spoilt)
    stage.start()
    stage.wait(lambda: attempts(stage) == {0: State.ENDED, 1: State.RUNNING})
    stage.delete("web-0")
    stage.wait(lambda: stage.runtime.everything() == [])


def test_a_running_container_that_somebody_removed_comes_back_and_is_counted(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.runtime.end(stage.running("web")[0].id, 1)
    stage.wait(lambda: stage.meta.last_status("web-0")["containerStatuses"][0]["restartCount"] == 1)
    stage.runtime.remove(stage.running("web")[0].id)
    stage.wait(lambda: stage.meta.last_status("web-0")["containerStatuses"][0]["restartCount"] == 2)
    assert attempts(stage) == {0: State.ENDED, 2: State.RUNNING}


def test_orphans_are_removed_and_strangers_are_never_touched(stage: Stage) -> None:
    mine = labels.instance_of(str(stage.root))

    def there(name: str, label: dict[str, str]) -> None:
        stage.runtime.add(Container(name, name, "i", "s", State.RUNNING, label, created=1.0, started=1.0))

    stage.stop()
    there("orphan", {labels.MANAGED: "true", labels.INSTANCE: mine, labels.POD_UID: "gone-1", labels.CONTAINER: "c"})
    there("unclaimed", {labels.MANAGED: "true", labels.POD_UID: "gone-2", labels.CONTAINER: "c"})
    there("neighbour", {labels.MANAGED: "true", labels.INSTANCE: "other", labels.POD_UID: "gone-3", labels.CONTAINER: "c"})
    there("stranger", {})
    stage.start()
    stage.wait(lambda: {c.name for c in stage.runtime.everything()} == {"neighbour", "stranger"})
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    assert {c.name for c in stage.runtime.everything()} > {"neighbour", "stranger"}


def test_what_happens_to_a_pod_is_told_in_events(stage: Stage) -> None:
    stage.runtime.registry.add("quay.io/good:1")
    stage.apply(pod(container(image="quay.io/good:1")))
    stage.wait_phase("web-0", "Running")
    assert stage.meta.reasons("web-0") == ["Pulling", "Pulled", "Created", "Started"]
    stage.runtime.end(stage.running("web")[0].id, 1)
    stage.wait(lambda: stage.meta.last_status("web-0")["containerStatuses"][0]["restartCount"] == 1)
    stage.runtime.end(stage.running("web")[0].id, 1)
    stage.wait(lambda: "BackOff" in stage.meta.reasons("web-0"))
    stage.delete("web-0")
    stage.apply(pod(container(image="quay.io/none:1"), name="none", uid="77777777-1"))
    stage.wait(lambda: "Failed" in stage.meta.reasons("none"))
    texts = [event["message"] for event in stage.meta.events.values() if event["involvedObject"]["name"] == "none"]
    assert texts[:2] == ['Pulling image "quay.io/none:1"', 'Failed to pull image "quay.io/none:1": manifest unknown']
    stage.apply(pod(name="gone", uid="88888888-1"))
    stage.wait_phase("gone", "Running")
    stage.delete("gone")
    stage.wait(lambda: "Killing" in stage.meta.reasons("gone"))


def test_a_static_pod_runs_without_the_cloud_and_is_no_orphan_after_a_restart(stage: Stage) -> None:
    stage.stop()
    folder = stage.root / "manifests"
    folder.mkdir(parents=True)
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "static"}, "spec": {"containers": [container()]}}
    (folder / "static.json").write_text(json.dumps(manifest))
    stage.meta.away = True
    stage.start()
    stage.wait(lambda: stage.running("web"))
    before = stage.runtime.everything()
    stage.stop()
    stage.start()
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    assert before[0] in stage.runtime.everything()
    assert not stage.meta.reasons("static-edge1")


def test_a_stuck_pull_delays_nobody_and_can_be_deleted_meanwhile(stage: Stage) -> None:
    stuck = stage.runtime.slow["quay.io/slow:1"] = threading.Event()
    stage.apply(pod(container(image="quay.io/slow:1"), name="slow", uid="51000000-1"))
    stage.wait(lambda: stage.runtime.pulls == ["quay.io/slow:1"])
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.wait_phase("slow", "Pending")
    assert stage.waiting_reason("slow") == "ContainerCreating"
    stage.delete("slow")
    stage.wait(lambda: not any(t.name == "pod-51000000" for t in threading.enumerate()))
    stuck.set()


def test_a_pull_that_takes_long_is_told_again_with_how_far_it_is_and_its_end_with_the_size(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "FIRST_WORD", 0.2)
    gate = stage.runtime.slow["quay.io/slow:1"] = threading.Event()
    stage.runtime.registry.add("quay.io/slow:1")
    stage.runtime.sizes["quay.io/slow:1"] = 84
    stage.apply(pod(container(image="quay.io/slow:1"), name="slow", uid="51000000-1"))
    stage.wait(lambda: any(text == 'Pulling image "quay.io/slow:1": 50 % of 100 B after 0s' for text in texts(stage, "slow")))
    stage.wait(lambda: len([text for text in texts(stage, "slow") if "50 %" in text]) == 1)
    assert stage.waiting_reason("slow") == "ContainerCreating"
    gate.set()
    stage.wait_phase("slow", "Running")
    pulled = next(text for text in texts(stage, "slow") if text.startswith("Successfully pulled"))
    assert pulled.endswith("s. Image size: 84 bytes.")


def texts(stage: Stage, name: str) -> list[str]:
    return [event["message"] for event in list(stage.meta.events.values()) if event["involvedObject"]["name"] == name]


def test_a_slow_stop_delays_nobody(stage: Stage) -> None:
    stage.runtime.refuses_to_end.add("web")
    stage.apply(pod(terminationGracePeriodSeconds=1))
    stage.wait_phase("web-0", "Running")
    stage.delete("web-0")
    stage.apply(pod(name="other", uid="22222222-1"))
    stage.wait_phase("other", "Running")
    assert any(c.label(labels.POD_NAME) == "web-0" for c in stage.running("web"))


def test_an_image_that_cannot_be_had_is_told_and_pulled_when_it_comes(stage: Stage) -> None:
    stage.apply(pod(container(image="quay.io/none:1")))
    stage.wait(lambda: stage.waiting_reason("web-0") == "ErrImagePull")
    status = stage.meta.last_status("web-0")
    assert status["containerStatuses"][0]["state"]["waiting"]["message"] == "manifest unknown"
    stage.apply(pod(container(image="quay.io/never:1", imagePullPolicy="Never"), name="never", uid="33333333-1"))
    stage.wait(lambda: stage.waiting_reason("never") == "ErrImageNeverPull")
    stage.runtime.registry.add("quay.io/good:1")
    stage.apply(pod(container(image="quay.io/good:1"), name="good", uid="44444444-1"))
    stage.wait_phase("good", "Running")


def test_a_missing_object_waits_only_in_its_pod_and_is_found_when_it_comes(stage: Stage) -> None:
    env = [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "pass", "key": "word"}}}]
    stage.apply(pod(container(env=env)))
    stage.wait(lambda: stage.waiting_reason("web-0") == "CreateContainerConfigError")
    message = stage.meta.last_status("web-0")["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message == 'secret "pass" not found'
    stage.meta.objects[("default", "secret", "pass")] = {"data": {"word": base64.b64encode(b"s3cret").decode()}}
    stage.send(ConfigChanged("default/secret/pass"))
    stage.wait_phase("web-0", "Running")
    assert dict(stage.runtime.specs[stage.running("web")[0].id].environment) == {"WORD": "s3cret"}


def test_a_changed_configmap_reaches_the_files_and_restarts_nothing(stage: Stage) -> None:
    stage.meta.objects[("default", "configmap", "page")] = {"data": {"index.html": "one"}}
    document = pod(
        container(volumeMounts=[{"name": "v", "mountPath": "/www"}], envFrom=[{"configMapRef": {"name": "page"}}]),
        volumes=[{"name": "v", "configMap": {"name": "page"}}],
    )
    stage.apply(document)
    stage.wait_phase("web-0", "Running")
    (before,) = stage.runtime.everything()
    (mount,) = stage.runtime.specs[before.id].mounts
    page = stage.root / "pods/0d2c7a4e-1/volumes/v/index.html"
    assert (mount.source, page.read_text()) == (str(page.parent), "one")
    stage.meta.objects[("default", "configmap", "page")] = {"data": {"index.html": "two"}}
    stage.send(ConfigChanged("default/configmap/page"))
    stage.wait(lambda: page.read_text() == "two")
    assert stage.runtime.everything() == [before]


def test_a_new_pod_of_the_same_name_replaces_the_old_one(stage: Stage) -> None:
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    stage.apply(pod(uid="99999999-2"))
    stage.wait(lambda: [c.label(labels.POD_UID) for c in stage.running("web")] == ["99999999-2"])


def test_several_containers_share_a_sandbox_and_survive_its_loss(stage: Stage) -> None:
    stage.apply(pod(container("a"), container("b")))
    stage.wait_phase("web-0", "Running")
    stage.stop()
    stage.runtime.lose_sandboxes()
    for found in stage.runtime.everything():
        stage.runtime.end(found.id, 255)
    stage.start()
    stage.wait(lambda: stage.running("a") and stage.running("b"))
    assert [s.ready for s in stage.runtime.sandboxes()] == [True]
    stage.delete("web-0")
    stage.wait(lambda: not stage.runtime.everything() and not stage.runtime.sandboxes())


def test_init_containers_go_first(stage: Stage) -> None:
    stage.apply(pod(container("main"), initContainers=[container("first")]))
    first = stage.wait(lambda: stage.running("first"))[0]
    assert not stage.running("main")
    stage.runtime.end(first.id, 0)
    stage.wait(lambda: stage.running("main"))
    status = stage.wait_phase("web-0", "Running")
    assert status["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


@pytest.mark.parametrize(("policy", "code", "phase"), [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")])
def test_a_pod_whose_work_is_done_ends(stage: Stage, policy: str, code: int, phase: str) -> None:
    stage.apply(pod(restartPolicy=policy))
    stage.wait_phase("web-0", "Running")
    stage.runtime.end(stage.running("web")[0].id, code)
    stage.wait_phase("web-0", phase)
    assert not stage.running("web")


def test_a_container_that_cannot_start_says_so_and_leaves_nothing_behind(stage: Stage) -> None:
    stage.runtime.refuse_start = "exec /nope: no such file"
    stage.apply(pod())
    stage.wait(lambda: stage.waiting_reason("web-0") == "RunContainerError")
    assert stage.runtime.everything() == []
    stage.runtime.refuse_start = ""
    stage.wait_phase("web-0", "Running")


def test_a_missing_cgroup_is_a_warning_and_no_failure(stage: Stage) -> None:
    stage.engine.missing["memory"] = "the kernel has no memory cgroup"
    stage.apply(pod(container(resources={"limits": {"memory": "64Mi"}})))
    status = stage.wait_phase("web-0", "Running")
    assert stage.runtime.specs[stage.running("web")[0].id].resources.memory_limit is None
    assert any(c["type"] == "ResourceLimitsKept" and c["status"] == "False" for c in status["conditions"])


@pytest.mark.parametrize("document", [{}, {"metadata": {"uid": "x"}}, {"metadata": 3, "spec": []}])
def test_a_document_that_is_no_pod_changes_nothing(stage: Stage, document: dict[str, Any]) -> None:
    from edgecore.beehive.letters import PodChanged

    stage.send(PodChanged("default/pod/bad", document))
    stage.apply(pod())
    stage.wait_phase("web-0", "Running")
    assert len(stage.runtime.everything()) == 1
