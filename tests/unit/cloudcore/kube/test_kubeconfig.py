from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudcore.errors import ConfigError
from cloudcore.kube.kubeconfig import access_of, find_access, in_cluster, read_kubeconfig

CA = "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n"


def config(**changes: Any) -> dict[str, Any]:
    cluster = {"server": "https://10.0.0.1:6443/", "certificate-authority-data": base64.b64encode(CA.encode()).decode()}
    user = {"token": "t0ken"}
    value = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}, {"name": "other", "context": {"cluster": "d"}}],
        "clusters": [{"name": "c", "cluster": cluster}, {"name": "d", "cluster": {"server": "http://localhost:8080"}}],
        "users": [{"name": "u", "user": user}],
    }
    cluster.update(changes.pop("cluster", {}))
    user.update(changes.pop("user", {}))
    return value | changes


def test_the_current_context_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    access = access_of(config(), tmp_path / "config")
    assert (access.server, access.ca_pem, access.token) == ("https://10.0.0.1:6443", CA, "t0ken")
    assert access_of(config(), tmp_path / "config", "other").server == "http://localhost:8080"


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    for name in ("cert", "key"):
        (tmp_path / name).write_text(name)
    content = config(cluster={"certificate-authority-data": "", "certificate-authority": "ca.pem"})
    content["users"][0]["user"] = {"client-certificate": "cert", "client-key": str(tmp_path / "key"), "tokenFile": "tok"}
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    access = read_kubeconfig(tmp_path / "config")
    assert (access.ca_pem, access.certificate_pem, access.key_pem) == (CA, "cert", "key")
    assert access.token_file == str(tmp_path / "tok")


def test_secrets_are_not_shown() -> None:
    assert "t0ken" not in repr(access_of(config(), Path("/x")))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"current-context": ""}, "current-context: is not set"),
        ({"current-context": "nope"}, "contexts: has no entry named 'nope'"),
        ({"contexts": "x"}, "contexts: has no entry"),
        ({"clusters": []}, "clusters: has no entry named 'c'"),
        ({"clusters": [{"name": "c", "cluster": 5}]}, "clusters[c].cluster: expected a mapping"),
        ({"users": []}, "users: has no entry named 'u'"),
        ({"cluster": {"server": "10.0.0.1"}}, "clusters[c].cluster.server: expected http(s)://host:port"),
        ({"cluster": {"certificate-authority-data": "%%"}}, "certificate-authority-data: not base64"),
        ({"cluster": {"certificate-authority-data": "", "certificate-authority": "none.pem"}}, "No such file"),
        ({"user": {"exec": {"command": "aws"}}}, "users[u].user.exec: is not supported"),
        ({"user": {"client-certificate-data": "eA=="}}, "go together"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as failed:
        access_of(config(**changes), tmp_path / "config")
    assert said in str(failed.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00", "a: &a [x]\nb: *a", "a: !!bool maybe", "[" * 20_000, "x" * (1024 * 1024 + 1)])
def test_a_file_that_is_no_kubeconfig_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=str(path)):
        read_kubeconfig(path)


def test_the_order_in_which_a_way_in_is_looked_for(tmp_path: Path) -> None:
    home = tmp_path / ".kube"
    home.mkdir()
    (home / "config").write_text(yaml.safe_dump(config()))
    (tmp_path / "named").write_text(yaml.safe_dump(config(cluster={"server": "https://named"})))
    (tmp_path / "environment").write_text(yaml.safe_dump(config(cluster={"server": "https://environment"})))
    environ = {"KUBECONFIG": str(tmp_path / "environment"), "HOME": str(tmp_path)}
    assert find_access(str(tmp_path / "named"), environ=environ).server == "https://named"
    assert find_access(environ=environ).server == "https://environment"
    assert find_access(environ={"HOME": str(tmp_path)}).server == "https://10.0.0.1:6443"
    assert find_access(master="https://m:1", environ=environ).server == "https://m:1"
    with pytest.raises(ConfigError, match="kubeConfig"):
        find_access(environ={"HOME": str(tmp_path / "nowhere")})


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    (tmp_path / "ca.crt").write_text(CA)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    access = in_cluster(environ, tmp_path)
    assert (access.server, access.token_file) == ("https://[fd00::1]:443", str(tmp_path / "token"))
