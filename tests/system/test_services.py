"""Services of a board on real parts, as a user makes them: kubectl, a site, EdgeCore, Podman; then without the cloud (A1, A2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts import Board, Site, owner, quietly
from demo.stage import Failed, wait_for
from tests.bench.figure import pss_mb
from tests.system.conftest import IMAGE

pytestmark = pytest.mark.system

SAYS = 'mkdir -p /tmp; echo "$HOSTNAME" > /tmp/index.html; trap "exit 0" TERM; httpd -p 8080 -h /tmp; while :; do sleep 0.1; done'
WAITS = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
NAMES = ("backend", "backend.default", "backend.default.svc.cluster.local")


def deployment(name: str, script: str, *, replicas: int = 1, **container: Any) -> dict[str, Any]:
    fields = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sh", "-c", script], **container}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [fields], "terminationGracePeriodSeconds": 2}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


class Talk:
    """What the caller's pod hears from the backend."""

    def __init__(self, site: Site, board: Board) -> None:
        self.site = site
        self.board = board

    def ready(self, app: str) -> set[str]:
        """Names of the pods that the API calls ready."""
        found = self.site.pods(f"app={app}")
        return {pod["metadata"]["name"] for pod in found if _condition(pod) == "True" and "deletionTimestamp" not in pod["metadata"]}

    def container(self, pod: str) -> str:
        """Of the board's own engine, so that the cloud is not needed."""
        return self.board.podman("ps", "-q", "--filter", "label=io.bramble.container=main", "--filter", f"name=_{pod}_").split()[0]

    def caller(self) -> str:
        return self.board.podman("ps", "-q", "--filter", "label=io.bramble.container=main", "--filter", "name=_caller-").split()[0]

    def hears(self, name: str = "backend") -> str:
        try:
            return self.board.podman("exec", self.caller(), "timeout", "5", "wget", "-q", "-O", "-", f"http://{name}/").strip()
        except (Failed, IndexError):
            return ""

    def hears_all(self, tries: int = 6) -> set[str]:
        return {self.hears() for _ in range(tries)}


def _table(board: Board, name: str) -> list[str]:
    """What the proxy of this board was told (``table``), or says (``state``)."""
    instance = owner(board.folder).rpartition("=")[2]
    places = [Path(f"/run/bramble-{instance}"), Path(f"/dev/shm/bramble-{instance}"), board.folder / "edged"]
    [folder] = [place / "edgemesh" for place in places if (place / "edgemesh").is_dir()]
    return (folder / name).read_text().splitlines()


def _condition(pod: dict[str, Any]) -> str:
    return next((c["status"] for c in pod["status"].get("conditions", []) if c["type"] == "Ready"), "")


@pytest.fixture(scope="module")
def talk(site: Site, board: Board) -> Iterator[Talk]:
    """A caller, a backend with two pods, and ``kubectl expose``."""
    made = Talk(site, board)
    probe = {"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}, "periodSeconds": 1}
    objects = [deployment("caller", WAITS), deployment("backend", SAYS, replicas=2, readinessProbe=probe)]
    site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    site.kubectl("expose", "deployment", "backend", "--port=80", "--target-port=8080")
    site.wait("the pods ready", lambda: len(made.ready("backend")) == 2 and made.ready("caller"), within=90)
    wait_for("an answer", made.hears, within=30)
    yield made
    for kind in ("deployment", "service"):
        quietly(lambda kind=kind: site.kubectl("delete", kind, "--all", "--wait=false"))


def test_a_pod_reaches_another_deployment_by_the_three_names_of_its_service(talk: Talk) -> None:
    backends = talk.ready("backend")
    assert all(talk.hears(name) in backends for name in NAMES)
    assert talk.hears_all() == backends


def test_kubectl_tells_who_is_behind_the_service(talk: Talk) -> None:
    [line] = talk.site.kubectl("get", "endpoints", "backend", "--no-headers").splitlines()
    addresses = {pod["status"]["podIP"] for pod in talk.site.pods("app=backend")}
    assert all(f"{address}:8080" in line for address in addresses)
    service = talk.site.get("service", "backend")
    assert service["spec"]["clusterIP"].startswith("10.96.")
    described = talk.site.kubectl("describe", "service", "backend")
    assert all(f"{address}:8080" in described for address in addresses), described


def test_a_backend_that_is_scaled_up_gets_its_share(talk: Talk) -> None:
    talk.site.kubectl("scale", "deployment", "backend", "--replicas=3")
    talk.site.wait("a third pod ready", lambda: len(talk.ready("backend")) == 3, within=60)
    wait_for("all three heard", lambda: talk.hears_all(6) == talk.ready("backend"), within=30)
    talk.site.kubectl("scale", "deployment", "backend", "--replicas=2")
    talk.site.wait("two pods", lambda: len(talk.site.pods("app=backend")) == 2, within=60)
    wait_for("two heard", lambda: talk.hears_all(4) == talk.ready("backend"), within=30)


def test_a_pod_that_is_not_ready_gets_nothing(talk: Talk) -> None:
    sick, well = sorted(talk.ready("backend"))
    talk.board.podman("exec", talk.container(sick), "touch", "/tmp/sick")
    talk.site.wait("one pod not ready", lambda: talk.ready("backend") == {well}, within=30)
    assert talk.hears_all(4) == {well}
    talk.board.podman("exec", talk.container(sick), "rm", "/tmp/sick")
    talk.site.wait("both ready", lambda: talk.ready("backend") == {sick, well}, within=30)
    wait_for("both heard", lambda: talk.hears_all(4) == {sick, well}, within=30)


def test_the_proxy_beside_edgecore_is_small(talk: Talk) -> None:
    """EdgeCore has 35 MB (C1); it shares what the two have in common."""
    assert talk.board.process is not None
    [proxy] = [line.split()[1] for line in _table(talk.board, "state") if line.startswith("pid ")]
    assert pss_mb(int(proxy)) < 6


def test_without_the_cloud_everything_goes_on_even_when_edgecore_is_killed_and_every_container_is_gone(talk: Talk) -> None:
    backends = talk.ready("backend")
    talk.site.stop()
    talk.board.kill()
    assert talk.hears_all(4) == backends, "while EdgeCore is away"
    talk.board.start()
    wait_for("the same after its start", lambda: talk.hears_all(4) == backends, within=60)
    talk.board.kill()
    talk.board.remove_containers()
    talk.board.start()
    wait_for("names and turns of a board that was started without a cloud", lambda: talk.hears_all(4) == backends, within=90)
    assert all(talk.hears(name) in backends for name in NAMES)
    talk.site.start()
    talk.site.wait("the pods ready in the API", lambda: talk.ready("backend") == backends, within=60)


def test_a_service_that_is_deleted_has_no_name_any_more_and_no_container_was_touched_for_it(talk: Talk) -> None:
    before = talk.board.containers()
    talk.site.kubectl("delete", "service", "backend")
    wait_for("no answer", lambda: talk.hears() == "", within=30)
    talk.site.kubectl("get", "endpoints")
    assert sorted(talk.board.containers()) == sorted(before)
