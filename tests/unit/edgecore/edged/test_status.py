from __future__ import annotations

from typing import Any

import pytest

from edgecore.containers import labels
from edgecore.containers.model import Container, State
from edgecore.edged.health import Health
from edgecore.edged.pod import PodPlan, read_pod
from edgecore.edged.restarts import Ended, Record
from edgecore.edged.status import Sight, Verdict, Waiting, crash_loop, pod_status, qos_class
from tests.unit.edgecore.edged.pods import container, pod


def one(
    name: str, state: State = State.RUNNING, code: int = 0, *, last: Ended | None = None, restarts: int = 0, **fields: Any
) -> Container:
    label = {labels.CONTAINER: name, labels.RECORD: Record(restarts, 0, last).text()}
    fields = {"address": "10.88.0.7" if state is State.RUNNING else "", **fields}
    return Container(f"id-{name}", name, "i", "sha", state, label, created=1.0, started=2.0, finished=9.0, exit_code=code, **fields)


def status_of(plan: PodPlan, *found: Container, before: dict[str, Any] | None = None, **sight: Any) -> dict[str, Any]:
    seen = Sight({c.label(labels.CONTAINER): c for c in found}, **sight)
    return pod_status(plan, seen, host_address="192.168.1.9", started=1.0, before=before or {}, now=100.0)


ENDED, RUNNING = State.ENDED, State.RUNNING


@pytest.mark.parametrize(
    ("policy", "a", "b", "phase"),
    [
        ("Always", one("a"), one("b"), "Running"),
        ("Always", one("a"), None, "Pending"),
        ("Always", one("a"), one("b", ENDED, 1), "Running"),
        ("Always", one("a", ENDED), one("b", ENDED), "Running"),
        ("OnFailure", one("a", ENDED), one("b", ENDED), "Succeeded"),
        ("OnFailure", one("a", ENDED), one("b", ENDED, 1), "Running"),
        ("Never", one("a", ENDED), one("b", ENDED, 1), "Failed"),
        ("Never", one("a", ENDED), one("b", ENDED), "Succeeded"),
        ("Never", one("a", ENDED, 1), one("b"), "Running"),
    ],
)
def test_the_phase_is_a_kubelets(policy: str, a: Container, b: Container | None, phase: str) -> None:
    plan = read_pod(pod(container("a"), container("b"), restartPolicy=policy))
    assert status_of(plan, a, *([b] if b else []))["phase"] == phase


def test_a_running_pod_tells_addresses_times_and_ids() -> None:
    status = status_of(read_pod(pod()), one("web", restarts=2, last=Ended(137, "OOMKilled", 1.0, 2.0, "old")))
    assert (status["podIP"], status["podIPs"], status["hostIP"]) == ("10.88.0.7", [{"ip": "10.88.0.7"}], "192.168.1.9")
    assert status["startTime"] == "1970-01-01T00:00:01Z"
    (web,) = status["containerStatuses"]
    assert web["state"] == {"running": {"startedAt": "1970-01-01T00:00:02Z"}}
    assert web["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert (web["restartCount"], web["ready"], web["containerID"], web["imageID"]) == (2, True, "podman://id-web", "sha")
    assert {c["type"]: c["status"] for c in status["conditions"]} == dict.fromkeys(
        ("Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )


def test_a_pod_on_the_hosts_network_has_the_hosts_address() -> None:
    assert status_of(read_pod(pod(hostNetwork=True)), one("web", address=""))["podIP"] == "192.168.1.9"


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (None, "ContainerCreating"),
        (Waiting("ErrImagePull", "manifest unknown"), "ErrImagePull"),
        (Waiting("CreateContainerConfigError", 'secret "x" not found'), "CreateContainerConfigError"),
    ],
)
def test_a_container_that_is_not_there_says_why(waiting: Waiting | None, reason: str) -> None:
    status = status_of(read_pod(pod()), waiting={"web": waiting} if waiting else {})
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    assert status["containerStatuses"][0]["state"]["waiting"].get("message", "") == (waiting.message if waiting else "")


@pytest.mark.parametrize(("pause", "text"), [(10.0, "10s"), (80.0, "1m20s"), (300.0, "5m0s")])
def test_a_crash_loop_says_how_long_it_waits(pause: float, text: str) -> None:
    assert (
        crash_loop(read_pod(pod()), "web", pause).message
        == f"back-off {text} restarting failed container=web pod=web-0_default(0d2c7a4e-1)"
    )


def test_a_crash_loop_shows_the_last_end() -> None:
    status = status_of(read_pod(pod()), one("web", ENDED, 1), waiting={"web": Waiting("CrashLoopBackOff", "back-off")})
    (web,) = status["containerStatuses"]
    assert (status["phase"], web["state"]["waiting"]["reason"], web["lastState"]["terminated"]["exitCode"]) == (
        "Running",
        "CrashLoopBackOff",
        1,
    )
    assert condition(status, "Ready")["message"] == "containers with unready status: [web]"


def test_a_pod_waits_for_its_init_containers() -> None:
    plan = read_pod(pod(initContainers=[container("first")]))
    status = status_of(plan, one("first"))
    assert (status["phase"], condition(status, "Initialized")["status"]) == ("Pending", "False")
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    done = status_of(plan, one("first", ENDED), one("web"))
    assert (done["phase"], condition(done, "Initialized")["status"]) == ("Running", "True")
    assert done["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_a_sidecar_counts_as_initialized_when_it_has_started_and_for_the_pods_readiness_as_long_as_it_runs() -> None:
    plan = read_pod(pod(container("web"), initContainers=[container("side", restartPolicy="Always")]))
    starting = status_of(plan, one("side"), health=Health(unstarted=frozenset({"side"})))
    assert condition(starting, "Initialized")["message"] == "containers with incomplete status: [side]"
    assert [starting["initContainerStatuses"][0][key] for key in ("started", "ready")] == [False, False]
    running = status_of(plan, one("side"), one("web"))
    assert (running["phase"], condition(running, "Ready")["status"]) == ("Running", "True")
    unready = status_of(plan, one("side"), one("web"), health=Health(unready=frozenset({"side"})))
    assert condition(unready, "Ready")["message"] == "containers with unready status: [side]"


def test_a_pod_is_over_when_its_sidecars_have_ended_too() -> None:
    plan = read_pod(pod(container("web"), initContainers=[container("side", restartPolicy="Always")], restartPolicy="Never"))
    assert status_of(plan, one("side"), one("web", ENDED))["phase"] == "Running"
    assert status_of(plan, one("side", ENDED, 143), one("web", ENDED))["phase"] == "Succeeded"


def test_probes_decide_what_is_started_and_ready() -> None:
    plan = read_pod(pod())
    for health, started, ready in ((Health(unstarted=frozenset({"web"})), False, False), (Health(unready=frozenset({"web"})), True, False)):
        (web,) = status_of(plan, one("web"), health=health)["containerStatuses"]
        assert (web["started"], web["ready"]) == (started, ready)


def test_an_init_container_that_failed_for_good_fails_the_pod() -> None:
    plan = read_pod(pod(initContainers=[container("first")], restartPolicy="Never"))
    assert status_of(plan, one("first", ENDED, 1))["phase"] == "Failed"


def test_a_deleting_pod_ends_only_when_its_containers_are_gone() -> None:
    plan = read_pod(pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}))
    assert status_of(plan, one("web"))["phase"] == "Running"
    assert status_of(plan, one("web", ENDED))["phase"] == "Running"
    gone = status_of(plan, gone=True, ends={"web": Ended(0, "Completed", 2.0, 9.0, "id-web")})
    assert (gone["phase"], gone["containerStatuses"][0]["state"]["terminated"]["reason"]) == ("Succeeded", "Completed")
    killed = status_of(plan, gone=True, ends={"web": Ended(137, "Error", 2.0, 9.0, "id-web")})
    assert killed["phase"] == "Failed"


def test_containers_that_vanished_from_a_deleting_pod_count_as_terminated() -> None:
    plan = read_pod(pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}))
    assert status_of(plan, gone=True)["containerStatuses"][0]["state"]["terminated"]["reason"] == "ContainerStatusUnknown"


def test_transition_times_stand_until_the_condition_changes_and_an_end_is_final() -> None:
    plan = read_pod(pod())
    first = pod_status(plan, Sight({"web": one("web")}), host_address="h", started=1.0, before={}, now=100.0)
    same = pod_status(plan, Sight({"web": one("web")}), host_address="h", started=1.0, before=first, now=500.0)
    assert same == first
    crashed = pod_status(plan, Sight({"web": one("web", ENDED, 1)}), host_address="h", started=1.0, before=first, now=500.0)
    assert condition(crashed, "Ready")["lastTransitionTime"] == "1970-01-01T00:08:20Z"
    assert condition(crashed, "Initialized")["lastTransitionTime"] == "1970-01-01T00:01:40Z"
    assert status_of(plan, before={"phase": "Failed"})["phase"] == "Failed"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "64Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1000m", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
        ({"limits": {"cpu": "nonsense"}}, "BestEffort"),
    ],
)
def test_the_qos_class(resources: dict[str, Any], expected: str) -> None:
    assert qos_class(read_pod(pod(container(resources=resources)))) == expected


def test_a_limit_that_the_kernel_cannot_keep_is_a_condition() -> None:
    status = status_of(read_pod(pod()), one("web"), warnings=("the kernel has no memory cgroup",))
    assert condition(status, "ResourceLimitsKept")["message"] == "the kernel has no memory cgroup"
    assert status["phase"] == "Running"


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in status["conditions"] if c["type"] == kind)
    return found


def test_a_container_that_is_gone_keeps_its_count_and_says_so_until_it_is_made_again() -> None:
    document = pod(initContainers=[container("first")])
    before = {"name": "web", "restartCount": 4, "containerID": "podman://x", "state": {"running": {"startedAt": "1970-01-01T00:01:00Z"}}}
    document["status"] = {"phase": "Running", "containerStatuses": [before]}
    for _ in range(3):
        status = status_of(read_pod(document))
        (told,) = status["containerStatuses"]
        assert (told["restartCount"], told["containerID"], told["ready"]) == (4, "podman://x", False)
        assert told["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        assert told["state"] == {"waiting": {"reason": "PodInitializing"}}
        document["status"] = status


def test_an_init_container_that_is_done_stays_so_when_it_is_gone() -> None:
    done = {"exitCode": 0, "reason": "Completed", "containerID": "podman://x"}
    document = pod(container("a"), initContainers=[container("first")])
    first = {"name": "first", "restartCount": 1, "containerID": "podman://x", "state": {"terminated": done}}
    document["status"] = {"phase": "Running", "initContainerStatuses": [first]}
    (told,) = status_of(read_pod(document), one("a"))["initContainerStatuses"]
    assert (told["state"]["terminated"]["exitCode"], told["restartCount"], told["ready"]) == (0, 1, True)


TOO_LONG = Verdict("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_a_pod_that_the_node_ended_has_failed_whatever_its_containers_say(policy: str) -> None:
    plan = read_pod(pod(container("a"), container("b"), restartPolicy=policy))
    status = status_of(plan, one("a", ENDED, 0), verdict=TOO_LONG)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", TOO_LONG.reason, TOO_LONG.message)
    a, b = status["containerStatuses"]
    assert a["state"]["terminated"]["exitCode"] == 0
    assert b["state"]["terminated"]["reason"] == "ContainerStatusUnknown", "one that was never made waits for nothing"
    assert next(c for c in status["conditions"] if c["type"] == "Ready")["reason"] == "PodFailed"


def test_what_the_node_said_stands_when_the_containers_are_gone() -> None:
    plan = read_pod(pod())
    before = status_of(plan, one("web", ENDED, 143), verdict=TOO_LONG)
    assert status_of(plan, before=before, verdict=TOO_LONG) == before
