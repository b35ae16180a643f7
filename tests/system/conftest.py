"""A real site and a real board for the tests of the whole road, made once for all of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts import Board, Site, quietly, unmount_below
from demo.stage import Stage, free_port
from demo.steps import EXAMPLES

IMAGE = "localhost/bramble-test-web:1"


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="bramble-site-"))
    made = Site(Stage(folder), api=0, hub=0, https=0)
    made.api, made.hub, made.https = _free_ports()
    made.start()
    yield made
    made.stage.stop()
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def board(site: Site) -> Iterator[Board]:
    """EdgeCore, Ready, with the image of the examples at hand."""
    made = Board(site, f"test-{site.api}")
    made.join()
    made.start()
    site.wait("the node Ready", made.ready, within=60)
    made.build_image(EXAMPLES / "web", IMAGE)
    yield made
    for kind in ("deployment", "pod"):
        quietly(lambda kind=kind: site.kubectl("delete", kind, "--all", "--wait=false"))
    quietly(lambda: site.wait("the containers gone", lambda: not made.containers() or None, within=30))
    made.remove_containers()
    quietly(lambda: made.podman("rmi", "-f", IMAGE))
    made.stop()


def _free_ports() -> tuple[int, int, int]:
    return free_port(), free_port(), free_port()
