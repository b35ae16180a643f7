"""The command line on the board, on real parts, with the cloud stopped (promise A4)."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest

from demo.parts import Board, Site
from demo.stage import wait_for
from tests.system.streams.conftest import TWICE, Local, pod
from tests.system.test_road import DEVICE, MODEL

pytestmark = pytest.mark.system

CONFIG = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"a": "b"}}'
SECRET = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"password": "s3cret"}}'


@pytest.fixture(scope="module", autouse=True)
def offline(site: Site, board: Board, talker: str, local: Local) -> Iterator[None]:
    """A device and a pod on the board, then no cloud."""
    objects = (CONFIG, SECRET, pod("twice", board.node, TWICE), MODEL.replace("probe-model", "dial-model"), _device(board))
    for text in objects:
        site.kubectl("apply", "-f", "-", stdin=text)
    wait_for("the device at the edge", lambda: "dial" in local.say("get", "devices"), within=30)
    wait_for("its status stored", lambda: "2/2" in local.say("get", "pods"), within=30)
    wait_for("the second life", lambda: "second life" in local.run("logs", "twice").stdout, within=30)
    site.stop()
    wait_for("the board to notice", lambda: "offline" in local.say("status"), within=30)
    yield
    site.start()
    site.wait("the node back", board.ready, within=60)
    for text in objects:
        site.kubectl("delete", "--wait=false", "-f", "-", stdin=text)
    site.wait("the pod gone", lambda: "twice" not in {found["metadata"]["name"] for found in site.pods()}, within=60)


def _device(board: Board) -> str:
    return DEVICE.replace("NAME", "dial").replace("NODE", board.node).replace("probe-model", "dial-model")


def test_the_socket_is_for_its_owner_only(board: Board) -> None:
    assert stat.S_IMODE(os.stat(board.folder / "edgecore.sock").st_mode) == 0o600


def test_pods_and_their_state_show_as_kubectl_would_show_them(talker: str, local: Local) -> None:
    lines = [line.split() for line in local.say("get", "pods").splitlines()]
    assert lines[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert next(line for line in lines if line[0] == talker)[1:4] == ["2/2", "Running", "0"]
    shown = json.loads(local.say("get", "pod", talker, "-o", "json"))
    assert shown["status"]["phase"] == "Running"
    described = local.say("describe", "pod", talker)
    assert "State:        running" in described
    assert "server:" in described


def test_a_secret_never_shows_its_values(local: Local) -> None:
    assert "s3cret" not in local.say("get", "secrets", "-A", "-o", "json")


def test_status_says_how_long_the_cloud_is_away_and_what_is_owed(local: Local) -> None:
    status = json.loads(local.say("status", "-o", "json"))
    assert not status["link"]["connected"]
    assert status["outbox"] >= 0
    assert {module["name"] for module in status["modules"]} >= {"edged", "metaManager", "localapi"}


def test_logs_show_both_streams_and_tail_cuts(talker: str, local: Local) -> None:
    done = local.run("logs", talker, "-c", "main")
    assert "first line" in done.stdout
    assert "to stderr" in done.stderr
    assert len(local.say("logs", talker, "-c", "main", "--tail", "2").splitlines()) == 2


def test_logs_follow_what_is_written_later(talker: str, local: Local) -> None:
    with subprocess.Popen(local.command("logs", "-f", "--tail", "1", talker, "-c", "main"), stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        lines = [following.stdout.readline() for _ in range(4)]
        following.kill()
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_what_the_container_before_the_restart_wrote_can_still_be_read(local: Local) -> None:
    assert local.say("logs", "--previous", "twice") == "first life\n"
    assert local.say("logs", "twice") == "second life\n"
    assert json.loads(local.say("get", "pod", "twice", "-o", "json"))["status"]["containerStatuses"][0]["restartCount"] == 1
    refused = local.run("logs", "--previous", "talker", "-c", "server")
    assert "previous terminated container server in pod talker not found" in refused.stderr


def test_logs_can_be_cut_by_time_and_length(local: Local) -> None:
    assert local.say("logs", "twice", "--limit-bytes", "6") == "second"
    assert local.say("logs", "twice", "--since", "1h") == "second life\n"
    assert local.say("logs", "twice", "--since-time", "2001-01-01T00:00:00Z", "--tail", "1") == "second life\n"
    assert local.say("logs", "twice", "--since-time", "2100-01-01T00:00:00Z") == ""
    assert local.say("logs", "twice", "--tail", "0") == ""
    stamp, _, line = local.say("logs", "twice", "--timestamps").partition(" ")
    assert line == "second life\n"
    assert local.say("logs", "twice", "--since-time", stamp[:19] + "Z") == "second life\n"


def test_exec_gives_the_exit_code_and_passes_input_on(talker: str, local: Local) -> None:
    done = local.run("exec", talker, "-c", "main", "-i", "--", "/bin/sh", "-c", "cat; echo no >&2; exit 7", stdin=b"yes\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "yes\n", "no\n")


def test_more_input_than_fits_into_a_window_arrives_whole(talker: str, local: Local) -> None:
    data = os.urandom(1024) * 2000
    done = subprocess.run(
        local.command("exec", talker, "-c", "main", "-i", "--", "cat"), input=data, capture_output=True, timeout=60, check=True
    )
    assert done.stdout == data


def test_a_command_with_a_terminal_knows_its_size(talker: str, local: Local) -> None:
    child, terminal = pty.fork()
    if child == 0:
        termios.tcsetwinsize(0, (33, 99))
        words = local.command("exec", talker, "-c", "main", "-it", "--", "/bin/sh")
        os.execv(words[0], words)
    shown = _until(terminal, b"#")
    os.write(terminal, b"stty size; exit 5\n")
    shown += _until(terminal, b"\0")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert b"33 99" in shown


def _until(terminal: int, word: bytes, within: float = 20.0) -> bytes:
    """What the terminal shows until ``word`` comes or it ends."""
    shown, deadline = b"", time.monotonic() + within
    while word not in shown and time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
    return shown


def test_a_pod_or_container_that_is_not_there_is_named(talker: str, local: Local) -> None:
    assert 'pods "nosuch" not found' in local.run("logs", "nosuch").stderr
    assert "it has main, server" in local.run("logs", talker, "-c", "nosuch").stderr
    done = local.run("exec", talker, "-c", "main", "--", "/bin/nosuch")
    assert done.returncode != 0
    assert "nosuch" in done.stderr + done.stdout


def test_a_restart_starts_the_containers_again_and_counts(talker: str, local: Local) -> None:
    assert "restarted main, server" in local.say("restart", "pod", talker)

    def again() -> bool:
        statuses = json.loads(local.say("get", "pod", talker, "-o", "json"))["status"]["containerStatuses"]
        return all(status["ready"] and status["restartCount"] == 1 for status in statuses)

    wait_for("both running again", again, within=30)


def test_a_desired_value_is_set_on_the_board(local: Local) -> None:
    local.say("twin", "set", "dial", "level=7")
    assert "7" in local.say("twin", "get", "dial", "level").splitlines()[1]
    refused = local.run("twin", "set", "dial", "nosuch=1")
    assert "has no property nosuch" in refused.stderr


def test_top_shows_what_each_container_uses(talker: str, local: Local) -> None:
    rows = json.loads(local.say("top", "-o", "json"))
    assert {row["container"] for row in rows if row["pod"] == talker} == {"main", "server"}


def test_without_edgecore_the_command_line_says_so(tmp_path: object, local: Local) -> None:
    words = local.command("get", "pods")
    done = subprocess.run([*words[:3], f"{tmp_path}/none.sock", "pods"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "EdgeCore does not run on this machine" in done.stderr
