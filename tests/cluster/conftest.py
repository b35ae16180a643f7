"""A real cluster and a board at it, made once for all tests here. Nothing here runs unless KUBERNETES_PROGRAMS names the folder that
``tests/cluster/build.sh`` filled: ``make test-cluster`` does both."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts import Board, quietly, unmount_below
from demo.stage import Stage, free_port
from demo.steps import EXAMPLES
from tests.cluster.site import ClusterSite
from tests.system.conftest import IMAGE

PROGRAMS = os.environ.get("KUBERNETES_PROGRAMS", "")
collect_ignore_glob = [] if PROGRAMS else ["test_*.py"]

NODE = "cluster-board"


@pytest.fixture(scope="session")
def site() -> Iterator[ClusterSite]:
    folder = Path(tempfile.mkdtemp(prefix="bramble-cluster-"))
    data = Path(tempfile.mkdtemp(prefix="bramble-etcd-", dir="/dev/shm"))
    ports = {name: free_port() for name in ("api", "hub", "https", "metrics")}
    made = ClusterSite(Stage(folder), **ports, programs=Path(PROGRAMS), boards=(NODE,), data=data)
    try:
        made.found()
        made.start()
        yield made
    finally:
        made.stop()
        made.stage.stop()
        unmount_below(folder)
        shutil.rmtree(data, ignore_errors=True)
        if not os.environ.get("KEEP"):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def board(site: ClusterSite) -> Iterator[Board]:
    """EdgeCore, Ready, with the image of the examples at hand."""
    made = Board(site, NODE)
    made.join()
    made.start()
    try:
        site.wait("the node Ready", made.ready, within=60)
        made.build_image(EXAMPLES / "web", IMAGE)
        yield made
    finally:
        for kind in ("deployment", "daemonset", "job", "pod"):
            quietly(lambda kind=kind: site.kubectl("delete", kind, "--all", "--wait=false"))
        quietly(lambda: site.wait("the containers gone", lambda: not made.containers() or None, within=30))
        made.remove_containers()
        quietly(lambda: made.podman("rmi", "-f", IMAGE))
        made.stop()
