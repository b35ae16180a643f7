"""Finds the container engine, or runs one: a Podman service as our own child, with a configuration that this kernel can bear.

Ending the child ends no container: each has its own monitor process. Only the socket goes away.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edgecore.containers import bridges
from edgecore.containers.engine_choice import Configuration, MachineFacts, configure, missing_controllers, unfit
from edgecore.containers.podman import PodmanRuntime
from edgecore.errors import EngineError, EngineUnreachable
from edgecore.leftovers import end, started_with

logger = logging.getLogger(__name__)

SYSTEM_SOCKET = "/run/podman/podman.sock"
LONGEST_SOCKET_PATH = 107
START_LIMIT = 30.0
"""Seconds for which the first answer of our own service is waited for at a time."""
LONGEST_START = 600.0
"""Seconds after which a service that has never answered is ended and started again. After the boot of a slow board Podman first goes
through all its containers; ended on the way, it would begin anew each time."""

_CERTIFICATE_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs")
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
_REGISTRIES = 'unqualified-search-registries = ["docker.io"]\n'


class Engine:
    """``runtime()`` from any thread; the first call finds or starts the engine. ``endpoint``: a socket that must be used, or empty."""

    def __init__(
        self,
        root_directory: str,
        *,
        endpoint: str = "",
        facts: Callable[[], MachineFacts],
        timeout: float = 120.0,
        system_socket: str = SYSTEM_SOCKET,
    ) -> None:
        self._root = Path(root_directory)
        self._endpoint = endpoint
        self._read_facts = facts
        self._timeout = timeout
        self._system_socket = system_socket
        self._lock = threading.Lock()
        self._runtime: PodmanRuntime | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._child_since = 0.0
        self._closed = False
        self._retry_at = 0.0
        self.facts: MachineFacts | None = None
        self.missing: dict[str, str] = {}
        """Limits that this kernel cannot keep, and why."""

    def runtime(self) -> PodmanRuntime:
        """The engine's door.

        Raises:
            EngineUnreachable: there is none now; the text says what may help.
        """
        with self._lock:
            if self._closed:
                raise EngineUnreachable("the engine is being shut down")
            if self._child is not None and self._child.poll() is not None:
                logger.warning("our Podman service ended with code %s: it is started again", self._child.returncode)
                self._child, self._runtime = None, None
            if self._runtime is None:
                self._runtime = self._find() if self._child is None else self._wait_for_answer(self._child)
            return self._runtime

    def stop(self) -> None:
        """End our child, if there is one. Containers go on."""
        self._closed = True
        with self._lock:
            if self._runtime is not None:
                self._runtime.close()
            if self._child is not None:
                _end(self._child)
                self._socket.unlink(missing_ok=True)

    def _find(self) -> PodmanRuntime:
        if time.monotonic() < self._retry_at:
            raise EngineUnreachable("the container engine could not be started; tried again soon")
        self._retry_at = time.monotonic() + 2.0
        facts = self.facts = self.facts or self._read_facts()
        self.missing = missing_controllers(facts)
        if self._endpoint:
            return self._connect(self._endpoint)
        if os.path.exists(self._system_socket):
            found = self._system_service(facts)
            if found is not None:
                return found
        return self._own_service(facts)

    def _connect(self, endpoint: str) -> PodmanRuntime:
        runtime = PodmanRuntime(endpoint, timeout=self._timeout)
        version = runtime.version()
        logger.info("container engine: Podman %s at %s", version, endpoint)
        bridges.keep_addresses()
        return runtime

    def _system_service(self, facts: MachineFacts) -> PodmanRuntime | None:
        endpoint = f"unix://{self._system_socket}"
        runtime = PodmanRuntime(endpoint, timeout=self._timeout)
        try:
            reason = unfit(runtime.info(), facts)
        except EngineError as exc:
            reason = str(exc)
        if not reason:
            logger.info("container engine: the system's Podman service at %s", endpoint)
            return runtime
        logger.warning("the system's Podman service at %s is not used: %s", endpoint, reason)
        runtime.close()
        return None

    def _own_service(self, facts: MachineFacts) -> PodmanRuntime:
        if len(os.fsencode(self._socket)) > LONGEST_SOCKET_PATH:
            raise EngineUnreachable(
                f"modules.edged.rootDirectory: {self._root} is too long for a socket path (limit {LONGEST_SOCKET_PATH})"
            )
        configuration = configure(facts)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._end_leftovers()
            (self._root / "containers.conf").write_text(configuration.containers_conf)
            return self._start(configuration, facts)
        except OSError as exc:
            raise EngineUnreachable(f"our Podman service cannot be set up in {self._root}: {exc}") from exc

    def _start(self, configuration: Configuration, facts: MachineFacts) -> PodmanRuntime:
        self._socket.unlink(missing_ok=True)
        try:
            with open(self._root / "engine.log", "wb") as log:
                self._child = subprocess.Popen(
                    ["podman", "system", "service", "--time", "0", f"unix://{self._socket}"],
                    env=self._environment(facts),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except FileNotFoundError as exc:
            raise EngineUnreachable(f"podman cannot be started ({exc}): install the package podman") from exc
        self._child_since = time.monotonic()
        logger.info("container engine: our own Podman service at unix://%s (%s)", self._socket, "; ".join(configuration.reasons))
        return self._wait_for_answer(self._child)

    def _wait_for_answer(self, child: subprocess.Popen[bytes]) -> PodmanRuntime:
        deadline = time.monotonic() + START_LIMIT
        while child.poll() is None and time.monotonic() < deadline and not self._closed:
            if self._socket.exists():
                runtime = PodmanRuntime(f"unix://{self._socket}", timeout=self._timeout)
                try:
                    runtime.version()
                    self._retry_at = 0.0
                    return runtime
                except EngineError:
                    runtime.close()
            time.sleep(0.02)
        if child.poll() is None and not self._closed and time.monotonic() < self._child_since + LONGEST_START:
            raise EngineUnreachable("our Podman service is still starting")
        _end(child)
        self._child = None
        raise EngineUnreachable(f"our Podman service did not answer: {_tail(self._root / 'engine.log')}")

    def _environment(self, facts: MachineFacts) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID")}
        environment["CONTAINERS_CONF"] = str(self._root / "containers.conf")
        environment["SSL_CERT_DIR"] = os.pathsep.join((*_CERTIFICATE_DIRECTORIES, str(self._root / "registry-ca")))
        if not facts.has_policy:
            home = self._root / "engine-home"
            (home / ".config/containers").mkdir(parents=True, exist_ok=True)
            (home / ".config/containers/policy.json").write_text(_POLICY)
            environment["HOME"] = str(home)
        if not facts.has_registries:
            (self._root / "registries.conf").write_text(_REGISTRIES)
            environment["CONTAINERS_REGISTRIES_CONF"] = str(self._root / "registries.conf")
        return environment

    def _end_leftovers(self) -> None:
        """An EdgeCore that was killed leaves its service behind; two on one socket would be one too many.

        Never by force: Podman would leave its locks behind.
        """
        for pid in started_with("service", f"unix://{self._socket}"):
            logger.info("ending the Podman service (pid %d) of an earlier EdgeCore", pid)
            if not end(pid, 5.0, by_force=False):
                logger.warning("the Podman service (pid %d) of an earlier EdgeCore still has work to do: it ends when that is done", pid)

    @property
    def _socket(self) -> Path:
        return self._root / "podman.sock"


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(5)


def _tail(path: Path) -> str:
    try:
        return path.read_bytes()[-500:].decode(errors="replace").strip() or "no output"
    except OSError:
        return "no output"
