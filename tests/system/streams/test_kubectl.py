"""Real kubectl against a real pod on a real board: logs, exec, attach, port-forward, cp; over websockets and over SPDY."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts import Board, Site
from demo.stage import free_port, wait_for
from tests.system.conftest import IMAGE
from tests.system.streams.conftest import environment, pod

pytestmark = pytest.mark.system

WEBSOCKETS = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "true"}
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
"""As kubectl spoke before 1.31, and speaks to API servers that know no websockets."""

ECHOER = {
    "name": "echoer",
    "image": IMAGE,
    "stdin": True,
    "command": ["/bin/sh", "-c", "while read -r line; do echo got $line; done; exec sleep 600"],
}


class Kubectl:
    def __init__(self, site: Site, env: dict[str, str]) -> None:
        self._own = ["kubectl", "--kubeconfig", str(site.kubeconfig), "--cache-dir", str(site.folder / "kubectl-cache")]
        self._env = environment(**env)

    def command(self, *words: str | Path) -> list[str]:
        return [*self._own, *map(str, words)]

    def run(self, *words: str | Path, stdin: bytes = b"", within: float = 60.0) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.command(*words), input=stdin, capture_output=True, env=self._env, timeout=within)

    def say(self, *words: str | Path, stdin: bytes = b"") -> bytes:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._env)

    def on_terminal(self, *words: str) -> tuple[int, int]:
        """(process, terminal) of 33 lines and 99 columns."""
        child, terminal = pty.fork()
        if child == 0:
            termios.tcsetwinsize(0, (33, 99))
            command = self.command(*words)
            os.execvpe(command[0], command, self._env)
        return child, terminal


@pytest.fixture(scope="module", params=["websockets", "spdy"])
def kubectl(request: pytest.FixtureRequest, site: Site, talker: str) -> Kubectl:
    return Kubectl(site, WEBSOCKETS if request.param == "websockets" else SPDY)


@pytest.fixture
def echoer(site: Site, board: Board) -> Iterator[str]:
    site.kubectl("apply", "-f", "-", stdin=pod("echoer", board.node, ECHOER))
    site.wait("the echoer running", lambda: site.get("pod", "echoer")["status"].get("phase") == "Running", within=60)
    yield "echoer"
    site.wait("the echoer gone", lambda: site.kubectl("delete", "pod", "echoer", "--ignore-not-found", "--timeout=15s") is not None)


def test_logs_come_with_their_options(talker: str, kubectl: Kubectl) -> None:
    whole = kubectl.say("logs", talker, "-c", "main").decode()
    assert "first line" in whole
    assert "to stderr" in whole
    assert len(kubectl.say("logs", talker, "-c", "main", "--tail", "2").splitlines()) == 2
    stamped = kubectl.say("logs", talker, "-c", "main", "--tail", "1", "--timestamps").decode()
    assert stamped.split("T")[0].count("-") == 2
    assert kubectl.say("logs", talker, "-c", "main", "--limit-bytes", "5") == whole[:5].encode()
    wait_for("a log older than its last seconds", lambda: kubectl.say("logs", talker, "-c", "main").count(b"\n") > 40, within=40)
    recent = kubectl.say("logs", talker, "-c", "main", "--since", "2s").decode()
    assert "first line" not in recent
    assert recent.startswith("line ")


def test_logs_are_followed(talker: str, kubectl: Kubectl) -> None:
    with kubectl.start("logs", "-f", "--tail", "1", talker, "-c", "main") as following:
        assert following.stdout is not None
        numbers = [int(following.stdout.readline().split()[1]) for _ in range(5)]
        following.kill()
    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_a_container_that_is_not_named_clearly_is_asked_for(talker: str, kubectl: Kubectl) -> None:
    refused = kubectl.run("logs", talker, "-c", "nosuch")
    assert refused.returncode == 1
    assert b"container nosuch is not valid for pod talker" in refused.stderr


def test_exec_passes_input_output_and_the_exit_code(talker: str, kubectl: Kubectl) -> None:
    done = kubectl.run("exec", "-i", talker, "-c", "main", "--", "/bin/sh", "-c", "cat; echo no >&2; exit 7", stdin=b"yes\n")
    assert (done.returncode, done.stdout) == (7, b"yes\n")
    assert b"no\n" in done.stderr
    assert b"exit code 7" in done.stderr
    assert kubectl.run("exec", talker, "-c", "main", "--", "true").returncode == 0


def test_a_command_that_is_not_there_is_named(talker: str, kubectl: Kubectl) -> None:
    done = kubectl.run("exec", talker, "-c", "main", "--", "/bin/nosuch")
    assert done.returncode != 0
    assert b"nosuch" in done.stderr + done.stdout


def test_megabytes_go_through_whole(talker: str, kubectl: Kubectl) -> None:
    data = os.urandom(1024) * 3000
    assert kubectl.say("exec", "-i", talker, "-c", "main", "--", "cat", stdin=data) == data


def test_a_command_that_stops_reading_its_input_still_ends(talker: str, kubectl: Kubectl) -> None:
    """Podman (4.3) loses the output now and then, as it does for ``podman exec -i`` itself; then it is said."""
    done = kubectl.run("exec", "-i", talker, "-c", "main", "--", "head", "-c", "3", stdin=b"abcdef" * 200_000)
    assert done.returncode == 0
    assert done.stdout == b"abc" or b"connection reset by peer" in done.stderr


def test_a_terminal_knows_its_size_and_hears_of_a_change(talker: str, kubectl: Kubectl) -> None:
    child, terminal = kubectl.on_terminal("exec", "-it", talker, "-c", "main", "--", "/bin/sh")
    shown = _until(terminal, b"#")
    os.write(terminal, b"stty size\n")
    shown += _until(terminal, b"33 99")
    termios.tcsetwinsize(terminal, (44, 111))

    def resized() -> bool:
        os.write(terminal, b"stty size\n")
        return b"44 111" in _until(terminal, b"44 111", within=1.0)

    wait_for("the new size", resized, within=15)
    os.write(terminal, b"exit 5\n")
    _until(terminal, b"\0")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert b"33 99" in shown


def test_attach_joins_the_container_s_own_input_and_output(echoer: str, kubectl: Kubectl) -> None:
    with subprocess.Popen(kubectl.command("attach", "-i", echoer), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attached:
        assert attached.stdin is not None and attached.stdout is not None
        attached.stdin.write(b"a word\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"got a word\n"
        attached.kill()


@contextlib.contextmanager
def _forwarded(kubectl: Kubectl, pod_name: str, port: int) -> Iterator[int]:
    local = free_port()
    with kubectl.start("port-forward", pod_name, f"{local}:{port}") as forwarding:
        assert forwarding.stdout is not None
        assert b"Forwarding from" in forwarding.stdout.readline()
        yield local
        forwarding.kill()


def test_a_port_is_forwarded_again_and_again(talker: str, kubectl: Kubectl) -> None:
    with _forwarded(kubectl, talker, 8080) as local:
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{local}/index.html", timeout=20) as answer:
                assert answer.read() == b"from the pod\n"


def test_a_port_on_which_nobody_listens_says_so(talker: str, kubectl: Kubectl) -> None:
    local = free_port()
    with kubectl.start("port-forward", talker, f"{local}:9999") as forwarding:
        assert forwarding.stdout is not None
        forwarding.stdout.readline()
        with pytest.raises((urllib.error.URLError, ConnectionError, OSError)):
            urllib.request.urlopen(f"http://127.0.0.1:{local}/", timeout=20)
        said = b"".join(iter(forwarding.stdout.readline, b"")) if forwarding.poll() is not None else _lines(forwarding, b"9999:")
        forwarding.kill()
    assert b"an error occurred forwarding" in said


def test_files_are_copied_both_ways(talker: str, kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(os.urandom(300_000))
    kubectl.say("cp", tmp_path / "there", f"{talker}:/copied", "-c", "main")
    kubectl.say("cp", f"{talker}:/copied", tmp_path / "back", "-c", "main")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()


def test_top_shows_what_the_board_and_its_containers_use(talker: str, board: Board, kubectl: Kubectl) -> None:
    node = kubectl.say("top", "node", board.node).decode().splitlines()[1].split()
    assert node[0] == board.node
    assert node[1].endswith("m")
    used = kubectl.say("top", "pod", talker, "--containers").decode().splitlines()[1:]
    assert {line.split()[1] for line in used} == {"main", "server"}


def test_the_log_of_the_container_before_a_restart_is_kept(site: Site, board: Board, kubectl: Kubectl) -> None:
    dies = {"name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", "echo one life; sleep 2; exit 3"]}
    site.kubectl("apply", "-f", "-", stdin=pod("dies", board.node, dies))
    try:
        site.wait("its second life", lambda: _restarts(site, "dies") > 0, within=60)
        assert kubectl.say("logs", "dies", "--previous") == b"one life\n"
    finally:
        site.wait("the pod gone", lambda: site.kubectl("delete", "pod", "dies", "--ignore-not-found", "--timeout=15s") is not None)


def _restarts(site: Site, name: str) -> int:
    statuses = site.get("pod", name)["status"].get("containerStatuses", [])
    return int(statuses[0]["restartCount"]) if statuses else 0


def _lines(process: subprocess.Popen[bytes], word: bytes, within: float = 20.0) -> bytes:
    said, deadline = b"", time.monotonic() + within
    assert process.stdout is not None
    while word not in said and time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.2)[0]:
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                break
            said += piece
    return said


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
