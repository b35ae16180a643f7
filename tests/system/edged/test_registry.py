"""Images from a registry of one's own: Debian's ``docker-registry`` on loopback behind a private CA, open to who has the password (I1)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.podman import Podman
from tests.system.edged.conftest import Board
from tests.system.edged.registry import PASSWORD, USER, Registry, serving, trusting

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry"), locked=True) as made:
        yield made


@pytest.fixture(scope="module")
def podman(registry: Registry) -> Iterator[Podman]:
    """The image is in the registry and not on the board."""
    made = trusting(registry)
    digest = registry.folder / "digest"
    login = ("--cert-dir", str(registry.folder / "trusted"), "--creds", f"{USER}:{PASSWORD}")
    made.run("push", "-q", *login, "--digestfile", str(digest), made.image, registry.name())
    yield made
    for tag in (":1", f"@{digest.read_text().strip()}"):
        made.run("rmi", "-f", registry.name(tag), check=False)
    made.close()


def waiting(board: Board, pod: str) -> dict[str, str]:
    status = (board.meta.last_status(pod).get("containerStatuses") or [{"state": {}}])[0]
    found: dict[str, str] = status["state"].get("waiting", {})
    return found


def private(board: Board, name: str, image: str, *secrets: str) -> dict[str, Any]:
    document = board.pod(name, image=image, imagePullPolicy="IfNotPresent")
    document["spec"]["imagePullSecrets"] = [{"name": secret} for secret in secrets]
    return document


def test_without_the_password_the_pod_says_so_and_with_it_the_image_comes(board: Board, registry: Registry) -> None:
    board.apply(private(board, "locked", registry.name()))
    board.meta.wait_for(lambda: waiting(board, "locked").get("reason") == "ErrImagePull", 30)
    assert "unauthorized" in waiting(board, "locked")["message"].lower() or "authentication" in waiting(board, "locked")["message"].lower()
    board.meta.wait_for(lambda: waiting(board, "locked").get("reason") == "ImagePullBackOff", 30)
    board.delete("locked")
    board.meta.objects[("default", "secret", "registry")] = registry.secret()
    board.apply(private(board, "opened", registry.name(), "registry"))
    board.running("opened")
    assert {"Pulling", "Pulled"} <= set(board.meta.reasons("opened"))
    board.delete("opened")


def test_an_image_can_be_named_by_its_digest(board: Board, registry: Registry) -> None:
    digest = (registry.folder / "digest").read_text().strip()
    board.meta.objects[("default", "secret", "registry")] = registry.secret()
    board.apply(private(board, "exact", registry.name(f"@{digest}"), "registry"))
    board.running("exact")
    board.delete("exact")


def test_a_registry_that_hangs_holds_up_nobody_else(board: Board) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        board.apply(private(board, "stuck", f"127.0.0.1:{silent.getsockname()[1]}/app:1"))
        board.meta.wait_for(lambda: "Pulling" in board.meta.reasons("stuck"), 20)
        board.apply(board.pod("brisk"))
        board.running("brisk")
        assert waiting(board, "stuck")["reason"] == "ContainerCreating"
        board.delete("stuck")
        board.delete("brisk")
