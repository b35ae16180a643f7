"""Edged on real Podman: what is inside the containers is what the pods asked for."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from edgecore.beehive.letters import ConfigChanged
from tests.fakes.podman import ENDS_WHEN_ASKED
from tests.system.edged.conftest import Board, free_port

pytestmark = pytest.mark.system


def test_environment_volumes_and_rights_are_as_asked(board: Board) -> None:
    board.meta.objects[("default", "configmap", "conf")] = {"data": {"colour": "blue", "page": "one"}}
    board.meta.objects[("default", "secret", "pass")] = {"data": {"word": base64.b64encode(b"s3cret").decode()}}
    env = [
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "pass", "key": "word"}}},
        {"name": "LINE", "value": "$(WORD) and $(C_colour)"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    mounts = [
        {"name": "conf", "mountPath": "/conf", "readOnly": True},
        {"name": "pass", "mountPath": "/pass"},
        {"name": "work", "mountPath": "/work"},
        {"name": "work", "mountPath": "/inner", "subPath": "a/b"},
        {"name": "conf", "mountPath": "/one/page", "subPath": "page"},
    ]
    volumes = [
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "pass", "secret": {"secretName": "pass", "defaultMode": 0o400}},
        {"name": "work", "emptyDir": {"medium": "Memory"}},
    ]
    rights = {"runAsUser": 1000, "runAsGroup": 1000, "readOnlyRootFilesystem": True}
    document = board.pod(
        "full",
        volumes=volumes,
        env=env,
        envFrom=[{"prefix": "C_", "configMapRef": {"name": "conf"}}],
        volumeMounts=mounts,
        workingDir="/work",
        securityContext=rights,
    )
    document["spec"]["securityContext"] = {"fsGroup": 1000}
    document["spec"]["hostAliases"] = [{"ip": "10.1.2.3", "hostnames": ["db.lan"]}]
    board.apply(document)
    status = board.running("full")
    shown = board.inside("full", "/bin/sh", "-c", "echo $LINE $NODE; cat /conf/page /pass/word /one/page; pwd; id -u; hostname")
    assert shown.split() == ["s3cret", "and", "blue", "edge1", "ones3cretone/work", "1000", "full"]
    assert "10.1.2.3\tdb.lan" in board.inside("full", "/bin/cat", "/etc/hosts")
    refused = board.inside("full", "/bin/sh", "-c", "touch /x /conf/y 2>/dev/null || touch /inner/z && ls /work/a/b")
    assert refused == "z"
    board.meta.objects[("default", "configmap", "conf")] = {"data": {"colour": "red", "page": "two"}}
    board.switchboard.send("edged", ConfigChanged("default/configmap/conf"))
    board.meta.wait_for(lambda: board.inside("full", "/bin/cat", "/conf/page") == "two")
    assert board.meta.last_status("full") == status
    board.delete("full")


def test_a_published_port_answers(board: Board) -> None:
    port = free_port()
    ports = [{"containerPort": 8080, "hostPort": port, "hostIP": "127.0.0.1"}]
    board.apply(board.pod("port", "/bin/sh", "-c", "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www", ports=ports))
    board.running("port")

    def page() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
                text: str = answer.read().decode().strip()
                return text
        except OSError:
            return ""

    board.meta.wait_for(lambda: page() == "hello")
    board.delete("port")


def test_limits_are_in_the_cgroup_or_left_out_with_a_condition(board: Board) -> None:
    board.apply(board.pod("limits", resources={"limits": {"cpu": "500m", "memory": "32Mi"}}))
    status = board.running("limits")
    found = json.loads(board.podman.run("inspect", status["containerStatuses"][0]["containerID"].removeprefix("podman://")))[0][
        "HostConfig"
    ]
    missing = {c["type"] for c in status["conditions"]} & {"ResourceLimitsKept"}
    assert missing or (found["Memory"], found["CpuQuota"]) == (32 * 1024**2, 50_000)
    assert status["qosClass"] == "Guaranteed"
    board.delete("limits")


def test_containers_of_one_pod_reach_each_other_on_loopback_and_know_their_address(board: Board) -> None:
    document = board.pod("two", env=[{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}])
    server = {"name": "server", "image": board.podman.image, "command": ["/bin/sh", "-c", "echo hi > /i; exec httpd -f -p 8081 -h /"]}
    document["spec"]["containers"].append(server)
    board.apply(document)
    status = board.running("two")
    assert board.inside("two", "/bin/sh", "-c", "echo $IP") == status["podIP"]
    board.meta.wait_for(lambda: board.inside("two", "/bin/sh", "-c", "wget -qO- http://127.0.0.1:8081/i || true") == "hi")
    board.delete("two")


def test_a_grace_that_is_not_used_up_costs_no_time_and_one_that_is_ends_with_a_kill(board: Board) -> None:
    for name, words, code in (("polite", ENDS_WHEN_ASKED, 0), ("deaf", ("/bin/sleep", "1000"), 137)):
        document = board.pod(name, *words)
        board.apply(document)
        board.running(name)
        ending = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 2}
        began = time.monotonic()
        board.apply({**document, "metadata": {**document["metadata"], **ending}})
        board.meta.wait_for(lambda name=name: board.meta.last_status(name)["phase"] in ("Succeeded", "Failed"), 10)
        took = time.monotonic() - began
        state = board.meta.last_status(name)["containerStatuses"][0]["state"]["terminated"]
        assert state["exitCode"] == code
        assert (took < 2) is (code == 0)
        board.delete(name)


def test_a_killed_container_runs_again_without_polling(board: Board) -> None:
    board.apply(board.pod("phoenix"))
    before = board.running("phoenix")
    board.podman.run("kill", before["containerStatuses"][0]["containerID"].removeprefix("podman://"))
    after = board.running("phoenix", restarts=1)
    assert after["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    assert after["podIP"] == before["podIP"]
    board.delete("phoenix")


def test_a_restart_of_edged_keeps_start_times_and_makes_again_what_was_removed_meanwhile(board: Board) -> None:
    board.apply(board.pod("kept"))
    board.apply(board.pod("lost"))
    kept, lost = board.running("kept"), board.running("lost")
    board.stop()
    board.podman.run("rm", "-f", "-t", "0", lost["containerStatuses"][0]["containerID"].removeprefix("podman://"))
    told = len(board.meta.statuses)
    board.start()
    board.meta.wait_for(lambda: {name for name, _ in board.meta.statuses[told:]} >= {"kept", "lost"}, 20)
    assert board.running("kept")["containerStatuses"] == kept["containerStatuses"]
    assert board.running("lost", restarts=1)["containerStatuses"][0]["containerID"] != lost["containerStatuses"][0]["containerID"]
    board.delete("kept")
    board.delete("lost")


def test_a_container_that_podmans_storage_lost_is_made_again(board: Board) -> None:
    board.apply(board.pod("torn"))
    id_ = board.running("torn")["containerStatuses"][0]["containerID"].removeprefix("podman://")
    board.stop()
    board.podman.run("kill", id_)
    [listing] = [
        path
        for path in Path(board.podman.run("info", "--format", "{{.Store.GraphRoot}}")).glob("*-containers/*containers.json")
        if id_ in path.read_text()
    ]
    listing.write_text(json.dumps([entry for entry in json.loads(listing.read_text()) if entry["id"] != id_]))
    board.start()
    assert not board.running("torn", restarts=1)["containerStatuses"][0]["containerID"].endswith(id_)
    assert id_ not in board.podman.run("ps", "-a", "--no-trunc", "--format", "{{.ID}}")
    board.delete("torn")


def services(board: Board) -> list[int]:
    """The Podman services of this board."""
    found = subprocess.run(["pgrep", "-f", f"podman system service .*{board.podman.root}/"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_a_dead_podman_service_is_replaced_and_harms_no_container(board: Board) -> None:
    board.apply(board.pod("steady"))
    before = board.running("steady")
    [old] = services(board)
    os.kill(old, signal.SIGKILL)
    board.meta.wait_for(lambda: services(board) not in ([], [old]), 20)
    board.apply(board.pod("next"))
    board.running("next")
    assert board.meta.last_status("steady")["containerStatuses"] == before["containerStatuses"]
    board.delete("steady")
    board.delete("next")


def test_a_volume_of_the_host_is_checked_before_the_container_is_made(board: Board, tmp_path: Path) -> None:
    mounts = [{"name": "h", "mountPath": "/h"}]
    missing = {"path": str(tmp_path / "none"), "type": "Directory"}
    board.apply(board.pod("host", volumes=[{"name": "h", "hostPath": missing}], volumeMounts=mounts))
    board.meta.wait_for(lambda: "is not a Directory" in json.dumps(board.meta.last_status("host")))
    (tmp_path / "none").mkdir()
    board.running("host")
    board.inside("host", "/bin/touch", "/h/x")
    assert (tmp_path / "none/x").exists()
    board.delete("host")
