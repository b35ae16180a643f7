"""The cluster's side: one CA for all, the register of tokens, the commands."""

from __future__ import annotations

import argparse
import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from cloudcore.errors import IdentityError, KubeUnreachable
from cloudcore.kube.resources import NAMESPACES, NODES, SECRETS
from cloudcore.pki.cacommands import add_ca_parser
from cloudcore.pki.commands import add_token_parser
from cloudcore.pki.identity import open_identity
from cloudcore.pki.nodecommands import add_node_parser
from cloudcore.pki.secret import secret_body
from tests.fakes.secretkube import SecretKube

NOW = 1_800_000_000.0


def command(kube: SecretKube, *words: str) -> str:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for add in (add_token_parser, add_node_parser, add_ca_parser):
        add(commands)
    args = parser.parse_args(words)
    return str(asyncio.run(args.run(args, kube)))


def test_cloudcores_that_start_together_agree_on_one_ca() -> None:
    async def start() -> set[str]:
        kube = SecretKube()
        return {identity.authority.pin for identity in await asyncio.gather(*(open_identity(kube, now=NOW) for _ in range(5)))}

    assert len(asyncio.run(start())) == 1


def test_the_ca_outlives_the_process() -> None:
    kube = SecretKube()
    first, second = (asyncio.run(open_identity(kube, now=NOW)).authority.pin for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"cadata": "%%"}, "Secret kubeedge/casecret: data.cadata: expected base64"),
        ({"cadata": "AAAA"}, "Secret kubeedge/casecret: data.cakeydata: missing"),
        ({"cadata": "AAAA", "cakeydata": "AAAA"}, "Secret kubeedge/casecret: the CA's certificate or key cannot be read"),
    ],
)
def test_a_damaged_ca_is_named_and_never_replaced(data: dict[str, str], text: str) -> None:
    async def start(kube: SecretKube) -> None:
        await kube.create(resource("namespaces"), None, {"metadata": {"name": "kubeedge"}})
        await kube.create(resource("secrets"), "kubeedge", {**secret_body("casecret", {}), "data": data})
        await open_identity(kube, now=NOW)

    kube = SecretKube()
    with pytest.raises(IdentityError, match=text):
        asyncio.run(start(kube))
    assert kube.writes == 2


def resource(plural: str) -> Any:
    return {"namespaces": NAMESPACES, "secrets": SECRETS}[plural]


def test_a_one_time_token_asked_for_by_many_at_once_goes_to_one() -> None:
    async def run() -> int:
        identity = await open_identity(SecretKube(), now=NOW)
        _, text = await identity.tokens.create(60, one_time=True, now=NOW)
        bearer = text.partition(".")[2]
        asked = (identity.tokens.admit(bearer, node=f"n{i}", public_key=bytes([i]), now=NOW) for i in range(8))
        return sum(result is None for result in await asyncio.gather(*asked, return_exceptions=True))

    assert asyncio.run(run()) == 1


def test_a_token_without_an_entry_in_the_register_is_refused() -> None:
    """As KubeEdge makes them: they could not be revoked."""
    from cloudcore.pki import bearer

    async def run() -> None:
        identity = await open_identity(SecretKube(), now=NOW)
        text = bearer.encode(identity.authority.token_secret, bearer.Claims("", int(NOW) + 60))
        await identity.tokens.admit(text, node="n", public_key=b"k", now=NOW)

    with pytest.raises(IdentityError, match="not in the register"):
        asyncio.run(run())


def test_the_commands_make_list_and_delete_tokens() -> None:
    kube = SecretKube()
    text = command(kube, "token", "create", "--ttl", "30m", "--one-time")
    assert len(text.split(".")) == 4
    header, row = command(kube, "token", "list").splitlines()
    assert header.split() == ["ID", "CREATED", "EXPIRES", "USE", "STATE"]
    token_id = row.split()[0]
    assert row.split()[3:] == ["one-time", "good"]
    assert text not in str(kube.objects)
    assert command(kube, "token", "delete", token_id) == f"token {token_id} deleted"
    assert len(command(kube, "token", "list").splitlines()) == 1
    with pytest.raises(IdentityError, match=f"token {token_id}: there is none of that id"):
        command(kube, "token", "delete", token_id)


def revoked(kube: SecretKube, node: str) -> bool:
    return asyncio.run(open_identity(kube, now=time.time())).revocations.is_revoked(node, 12345)


def test_a_node_is_revoked_listed_and_allowed_again_by_command() -> None:
    kube = SecretKube()
    asyncio.run(kube.create(NODES, None, {"metadata": {"name": "edge1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
    asyncio.run(kube.create(NODES, None, {"metadata": {"name": "edge2"}}))
    assert command(kube, "node", "revoke", "edge1").startswith("node edge1 revoked; a token made from now on brings it back")
    assert revoked(kube, "edge1") and not revoked(kube, "edge2")
    rows = [line.split() for line in command(kube, "node", "list").splitlines()]
    assert [row[:2] for row in rows] == [["NAME", "READY"], ["edge1", "True"], ["edge2", "Unknown"]]
    assert rows[1][2].endswith("Z") and rows[2][2] == "-"
    assert "are good again" in command(kube, "node", "allow", "edge1")
    assert not revoked(kube, "edge1")
    with pytest.raises(IdentityError, match="node edge1 is not revoked"):
        command(kube, "node", "allow", "edge1")


def test_a_node_that_the_cluster_does_not_know_is_revoked_and_that_is_said() -> None:
    kube = SecretKube()
    assert "the cluster has no Node egde1" in command(kube, "node", "revoke", "egde1")
    assert command(kube, "node", "list").splitlines()[1].split()[:2] == ["egde1", "-"]
    assert kube.holds_no("casecret")


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "", ".", "n" * 254])
def test_what_is_no_node_name_is_neither_revoked_nor_allowed(name: str) -> None:
    kube = SecretKube()
    for verb in ("revoke", "allow"):
        with pytest.raises(IdentityError, match=r"^NAME: "):
            command(kube, "node", verb, name)
    assert kube.writes == 0


def test_an_identity_is_kept_in_a_file_and_put_back_into_an_empty_cluster(tmp_path: Path) -> None:
    lost, fresh, file = SecretKube(), SecretKube(), tmp_path / "ca.json"
    command(lost, "token", "create")
    command(lost, "node", "revoke", "thief")
    pin = asyncio.run(open_identity(lost, now=NOW)).authority.pin
    assert pin[:16] in command(lost, "ca", "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["ca.json"]
    assert pin[:16] in command(fresh, "ca", "restore", str(file))
    assert asyncio.run(open_identity(fresh, now=NOW)).authority.pin == pin
    assert revoked(fresh, "thief")
    assert command(fresh, "token", "list") == command(lost, "token", "list")


def test_neither_a_file_nor_another_ca_is_replaced_without_force(tmp_path: Path) -> None:
    first, second, file = SecretKube(), SecretKube(), tmp_path / "ca.json"
    pins = [asyncio.run(open_identity(kube, now=NOW)).authority.pin for kube in (first, second)]
    command(first, "ca", "backup", str(file))
    kept, writes = file.read_text(), second.writes
    with pytest.raises(IdentityError, match=r"ca\.json: is there already; --force"):
        command(second, "ca", "backup", str(file))
    with pytest.raises(IdentityError, match=r"another CA.*--force"):
        command(second, "ca", "restore", str(file))
    assert file.read_text() == kept and second.writes == writes
    command(second, "ca", "restore", "--force", str(file))
    assert asyncio.run(open_identity(second, now=NOW)).authority.pin == pins[0]
    command(second, "ca", "backup", "--force", str(file))


def test_what_was_revoked_or_spent_since_the_backup_stays_so(tmp_path: Path) -> None:
    kube, file = SecretKube(), str(tmp_path / "ca.json")
    token = command(kube, "token", "create", "--one-time")
    command(kube, "ca", "backup", file)
    command(kube, "node", "revoke", "edge1")
    identity = asyncio.run(open_identity(kube, now=NOW))
    asyncio.run(identity.tokens.admit(token.partition(".")[2], node="edge2", public_key=b"k", now=time.time()))
    command(kube, "ca", "restore", file)
    assert revoked(kube, "edge1")
    assert "used by edge2" in command(kube, "token", "list")


def test_a_cluster_without_a_ca_gives_no_backup_and_gets_none(tmp_path: Path) -> None:
    kube = SecretKube()
    with pytest.raises(IdentityError, match="has no CA yet"):
        command(kube, "ca", "backup", str(tmp_path / "ca.json"))
    assert kube.writes == 0 and not list(tmp_path.iterdir())


GOOD_CA = {"cadata": "AAAA", "cakeydata": "AAAA"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", "kind: expected"),
        ('{"kind": "Secret"}', "kind: expected"),
        ('{"kind": "BrambleIdentity", "version": 2}', "version: expected 1, got '2'"),
        ('{"kind": "BrambleIdentity", "version": 1}', "secrets: expected an object"),
        ('{"kind": "BrambleIdentity", "version": 1, "secrets": {"casecret": 1}}', "secrets.casecret: expected an object"),
        ('{"kind": "BrambleIdentity", "version": 1, "secrets": {"casecret": {"cadata": "%"}}}', "secrets.casecret.cadata: expected base64"),
        (
            json.dumps({"kind": "BrambleIdentity", "version": 1, "secrets": {"casecret": {}, "bramble-tokens": {}, "bramble-revoked": {}}}),
            "Secret kubeedge/casecret: data.cadata: missing",
        ),
        (
            json.dumps(
                {"kind": "BrambleIdentity", "version": 1, "secrets": {"casecret": GOOD_CA, "bramble-tokens": {}, "bramble-revoked": {}}}
            ),
            "the CA's certificate or key cannot be read",
        ),
    ],
)
def test_a_file_that_is_no_backup_is_named_with_its_field_and_changes_nothing(tmp_path: Path, text: str, said: str) -> None:
    kube, file = SecretKube(), tmp_path / "ca.json"
    file.write_text(text)
    with pytest.raises(IdentityError, match=said) as caught:
        command(kube, "ca", "restore", str(file))
    assert str(caught.value).startswith(str(file))
    assert kube.writes == 0


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="none: cannot be read: No such file"):
        command(SecretKube(), "ca", "restore", str(tmp_path / "none"))
    with pytest.raises(IdentityError, match="no CA yet"):
        command(SecretKube(), "ca", "backup", "/nowhere/at/all")


@pytest.mark.parametrize("ttl", ["0h", "abc", "-1h", "10", "400d", "1h30m", "9" * 12 + "d"])
def test_a_wrong_ttl_is_refused(ttl: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command(SecretKube(), "token", "create", f"--ttl={ttl}")
    assert caught.value.code == 2
    assert "argument --ttl: expected a time such as 30m, 24h or 7d" in capsys.readouterr().err


def test_an_api_that_is_away_is_said() -> None:
    kube = SecretKube()
    kube.broken = True
    with pytest.raises(KubeUnreachable):
        command(kube, "token", "list")
