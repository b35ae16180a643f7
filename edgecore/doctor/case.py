"""What all checks of one run share: the board, the config or the defaults, and answers that more than one of them asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from edgecore import surroundings
from edgecore.certs.files import IdentityFiles, stored_identity
from edgecore.certs.identity import NodeIdentity
from edgecore.certs.jointoken import Endpoint, parse_endpoint
from edgecore.certs.renewal import files_of
from edgecore.config import DEFAULT_FILE, EdgeCoreConfig, read_config
from edgecore.containers.engine_choice import MachineFacts
from edgecore.containers.engine_facts import machine_facts
from edgecore.doctor import network
from edgecore.doctor.board import Board, NeedsRoot, TookTooLong
from edgecore.edged.machine import read_machine
from edgecore.edged.node import Machine
from edgecore.errors import ConfigError, EdgeCoreError, EngineError
from edgecore.localapi import client
from edgecore.store import inspection
from edgecore.store.inspection import Inspection
from viaduct.handshake import HUB_PORT

T = TypeVar("T")

PODMAN_S = 20.0


def config_file(given: str) -> Path:
    """The config that a flag names; the default one, which may be missing, where it names none.

    Raises:
        ConfigError: the one that is named is not there.
    """
    path = Path(given or DEFAULT_FILE).absolute()
    try:
        if given and not path.is_file():
            raise ConfigError(f"--config: {given[:200]}: no such file")
    except OSError as exc:
        raise ConfigError(f"--config: {given[:200]}: cannot be read: {exc.strerror}") from exc
    return path


class Case:
    """``config`` holds the defaults where there is no file (``configured`` is False) or it cannot be used (``problems``)."""

    def __init__(self, board: Board, config_file: Path) -> None:
        self.board = board
        self.config_file = config_file
        self.hidden: NeedsRoot | None = None
        """Why the config may not be read."""
        self.configured = self._is_there()
        self.config = EdgeCoreConfig()
        self.problems: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self._answers: dict[str, _Once] = {}
        if self.configured and self.hidden is None:
            self._read_config()

    def _is_there(self) -> bool:
        try:
            self.board.text(self.config_file)
            return self.board.exists(self.config_file)
        except NeedsRoot as exc:
            self.hidden = exc
            return True

    def _read_config(self) -> None:
        try:
            self.config, self.warnings = read_config(self.board.place(self.config_file))
        except ConfigError as exc:
            self.problems = exc.problems

    @property
    def database(self) -> Path:
        return self.board.place(self.config.database.data_source)

    @property
    def identity_files(self) -> IdentityFiles:
        files = files_of(self.config.modules.edgehub)
        return IdentityFiles(*(self.board.place(path) for path in (files.ca, files.certificate, files.key)))

    @property
    def engine_folder(self) -> str:
        return self.config.modules.edged.root_directory

    @property
    def hub(self) -> Endpoint:
        return parse_endpoint(self.config.modules.edgehub.websocket.server, HUB_PORT, "modules.edgehub.websocket.server")

    @property
    def speaks_to_a_cloud(self) -> bool:
        return self.configured and not self.hidden and not self.problems and self.config.modules.edgehub.enable

    def agent(self) -> int:
        """The process id of the EdgeCore over our database; 0: none runs. Raises NeedsRoot."""
        return self._once("agent", self._agent)

    def status(self) -> dict[str, Any]:
        """What the running EdgeCore says of itself. Raises NeedsRoot, EdgeCoreError."""
        return self._once("status", lambda: self.ask({"verb": "status"}))

    def ask(self, question: dict[str, Any]) -> Any:
        """Of the running EdgeCore. Raises NeedsRoot, EdgeCoreError."""
        path = str(self.board.place(self.config.modules.local_api.socket))
        try:
            return client.ask(path, question)
        except EdgeCoreError as exc:
            if isinstance(exc.__cause__, PermissionError):
                raise NeedsRoot(path) from exc
            raise

    def machine(self) -> Machine:
        place = self.board.place
        folder = str(place(self.engine_folder))
        return self._once("machine", lambda: read_machine(folder, proc=place("/proc"), etc=place("/etc"), run=place("/run")))

    def engine_facts(self) -> MachineFacts:
        place = self.board.place
        return self._once("facts", lambda: machine_facts(cgroup_root=place("/sys/fs/cgroup"), proc=place("/proc"), etc=place("/etc")))

    def podman_info(self) -> dict[str, Any]:
        """Raises NeedsRoot, EdgeCoreError."""
        found = self._once("podman info", lambda: self.podman("info", "--format", "json"))
        return cast("dict[str, Any]", found if isinstance(found, dict) else {})

    def podman(self, *words: str) -> Any:
        """What ``podman`` prints as JSON, configured as EdgeCore's own service is. Raises NeedsRoot; EngineError, EdgeCoreError."""
        if not self.board.is_root():
            raise NeedsRoot("Podman's containers of root")
        if not self.board.program("podman"):
            raise EdgeCoreError("podman is not installed")
        ours = f"{self.engine_folder}/containers.conf"
        environment = {"CONTAINERS_CONF": str(self.board.place(ours))} if self.board.exists(ours) else None
        try:
            ran = self.board.run("podman", *words, timeout=PODMAN_S, environment=environment)
        except TookTooLong as exc:
            raise EngineError(str(exc)) from exc
        if ran.code != 0:
            raise EngineError(f"podman {words[0]}: {_last_line(ran.error) or f'exit code {ran.code}'}")
        try:
            return json.loads(ran.output or "null")
        except ValueError as exc:
            raise EngineError(f"podman {words[0]}: the answer is not JSON") from exc

    def identity(self) -> NodeIdentity | None:
        """The facts of this node's certificate; None where it has none. Raises NeedsRoot, IdentityError."""
        return self._once("identity", self._identity)

    def inspection(self) -> Inspection | None:
        """None: there is no database yet. Raises NeedsRoot, StoreError."""
        return self._once("inspection", self._inspection)

    def addresses_of(self, host: str) -> list[str]:
        """Raises EdgeCoreError: the name has none."""
        return self._once(f"name {host}", lambda: network.addresses_of(host))

    def listeners(self) -> list[network.Listener]:
        return self._once("listeners", lambda: network.listeners(self.board))

    def throttled(self) -> int | None:
        """The flags of a Raspberry Pi's firmware about power and heat; None where there are none."""
        return self._once("throttled", self._throttled)

    def kernel_log(self) -> list[str]:
        """Raises NeedsRoot."""
        return self._once("kernel log", self._kernel_log)

    def forget(self) -> None:
        """Ask everything again, after a repair."""
        with self._lock:
            self._answers.clear()
        if self.configured and self.hidden is None:
            self._read_config()

    def _agent(self) -> int:
        folder = Path(self.config.database.data_source).parent
        if self.board.exists(folder):
            self.board.facts(folder / "edgecore.lock")  # says who may look
        return surroundings.holder(self.board.place(folder), self.board.place("/proc"))

    def _identity(self) -> NodeIdentity | None:
        from edgecore.certs import keys  # imports cryptography, which is only worth it where there is a certificate

        files = self.identity_files
        edgehub = self.config.modules.edgehub
        if not self.board.exists(edgehub.tls_cert_file):
            return None
        certificate, ca = (self.board.text(path) for path in (edgehub.tls_cert_file, edgehub.tls_ca_file))
        return stored_identity(files) or keys.describe(certificate.encode(), ca.encode())

    def _inspection(self) -> Inspection | None:
        path = self.config.database.data_source
        if not self.board.exists(Path(path).parent) or not self.board.exists(path):
            return None
        if not self.board.is_root():
            self.board.text(path)  # says who may look
        return inspection.inspect(self.database)

    def _throttled(self) -> int | None:
        for path in self.board.find("/sys/devices/platform/soc*/*firmware/get_throttled"):
            return _hexadecimal(self.board.text(path))
        if not self.board.program("vcgencmd"):
            return None
        return _hexadecimal(self.board.run("vcgencmd", "get_throttled").output.partition("=")[2])

    def _kernel_log(self) -> list[str]:
        ran = self.board.run("dmesg")
        if ran.code != 0 and not self.board.is_root():
            raise NeedsRoot("the kernel's log")
        return ran.output.splitlines()

    def _once(self, name: str, ask: Callable[[], T]) -> T:
        with self._lock:
            answer = self._answers.setdefault(name, _Once(ask))
        return cast(T, answer.get())


class _Once:
    """Asked once, whoever comes first; an error is the answer for all."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: list[Any] = []
        self._error: EdgeCoreError | None = None

    def get(self) -> Any:
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._answer:
                try:
                    self._answer.append(self._ask())
                except EdgeCoreError as exc:
                    self._error = exc
                    raise
            return self._answer[0]


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text.strip(), 16)
    except ValueError:
        return None


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:300] if text.strip() else ""
