"""The examples, applied with kubectl to a real site and a real board, unchanged but for the image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts import Board, Site, quietly
from demo.stage import Failed
from demo.steps import EXAMPLES
from tests.system.conftest import IMAGE

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PODS = EXAMPLES / "pods"
WITHIN = 120.0


class Applied:
    """``apply`` lays an example; everything of it goes at the end of the test."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._laid: list[str] = []

    def apply(self, name: str) -> None:
        self.apply_text((PODS / name).read_text())

    def apply_text(self, text: str) -> None:
        assert "image: busybox:1.36" in text
        self._laid.append(text.replace("busybox:1.36", IMAGE))
        self.site.kubectl("apply", "-f", "-", stdin=self._laid[-1])

    def remove(self) -> None:
        for text in self._laid:
            quietly(lambda text=text: self.site.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text))
        self.wait("everything gone", self._is_gone)

    def _is_gone(self) -> bool:
        """Raises Failed: what is still there, and how."""
        left = [
            {"name": pod["metadata"]["name"], "going": pod["metadata"].get("deletionTimestamp"), **pod["status"]}
            for pod in self.site.pods()
        ]
        if left:
            raise Failed(json.dumps(left))
        return True

    def wait(self, what: str, claim: Callable[[], Any]) -> None:
        self.site.wait(what, lambda: claim() or None, within=WITHIN)


@pytest.fixture
def example(site: Site, board: Board) -> Iterator[Applied]:
    made = Applied(site)
    yield made
    made.remove()


def status(site: Site, kind: str, name: str) -> dict[str, Any]:
    return dict(site.get(kind, name).get("status") or {})


def ready(site: Site, name: str) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status(site, "pod", name).get("conditions", []))


def inside(board: Board, site: Site, pod: str, *words: str, container: str = "") -> str:
    told = status(site, "pod", pod)["containerStatuses"]
    found = next(one for one in told if container in ("", one["name"]))
    return board.podman("exec", found["containerID"].rpartition("/")[2], *words)


def test_every_example_is_tried() -> None:
    text = Path(__file__).read_text()
    listed = (PODS / "README.md").read_text()
    for file in PODS.glob("*.yaml"):
        assert f'apply("{file.name}")' in text
        assert f"`{file.name}`" in listed


def test_containers_share_a_volume_and_a_sidecar_counts_among_them(example: Applied, board: Board, site: Site) -> None:
    example.apply("shared-volume.yaml")
    example.wait("the pod ready", lambda: ready(site, "shared-volume"))
    page = inside(board, site, "shared-volume", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/", container="server")
    assert page.strip()
    shown = site.kubectl("get", "pod", "shared-volume", "--no-headers").split()
    assert shown[1:3] == ["3/3", "Running"]


def test_probes_decide_when_a_server_is_ready_and_end_it_when_it_hangs(example: Applied, site: Site) -> None:
    example.apply("probes.yaml")
    example.wait("the pod ready", lambda: ready(site, "probes"))
    example.wait("a restart", lambda: status(site, "pod", "probes")["containerStatuses"][0]["restartCount"] >= 1)
    events = json.loads(site.kubectl("get", "events", "-o", "json", "--field-selector", "involvedObject.name=probes"))["items"]
    assert any(event["reason"] == "Unhealthy" and "Liveness" in event["message"] for event in events)
    example.wait("the pod ready again", lambda: ready(site, "probes"))


def test_hooks_are_run_at_the_beginning_and_the_end(example: Applied, site: Site) -> None:
    notes = Path("/tmp/bramble-lifecycle")
    shutil.rmtree(notes, ignore_errors=True)
    example.apply("lifecycle.yaml")
    example.wait("the pod ready", lambda: ready(site, "lifecycle"))
    site.kubectl("delete", "pod", "lifecycle")
    assert (notes / "log").read_text().split() == ["hello", "goodbye"]
    shutil.rmtree(notes)


def test_a_pod_knows_what_was_projected_into_it(example: Applied, board: Board, site: Site) -> None:
    example.apply("projected.yaml")
    example.wait("the pod ready", lambda: ready(site, "projected"))
    read = inside(
        board, site, "projected", "cat", "/etc/all/config/colour", "/etc/all/secret/password", "/etc/all/labels", "/etc/all/memory"
    )
    assert read == 'greenbrambletier="edge"32'
    modes = inside(board, site, "projected", "stat", "-L", "-c", "%a", "/etc/all/config/colour", "/etc/all/secret/password")
    assert modes.split() == ["440", "400"]
    variables = inside(board, site, "projected", "env").splitlines()
    assert {"SIZE=large", "BUILD=42", f"NODE={board.node}", "CONFIG_colour=green"} <= set(variables)


def test_a_claim_is_bound_where_its_pod_went_and_what_was_written_outlives_pod_and_claim(
    example: Applied, board: Board, site: Site
) -> None:
    def running() -> list[str]:
        return [p["metadata"]["name"] for p in site.pods("app=counter") if ready(site, p["metadata"]["name"])]

    example.apply("claim.yaml")
    example.wait("the claim bound", lambda: status(site, "pvc", "counter").get("phase") == "Bound")
    claim = site.get("pvc", "counter")
    assert claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == board.node
    assert site.kubectl("get", "pvc", "counter", "--no-headers").split()[1:6] == [
        *("Bound", claim["spec"]["volumeName"], "10Mi", "RWO", "local")
    ]
    example.wait("the pod ready", running)
    site.kubectl("delete", "pvc", "counter", "--wait=false")
    assert site.get("pvc", "counter")["metadata"]["deletionTimestamp"], "its pod writes to it"
    site.kubectl("scale", "deployment", "counter", "--replicas=0")
    example.wait("the claim gone", lambda: not json.loads(site.kubectl("get", "pvc", "-o", "json"))["items"])
    assert status(site, "pv", claim["spec"]["volumeName"])["phase"] == "Released"
    example.apply("claim.yaml")
    example.wait("the pod ready again", running)
    assert inside(board, site, running()[0], "cat", "/data/log").split() == ["started", "started"]
    assert site.get("pvc", "counter")["spec"]["volumeName"] == claim["spec"]["volumeName"]
    for volume in board.podman("volume", "ls", "-q", "--filter", "label=io.bramble.claim=counter").split():
        example.remove()
        board.podman("volume", "rm", volume)


def test_jobs_come_to_their_end(example: Applied, site: Site) -> None:
    def ended(name: str, kind: str) -> bool:
        return any(c["type"] == kind and c["status"] == "True" for c in status(site, "job", name).get("conditions", []))

    example.apply("job.yaml")
    example.wait("several done", lambda: ended("several", "Complete"))
    example.wait("numbered done", lambda: ended("numbered", "Complete"))
    example.wait("hopeless given up", lambda: ended("hopeless", "Failed"))
    assert status(site, "job", "several")["succeeded"] == 3
    assert status(site, "job", "numbered")["completedIndexes"] == "0-2"
    assert status(site, "job", "hopeless")["failed"] == 1
    codes = {p["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for p in site.pods("job-name=hopeless")}
    assert codes == {7}


def test_a_cron_job_makes_a_job_in_its_minute(example: Applied, site: Site) -> None:
    example.apply("cronjob.yaml")
    example.wait("a success", lambda: status(site, "cronjob", "every-minute").get("lastSuccessfulTime"))
    shown = site.kubectl("get", "cronjob", "every-minute", "--no-headers").split()
    assert shown[1:6] == ["*", "*", "*", "*", "*"]
    site.kubectl("create", "job", "--from=cronjob/every-minute", "by-hand")
    example.wait("the job by hand", lambda: status(site, "job", "by-hand").get("succeeded") == 1)
    site.kubectl("patch", "cronjob", "every-minute", "-p", '{"spec":{"suspend":true}}')
    assert site.get("cronjob", "every-minute")["spec"]["suspend"] is True
    site.kubectl("delete", "job", "by-hand", "--wait=false")


def test_a_daemon_set_runs_on_every_board_also_on_one_that_comes_later(example: Applied, board: Board, site: Site) -> None:
    def nodes() -> set[str]:
        return {p["spec"].get("nodeName", "") for p in site.pods("app=everywhere") if ready(site, p["metadata"]["name"])}

    example.apply("daemonset.yaml")
    example.wait("a pod on the board", lambda: nodes() == {board.node})
    second = Board(site, f"second-{site.api}")
    second.join()
    second.start()
    try:
        example.wait("the second board", second.ready)
        example.wait("a pod on both", lambda: nodes() == {board.node, second.node})
        counts = status(site, "daemonset", "everywhere")
        assert (counts["desiredNumberScheduled"], counts["numberReady"]) == (2, 2)
        example.remove()
    finally:
        second.stop()
        second.remove_containers()
        quietly(lambda: site.kubectl("delete", "node", second.node))
