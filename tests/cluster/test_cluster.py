"""What a real API server, real controllers and a real scheduler ask of CloudCore beyond what cloudstub does."""

from __future__ import annotations

import json
import os
import platform
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demo.parts import DEVICES, Board, quietly
from demo.stage import Failed, run, wait_for
from demo.steps import EXAMPLES, TOP
from tests.cluster.site import ClusterSite
from tests.system.conftest import IMAGE

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

ACCOUNT = "system:serviceaccount:kubeedge:cloudcore"
WAITS = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


class Pods:
    """Makes pods for one test, and takes them away after it."""

    def __init__(self, site: ClusterSite, board: Board) -> None:
        self.site = site
        self.board = board

    def apply(self, name: str, *, namespace: str = "default", bound: bool = True, **spec: Any) -> None:
        container = {"name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", WAITS], **spec.pop("container", {})}
        where = {"nodeName": self.board.node} if bound else {}
        whole = {"terminationGracePeriodSeconds": 2, "containers": [container], **where, **spec}
        metadata = {"name": name, "namespace": namespace, "labels": {"claim": "cluster"}}
        self.site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": whole}))

    def ready(self, name: str, namespace: str = "default") -> dict[str, Any] | None:
        pod = json.loads(self.site.kubectl("get", "pod", name, "-n", namespace, "-o", "json"))
        true = {one["type"] for one in pod["status"].get("conditions", []) if one["status"] == "True"}
        return dict(pod) if "Ready" in true else None

    def wait_ready(self, name: str, namespace: str = "default") -> dict[str, Any]:
        return self.site.wait(f"pod {name} ready", lambda: self.ready(name, namespace), within=60)

    def containers(self, name: str) -> list[str]:
        return self.board.podman("ps", "-q", "--filter", "label=io.bramble.container=main", "--filter", f"name=_{name}_").split()

    def read(self, name: str, path: str) -> str:
        return self.board.podman("exec", self.containers(name)[0], "cat", path)

    def wait_gone(self, name: str) -> None:
        self.site.wait(f"pod {name} gone from the API", lambda: not self.site.kubectl("get", "pod", name, "--ignore-not-found"), within=60)
        wait_for(f"the container of {name} gone", lambda: not self.containers(name), within=30)


@pytest.fixture
def pods(site: ClusterSite, board: Board) -> Iterator[Pods]:
    made = Pods(site, board)
    yield made
    quietly(lambda: site.kubectl("delete", "pod", "-l", "claim=cluster", "--timeout=30s"))


@pytest.fixture
def note(site: ClusterSite) -> Iterator[Callable[[str], None]]:
    """Writes the ConfigMap ``note``; its key is ``text``."""

    def write(text: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note"}, "data": {"text": text}}
        site.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    yield write
    quietly(lambda: site.kubectl("delete", "configmap", "note"))


def conditions(site: ClusterSite, node: str) -> dict[str, str]:
    return {one["type"]: one["status"] for one in site.get("node", node)["status"]["conditions"]}


def with_note(**more: Any) -> dict[str, Any]:
    volumes = [{"name": "note", "configMap": {"name": "note"}}]
    return {"volumes": volumes, "container": {"volumeMounts": [{"name": "note", "mountPath": "/note"}]}, **more}


def test_the_node_is_ready_with_true_facts_and_the_controllers_believe_it(site: ClusterSite, board: Board) -> None:
    node = site.get("node", board.node)
    info = node["status"]["nodeInfo"]
    assert info["kernelVersion"] == os.uname().release
    assert info["osImage"] == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert info["containerRuntimeVersion"].startswith("podman://")
    assert node["status"]["capacity"]["cpu"] == str(os.cpu_count())
    site.wait("no taint on a node that is ready", lambda: not site.get("node", board.node)["spec"].get("taints"))
    lease = json.loads(site.kubectl("get", "lease", board.node, "-n", "kube-node-lease", "-o", "json"))
    assert lease["spec"]["holderIdentity"] == board.node

    def renewed() -> bool:
        later = json.loads(site.kubectl("get", "lease", board.node, "-n", "kube-node-lease", "-o", "json"))
        return later["spec"]["renewTime"] > lease["spec"]["renewTime"]

    site.wait("the lease renewed", renewed)


def test_cloudcore_may_do_what_the_manifest_grants_and_not_more(site: ClusterSite) -> None:
    def can(verb: str, what: str, *more: str) -> bool:
        try:
            return site.kubectl("auth", "can-i", verb, what, "--as", ACCOUNT, *more).strip() == "yes"
        except Failed:
            return False

    assert can("update", "pods", "--subresource=status")
    assert can("update", "secrets", "-n", "kubeedge")
    assert not can("create", "pods")
    assert not can("update", "secrets", "-n", "default")
    assert not can("delete", "nodes")


def test_cloudcore_takes_over_the_definitions_that_kubectl_applied(site: ClusterSite) -> None:
    definition = site.get("crd", "devices.devices.kubeedge.io")
    assert {one["name"]: one["served"] for one in definition["spec"]["versions"]} == {"v1alpha1": True, "v1beta1": True}
    assert definition["spec"]["conversion"]["strategy"] == "Webhook"
    true = {one["type"] for one in definition["status"]["conditions"] if one["status"] == "True"}
    assert {"NamesAccepted", "Established"} <= true
    assert "NonStructuralSchema" not in true


def test_a_bound_pod_runs_and_the_api_server_takes_its_whole_status(site: ClusterSite, pods: Pods) -> None:
    pods.apply("bound")
    status = pods.wait_ready("bound")["status"]
    assert status["phase"] == "Running"
    assert status["podIP"] == status["podIPs"][0]["ip"]
    assert status["qosClass"] == "BestEffort"
    [container] = status["containerStatuses"]
    assert container["state"]["running"]["startedAt"]
    assert container["containerID"].startswith("podman://")
    assert {one["type"] for one in status["conditions"]} >= {"PodScheduled", "Initialized", "ContainersReady", "Ready"}
    assert pods.site.kubectl("get", "pod", "bound", "--no-headers").split()[1:3] == ["1/1", "Running"]


def test_a_pod_gets_the_token_of_its_account_where_the_api_server_mounts_it_as_a_secret(site: ClusterSite, pods: Pods) -> None:
    pods.apply("account")
    pods.wait_ready("account")
    assert pods.read("account", "/var/run/secrets/kubernetes.io/serviceaccount/namespace") == "default"


def test_the_token_that_newer_api_servers_project_into_each_pod_is_there_and_they_take_it(site: ClusterSite, pods: Pods) -> None:
    site.restart_api("--feature-gates=BoundServiceAccountTokenVolume=true")
    try:
        pods.apply("projected")
        volumes = pods.wait_ready("projected")["spec"]["volumes"]
        assert [volume["name"].startswith("kube-api-access-") for volume in volumes] == [True]
        token = site.wait("the token", lambda: pods.read("projected", "/var/run/secrets/kubernetes.io/serviceaccount/token"), within=60)
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        user = json.loads(site.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))["status"]["user"]
        assert user["username"] == "system:serviceaccount:default:default"
        assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["projected"]
    finally:
        site.restart_api()


def test_the_scheduler_finds_the_board_by_what_it_has(site: ClusterSite, pods: Pods) -> None:
    pods.apply("chosen", bound=False, container={"resources": {"requests": {"cpu": "50m", "memory": "16Mi"}}})
    assert pods.wait_ready("chosen")["spec"]["nodeName"] == site.boards[0]
    pods.apply("greedy", bound=False, container={"resources": {"requests": {"cpu": "900"}}})
    site.wait("the greedy pod left waiting", lambda: "Insufficient cpu" in site.kubectl("describe", "pod", "greedy"))


def test_changes_of_a_configmap_and_of_a_secret_reach_the_running_container(
    site: ClusterSite, pods: Pods, note: Callable[[str], None]
) -> None:
    note("one")
    site.kubectl("create", "secret", "generic", "word", "--from-literal=word=first")
    volumes = [{"name": "note", "configMap": {"name": "note"}}, {"name": "word", "secret": {"secretName": "word"}}]
    mounts = [{"name": "note", "mountPath": "/note"}, {"name": "word", "mountPath": "/word"}]
    pods.apply("reader", volumes=volumes, container={"volumeMounts": mounts})
    pods.wait_ready("reader")
    before = pods.containers("reader")
    assert (pods.read("reader", "/note/text"), pods.read("reader", "/word/word")) == ("one", "first")
    note("two")
    site.kubectl("patch", "secret", "word", "-p", json.dumps({"stringData": {"word": "second"}}))
    wait_for("the changed ConfigMap", lambda: pods.read("reader", "/note/text") == "two", within=60)
    wait_for("the changed Secret", lambda: pods.read("reader", "/word/word") == "second", within=60)
    assert pods.containers("reader") == before
    site.kubectl("delete", "secret", "word")


def test_objectsyncs_follow_what_the_board_has_acknowledged_and_go_with_it(
    site: ClusterSite, board: Board, pods: Pods, note: Callable[[str], None]
) -> None:
    def records() -> dict[str, tuple[str, str]]:
        items = json.loads(site.kubectl("get", "objectsyncs", "-n", "default", "-o", "json"))["items"]
        return {
            item["metadata"]["name"]: (item["spec"]["objectKind"], item["status"].get("objectResourceVersion", ""))
            for item in items
            if item["metadata"]["name"].startswith(f"{board.node}.")
        }

    note("one")
    pods.apply("recorded", **with_note())
    uid = pods.wait_ready("recorded")["metadata"]["uid"]
    site.wait("a record of the pod", lambda: records().get(f"{board.node}.{uid}"))
    note("two")
    changed = site.get("configmap", "note")["metadata"]
    site.wait(
        "a record of the ConfigMap's version",
        lambda: records().get(f"{board.node}.{changed['uid']}", ("", ""))[1] == changed["resourceVersion"],
    )
    site.kubectl("delete", "pod", "recorded")
    pods.wait_gone("recorded")
    site.wait("no record of the pod", lambda: f"{board.node}.{uid}" not in records())


def test_a_pod_that_is_deleted_while_cloudcore_is_away_goes_when_it_is_back(site: ClusterSite, board: Board, pods: Pods) -> None:
    pods.apply("orphan")
    pods.apply("neighbour")
    pods.wait_ready("orphan")
    pods.wait_ready("neighbour")
    kept = pods.containers("neighbour")
    site.kill_cloud()
    site.kubectl("delete", "pod", "orphan", "--wait=false")
    assert site.get("pod", "orphan")["metadata"]["deletionTimestamp"]
    site.launch_cloud()
    site.wait_started()
    pods.wait_gone("orphan")
    assert pods.containers("neighbour") == kept
    pods.apply("latecomer")
    pods.wait_ready("latecomer")


def test_after_a_restart_of_the_api_server_cloudcore_goes_on(site: ClusterSite, pods: Pods, note: Callable[[str], None]) -> None:
    note("one")
    pods.apply("steady", **with_note())
    pods.wait_ready("steady")
    kept = pods.containers("steady")
    assert site.cloud is not None
    pid = site.cloud.pid
    site.restart_api()
    note("two")
    wait_for("the changed ConfigMap", lambda: pods.read("steady", "/note/text") == "two", within=90)
    pods.apply("after")
    pods.wait_ready("after")
    assert (pods.containers("steady"), site.cloud.pid) == (kept, pid)


def test_after_a_compaction_cloudcore_lists_again_and_misses_nothing(site: ClusterSite, pods: Pods, note: Callable[[str], None]) -> None:
    """The API server comes back with changes that nobody watched, and etcd has forgotten the versions in between."""
    note("one")
    pods.apply("steady", **with_note())
    pods.apply("leaving")
    pods.wait_ready("steady")
    pods.wait_ready("leaving")
    kept = pods.containers("steady")
    said = site.log().count("fell behind, listing again")
    site.kill_api()
    with site.elsewhere():
        note("two")
        site.kubectl("delete", "pod", "leaving", "--grace-period=0", "--force")
        pods.apply("coming")
        site.plane.compact()
    site.launch_api()
    site.wait_started()
    wait_for("the changed ConfigMap", lambda: pods.read("steady", "/note/text") == "two", within=90)
    pods.wait_gone("leaving")
    pods.wait_ready("coming")
    assert pods.containers("steady") == kept
    assert site.log().count("fell behind, listing again") > said


def test_a_namespace_is_deleted_with_the_pods_in_it(site: ClusterSite, pods: Pods) -> None:
    site.kubectl("create", "namespace", "passing")
    site.wait("its account", lambda: site.kubectl("get", "serviceaccount", "default", "-n", "passing"))
    pods.apply("inmate", namespace="passing")
    pods.wait_ready("inmate", "passing")
    site.kubectl("delete", "namespace", "passing", "--wait=false")
    site.wait("the namespace gone", lambda: not site.kubectl("get", "namespace", "passing", "--ignore-not-found"), within=90)
    wait_for("the container gone", lambda: not pods.containers("inmate"), within=30)


def test_while_cloudcore_is_away_a_namespace_with_devices_waits_for_it_to_be_deleted_and_others_do_not(site: ClusterSite) -> None:
    """The namespace controller looks for devices in v1beta1, into which CloudCore has to convert."""
    for name in ("waiting", "empty"):
        site.kubectl("create", "namespace", name)
    model = (EXAMPLES / "thermometer-model.yaml").read_text().replace("namespace: default", "namespace: waiting")
    site.kubectl("apply", "-f", "-", stdin=model)
    site.kill_cloud()
    try:
        site.kubectl("delete", "namespace", "waiting", "empty", "--wait=false")
        site.wait("the empty one gone", lambda: not site.kubectl("get", "namespace", "empty", "--ignore-not-found"), within=60)
        site.wait("its reason", lambda: "conversion webhook" in site.kubectl("get", "namespace", "waiting", "-o", "yaml"), within=60)
    finally:
        site.launch_cloud()
        site.wait_started()
    site.wait("the namespace gone", lambda: not site.kubectl("get", "namespace", "waiting", "--ignore-not-found"), within=90)


def test_a_rolling_update_replaces_the_pods_and_a_rollback_brings_the_first_ones_again(site: ClusterSite, board: Board) -> None:
    container = {"name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", WAITS], "env": [{"name": "EDITION", "value": "1"}]}
    template = {"metadata": {"labels": {"app": "rolling"}}, "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "rolling"}}, "template": template}
    site.kubectl(
        *("apply", "-f", "-"),
        stdin=json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "rolling"}, "spec": spec}),
    )

    def rolled() -> bool:
        return "successfully rolled out" in site.kubectl("rollout", "status", "deployment/rolling", "--timeout=15s")

    def editions() -> set[str]:
        return {pod["spec"]["containers"][0]["env"][0]["value"] for pod in site.pods("app=rolling")}

    try:
        site.wait("both pods", rolled, within=90)
        site.kubectl("set", "env", "deployment/rolling", "EDITION=2")
        site.wait("the second edition", rolled, within=90)
        site.wait("the first edition gone", lambda: editions() == {"2"}, within=60)
        site.kubectl("rollout", "undo", "deployment/rolling")
        site.wait("the first edition again", lambda: rolled() and editions() == {"1"}, within=90)
    finally:
        site.kubectl("delete", "deployment", "rolling")
    site.wait("its pods gone", lambda: not site.pods("app=rolling"), within=60)


def test_an_eviction_ends_a_pod(site: ClusterSite, board: Board, pods: Pods) -> None:
    pods.apply("evicted")
    pods.wait_ready("evicted")
    try:
        site.wait("the node drained", lambda: site.kubectl("drain", board.node, "--pod-selector=claim=cluster", "--force", "--timeout=20s"))
        pods.wait_gone("evicted")
    finally:
        site.kubectl("uncordon", board.node)


def test_an_api_server_that_dials_addresses_alone_finds_a_board_at_that_of_cloudcore(site: ClusterSite, board: Board, pods: Pods) -> None:
    pods.apply("talking", container={"command": ["/bin/sh", "-c", f"echo hello; {WAITS}"]})
    pods.wait_ready("talking")
    usual = site.plane.dials
    site.stop()
    site.plane.dials, site.node_address = "InternalIP,ExternalIP,Hostname", "127.0.0.1"
    try:
        site.start()
        site.wait("the log", lambda: site.kubectl("logs", "talking").strip() == "hello", within=60)
    finally:
        site.stop()
        site.plane.dials, site.node_address = usual, ""
        site.start()
    site.wait("the log", lambda: site.kubectl("logs", "talking").strip() == "hello", within=60)


def test_the_boards_numbers_are_read_through_the_api_server(site: ClusterSite, board: Board, pods: Pods) -> None:
    """As metrics-server reads them, which is not part of Debian's source."""
    pods.apply("measured")
    pods.wait_ready("measured")
    summary = json.loads(site.kubectl("get", "--raw", f"/api/v1/nodes/{board.node}/proxy/stats/summary"))
    assert summary["node"]["nodeName"] == board.node
    assert "measured" in {pod["podRef"]["name"] for pod in summary["pods"]}
    assert 'pod="measured"' in site.kubectl("get", "--raw", f"/api/v1/nodes/{board.node}/proxy/metrics/resource")


def test_kubectl_shows_what_cloudcores_webhook_warns_of_in_a_model(site: ClusterSite) -> None:
    model = (EXAMPLES / "thermometer-model.yaml").read_text().replace("minimum: 50", "minimum: 500")
    command = ("--kubeconfig", site.kubeconfig, "--cache-dir", site.folder / "kubectl-cache", "create", "--dry-run=server", "-f", "-")
    warning = "Warning: property setpoint: the minimum 500 is more than the maximum 350"
    # The API server waits 5 s for a webhook, and then goes on without it.
    site.wait("the warning", lambda: warning in run("sh", "-c", 'kubectl "$@" 2>&1', "sh", *command, stdin=model))


def test_without_cloudcore_devices_are_written_in_v1alpha1_and_v1beta1_names_the_webhook(site: ClusterSite, board: Board) -> None:
    manifests = [EXAMPLES / "thermometer-model.yaml", EXAMPLES / "thermometer.yaml"]
    site.kill_cloud()
    try:
        for manifest in manifests:
            site.kubectl("apply", "-f", manifest)
        assert "thermometer" in site.kubectl("get", DEVICES)
        with pytest.raises(Failed, match=r"conversion webhook for devices\.kubeedge\.io/v1alpha1, Kind=Device failed"):
            site.kubectl("get", "devices.v1beta1.devices.kubeedge.io", "thermometer")
    finally:
        site.launch_cloud()
        site.wait_started()
    assert "modbus-tcp" in site.kubectl("get", "devices.v1beta1.devices.kubeedge.io", "-o", "wide")
    for manifest in reversed(manifests):
        site.kubectl("delete", "-f", manifest)


def test_definitions_that_were_taken_away_are_made_again_at_the_next_start(site: ClusterSite, board: Board, pods: Pods) -> None:
    pods.apply("steady")
    pods.wait_ready("steady")
    kept = pods.containers("steady")
    site.kubectl("delete", "-f", TOP / "packaging/crds")
    site.kill_cloud()
    site.launch_cloud()
    site.wait_started()
    site.wait("the definitions", lambda: site.kubectl("wait", "--for=condition=Established", "crd/devices.devices.kubeedge.io"))
    uid = site.get("pod", "steady")["metadata"]["uid"]
    site.wait("records of what the board has", lambda: site.kubectl("get", "objectsyncs", f"{board.node}.{uid}"))
    assert pods.containers("steady") == kept


def test_a_board_that_dies_is_found_missing_by_the_node_controller_and_comes_back(site: ClusterSite, board: Board, pods: Pods) -> None:
    pods.apply("steady")
    pods.wait_ready("steady")
    kept = pods.containers("steady")
    board.kill()
    site.wait("the node not ready", lambda: conditions(site, board.node)["Ready"] != "True", within=280)
    site.wait("its taint", lambda: site.get("node", board.node)["spec"].get("taints"), within=60)
    board.start()
    site.wait("the node ready", board.ready, within=60)
    site.wait("no taint", lambda: not site.get("node", board.node)["spec"].get("taints"), within=60)
    assert pods.containers("steady") == kept
    pods.wait_ready("steady")


def test_a_node_that_was_deleted_is_there_again_when_its_board_connects(site: ClusterSite, board: Board) -> None:
    """As with a kubelet, which registers at its start."""
    before = site.get("node", board.node)["metadata"]["uid"]
    site.kubectl("delete", "node", board.node)
    board.stop()
    board.start()

    def registered() -> bool:
        node = board.ready()
        return node is not None and node["metadata"]["uid"] != before

    site.wait("the node Ready again", registered, within=60)


def test_an_event_that_repeats_is_counted(site: ClusterSite, pods: Pods) -> None:
    pods.apply("unready", container={"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}})

    def counted() -> bool:
        listed = json.loads(site.kubectl("get", "events", "-o", "json", "--field-selector", "involvedObject.name=unready"))["items"]
        return any(event["reason"] == "Unhealthy" and event["count"] > 1 for event in listed)

    site.wait("a count", counted, within=60)


def test_cloudcore_asks_nothing_that_is_forbidden(site: ClusterSite, pods: Pods, note: Callable[[str], None]) -> None:
    site.kill_cloud()
    site.launch_cloud()
    site.wait_started()
    note("one")
    pods.apply("asking", **with_note())
    pods.wait_ready("asking")
    site.kubectl("delete", "pod", "asking")
    pods.wait_gone("asking")
    with urllib.request.urlopen(f"http://127.0.0.1:{site.metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    asked = [line for line in text.splitlines() if line.startswith("bramble_cloudcore_api_requests_total")]
    assert asked
    assert not [line for line in asked if 'code="403"' in line]
