"""Images of ``make containers`` in a Podman of their own. Nothing here runs unless IMAGES names the folder of the archives and HELM a helm:
``make test-containers`` does both."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.stage import Stage
from tests.containers.podman import Podman

collect_ignore_glob = [] if os.environ.get("IMAGES") else ["test_*.py"]


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    made = Podman(Path(os.environ["IMAGES"]))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="bramble-containers-"))
    made = Stage(folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
