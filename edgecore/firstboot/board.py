"""The door to the board's own files: settings as Debian's programs read them, each written whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from edgecore.certs.files import write_whole
from edgecore.errors import FirstBootError, IdentityError
from edgecore.firstboot import documents
from edgecore.firstboot.partition import overwrite
from edgecore.firstboot.settings import Cloud, FirstBoot, Wifi

UNNAMED = "bramble"
"""The host name of a board that nobody named."""

_SYSTEMCTL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class JoinOrder:
    """What is kept, mode 0600, until the board has joined. Without a token it pairs: ``code`` is what it shows, empty for one
    that is still to be made, and without an address it asks whatever site it finds."""

    address: str
    hub_port: int
    name: str
    token: str = field(repr=False)
    code: str = field(default="", repr=False)


class Board:
    """``root``: another one than / in tests, where no service is spoken to either."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._state = root / "var/lib/bramble/firstboot"
        self._is_this = root == Path("/")

    def has_zone(self, zone: str) -> bool:
        return (self._root / "usr/share/zoneinfo" / zone).is_file()

    def has_mapper(self, mapper: str) -> bool:
        return (self._root / f"etc/bramble/mappers/{mapper}.yaml").is_file()

    def is_joined(self) -> bool:
        return self._has_config() or self.order() is not None

    def shows_code(self) -> bool:
        """Whether it waits to be paired."""
        try:
            order = self.order()
        except FirstBootError:
            return False
        return order is not None and not order.token

    def network(self) -> str:
        """The wireless network that it knows, or nothing."""
        return documents.ssid_of(self._text("etc/wpa_supplicant/wpa_supplicant-wlan0.conf"))

    def digest(self) -> str:
        """Of the files that were applied last."""
        return self._text("var/lib/bramble/firstboot/applied").strip()

    def remember(self, digest: str) -> None:
        self._write("var/lib/bramble/firstboot/applied", f"{digest}\n")

    def order(self) -> JoinOrder | None:
        """The join that is still to be done. Raises: FirstBootError: the file is not one of ours."""
        text = self._text("var/lib/bramble/firstboot/join.json")
        if not text:
            return None
        try:
            return JoinOrder(**json.loads(text))
        except (TypeError, ValueError) as exc:
            raise FirstBootError(f"{self._state / 'join.json'}: not an order to join; give the token again in bramble.yaml") from exc

    def apply(self, wanted: FirstBoot) -> None:
        """Raises: FirstBootError: the disk or systemd refused; the next boot tries again."""
        self._name(wanted.name)
        if wanted.time_zone:
            self._set_zone(wanted.time_zone)
        if wanted.ssh.authorized_keys:
            self._write("etc/ssh/authorized_keys.d/bramble", documents.authorized_keys(wanted.ssh.authorized_keys))
        if wanted.wifi.ssid and (wanted.wifi.open or wanted.wifi.passphrase):
            self._set_wifi(wanted.wifi)
        for mapper in wanted.mappers:
            self._systemctl("enable", "--quiet", f"bramble-mapper@{mapper}.service")
            self._systemctl("start", "--no-block", f"bramble-mapper@{mapper}.service")
        self._order(wanted.cloud, wanted.name)

    def keep(self, order: JoinOrder) -> None:
        """Raises: FirstBootError: the disk refused."""
        self._write("var/lib/bramble/firstboot/join.json", json.dumps(dataclasses.asdict(order)), 0o600)

    def joined(self) -> None:
        """The order is done and forgotten; the agent starts with what it wrote."""
        self._forget()
        self._systemctl("restart", "--no-block", "edgecore.service")

    def _order(self, cloud: Cloud, name: str) -> None:
        """A token replaces everything. Who gave none earlier and gives none now goes on showing the same code."""
        if cloud.token:
            self.keep(JoinOrder(cloud.address, cloud.hub_port, name, cloud.token))
            return
        try:
            known = self.order()
        except FirstBootError:
            known = None
        if known is not None and known.token:
            return
        if not cloud.pairing:
            self._forget()
        elif not self._has_config():
            self.keep(JoinOrder(cloud.address, cloud.hub_port, name, "", known.code if known else ""))

    def _forget(self) -> None:
        path = self._state / "join.json"
        with contextlib.suppress(OSError), path.open("r+b") as file:
            path.unlink()
            overwrite(file.fileno())

    def _has_config(self) -> bool:
        return (self._root / "etc/kubeedge/config/edgecore.yaml").is_file()

    def _name(self, name: str) -> None:
        known = self._text("etc/hostname").strip()
        if not name and known != UNNAMED:
            return
        name = name or f"{UNNAMED}-{self._text('etc/machine-id').strip()[:6] or 'board'}"
        if name != known:
            self._write("etc/hostname", f"{name}\n")
            self._write("etc/hosts", documents.hosts(name))
            if self._is_this:
                socket.sethostname(name)

    def _set_zone(self, zone: str) -> None:
        beside = self._root / "etc/.localtime.bramble"
        try:
            beside.unlink(missing_ok=True)
            beside.symlink_to(f"/usr/share/zoneinfo/{zone}")
            os.replace(beside, self._root / "etc/localtime")
        except OSError as exc:
            raise FirstBootError(f"/etc/localtime: cannot be set: {exc.strerror}") from exc
        self._write("etc/timezone", f"{zone}\n")

    def _set_wifi(self, wifi: Wifi) -> None:
        self._write("etc/wpa_supplicant/wpa_supplicant-wlan0.conf", documents.wpa_supplicant(wifi), 0o600)

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Only what is another text: flash wears."""
        if self._text(name) == text:
            return
        try:
            write_whole(self._root / name, text.encode(), mode)
        except IdentityError as exc:
            raise FirstBootError(str(exc)) from exc

    def _text(self, name: str) -> str:
        try:
            return (self._root / name).read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as exc:
            raise FirstBootError(f"/{name}: cannot be read: {exc.strerror}") from exc

    def _systemctl(self, *words: str) -> None:
        if not self._is_this:
            return
        try:
            done = subprocess.run(
                ["systemctl", *words], capture_output=True, text=True, errors="replace", timeout=_SYSTEMCTL_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise FirstBootError(f"systemctl {' '.join(words)}: {exc}") from exc
        if done.returncode != 0:
            raise FirstBootError(f"systemctl {' '.join(words)}: {done.stderr.strip()[:300]}")
