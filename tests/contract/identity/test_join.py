"""``edgecore join`` against a real enrolment port: what it writes, what it leaves alone, what it says."""

from __future__ import annotations

import argparse
import io
import stat
from pathlib import Path

import pytest

from edgecore.certs import renewal
from edgecore.certs.commands import add_join_parser, run_join
from edgecore.certs.files import belong_together
from edgecore.config import EdgeCoreConfig, read_config
from edgecore.errors import IdentityError
from tests.contract.identity.conftest import Cloud


class Board:
    """A board's directory, and its shell."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "edgecore.yaml"

    def write(self, text: str = "") -> None:
        """A config whose certificate files lie in this board's directory."""
        self.config.write_text(
            "# kept: the first line\n"
            "modules:\n"
            "  edgeHub:  # kept: beside a key\n"
            f"    tlsCaFile: {self.root}/ca.crt\n"
            f"    tlsCertFile: {self.root}/certs/edge.crt\n"
            f"    tlsPrivateKeyFile: {self.root}/certs/edge.key\n"
            f"{text}"
        )

    def join(self, cloud: Cloud, token: str, *flags: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        add_join_parser(parser.add_subparsers())
        args = parser.parse_args(["join", "--cloud", str(cloud.endpoint), "--token", token, "--config", str(self.config), *flags])
        out, err = io.StringIO(), io.StringIO()
        return run_join(args, out, err), out.getvalue(), err.getvalue()

    def read(self) -> EdgeCoreConfig:
        return read_config(self.config)[0]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path)
    made.write()
    return made


def test_join_completes_a_config_and_keeps_what_a_person_wrote(cloud: Cloud, board: Board) -> None:
    board.write("    heartbeat: 7  # kept: quicker than usual\n  eventbus:\n    mqttMode: 1\n# kept: the last line\n")
    board.config.chmod(0o640)
    code, out, err = board.join(cloud, cloud.token_text(), "--name", "board-1", "--hub-port", "11000")
    assert (code, err) == (0, "")
    assert out.startswith("node board-1 joined 127.0.0.1:11000\n")
    modules = board.read().modules
    assert (modules.edged.hostname_override, modules.edgehub.websocket.server) == ("board-1", "127.0.0.1:11000")
    assert modules.edgehub.http_server == f"https://{cloud.endpoint}"
    assert (modules.edgehub.heartbeat, modules.eventbus.mqtt_mode) == (7, 1)
    assert board.config.read_text().count("# kept: ") == 4
    assert stat.S_IMODE(board.config.stat().st_mode) == 0o640
    files = renewal.files_of(modules.edgehub)
    assert belong_together(files.certificate, files.key)


def test_join_writes_a_minimal_config_where_there_is_none(cloud: Cloud, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecore.certs.commands.files_of", lambda _: renewal.files_of(board_hub))
    board_hub = board.read().modules.edgehub
    board.config.unlink()
    assert board.join(cloud, cloud.token_text(), "--name", "board-1")[0] == 0
    assert board.config.read_text().startswith("# With --minconfig ")
    assert board.read().modules.edged.hostname_override == "board-1"
    assert board.read().modules.edgehub.websocket.server == "127.0.0.1:10000"


def test_a_token_in_the_config_is_emptied(cloud: Cloud, board: Board) -> None:
    board.write("    token: aaaa.bbbb.cccc\n")
    assert board.join(cloud, cloud.token_text(), "--name", "board-1")[0] == 0
    assert "aaaa" not in board.config.read_text()


def test_the_same_node_may_join_again(cloud: Cloud, board: Board) -> None:
    assert board.join(cloud, cloud.token_text(), "--name", "board-1")[0] == 0
    assert board.join(cloud, cloud.token_text())[0] == 0


def test_another_identity_is_not_overwritten_without_force(cloud: Cloud, board: Board) -> None:
    assert board.join(cloud, cloud.token_text(), "--name", "board-1")[0] == 0
    before = {path: path.read_bytes() for path in board.root.rglob("*") if path.is_file()}
    code, _, err = board.join(cloud, cloud.token_text(), "--name", "board-2")
    assert code == 1
    assert "is that of node board-1, not board-2; --force replaces it" in err
    assert {path: path.read_bytes() for path in board.root.rglob("*") if path.is_file()} == before
    assert board.join(cloud, cloud.token_text(), "--name", "board-2", "--force")[0] == 0
    assert renewal.current_identity(renewal.files_of(board.read().modules.edgehub)).node == "board-2"  # type: ignore[union-attr]


def test_the_identity_of_another_cluster_is_not_overwritten_without_force(cloud: Cloud, board: Board) -> None:
    assert board.join(cloud, cloud.token_text(), "--name", "board-1")[0] == 0
    other = Cloud()
    try:
        code, _, err = board.join(other, other.token_text())
        assert (code, "is that of another cluster; --force replaces it" in err) == (1, True)
        assert board.join(other, other.token_text(), "--force")[0] == 0
    finally:
        other.close()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--name", "Board_1"], "--name: expected a node name"),
        (["--hub-port", "70000"], "--hub-port: expected a port from 1 to 65535, got 70000"),
        (["--cloud", "a b"], "--cloud: expected HOST or HOST:PORT, got 'a b'"),
        (["--cloud", "h:0"], "--cloud: expected HOST or HOST:PORT, got 'h:0'"),
        (["--cloud", "[::1"], "--cloud: expected HOST or HOST:PORT"),
        (["--token", "abc"], "--token: expected four parts joined by dots"),
        (["--token", "z" * 64 + ".a.b.c"], "--token: expected four parts joined by dots"),
        (["--token", "a" * 64 + "." + "b" * 5000 + ".c.d"], "--token: expected four parts joined by dots"),
    ],
)
def test_a_wrong_flag_is_named_and_changes_nothing(cloud: Cloud, board: Board, flags: list[str], text: str) -> None:
    before = board.config.read_text()
    code, _, err = board.join(cloud, cloud.token_text(), *flags)
    assert (code, text in err) == (2, True)
    assert board.config.read_text() == before
    assert not (board.root / "certs").exists()


def test_a_config_that_cannot_be_used_spends_no_token(cloud: Cloud, board: Board) -> None:
    board.write("    heartbeat: fast\n")
    token = cloud.token_text(one_time=True)
    code, _, err = board.join(cloud, token, "--name", "board-1")
    assert (code, "modules.edgehub.heartbeat: expected seconds, got 'fast'" in err) == (2, True)
    board.config.write_text("modules: {edged: {enable: true}}\n")
    code, _, err = board.join(cloud, token, "--name", "board-1")
    assert (code, "block style" in err) == (1, True)
    board.write()
    (board.root / "certs").write_text("a file where a directory should be")
    code, _, err = board.join(cloud, token, "--name", "board-1")
    assert (code, "cannot be written" in err) == (1, True)
    (board.root / "certs").unlink()
    assert board.join(cloud, token, "--name", "board-1")[0] == 0


def test_the_agent_renews_in_a_process_of_its_own(cloud: Cloud, board: Board) -> None:
    board.write(f"    httpServer: https://{cloud.endpoint}\n")
    hub = board.read().modules.edgehub
    files = renewal.files_of(hub)
    assert renewal.current_identity(files) is None
    first = renewal.enrol(hub, "board-1", cloud.token_text())
    assert renewal.current_identity(files) == first
    second = renewal.renew(hub)
    assert second.serial != first.serial
    assert renewal.current_identity(files) == second


def test_the_agent_hears_why_renewal_failed(cloud: Cloud, board: Board) -> None:
    board.write(f"    httpServer: https://{cloud.endpoint}\n")
    hub = board.read().modules.edgehub
    with pytest.raises(IdentityError, match="cannot be read: No such file"):
        renewal.renew(hub)
    first = renewal.enrol(hub, "board-1", cloud.token_text())
    cloud.do(cloud.identity.revocations.revoke("board-1", now=cloud.now()))
    with pytest.raises(IdentityError, match="was revoked"):
        renewal.renew(hub)
    assert renewal.current_identity(renewal.files_of(hub)) == first
