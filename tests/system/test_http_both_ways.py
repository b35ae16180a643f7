"""HTTP from the cloud to an application on a board, and from one to a target in the cloud, through real processes (P5.13, P5.14)."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from demo.parts import SITE_CONFIG, Board, Site
from demo.stage import BIN, Stage, free_port, wait_for

pytestmark = pytest.mark.system


class _Echo(BaseHTTPRequestHandler):
    """Says what it heard, and from whom."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        said = json.dumps(
            {"path": self.path, "body": body, "node": self.headers.get("Bramble-Node", ""), "kind": self.headers["Content-Type"]}
        )
        self.send_response(418 if self.path.endswith("teapot") else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@dataclass
class RoutedSite(Site):
    """A site whose boards may ask ``target``."""

    router: int = field(default_factory=free_port)
    target: str = ""

    def launch(self) -> None:
        own = {"folder": self.folder, "api": self.api, "hub": self.hub, "https": self.https, "metrics": self.metrics}
        config = self.folder / "edgesite.yaml"
        router = f"  router: {{enable: true, port: {self.router}, targets: ['{self.target}']}}\n"
        config.write_text(SITE_CONFIG.format(**own) + router)
        self.process = self.stage.start("edgesite", BIN / "edgesite", "--config", config)


@dataclass(frozen=True)
class World:
    """``target``: what applications may ask; ``called`` and ``asked`` begin the URLs of the two doors."""

    board: Board
    target: str
    called: str
    asked: str


@pytest.fixture(scope="module")
def world(echo: int) -> Iterator[World]:
    """A site with a router and a board with a ServiceBus, but without pods."""
    folder = Path(tempfile.mkdtemp(prefix="bramble-http-"))
    ports = {name: free_port() for name in ("api", "hub", "https", "metrics")}
    site = RoutedSite(Stage(folder), **ports, target=f"http://127.0.0.1:{echo}/orders")
    try:
        site.start()
        board, bus = Board(site, "edge1", mqtt=free_port(), metrics=free_port()), free_port()
        board.join()
        text = board.config.read_text().replace("  edged:\n", "  edged:\n    enable: false\n")
        board.config.write_text(text + f"  serviceBus: {{enable: true, port: {bus}}}\n")
        board.start()
        site.wait("the link", lambda: board.links() or None)
        yield World(board, site.target, f"http://127.0.0.1:{site.router}/edge1", f"http://127.0.0.1:{bus}/")
        board.stop()
    finally:
        site.stage.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _post(url: str, body: bytes) -> tuple[int, str]:
    asked = urllib.request.Request(url, data=body, headers={"Content-Type": "text/x-test"})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def _ask(world: World, target: str, payload: Any) -> dict[str, Any]:
    asked = {"method": "POST", "targetURL": target, "payload": payload}
    return dict(json.loads(_post(world.asked, json.dumps(asked).encode())[1]))


def test_the_cloud_calls_an_application_on_the_board_and_has_its_answer(world: World, echo: int) -> None:
    status, text = _post(f"{world.called}/{echo}/api/light?on=1", b"hi")
    assert (status, json.loads(text)) == (200, {"path": "/api/light?on=1", "body": "hi", "node": "", "kind": "text/x-test"})
    assert _post(f"{world.called}/{echo}/teapot", b"hi")[0] == 418
    status, text = _post(f"{world.called}/1/", b"hi")
    assert (status, text) == (404, "no application listens on port 1")
    assert _post(world.called.replace("edge1", "edge2") + "/80/", b"")[0] == 503


def test_an_application_on_the_board_asks_what_the_cloud_allows_and_nothing_else(world: World) -> None:
    told = wait_for(
        "the target at the board", lambda: found if (found := _ask(world, world.target, {"item": 7}))["code"] == 200 else None, within=15
    )
    assert json.loads(told["body"]) == {"path": "/orders", "body": '{"item": 7}', "node": "edge1", "kind": "application/json"}
    other = _ask(world, world.target.replace("orders", "secret"), None)
    assert other["code"] == 400 and "is not allowed" in other["msg"]


def test_megabytes_pass_in_both_directions_and_the_link_lives(world: World, echo: int) -> None:
    links = world.board.links()
    status, text = _post(f"{world.called}/{echo}/large", b"x" * 2_900_000)
    assert (status, len(json.loads(text)["body"])) == (200, 2_900_000)
    assert _post(f"{world.called}/{echo}/large", b"x" * 3_000_001)[0] == 413
    told = _ask(world, world.target, "x" * 2_000_000)
    assert (told["code"], len(json.loads(told["body"])["body"])) == (200, 2_000_000)
    assert world.board.links() == links


def test_without_the_cloud_an_application_is_told_so_at_once_and_afterwards_it_is_served_again(world: World) -> None:
    site = world.board.site
    site.stop()
    told = wait_for("the cut", lambda: found if (found := _ask(world, world.target, None))["code"] == 503 else None, within=20)
    assert "cloud" in told["msg"]
    site.launch()
    wait_for("the cloud", lambda: _ask(world, world.target, None)["code"] == 200 or None, within=60)
