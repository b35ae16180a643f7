"""``edgecore doctor`` as a person runs it: with nothing set up, with mistakes, beside a running EdgeCore."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from demo.stage import wait_for
from edgecore.doctor.catalog import CHECKS
from edgecore.store.database import Database
from edgecore.surroundings import InstanceLock
from tests.fakes.fakehub import FakeHub, make_papers
from tests.module.doctor.stand import ROOT, doctor, edgecore, lay_config

pytestmark = pytest.mark.system


def test_there_are_at_least_thirty_and_each_says_all_that_it_must() -> None:
    assert len(CHECKS) >= 30
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.id)
        assert check.title and check.why.endswith(".") and bool(check.repair) == bool(check.repairs)


def test_they_are_listed(tmp_path: Path) -> None:
    ended = edgecore("doctor", "--list", cwd=tmp_path)
    assert ended.code == 0
    assert set(re.findall(r"^  ([a-z0-9-]+)  ", ended.out, re.MULTILINE)) == {check.id for check in CHECKS}


def test_an_unknown_check_and_a_missing_config_are_wrong_flags(tmp_path: Path) -> None:
    ended = edgecore("doctor", "no-such", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "no such check: 'no-such'" in ended.err
    ended = edgecore("doctor", "--config", "/nowhere/x.yaml", cwd=tmp_path)
    assert ended.code == 2
    assert "--config: /nowhere/x.yaml: no such file" in ended.err


def test_with_an_empty_folder_everything_is_looked_at_and_nothing_is_made(tmp_path: Path) -> None:
    lay_config(tmp_path)
    ended = doctor(tmp_path, "-o", "json")
    found = ended.checks()
    assert ended.code == 1
    assert list(found) == [check.id for check in CHECKS]
    assert (found["config"]["outcome"], found["identity"]["outcome"], found["database"]["outcome"]) == ("ok", "wrong", "ok")
    assert "has not joined" in found["identity"]["text"]
    assert not [check["text"] for check in found.values() if "this check" in check["text"]], "no check failed or hung"
    assert [path.name for path in tmp_path.iterdir()] == ["edgecore.yaml"]


def test_a_wrong_config_is_named_by_its_key(tmp_path: Path) -> None:
    lay_config(tmp_path, more="  servicebus: {enable: 7}\n")
    ended = doctor(tmp_path, ids=["config"])
    assert ended.code == 1
    assert "modules.servicebus.enable" in ended.out and "mend:" in ended.out


def test_a_broken_database_is_wrong_and_stays_as_it_is(tmp_path: Path) -> None:
    lay_config(tmp_path)
    place = tmp_path / "data" / "edgecore.db"
    place.parent.mkdir()
    place.write_bytes(b"this is no database at all" * 400)
    ended = doctor(tmp_path, "--fix", ids=["database", "outbox"])
    assert ended.code == 1
    assert "the database cannot be read" in ended.out and "put aside at the next start" in ended.out
    assert place.read_bytes() == b"this is no database at all" * 400


def test_only_what_is_asked_for_is_looked_at_and_told_though_it_is_well(tmp_path: Path) -> None:
    lay_config(tmp_path)
    ended = doctor(tmp_path, ids=["database", "config"])
    assert ended.code == 0
    assert "ok    config" in ended.out and "ok    database" in ended.out and "2 checks: 2 well" in ended.out


def test_an_expired_certificate_is_told_and_becomes_wrong_where_nothing_renews_it(tmp_path: Path) -> None:
    make_papers(tmp_path, node_days=(-9, -1))
    lay_config(tmp_path)
    (tmp_path / "node_key.pem").chmod(0o600)
    first = doctor(tmp_path, "-o", "json", ids=["certificate", "identity", "secret-files"])
    assert (first.code, first.checks()["certificate"]["outcome"], first.checks()["identity"]["outcome"]) == (0, "warning", "ok")
    config = tmp_path / "edgecore.yaml"
    config.write_text(config.read_text().replace("  edgehub:\n", "  edgehub:\n    rotateCertificates: false\n"))
    second = doctor(tmp_path, "-o", "json", ids=["certificate"])
    assert (second.code, second.checks()["certificate"]["outcome"]) == (1, "wrong")


def test_a_key_of_another_certificate_and_one_that_others_may_read(tmp_path: Path) -> None:
    papers = make_papers(tmp_path)
    lay_config(tmp_path)
    papers.server_key.replace(papers.node_key)
    papers.node_key.chmod(0o644)
    ended = doctor(tmp_path, "-o", "json", ids=["identity", "secret-files"])
    assert (ended.code, ended.checks()["identity"]["outcome"], ended.checks()["secret-files"]["outcome"]) == (1, "wrong", "wrong")
    ended = doctor(tmp_path, "--fix", "-o", "json", ids=["secret-files"])
    assert (ended.code, ended.checks()["secret-files"]["outcome"]) == (0, "ok")
    assert papers.node_key.stat().st_mode & 0o777 == 0o600


def test_the_cloud_is_greeted_with_the_boards_papers(tmp_path: Path) -> None:
    papers = make_papers(tmp_path)
    hub = FakeHub(papers)
    try:
        lay_config(tmp_path, port=hub.port)
        ended = doctor(tmp_path, "-o", "json", ids=["cloud-reach", "cloud-tls"])
        assert {check["outcome"] for check in ended.checks().values()} == {"ok"}
        assert hub.connections == 0
        (tmp_path / "other").mkdir()
        make_papers(tmp_path / "other").ca.replace(papers.ca)
        ended = doctor(tmp_path, "-o", "json", ids=["cloud-tls"])
        assert (ended.code, "its CA is not the one" in ended.checks()["cloud-tls"]["text"]) == (1, True)
    finally:
        hub.close()


def test_a_cloud_that_is_away_is_told_at_each_step(tmp_path: Path) -> None:
    make_papers(tmp_path)
    lay_config(tmp_path)
    found = doctor(tmp_path, "-o", "json", ids=["cloud-reach", "cloud-tls"]).checks()
    assert (found["cloud-reach"]["outcome"], found["cloud-tls"]["outcome"]) == ("wrong", "skipped")


def test_beside_a_running_edgecore_it_is_asked_and_left_alone(tmp_path: Path) -> None:
    config = lay_config(tmp_path)
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "edgecore.cli", "--config", str(config)], cwd=ROOT, stderr=log)
    try:
        wait_for("EdgeCore", (tmp_path / "edgecore.sock").exists, within=30)
        found = doctor(tmp_path, "-o", "json", ids=["edgecore", "local-socket", "modules", "database", "cloud-contact", "outbox"]).checks()
        assert {name: check["outcome"] for name, check in found.items()} == dict.fromkeys(found, "ok"), found
        assert f"process {child.pid}" in found["edgecore"]["text"]
        assert child.poll() is None
    finally:
        child.terminate()
        child.wait(30)
    stopped = doctor(tmp_path, "-o", "json", ids=["edgecore", "local-socket", "database"]).checks()
    assert [stopped[name]["outcome"] for name in ("edgecore", "local-socket", "database")] == ["wrong", "skipped", "ok"]


def test_one_that_hangs_is_told(tmp_path: Path) -> None:
    """The lock is held, and nobody answers at the socket."""
    lay_config(tmp_path)
    lock = InstanceLock(tmp_path / "data")
    try:
        found = doctor(tmp_path, "-o", "json", ids=["edgecore", "local-socket", "modules"]).checks()
        assert (found["edgecore"]["outcome"], found["local-socket"]["outcome"]) == ("ok", "wrong")
        assert found["modules"]["outcome"] == "skipped"
    finally:
        lock.release()


# Loaded as root, run as nobody: whatever folder the interpreter lies in.
AS_NOBODY = """
import contextlib, os, sys
import edgecore.doctor.commands
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    edgecore.doctor.commands.run(sys.argv[1:])
os.setgroups([]), os.setgid(65534), os.setuid(65534)
sys.exit(edgecore.doctor.commands.run(sys.argv[1:]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="changes its user")
def test_without_root_it_says_what_needs_root() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to others
        folder = Path(name)
        folder.chmod(0o755)
        make_papers(folder).node_key.chmod(0o600)
        lay_config(folder)
        Database(folder / "data" / "edgecore.db").close()
        command = [sys.executable, "-c", AS_NOBODY, "doctor", "--config", f"{folder}/edgecore.yaml"]
        (folder / "closed.yaml").touch(0o600)
        closed = [*command[:-1], f"{folder}/closed.yaml", "config", "edgecore", "cloud-reach"]
        hidden = subprocess.run(closed, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        done = subprocess.run(
            [*command, "identity", "database", "podman-storage", "config"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Run as root for: identity, database, podman-storage" in done.stdout
    assert "1 well" in done.stdout
    assert "Run as root for: config, edgecore" in hidden.stdout, hidden.stderr
    assert "0 wrong" in hidden.stdout
