"""The cluster's side: one CA for all, the register of tokens, the commands."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import pytest

from cloudcore.errors import IdentityError, KubeUnreachable
from cloudcore.pki.commands import add_token_parser, run_token
from cloudcore.pki.identity import open_identity
from cloudcore.pki.secret import secret_body
from tests.fakes.secretkube import SecretKube

NOW = 1_800_000_000.0


def command(kube: SecretKube, *words: str) -> str:
    parser = argparse.ArgumentParser()
    add_token_parser(parser.add_subparsers())
    return asyncio.run(run_token(parser.parse_args(words), kube))


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
    from cloudcore.kube.resources import NAMESPACES, SECRETS

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


def test_a_node_is_revoked_by_command() -> None:
    kube = SecretKube()
    assert command(kube, "revoke", "edge1") == "node edge1 revoked; it may come back with a join token"
    identity = asyncio.run(open_identity(kube, now=time.time()))
    assert identity.revocations.is_revoked("edge1", 12345)
    assert not identity.revocations.is_revoked("edge2", 12345)
    with pytest.raises(IdentityError, match="is no node name"):
        command(kube, "revoke", "../x")


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
