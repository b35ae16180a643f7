"""A board's pods after the worst that can happen to it: a reboot without a cloud and with a wrong clock, kills in the middle of its work
(A1 to A3)."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts import Board, Site, owner, quietly
from demo.stage import Failed, wait_for
from tests.fakes.wallclock import WallClock
from tests.system.churn import Churn, apply, container, lasting_pods, needs, pod, ready, running, statuses
from tests.system.conftest import IMAGE

pytestmark = pytest.mark.system

KILLS = 12
SEED = 20_260_401


Ids = dict[tuple[str, str], str]
"""(pod, container) to id."""


@pytest.fixture
def steady(site: Site, board: Board) -> Iterator[Ids]:
    """Pods of every kind that run; the ids of their containers."""
    apply(site, *needs(), *lasting_pods(IMAGE, "steady"))
    site.wait("every pod ready", lambda: ready(site, "steady") or None, within=90)
    yield running(board, "steady")
    try:
        site.kubectl("get", "nodes")
    except Failed:  # a test that failed while the site was stopped
        site.start()
    site.kubectl("delete", "pod", "-l", "group=steady", "--wait=false")
    site.wait("the pods gone", lambda: not site.pods("group=steady") or None, within=60)


@pytest.fixture
def clock(site: Site, board: Board, tmp_path: Path) -> Iterator[WallClock]:
    """Of an EdgeCore that the test starts with it; afterwards one with the right time runs, and the pods of group jump are gone."""
    yield WallClock(tmp_path)
    board.kill()
    board.start()
    quietly(lambda: site.kubectl("delete", "pod", "-l", "group=jump", "--wait=false"))
    quietly(lambda: site.wait("the pods gone", lambda: not site.pods("group=jump") or None, within=60))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("containers", ["gone", "ended"])
def test_after_a_reboot_in_1970_without_a_cloud_every_pod_runs_again_within_a_minute(
    site: Site, board: Board, steady: Ids, clock: WallClock, containers: str
) -> None:
    """``ended``: as after a power cut, when the engine finds them as they were; they ended in a year that has not come yet. Podman (a Go
    program) keeps the machine's own clock, which is harder than a board that is in 1970 as a whole."""
    site.stop()
    board.kill()
    if containers == "gone":
        board.remove_containers()
        assert board.containers() == []
    else:
        kill_containers(board)
        assert running(board, "steady") == {}
    clock.show("1970-01-01T00:15:00")
    board.start(clock.environment)
    wait_for("every pod running, made by a board without a cloud", lambda: running(board, "steady").keys() == steady.keys(), within=60)
    assert "\n1970-01-01T" in (site.folder / f"{board.node}.log").read_text()
    made = running(board, "steady")
    site.start()

    def told() -> bool:
        ids = {s["containerID"].rpartition("/")[2] for pod in site.pods("group=steady") for s in statuses(pod)}
        return ready(site, "steady") and set(made.values()) <= ids

    site.wait("the true statuses in the API", lambda: told() or None, within=60)
    assert running(board, "steady") == made
    counts = {(p["metadata"]["name"], s["name"]): s["restartCount"] for p in site.pods("group=steady") for s in statuses(p)}
    assert {place: counts[place] for place in made} == dict.fromkeys(made, 1)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("years", [50, -50])
def test_a_clock_that_is_set_while_pods_run_restarts_nothing_and_stops_no_timer(
    site: Site, board: Board, steady: Ids, clock: WallClock, years: int
) -> None:
    """Back-off, probes, statuses and pods to come go on as if nothing had been."""
    board.kill()
    board.start(clock.environment)
    crash = {**container(IMAGE, command=["/bin/sh", "-c", "exit 1"])}
    flag = {"exec": {"command": ["/bin/ls", "/memory/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    memory = {"volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}]}
    probed = container(IMAGE, volumeMounts=[{"name": "memory", "mountPath": "/memory"}], readinessProbe=flag)
    apply(site, pod(IMAGE, "jump-crash", "jump", containers=[crash]), pod(IMAGE, "jump-probed", "jump", containers=[probed], **memory))

    def crashed(times: int) -> bool:
        found = statuses(site.get("pod", "jump-crash"))
        return bool(found) and found[0]["restartCount"] == times and "waiting" in found[0]["state"]

    site.wait("a back-off", lambda: crashed(1) or None, within=60)
    clock.be_off_by(years * 365 * 86400)
    since = time.monotonic()
    site.wait("the next back-off", lambda: crashed(2) or None, within=60)
    assert time.monotonic() - since > 5, "ten seconds of back-off had hardly begun"
    board.podman("exec", running(board, "jump")[("jump-probed", "main")], "touch", "/memory/ok")
    site.wait("an answer of the probe", lambda: _is_ready(site.get("pod", "jump-probed")) or None, within=30)
    apply(site, pod(IMAGE, "jump-new", "jump"))
    site.wait("a pod of the other time", lambda: _is_ready(site.get("pod", "jump-new")) or None, within=30)
    assert running(board, "steady") == steady
    assert board.ready()
    clock.be_off_by(0)
    site.kubectl("delete", "pod", "-l", "group=jump", "--wait=false")
    site.wait("the pods gone", lambda: not site.pods("group=jump") or None, within=60)
    assert running(board, "steady") == steady


def test_a_pod_in_the_folder_of_the_board_runs_without_a_cloud_and_goes_with_its_file(site: Site, board: Board) -> None:
    site.stop()
    folder = board.folder / "manifests"
    folder.mkdir()
    (folder / "static.json").write_text(json.dumps(pod(IMAGE, "static", "static")))
    wait_for("the static pod", lambda: running(board, "static"), within=60)
    before = running(board, "static")
    board.kill()
    board.start()
    site.start()
    site.wait("the node Ready", board.ready, within=60)
    assert running(board, "static") == before
    (folder / "static.json").unlink()
    wait_for("the static pod gone", lambda: not running(board, "static"), within=60)


def kill_containers(board: Board) -> None:
    """At once, those that hold networks too, with nobody there to see it."""
    board.podman("kill", *board.podman("ps", "-q", "--filter", f"label={owner(board.folder)}").split())


def _is_ready(found: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", []))


@pytest.mark.timeout(500)
def test_killed_at_random_while_pods_come_and_go_nothing_is_restarted_doubled_or_left_over(site: Site, board: Board) -> None:
    churn = Churn(site, board, IMAGE, random.Random(SEED))
    churn.begin()
    try:
        for _ in range(KILLS):
            churn.stir()
            churn.wait_for_a_moment()
            board.kill()
            churn.look_for_twins()
            board.start()
        assert churn.faults(within=120) == []
    finally:
        churn.end()
