"""What the containers of a pod may do and where they keep things, on real Podman."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edgecore.containers.podman_wire import LOG_BYTES
from tests.fakes.podman import ENDS_WHEN_ASKED
from tests.system.edged.conftest import Board

pytestmark = pytest.mark.system


def status_of_process(board: Board, name: str) -> dict[str, str]:
    lines = board.inside(name, "/bin/cat", "/proc/1/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_rights_are_those_of_the_security_context(board: Board) -> None:
    context = {
        "runAsUser": 1234,
        "runAsGroup": 99,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    narrow = board.pod("narrow", securityContext=context)
    narrow["spec"]["securityContext"] = {"supplementalGroups": [77], "fsGroup": 88}
    board.apply(narrow)
    wide = {"capabilities": {"add": ["NET_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}}
    board.apply(board.pod("wide", securityContext=wide))
    board.running("narrow")
    board.running("wide")
    shown = status_of_process(board, "narrow")
    assert (shown["Uid"].split()[0], shown["Gid"].split()[0]) == ("1234", "99")
    assert {"77", "88"} <= set(shown["Groups"].split())
    assert (int(shown["CapBnd"], 16), shown["NoNewPrivs"]) == (0, "1")
    shown = status_of_process(board, "wide")
    assert int(shown["CapEff"], 16) & (1 << 12)
    assert shown["Seccomp"] == "0"
    board.delete("narrow")
    board.delete("wide")


def test_a_pod_that_asks_for_the_hosts_processes_sees_them_and_others_do_not(board: Board) -> None:
    seeing = board.pod("seeing")
    seeing["spec"]["hostPID"] = True
    board.apply(seeing)
    board.apply(board.pod("blind"))
    board.running("seeing")
    board.running("blind")
    ours = f"/proc/{os.getpid()}/cmdline"
    assert board.inside("seeing", "/bin/cat", ours) == Path(ours).read_text()
    assert board.inside("blind", "/bin/cat", "/proc/1/cmdline") == "\0".join((*ENDS_WHEN_ASKED, ""))
    board.delete("seeing")
    board.delete("blind")


def test_a_container_that_talks_without_end_fills_no_disk_with_its_log(board: Board) -> None:
    lines = 'head -c 49152 /dev/zero | tr "\\0" "x" | fold -w 1023'
    talk = f"i=0; while [ $i -lt 450 ]; do {lines}; i=$((i+1)); done; echo the end; exec sleep 1000"
    board.apply(board.pod("chatter", command=["/bin/sh", "-c", talk], terminationGracePeriodSeconds=0))
    id_ = board.running("chatter")["containerStatuses"][0]["containerID"].removeprefix("podman://")
    log = Path(board.podman.run("inspect", "--format", "{{.HostConfig.LogConfig.Path}}", id_))
    board.meta.wait_for(lambda: log.read_bytes().endswith(b"the end\n"), 60)
    assert log.stat().st_size <= LOG_BYTES
    assert sum(piece.stat().st_size for piece in log.parent.glob(f"{log.name}*")) <= 2 * LOG_BYTES
    board.delete("chatter")


def test_an_image_that_would_run_as_root_is_refused_where_that_is_forbidden(board: Board) -> None:
    board.apply(board.pod("rootless", securityContext={"runAsNonRoot": True}))

    def reason() -> str:
        status = (board.meta.last_status("rootless").get("containerStatuses") or [{"state": {}}])[0]
        return str(status["state"].get("waiting", {}).get("message", ""))

    board.meta.wait_for(lambda: reason() == "container has runAsNonRoot and image will run as root", 20)
    board.delete("rootless")


@pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="no /dev/loop-control here")
def test_a_device_of_the_host_can_be_used_and_others_cannot(board: Board) -> None:
    volumes = [{"name": "loop", "hostPath": {"path": "/dev/loop-control", "type": "CharDevice"}}]
    document = board.pod("device", volumes=volumes, volumeMounts=[{"name": "loop", "mountPath": "/dev/mine"}])
    board.apply(document)
    board.running("device")
    assert board.inside("device", "/bin/sh", "-c", "exec 3<>/dev/mine && echo opened") == "opened"
    number = os.stat("/dev/loop-control").st_rdev
    assert stat.S_ISCHR(os.stat("/dev/loop-control").st_mode)
    make = f"mknod /tmp-dev c {os.major(number)} {os.minor(number)}; (exec 3<>/tmp-dev) 2>/dev/null && echo opened || echo refused"
    board.apply(board.pod("nodevice"))
    board.running("nodevice")
    assert board.inside("nodevice", "/bin/sh", "-c", make) == "refused"
    board.delete("device")
    board.delete("nodevice")


def test_a_device_is_given_by_the_name_of_a_resource_and_waited_for_where_it_is_not_there(board: Board) -> None:
    """The board of these tests calls /dev/loop-control ``bramble.io/loop``, and has no ``bramble.io/serial`` plugged in."""
    board.apply(board.pod("named", resources={"limits": {"bramble.io/loop": "1"}}))
    board.running("named")
    assert board.inside("named", "/bin/sh", "-c", "exec 3<>/dev/loop-control && echo opened") == "opened"
    board.delete("named")
    board.apply(board.pod("unplugged", resources={"limits": {"bramble.io/serial": "1"}}))

    def waiting() -> str:
        status = (board.meta.last_status("unplugged").get("containerStatuses") or [{"state": {}}])[0]
        return str(status["state"].get("waiting", {}).get("message", ""))

    board.meta.wait_for(lambda: waiting() == "device /dev/not-plugged-in is not there", 20)
    board.delete("unplugged")
    capacity = board.meta.node_statuses[-1]["capacity"]
    assert (capacity["bramble.io/loop"], capacity["bramble.io/serial"]) == ("1", "0")


def test_memory_volumes_hold_no_more_than_their_limit_and_are_unmounted_with_the_pod(board: Board) -> None:
    volumes = [{"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    document = board.pod("memory", volumes=volumes, volumeMounts=[{"name": "fast", "mountPath": "/fast"}])
    board.apply(document)
    board.running("memory")
    fill = "dd if=/dev/zero of=/fast/x bs=1k count=4096 2>/dev/null; wc -c < /fast/x"
    assert int(board.inside("memory", "/bin/sh", "-c", fill)) <= 1024**2
    uid = document["metadata"]["uid"]
    assert any(uid in line for line in Path("/proc/self/mounts").read_text().splitlines())
    board.delete("memory")
    board.meta.wait_for(lambda: uid not in Path("/proc/self/mounts").read_text(), 20)


def test_what_is_written_to_a_claim_outlives_the_pod_and_a_claim_that_nobody_made_is_said_to_be_missing(board: Board) -> None:
    claim = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": "/sub", "subPath": "a"}]
    user = {"runAsUser": 1000}
    board.apply(board.pod("first", volumes=claim, volumeMounts=mounts, securityContext=user))

    def message() -> str:
        status = (board.meta.last_status("first").get("containerStatuses") or [{"state": {}}])[0]
        return str(status["state"].get("waiting", {}).get("message", ""))

    board.meta.wait_for(lambda: message() == 'persistentvolumeclaim "data" not found', 20)
    board.meta.objects[("default", "persistentvolumeclaim", "data")] = {"metadata": {"name": "data"}}
    board.running("first")
    board.inside("first", "/bin/sh", "-c", "echo kept > /data/file; echo too > /sub/file")
    board.delete("first")
    board.meta.wait_for(lambda: not board.podman.ids(), 20)
    board.apply(board.pod("second", *ENDS_WHEN_ASKED, volumes=claim, volumeMounts=mounts))
    board.running("second")
    assert board.inside("second", "/bin/cat", "/data/file", "/sub/file").split() == ["kept", "too"]
    board.delete("second")
