"""Images over a line that is slow and breaks (I1): a registry behind a proxy that throttles and cuts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.podman import Podman
from tests.faults.background import Background
from tests.faults.proxy import Proxy
from tests.system.edged.conftest import Board, free_port
from tests.system.edged.registry import Registry, serving, trusting

pytestmark = pytest.mark.system

MB = 1_000_000


class Line:
    """``image`` makes one with layers of chance, puts it into the registry and takes it off the board; its name leads through ``proxy``."""

    def __init__(self, registry: Registry, podman: Podman, proxy: Proxy) -> None:
        self.registry = registry
        self.podman = podman
        self.proxy = proxy

    def image(self, name: str, *sizes: int) -> str:
        folder = self.registry.folder / name
        folder.mkdir()
        lines = [f"FROM {self.podman.image}"]
        for number, size in enumerate(sizes):
            (folder / f"f{number}").write_bytes(os.urandom(size))
            lines.append(f"COPY f{number} /f{number}")
        (folder / "Containerfile").write_text("\n".join(lines) + "\n")
        here = f"localhost/{name}-{self.registry.port}:1"
        self.podman.run("build", "-q", "--layers", "-t", here, str(folder))
        self.podman.run("push", "-q", "--cert-dir", str(self.registry.folder / "trusted"), here, f"127.0.0.1:{self.registry.port}/{name}:1")
        self.podman.run("rmi", "-f", here)
        return f"127.0.0.1:{self.proxy.port}/{name}:1"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry"), locked=False) as made:
        yield made


@pytest.fixture(scope="module")
def podman(registry: Registry) -> Iterator[Podman]:
    made = trusting(registry)
    yield made
    made.close()


@pytest.fixture
def line(registry: Registry, podman: Podman) -> Iterator[Line]:
    background = Background()
    proxy = Proxy(background, registry.port, free_port())
    yield Line(registry, podman, proxy)
    proxy.close()
    background.stop()
    names = podman.run("images", "--format", "{{.Repository}}:{{.Tag}}", check=False).split()
    for name in names:
        if name.startswith(f"127.0.0.1:{proxy.port}/"):
            podman.run("rmi", "-f", name, check=False)


def waiting(board: Board, pod: str) -> dict[str, str]:
    status = (board.meta.last_status(pod).get("containerStatuses") or [{"state": {}}])[0]
    found: dict[str, str] = status["state"].get("waiting", {})
    return found


def told(board: Board, pod: str) -> list[str]:
    return [event["message"] for event in list(board.meta.events.values()) if event["involvedObject"]["name"] == pod]


def asking(board: Board, name: str, image: str) -> dict[str, Any]:
    return board.pod(name, image=image, imagePullPolicy="IfNotPresent")


def test_a_slow_pull_shows_how_far_it_is_and_delays_nobody_else(board: Board, line: Line) -> None:
    image = line.image("slow", 2 * MB, 2 * MB)
    line.proxy.weather(rate=0.2 * MB)
    board.apply(asking(board, "slow", image))
    board.meta.wait_for(lambda: image in board.pulls.read() and board.pulls.read()[image].current > 0, 30)
    board.apply(board.pod("brisk"))
    board.running("brisk")
    # Of the layers that have begun.
    board.meta.wait_for(lambda: board.pulls.read()[image].total > 3 * MB, 20)
    shown = board.pulls.read()[image]
    assert shown.current < shown.total <= 4.04 * MB
    assert shown.text.startswith("Pulling ") and shown.text.endswith(" % of 4.0 MB")
    assert waiting(board, "slow") == {"reason": "ContainerCreating"}
    line.proxy.weather()
    board.meta.wait_for(lambda: board.meta.last_status("slow").get("phase") == "Running", 60)
    assert any(text.startswith(f'Successfully pulled image "{image}" in ') and "Image size: 6" in text for text in told(board, "slow"))
    for name in ("slow", "brisk"):
        board.delete(name)


def test_layers_that_came_before_the_line_broke_do_not_come_again(board: Board, line: Line) -> None:
    image = line.image("broken", MB, 6 * MB, 6 * MB)
    line.proxy.weather(rate=1.5 * MB)
    board.apply(asking(board, "broken", image))
    board.meta.wait_for(lambda: image in board.pulls.read() and board.pulls.read()[image].layers, 60)
    line.proxy.outage()
    board.meta.wait_for(lambda: waiting(board, "broken").get("reason") == "ErrImagePull", 60)
    assert waiting(board, "broken")["message"]
    before = line.proxy.carried["down"]
    line.proxy.heal()
    board.meta.wait_for(lambda: board.meta.last_status("broken").get("phase") == "Running", 60)
    again = line.proxy.carried["down"] - before
    assert again < 12.6 * MB
    board.delete("broken")


@pytest.mark.timeout(240)
def test_an_image_comes_over_a_line_that_breaks_again_and_again(board: Board, line: Line) -> None:
    image = line.image("shaken", 3 * MB, 3 * MB, 3 * MB)
    line.proxy.weather(rate=1.5 * MB)
    board.apply(asking(board, "shaken", image))
    cuts, mark, deadline = 0, 0, time.monotonic() + 150
    while board.meta.last_status("shaken").get("phase") != "Running":
        assert time.monotonic() < deadline, (cuts, line.proxy.carried, told(board, "shaken"))
        if line.proxy.carried["down"] - mark > 2.5 * MB and cuts < 6:
            line.proxy.reset()
            cuts, mark = cuts + 1, line.proxy.carried["down"]
        time.sleep(0.05)
    assert cuts >= 3
    board.delete("shaken")
