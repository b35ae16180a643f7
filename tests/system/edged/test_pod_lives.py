"""How the containers of a pod begin, are watched and end, on real Podman."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.system.edged.conftest import Board

pytestmark = pytest.mark.system

NOTES = "/notes/log"


def noting(word: str, then: str = "") -> list[str]:
    """A command that writes ``word`` down for the tests to read."""
    return ["/bin/sh", "-c", f"echo {word} >> {NOTES}; {then}"]


def test_init_containers_and_sidecars_come_in_order_and_go_in_the_opposite_one(board: Board, tmp_path: Path) -> None:
    document = board.pod("ordered", *noting("main", "sleep 0.5"))
    spec = document["spec"]
    spec["volumes"] = [{"name": "notes", "hostPath": {"path": str(tmp_path)}}]
    until_asked = "trap 'echo end-$NAME >> /notes/log; exit 0' TERM; while :; do sleep 0.05; done"
    inits = [
        {"name": "one", "command": noting("one")},
        {"name": "first", "command": noting("first", until_asked), "restartPolicy": "Always"},
        {"name": "second", "command": noting("second", until_asked), "restartPolicy": "Always"},
        {"name": "two", "command": noting("two")},
    ]
    spec["initContainers"] = [{"image": board.podman.image, "env": [{"name": "NAME", "value": c["name"]}], **c} for c in inits]
    for container in (*spec["initContainers"], *spec["containers"]):
        container["volumeMounts"] = [{"name": "notes", "mountPath": "/notes"}]
    spec["restartPolicy"] = "Never"
    board.apply(document)
    board.meta.wait_for(lambda: board.meta.last_status("ordered").get("phase") == "Succeeded", 30)
    assert (tmp_path / "log").read_text().split() == ["one", "first", "second", "two", "main", "end-second", "end-first"]
    status = board.meta.last_status("ordered")
    reasons = [s["state"]["terminated"]["reason"] for s in status["initContainerStatuses"]]
    assert reasons == ["Completed"] * 4
    board.delete("ordered")


def test_a_dead_server_is_ended_by_its_liveness_probe_and_comes_back(board: Board) -> None:
    words = ("/bin/sh", "-c", "mkdir /w; touch /w/ok /ready; exec httpd -f -p 8080 -h /w")
    fast = {"periodSeconds": 1, "failureThreshold": 1}
    document = board.pod(
        "probed",
        *words,
        startupProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 20},
        livenessProbe={"httpGet": {"path": "/ok", "port": 8080}, "terminationGracePeriodSeconds": 1, **fast},
        readinessProbe={"exec": {"command": ["/bin/cat", "/ready"]}, **fast},
    )
    board.apply(document)
    board.running("probed")
    board.inside("probed", "/bin/rm", "/ready")
    board.meta.wait_for(lambda: not board.meta.last_status("probed")["containerStatuses"][0]["ready"], 20)
    board.inside("probed", "/bin/rm", "/w/ok")
    board.running("probed", restarts=1)
    board.delete("probed")


def test_a_probe_command_that_hangs_is_killed_and_its_pod_alone_is_not_ready(board: Board) -> None:
    hanging = {"exec": {"command": ["/bin/sleep", "777"]}, "periodSeconds": 1, "timeoutSeconds": 1}
    board.apply(board.pod("hanging", readinessProbe=hanging))
    board.apply(board.pod("brisk", readinessProbe={"exec": {"command": ["/bin/true"]}, "periodSeconds": 1}))
    board.running("brisk")

    def stuck() -> dict[str, Any]:
        return (board.meta.last_status("hanging").get("containerStatuses") or [{"state": {}, "ready": False}])[0]

    board.meta.wait_for(lambda: "running" in stuck()["state"], 20)
    assert not stuck()["ready"]

    def commands() -> set[str]:
        lines = board.inside("hanging", "/bin/ps", "-o", "pid,args").splitlines()
        return {line.split()[0] for line in lines if "sleep 777" in line}

    first = board.meta.wait_for(commands, 20)
    board.meta.wait_for(lambda: not first & commands(), 20)  # the next one may be there already
    board.delete("hanging")
    board.delete("brisk")


def test_hooks_frame_the_life_of_a_container(board: Board, tmp_path: Path) -> None:
    log = "/notes/log"
    lifecycle = {
        "postStart": {"exec": {"command": ["/bin/sh", "-c", f"echo hello >> {log}"]}},
        "preStop": {"exec": {"command": ["/bin/sh", "-c", f"echo bye >> {log}"]}},
    }
    until_asked = f"trap 'echo end >> {log}; exit 0' TERM; while :; do sleep 0.05; done"
    volumes = [{"name": "notes", "hostPath": {"path": str(tmp_path)}}]
    mounts = [{"name": "notes", "mountPath": "/notes"}]
    board.apply(board.pod("framed", "/bin/sh", "-c", until_asked, volumes=volumes, volumeMounts=mounts, lifecycle=lifecycle))
    board.running("framed")
    board.delete("framed")
    board.meta.wait_for(lambda: (tmp_path / "log").read_text().split() == ["hello", "bye", "end"], 20)
