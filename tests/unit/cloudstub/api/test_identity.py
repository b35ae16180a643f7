"""Tokens, certificates, kubeconfig, flags, and what an unclean end leaves."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudstub import app, cli
from cloudstub.api import certificates
from cloudstub.api.auth import Authenticator, ensure_tokens, read_tokens
from cloudstub.config import Config, certificate_names, parse_listen, reachable_host
from cloudstub.errors import ConfigError, Unauthorized
from cloudstub.kubeconfig import write_kubeconfig
from cloudstub.verbs.reviews import User

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["127.0.0.1", "localhost"]


def test_the_token_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    token = ensure_tokens(path)
    assert ensure_tokens(path) == token and len(token) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert Authenticator(read_tokens(path)).user(f"Bearer {token}", None).name == "admin"


@pytest.mark.parametrize("text", ["just-a-token\n", ",name,uid\n", "a,,b\n", "\x00\xff"])
def test_a_broken_token_file_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="token file"):
        read_tokens(path)


def test_a_client_certificate_names_user_and_groups() -> None:
    subject = ((("organizationName", "system:masters"),), (("commonName", "alice"),))
    user = Authenticator([]).user("", {"subject": subject})
    assert user == User("alice", groups=("system:masters", "system:authenticated"))
    with pytest.raises(Unauthorized):
        Authenticator([]).user("", {"subject": ()})


def test_certificates_are_made_once_and_anew_when_names_are_added_or_time_runs_out(tmp_path: Path) -> None:
    files = certificates.ensure(tmp_path, NAMES, now=NOW)
    authority, server = files.ca.read_bytes(), files.server.read_bytes()
    certificates.ensure(tmp_path, NAMES, now=NOW)
    assert files.server.read_bytes() == server
    certificates.ensure(tmp_path, [*NAMES, "board.local"], now=NOW)
    wider = files.server.read_bytes()
    assert wider != server
    certificates.ensure(tmp_path, NAMES, now=NOW + timedelta(days=340))
    assert files.server.read_bytes() != wider
    assert files.ca.read_bytes() == authority
    for key in (files.ca_key, files.server_key):
        assert key.stat().st_mode & 0o777 == 0o600
    certificate = x509.load_pem_x509_certificate(files.server.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))


def test_a_broken_certificate_is_a_config_error(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, NAMES, now=NOW)
    (tmp_path / "ca.crt").write_text("garbage")
    with pytest.raises(ConfigError, match="certificates in"):
        certificates.ensure(tmp_path, NAMES, now=NOW)


def test_the_kubeconfig_carries_what_a_client_needs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config"
    write_kubeconfig(path, "https://127.0.0.1:1", b"PEM", "token")
    value = yaml.safe_load(path.read_text())
    assert value["users"][0]["user"] == {"token": "token"}
    assert base64.b64decode(value["clusters"][0]["cluster"]["certificate-authority-data"]) == b"PEM"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("text", "parsed"), [("127.0.0.1:6443", ("127.0.0.1", 6443)), ("[::1]:0", ("::1", 0)), ("host:1", ("host", 1))])
def test_an_address_is_read(text: str, parsed: tuple[str, int]) -> None:
    assert parse_listen(text) == parsed


@pytest.mark.parametrize("text", ["", "6443", ":6443", "a:b", "a:70000", "a:-1", "a:٣"])
def test_an_address_that_is_none_is_refused_by_its_flag(text: str) -> None:
    with pytest.raises(ConfigError, match="--listen"):
        parse_listen(text)


def test_a_server_on_all_addresses_is_reached_on_loopback(tmp_path: Path) -> None:
    assert reachable_host("0.0.0.0") == "127.0.0.1" and reachable_host("::") == "[::1]"
    assert "10.1.2.3" in certificate_names(Config(tmp_path, host="10.1.2.3"))
    assert "0.0.0.0" not in certificate_names(Config(tmp_path, host="0.0.0.0"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--listen", "x"], "--data-dir"),
        (["--data-dir", "d", "--listen", "x"], "--listen: expected ADDR:PORT"),
        (["--data-dir", "d", "--log-level", "loud"], "--log-level"),
        (["--data-dir", "d", "--odd"], "--odd"),
    ],
)
def test_a_wrong_flag_ends_with_2_and_names_it(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = cli.main(flags)
    except SystemExit as ended:
        code = ended.code
    assert code == 2 and words in capsys.readouterr().err


def test_a_server_answers_over_tls_to_its_own_ca_and_its_token_only(tmp_path: Path) -> None:
    async def act() -> None:
        running = await app.start(Config(tmp_path, port=0, runs_controllers=False))
        try:
            trusted = ssl.create_default_context(cafile=running.ca_file)
            async with aiohttp.ClientSession() as session:
                headers = {"Authorization": f"Bearer {running.token}"}
                async with session.get(f"{running.url}/api/v1/namespaces", ssl=trusted, headers=headers) as answer:
                    names = [item["metadata"]["name"] for item in (await answer.json())["items"]]
                assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
                async with session.get(f"{running.url}/api/v1/namespaces", ssl=trusted) as answer:
                    assert answer.status == 401
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await session.get(running.url, headers=headers)
            with pytest.raises(ConfigError, match="another cloudstub uses it"):
                await app.start(Config(tmp_path, port=0))
        finally:
            await running.stop()
        again = await app.start(Config(tmp_path, port=0, runs_controllers=False))
        assert again.token == running.token
        await again.stop()

    asyncio.run(act())


def test_a_port_that_is_taken_is_an_error_that_leaves_the_directory_free(tmp_path: Path) -> None:
    async def act() -> None:
        first = await app.start(Config(tmp_path / "a", port=0, runs_controllers=False))
        with pytest.raises(OSError, match="address already in use"):
            await app.start(Config(tmp_path / "b", port=first.port))
        second = await app.start(Config(tmp_path / "b", port=0, runs_controllers=False))
        await second.stop()
        await first.stop()

    asyncio.run(act())


def client_context(directory: Path, ca: Path, ca_key: Path) -> ssl.SSLContext:
    """A client of user alice, certified by whoever has the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "crew")])
    authority = x509.load_pem_x509_certificate(ca.read_bytes())
    signer = serialization.load_pem_private_key(ca_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(authority.subject, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    certificate = builder.sign(signer, hashes.SHA256())
    pem = serialization.Encoding.PEM
    path = directory / "client.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(path)
    return context


def test_a_client_certificate_of_our_ca_is_enough_and_of_another_ca_is_nothing(tmp_path: Path) -> None:
    async def act() -> None:
        running = await app.start(Config(tmp_path / "a", port=0, runs_controllers=False))
        other = certificates.ensure(tmp_path, NAMES, now=datetime.now(UTC))
        try:
            async with aiohttp.ClientSession() as session:
                ours = client_context(tmp_path, running.ca_file, tmp_path / "a" / "ca.key")
                ours.load_verify_locations(running.ca_file)
                review = f"{running.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
                async with session.post(review, ssl=ours, json={}) as answer:
                    user = (await answer.json())["status"]["userInfo"]
                assert (user["username"], user["groups"]) == ("alice", ["crew", "system:authenticated"])
                stranger = client_context(tmp_path, other.ca, other.ca_key)
                stranger.load_verify_locations(running.ca_file)
                with pytest.raises(aiohttp.ClientError):
                    await session.get(f"{running.url}/version", ssl=stranger)
        finally:
            await running.stop()

    asyncio.run(act())
