"""The door to the program mosquitto: EdgeCore's own broker, a child process with a private configuration, on loopback only (promise X6)."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from edgecore.beehive.backoff import Backoff
from edgecore.errors import BrokerError
from edgecore.leftovers import end, started_with

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
FIRST_DELAY, MAX_DELAY = 0.2, 10.0
STARTING = 5.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONFIG = """# Written by EdgeCore at each start; changes are lost.
listener {port} {host}
allow_anonymous true
persistence false
max_inflight_messages 1000
max_queued_messages {queue}
max_packet_size {limit}
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
"""
_MESSAGE_LIMIT = 4 * 1024 * 1024 + 65535 + 16
"""The longest payload that we publish, with its topic: one packet above it would end our own connection."""


def find_program() -> str:
    """Path of mosquitto, empty where it is not installed (Debian keeps it in /usr/sbin, which is not in everybody's PATH)."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_PATH) or ""


def port_is_taken(port: int) -> bool:
    """Whether nobody else may listen on ``port`` of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class OwnBroker:
    """One mosquitto that is started again when it ends, until ``stop``. It keeps nothing on disk."""

    def __init__(self, directory: Path, program: str, port: int, *, queue: int) -> None:
        """``directory`` (made, mode 0700) gets the configuration. ``queue``: messages kept for a slow client."""
        self.port = port
        self._program = program
        self._config = directory / "mosquitto.conf"
        self._queue = queue
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mosquitto", daemon=True)

    def start(self) -> None:
        """Raises BrokerError when the program does not run or does not listen within STARTING seconds."""
        self._config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = _CONFIG.format(port=self.port, host=HOST, queue=self._queue, limit=_MESSAGE_LIMIT)
        self._config.write_text(text, encoding="utf-8")
        self._launch()
        deadline = time.monotonic() + STARTING
        while not _listens(self.port):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise BrokerError(f"our own broker ({self._program}) did not start on port {self.port}; its words are in the log")
            time.sleep(0.02)
        self._thread.start()
        logger.info("our own broker listens on %s:%d", HOST, self.port)

    def stop(self, timeout: float = 5.0) -> None:
        self._stopping.set()
        process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout)

    def _launch(self) -> None:
        try:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as exc:
            raise BrokerError(f"cannot start {self._program}: {exc.strerror}") from exc

    def _watch(self) -> None:
        backoff = Backoff(FIRST_DELAY, MAX_DELAY)
        while not self._stopping.is_set():
            started = time.monotonic()
            code = self._process.wait() if self._process is not None else None
            if self._stopping.is_set():
                return
            if time.monotonic() - started > MAX_DELAY * 3:
                backoff.reset()
            delay = backoff.next()
            logger.warning("our own broker ended (code %s), starting again in %.1f s", code, delay)
            if self._stopping.wait(delay):
                return
            try:
                self._launch()
            except BrokerError as exc:
                self._process = None
                logger.error("%s", exc)


def end_orphan(directory: Path) -> bool:
    """End the broker that an EdgeCore which was killed left behind in ``directory``. True: there was one."""
    found = started_with("-c", str(directory / "mosquitto.conf"))
    for pid in found:
        logger.info("ending the broker that was left behind (process %d)", pid)
        end(pid, 3.0, by_force=True)
    return bool(found)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 0.5).close()
    except OSError:
        return False
    return True
