"""Certificates from their first day to their last on real processes: A1, A5, X2, X3, X5; P2.7 to P2.10."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from demo.stage import BIN, free_port, run
from tests.fakes.wallclock import WallClock
from tests.system.identity.cluster import Board, Cluster

pytestmark = pytest.mark.system

DAYS = timedelta(days=1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.start_api()
    made.start_core()
    yield made
    made.stage.stop()


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One that a test may take apart."""
    made = Cluster(tmp_path)
    made.start_api()
    made.start_core()
    yield made
    made.stage.stop()


def linked(board: Board, times: int = 1) -> None:
    board.wait("the link", lambda: board.links() >= times)


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


def test_a_certificate_that_ran_out_while_the_board_was_away_is_renewed_without_a_person(cluster: Cluster) -> None:
    board = cluster.board("away")
    old = board.wear(age=40 * DAYS, lifetime=30 * DAYS, now=time.time())
    board.start()
    linked(board)
    assert board.identity().serial != old
    assert board.identity().not_after > time.time()
    assert "the certificate ran out on" in cluster.log
    board.stop()


def test_a_certificate_is_renewed_before_it_ends(cluster: Cluster) -> None:
    board = cluster.board("due")
    old = board.wear(age=95 * DAYS, lifetime=100 * DAYS, now=time.time())
    board.start()
    linked(board)
    board.wait("another certificate", lambda: board.identity().serial != old)
    board.stop()


def test_a_revoked_node_is_cut_off_and_stays_out_until_it_is_allowed(cluster: Cluster) -> None:
    board = cluster.board("stolen")
    board.start()
    linked(board)
    assert "revoked" in cluster.cloudcore("node", "revoke", "stolen")
    board.wait("the end of the session", lambda: "this node's certificate was revoked" in board.log, within=10)
    board.wait("the refusal", lambda: "403 the certificate of node 'stolen' was revoked" in board.log)
    links = board.links()
    row = next(line.split() for line in cluster.cloudcore("node", "list").splitlines() if line.startswith("stolen"))
    assert row[2].endswith("Z")
    cluster.cloudcore("node", "allow", "stolen")
    linked(board, links + 1)
    board.stop()


def test_a_revoked_node_cannot_renew_even_a_certificate_that_ran_out(cluster: Cluster) -> None:
    board = cluster.board("gone")
    old = board.wear(age=40 * DAYS, lifetime=30 * DAYS, now=time.time())
    cluster.cloudcore("node", "revoke", "gone")
    board.start()
    board.wait("the refusal", lambda: "could not be renewed" in board.log and "was revoked" in board.log)
    assert board.links() == 0 and board.identity().serial == old
    board.stop()


@pytest.mark.parametrize("year", ["1970", "2035", "2095"])
def test_a_board_whose_clock_is_wrong_joins_connects_and_does_not_renew_for_it(cluster: Cluster, clock: WallClock, year: str) -> None:
    clock.show(f"{year}-01-02")
    board = cluster.board(f"clock-{year}", clock=clock.environment)
    serial = board.identity().serial
    board.start()
    board.wait("EdgeCore", lambda: "runs as node" in board.log, within=20)
    linked(board)
    board.stop()
    board.start()
    linked(board, 2)
    assert board.identity().serial == serial
    board.stop()


def test_a_board_whose_clock_is_wrong_and_whose_certificate_ran_out_comes_back(cluster: Cluster, clock: WallClock) -> None:
    clock.show("1970-01-02")
    board = cluster.board("both", clock=clock.environment)
    old = board.wear(age=40 * DAYS, lifetime=30 * DAYS, now=time.time())
    board.files.signed_time.unlink()
    board.start()
    linked(board)
    assert board.identity().serial != old
    board.stop()


def test_a_cloud_that_moves_needs_one_line_in_the_boards_config(own_cluster: Cluster) -> None:
    """To an address that its certificate does not name."""
    cluster = own_cluster
    board = cluster.board("mover")
    board.start()
    linked(board)
    board.stop()
    cluster.stop_core()
    before, (cluster.host, cluster.hub) = f"{cluster.host}:{cluster.hub}", ("127.9.9.9", free_port())
    cluster.start_core()
    text = board.config.read_text()
    assert text.count(before) == 1
    board.config.write_text(text.replace(before, f"{cluster.host}:{cluster.hub}"))
    board.start()
    linked(board, 2)


def test_an_identity_put_back_into_an_empty_cluster_lets_the_boards_in_as_they_are(own_cluster: Cluster) -> None:
    cluster = own_cluster
    board, thief, kept = cluster.board("keeper"), cluster.board("thief"), cluster.folder / "ca.json"
    board.start()
    linked(board)
    cluster.cloudcore("node", "revoke", "thief")
    cluster.cloudcore("ca", "backup", kept)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    cluster.stop_core()
    cluster.stop_api()
    cluster.start_api("another-api")
    cluster.cloudcore("ca", "restore", kept)
    cluster.start_core()
    linked(board, 2)
    thief.start()
    thief.wait("the refusal", lambda: "was revoked" in thief.log)
    assert thief.links() == 0


def test_no_log_of_a_whole_enrolment_holds_a_secret_and_no_file_shows_one(own_cluster: Cluster) -> None:
    """With everything at debug: token, keys and the CA's key (X5)."""
    cluster = own_cluster
    token = cluster.token()
    folder = cluster.folder / "quiet"
    folder.mkdir()
    board = Board(cluster, "quiet", {})
    board.config.write_text(
        f"database: {{dataSource: {folder}/edgecore.db}}\n"
        "modules:\n"
        "  edged: {enable: false, hostnameOverride: quiet}\n"
        "  eventBus: {enable: false}\n"
        "  edgeHub:\n"
        f"    httpServer: https://127.0.0.1:{cluster.https}\n"
        f"    websocket: {{server: '127.0.0.1:{cluster.hub}'}}\n"
        f"    token: {token}\n"
        f"    tlsCaFile: {folder}/ca.crt\n    tlsCertFile: {folder}/edge.crt\n    tlsPrivateKeyFile: {folder}/edge.key\n"
    )
    board.start()
    linked(board)
    run(BIN / "cloudcore", "ca", "backup", cluster.folder / "ca.json", "--kubeconfig", cluster.folder / "kubeconfig")
    board.stop()
    board.files.certificate.unlink()  # the token is spent: what the cloud answers is logged, the token itself is not
    board.start()
    board.wait("the refusal", lambda: "for one use only" in board.log)
    key = [line for line in board.files.key.read_text().split() if len(line) > 30]
    ca_key = json.loads((cluster.folder / "ca.json").read_text())["secrets"]["casecret"]["cakeydata"]
    secrets = [*token.split(".")[1:], *key, ca_key]
    assert len(secrets) >= 6
    for log in cluster.folder.glob("*.log"):
        text = log.read_text("utf-8", "replace")
        assert text and not [secret for secret in secrets if secret in text], log.name
    open_to_others = [path.name for path in folder.iterdir() if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert sorted(set(open_to_others) - {"edgecore.yaml"}) == ["ca.crt", "edge.identity.json", "edge.time"]
