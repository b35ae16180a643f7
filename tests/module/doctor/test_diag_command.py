"""``edgecore diag``: what is needed to find a fault is in it, and no secret of this board, wherever it lay (promise X5)."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from demo.stage import wait_for
from edgecore.store import metadata, twins
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.transaction import Transaction
from edgecore.store.twins import DeviceRow
from tests.fakes.fakehub import make_papers
from tests.module.doctor.stand import ROOT, Ended, edgecore, lay_config

pytestmark = pytest.mark.system

TOKEN = "f" * 64 + ".eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTk5OTk5OTl9.c2lnbmVkLWJ5LXRoZS1jbG91ZA"
PASSWORD, REGISTRY, OPAQUE, ARGUMENT, SCREEN = "mqtt-Pa55word", "registry-Pa55word", "opaque-5ecret", "argument-5ecret", "spoken-5ecret"
ACCOUNT = "account-5ecret"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _secret(name: str, data: dict[str, str]) -> MetaRow:
    body = {"metadata": {"namespace": "default", "name": name}, "data": data}
    return MetaRow(f"default/secret/{name}", "secret", json.dumps(body), "u", "1")


def _fill(tx: Transaction) -> None:
    registries = {"auths": {"quay.io": {"username": "me", "password": REGISTRY, "auth": base64_of(f"me:{REGISTRY}")}}}
    metadata.save(tx, _secret("opaque", {"word": base64_of(OPAQUE)}))
    metadata.save(tx, _secret("pull", {".dockerconfigjson": base64_of(json.dumps(registries))}))
    container = {"name": "main", "image": "web:1", "args": [ARGUMENT], "env": [{"name": "X", "value": ARGUMENT}]}
    pod = {"metadata": {"namespace": "default", "name": "web", "uid": "u"}, "spec": {"containers": [container]}}
    metadata.save(tx, MetaRow("default/pod/web", "pod", json.dumps(pod), "u", "1"))
    kept = {"token": ACCOUNT, "seconds": 3600, "wall": 1.0, "stamp": 1}
    metadata.save(tx, MetaRow("default/serviceaccounttoken/u.1", "serviceaccounttoken", json.dumps(kept), "u"))
    twins.save_device(tx, DeviceRow("thermometer", "thermometer"))


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A board with a secret in every place that has one."""
    make_papers(tmp_path).node_key.chmod(0o600)
    config = lay_config(tmp_path)
    text = config.read_text().replace("  edgehub:\n", f"  edgehub:\n    token: {TOKEN}\n")
    config.write_text(text.replace("    enable: false\n  localAPI", f"    enable: false\n    mqttPassword: {PASSWORD}\n  localAPI"))
    database = Database(tmp_path / "data" / "edgecore.db")
    database.write_and_wait(_fill)
    database.close()
    key = (tmp_path / "node_key.pem").read_text()
    (tmp_path / "given.log").write_text(
        f"edgehub: connected\nlogin with {PASSWORD}\nsecret is {base64_of(OPAQUE)}\nauth {base64_of(f'me:{REGISTRY}')}\n"
        f"token {TOKEN}\n{key}\npassword={SCREEN}\n"
    )
    (tmp_path / "edged").mkdir()
    (tmp_path / "edged" / "engine.log").write_text(f"pull failed: {REGISTRY} and {OPAQUE}, asked by {ACCOUNT}\n")
    return tmp_path


def planted(board: Path) -> list[str]:
    lines = [line for line in (board / "node_key.pem").read_text().splitlines() if not line.startswith("-----")]
    plain = [PASSWORD, REGISTRY, OPAQUE, ARGUMENT, SCREEN, ACCOUNT]
    return [*plain, *map(base64_of, plain), base64_of(f"me:{REGISTRY}"), TOKEN, TOKEN.split(".", 1)[1], "f" * 64, *lines]


def diag(board: Path, *words: str) -> Ended:
    return edgecore("diag", "--config", f"{board}/edgecore.yaml", "-o", f"{board}/out.tar.gz", *words, cwd=board, timeout=110)


def unpacked(file: Path) -> dict[str, str]:
    """By name below the one folder of the bundle."""
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        members = archive.getmembers()
        assert all(member.isfile() and member.mode == 0o600 for member in members)
        assert len({member.name.split("/")[0] for member in members}) == 1
        found = {member.name.split("/", 1)[1]: archive.extractfile(member) for member in members}
        return {name: content.read().decode() for name, content in found.items() if content is not None}


def assert_clean(files: dict[str, str], board: Path) -> None:
    leaks = [(name, secret) for name, text in files.items() for secret in planted(board) if secret in text or secret in name]
    assert leaks == []


def test_no_secret_leaves_and_what_helps_is_there(board: Path) -> None:
    ended = diag(board, "--log", f"{board}/given.log")
    assert ended.code == 0, ended.err
    assert (board / "out.tar.gz").stat().st_mode & 0o777 == 0o600
    files = unpacked(board / "out.tar.gz")
    assert_clean(files, board)
    assert not [secret for secret in planted(board) if secret in ended.out + ended.err]
    assert "edgehub: connected" in files["logs/given.log"] and "***" in files["logs/given.log"]
    assert "pull failed" in files["logs/engine.log"]
    assert 'token: "***"' in files["config.yaml"] and "hostnameOverride: edge1" in files["config.yaml"]
    assert json.loads(files["database.json"])["rows"]["meta"] == 4
    certificates = json.loads(files["certificates.json"])
    assert certificates["certificate"]["node"] == "edge1" and certificates["ca"]["notAfter"] > 0
    assert {check["id"] for check in json.loads(files["doctor.json"])["checks"]} >= {"config", "database"}
    assert json.loads(files["versions.json"])["bramble"]
    assert "/proc/meminfo" in files["proc.txt"]
    assert "status.json: EdgeCore does not run" in files["missing.txt"]


def test_of_a_running_edgecore_pods_and_devices_are_told(board: Path) -> None:
    config = board / "edgecore.yaml"
    config.write_text(config.read_text().replace(f"    token: {TOKEN}\n", ""))
    with (board / "log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "edgecore.cli", "--config", str(config)], cwd=ROOT, stderr=log)
    try:
        wait_for("EdgeCore", (board / "edgecore.sock").exists, within=30)
        assert diag(board, "--log", f"{board}/log").code == 0
    finally:
        child.terminate()
        child.wait(30)
    files = unpacked(board / "out.tar.gz")
    assert_clean(files, board)
    assert json.loads(files["status.json"])["node"] == "edge1"
    assert json.loads(files["pods.json"])[0]["spec"]["containers"] == [{"name": "main", "image": "web:1", "resources": None, "ports": None}]
    assert json.loads(files["devices.json"]) == [{"name": "thermometer", "state": "", "lastOnline": "", "properties": []}]


def test_a_config_with_a_mistake_leaks_nothing_either(board: Path) -> None:
    config = board / "edgecore.yaml"
    config.write_text(config.read_text().replace(f"mqttPassword: {PASSWORD}", f"mqttPassword: [{PASSWORD}]\n    mqttQOS: {PASSWORD}"))
    assert diag(board).code == 0
    files = unpacked(board / "out.tar.gz")
    assert "mqttQOS" in files["config.yaml"]
    assert_clean(files, board)


def test_a_config_that_is_no_yaml_leaks_nothing_either(board: Path) -> None:
    config = board / "edgecore.yaml"
    config.write_text(config.read_text().replace(f"mqttPassword: {PASSWORD}", f"mqttPassword: {{{PASSWORD}"))
    assert diag(board).code == 0
    files = unpacked(board / "out.tar.gz")
    assert "not a YAML document" in files["config.yaml"]
    assert not [name for name, text in files.items() if PASSWORD in text or TOKEN in text]


def test_where_it_cannot_be_written_is_said_and_nothing_is_left(board: Path) -> None:
    before = sorted(board.iterdir())
    ended = edgecore("diag", "--config", f"{board}/edgecore.yaml", "-o", f"{board}/no/such/out.tar.gz", cwd=board)
    assert ended.code == 1
    assert "expected the name of a file" in ended.err and "no/such/out.tar.gz" in ended.err
    assert sorted(board.iterdir()) == before
