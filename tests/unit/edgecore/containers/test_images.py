from __future__ import annotations

import base64
import json

import pytest

from edgecore.containers.images import PullPolicy, credentials_for, full_name, policy_for, registry_of


@pytest.mark.parametrize(
    ("name", "registry", "full"),
    [
        ("web", "", "docker.io/library/web:latest"),
        ("web:1", "", "docker.io/library/web:1"),
        ("me/web", "", "docker.io/me/web:latest"),
        ("localhost/web:1", "localhost", "localhost/web:1"),
        ("localhost:5000/web", "localhost:5000", "localhost:5000/web:latest"),
        ("quay.io/a/b@sha256:0", "quay.io", "quay.io/a/b@sha256:0"),
    ],
)
def test_what_an_image_name_means(name: str, registry: str, full: str) -> None:
    assert (registry_of(name), full_name(name)) == (registry, full)


@pytest.mark.parametrize(
    ("name", "asked", "policy"),
    [
        ("quay.io/web", "", PullPolicy.ALWAYS),
        ("quay.io/web:latest", "", PullPolicy.ALWAYS),
        ("quay.io/web:1", "", PullPolicy.IF_NOT_PRESENT),
        ("quay.io/web:1", "Always", PullPolicy.ALWAYS),
        ("quay.io/web:1", "Never", PullPolicy.NEVER),
        ("quay.io/web:1", "nonsense", PullPolicy.IF_NOT_PRESENT),
        ("localhost/web:latest", "", PullPolicy.IF_NOT_PRESENT),
        ("localhost/web:1", "Always", PullPolicy.IF_NOT_PRESENT),
        ("localhost:5000/web:1", "Always", PullPolicy.ALWAYS),
    ],
)
def test_images_that_were_built_here_are_never_pulled(name: str, asked: str, policy: PullPolicy) -> None:
    assert policy_for(name, asked) is policy


def test_the_credentials_of_the_right_registry_are_found() -> None:
    auth = base64.b64encode(b"me:pa:ss").decode()
    documents = [{"auths": {"https://index.docker.io/v1/": {"auth": auth}}}, {"quay.io": {"username": "you", "password": "p"}}]
    assert decoded(credentials_for("web:1", documents)) == {"username": "me", "password": "pa:ss"}
    assert decoded(credentials_for("quay.io/web", documents)) == {"username": "you", "password": "p"}
    assert credentials_for("ghcr.io/web", documents) == ""


@pytest.mark.parametrize("document", [{}, {"auths": 3}, {"auths": {"quay.io": "x"}}, {"auths": {"quay.io": {"auth": "***"}}}])
def test_credentials_that_cannot_be_read_are_none(document: dict[str, object]) -> None:
    assert credentials_for("quay.io/web", [document]) == ""


def decoded(header: str) -> object:
    return json.loads(base64.urlsafe_b64decode(header))
