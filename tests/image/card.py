"""``make test-image ARCH=arm64``: from a flashed card with a ``bramble.yaml`` to a Node that is Ready and runs a pod, without a login.

The site runs on this machine; the emulated board reaches it at 10.0.2.2. The image of the pod lies on the card: there is no registry.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from demo.parts import SITE_CONFIG, Site
from demo.stage import BIN, Failed, Stage, run
from images.sdcard.build import OUT, TOP
from tests.image.archive import NAME as BOX
from tests.image.archive import archive, busybox
from tests.image.emulated import Board
from tests.vm.steps import play

T = TypeVar("T")

FOLDER = TOP / "dist" / "images" / "test"
NODE = "greenhouse"
HOST = "10.0.2.2"
"""This machine, as qemu's network shows it to the board."""

_PATIENCE = 15

PASSPHRASE = "a passphrase to find again"
_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()
_WORK = "trap 'exit 0' TERM; echo the pod runs on $(/bin/busybox uname -m); while :; do /bin/busybox sleep 1; done"


class AdvertisedSite(Site):
    """Its certificate holds for the address by which the board sees this machine."""

    def launch(self) -> None:
        config = self.folder / "edgesite.yaml"
        text = SITE_CONFIG.format(folder=self.folder, api=self.api, hub=self.hub, https=self.https, metrics=self.metrics)
        config.write_text(text.replace("  cloudHub:\n", f"  cloudHub:\n    advertiseAddress: [{HOST}]\n"))
        self.process = self.stage.start("edgesite", BIN / "edgesite", "--config", config)

    def wait(self, what: str, claim: Callable[[], T | None], *, within: float = 40.0) -> T:
        """More patient than the demo: an emulated board beside it keeps this machine busy."""
        return super().wait(what, claim, within=within * _PATIENCE)

    def token(self) -> str:
        command = (BIN / "cloudcore", "token", "create", "--ttl", "3h", "--one-time", "--kubeconfig", self.kubeconfig)
        return run(*command, timeout=60.0 * _PATIENCE).split()[-1]


class Road:
    def __init__(self, arch: str, image: Path) -> None:
        self.arch = arch
        self.image = image
        self.site = AdvertisedSite(Stage(FOLDER / "site"))
        self._board: Board | None = None

    @property
    def board(self) -> Board:
        assert self._board is not None
        return self._board

    def start_site(self) -> str:
        self.site.start()
        return f"enrolment on port {self.site.https}, boards on port {self.site.hub}"

    def flash(self) -> str:
        self._board = Board(self.arch, self.image, FOLDER / "board")
        box = FOLDER / "box.tar"
        box.write_bytes(archive(busybox(self.arch), self.arch))
        self.board.lay_in_root(box, "/var/lib/bramble/edged/images/box.tar")
        return f"{self.image.name} on a card of {self.board.card.stat().st_size >> 20} MB"

    def boot(self) -> str:
        self.token = self.site.token()
        self.board.lay("bramble.yaml", self._settings(self.token))
        self.board.on()
        self.board.wait_up()
        return f"to the login prompt; this machine is {self.board.slowness:.1f} times as slow as an idle one"

    def join(self) -> str:
        info = self.board.wait("the node Ready", self._ready, within=300)
        return f"{NODE} is Ready: {info['osImage']}, {info['kernelVersion']}, {info['architecture']}, {info['containerRuntimeVersion']}"

    def run_pod(self) -> str:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "box"},
            "spec": {
                "nodeName": NODE,
                "containers": [
                    {"name": "box", "image": BOX, "imagePullPolicy": "Never", "command": ["/bin/sh", "-c", _WORK]},
                ],
            },
        }
        self.site.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
        self.board.wait("the pod Running", lambda: self.site.get("pod", "box")["status"].get("phase") == "Running", within=300)
        said = self.board.wait("the pod's log", lambda: self.site.kubectl("logs", "box"), within=60)
        return f"kubectl logs: {said.strip()}"

    def look_at_card(self) -> str:
        left = self.board.wait("bramble.yaml without its secrets", self._blanked, within=60)
        _holds(left, f"name: {NODE}", "# a comment stays")
        self.board.wait("no file of errors", lambda: not self.board.read("bramble-errors.txt"), within=60)
        held = [secret for secret in (self.token, PASSPHRASE) if self.board.has(secret)]
        if held:
            raise Failed("a secret is still in the free space of the FAT partition")
        self.board.wait("the root grown", lambda: sum(self.board.root()) + (8 << 20) > self.board.card.stat().st_size, within=300)
        return f"no secret in the FAT partition, its free space included; the root has grown to {self.board.root()[1] >> 20} MB"

    def spoil(self) -> str:
        self.board.cut()
        self.site.stop()
        wrong = self._settings("token").replace("country: DE", "country: Germany").replace(f"name: {NODE}", "name: shed")
        self.board.lay("bramble.yaml", wrong)
        self.board.on()
        self.board.wait_up(ups=2)
        told = self.board.wait("the file of errors", lambda: self.board.read("bramble-errors.txt"), within=60)
        _holds(told, "wifi.country: expected", "cloud.token: expected a join token")
        _holds(self.board.told(), "wifi.country: expected", "bramble-errors.txt")
        return "the board comes up without the site; on the console and in bramble-errors.txt: " + ", ".join(
            line.partition(":")[0] for line in told.splitlines() if ": " in line
        )

    def come_back(self) -> str:
        self.site.start()
        self.board.wait("the node Ready again", self._ready, within=400)
        self.board.wait("the pod Running again", lambda: self.site.get("pod", "box")["status"].get("phase") == "Running", within=300)
        return f"{NODE} is Ready under its old name, and the pod runs"

    def down(self) -> None:
        if self._board is not None:
            self._board.down()
        self.site.stage.stop()

    def told(self) -> str:
        return "\n".join(self._board.told().splitlines()[-60:]) if self._board is not None else ""

    def _settings(self, token: str) -> str:
        return f"""\
# a comment stays
name: {NODE}
timeZone: Europe/Berlin
ssh:
  authorizedKeys:
  - {_KEY} nobody
wifi:
  country: DE
  ssid: nowhere
  passphrase: {PASSPHRASE}
cloud:
  address: {HOST}:{self.site.https}
  hubPort: {self.site.hub}
  token: {token}
mappers: []
"""

    def _ready(self) -> dict[str, str] | None:
        status = self.site.get("node", NODE)["status"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        return dict(status["nodeInfo"]) if ready else None

    def _blanked(self) -> str:
        text = self.board.read("bramble.yaml")
        return text if 'token: ""' in text and 'passphrase: ""' in text else ""


def _holds(text: str, *parts: str) -> None:
    missing = [part for part in parts if part not in text]
    if missing:
        raise Failed(f"expected {missing} in:\n{text[-3000:]}")


def main() -> int:
    arch = os.environ.get("ARCH", "arm64")
    named = os.environ.get("IMAGE")
    images = [Path(named)] if named else sorted(OUT.glob(f"bramble-*-{arch}.img.xz"))
    if not images:
        print(f"there is no image: make image ARCH={arch}", file=sys.stderr)
        return 1
    road = Road(arch, images[-1])
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("a site on this machine", road.start_site),
        ("flash a card", road.flash),
        ("edit bramble.yaml and boot", road.boot),
        ("the board joins by itself", road.join),
        ("a pod", road.run_pod),
        ("the card in the laptop again", road.look_at_card),
        ("the power is cut, the site is away, the settings are wrong", road.spoil),
        ("the site comes back", road.come_back),
    )
    return play(steps, road.down, road.told)


if __name__ == "__main__":
    sys.exit(main())
