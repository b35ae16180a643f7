"""The door to Podman: its REST socket by the ``podman`` package. The only importer of it and of what it raises.

The package's own objects inspect every container of a list and lack some fields, so the libpod endpoints are called through its one client.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from edgecore.containers import bridges, imagepull, processes
from edgecore.containers import podman_wire as wire
from edgecore.containers.durable import sync_file_system
from edgecore.containers.labels import POD_UID
from edgecore.containers.leaving_out import leaving_out, no_guessing
from edgecore.containers.model import Container, ContainerSpec, Executed, Happening, Image, Sandbox, SandboxSpec, State
from edgecore.containers.progress import Fetched
from edgecore.errors import ContainerLost, EngineError, EngineUnreachable, ExecTimeout, ImageMissing, ImagePullError

with leaving_out("charset_normalizer", "rich", chardet=no_guessing()):
    import requests
    import urllib3
    from podman import PodmanClient
    from podman.errors import APIError, PodmanError

logger = logging.getLogger(__name__)

T = TypeVar("T")

API_VERSION = "4.0.0"
"""The oldest API with all that is used here: Podman 4.3 and 5.x both answer to it."""

PROBE_LIMIT = 10.0
"""Seconds in which an engine that is alive says who it is."""

INFO_LIMIT = 60.0

EVENT_SILENCE = 300.0
"""Seconds without an event after which the stream is opened anew, in case the engine died unseen."""

LOAD_LIMIT = 1800.0
"""Seconds for an archive of images from a slow card."""

CONNECTIONS = 40
"""Kept open for the next request: as many as there may be pods at work at one time."""

OUTPUT_LIMIT = 10 * 1024
"""Bytes of what a command in a container printed that are kept."""

_LOST = "container not known"
"""What Podman's storage says of a container that Podman's own list has and it has not."""

_PAUSE_IMAGE = "localhost/podman-pause:"
_JSON = {"Content-Type": "application/json"}


class PodmanRuntime:
    """``Runtime`` on a Podman socket such as ``unix:///run/podman/podman.sock``. ``timeout`` seconds for what should be quick."""

    def __init__(self, socket: str, *, timeout: float = 120.0) -> None:
        self._client = PodmanClient(base_url=socket, version=API_VERSION, timeout=timeout, max_pool_size=CONNECTIONS)
        self._socket = socket.removeprefix("unix://")
        self._timeout = timeout
        self._has_made_sandboxes = False
        self._probe_timeout = min(timeout, PROBE_LIMIT)

    def version(self) -> str:
        """From a ping: for ``version`` Podman asks the package manager, which on a slow board takes longer than one can wait."""
        return _read("_ping", wire.version_from_ping, self._call("GET", "/_ping", timeout=self._probe_timeout).headers)

    def info(self) -> dict[str, Any]:
        """Podman's description of its host (``GET info``), for which it asks the package manager."""
        return _read("info", dict, self._json("GET", "/info", timeout=min(self._timeout, INFO_LIMIT)))

    def containers(self, uid: str = "") -> list[Container]:
        query = {"all": "true", "filters": json.dumps(wire.label_filter(uid))}
        entries = self._json("GET", "/containers/json", params=query) or []
        return _read("containers", lambda found: [wire.container_from_list(entry) for entry in found if not entry.get("IsInfra")], entries)

    def sandboxes(self, uid: str = "") -> list[Sandbox]:
        entries = self._json("GET", "/pods/json", params={"filters": json.dumps(wire.label_filter(uid))}) or []
        return _read("pods", lambda found: [wire.sandbox_from_list(entry) for entry in found], entries)

    def look(self, container: str) -> Container | None:
        answer = self._call("GET", f"/containers/{container}/json", raise_error=False)
        if answer.status_code == 404:
            return None
        if answer.status_code >= 400:
            reason = _reason(answer)
            error = ContainerLost if _LOST in reason else EngineError
            raise error(f"container {container[:12]}: {reason}")
        return _read("container", wire.container_from_inspect, _decoded(answer.content))

    def create(self, spec: ContainerSpec) -> str:
        answer = self._create(spec)
        if answer.status_code >= 400 and self._has_freed_name(_reason(answer)):
            answer = self._create(spec)
        if answer.status_code >= 400:
            reason = _reason(answer)
            if "image not known" in reason or "no such image" in reason.lower():
                raise ImageMissing(spec.image)
            raise EngineError(f"create {spec.name}: {reason}")
        return _read("create", _id, _decoded(answer.content))

    def create_sandbox(self, spec: SandboxSpec) -> str:
        try:
            sandbox = self._make_sandbox(spec)
        except EngineUnreachable:
            raise
        except EngineError:
            self._check_pause_image()
            raise
        if not self._has_made_sandboxes:
            self._has_made_sandboxes = True
            self._keep_images()  # the pause image may have been built just now
        return sandbox

    def sandbox_address(self, sandbox: str) -> str:
        infra = _read("pod", lambda body: str(body.get("InfraContainerID", "")), self._json("GET", f"/pods/{sandbox}/json"))
        return _read("container", wire.address_from_inspect, self._json("GET", f"/containers/{infra}/json")) if infra else ""

    def start(self, container: str) -> None:
        self._call("POST", f"/containers/{container}/start")
        bridges.keep_addresses()

    def stop(self, container: str, grace: float) -> None:
        seconds = max(0, round(grace))
        query = {"timeout": str(seconds)}
        self._call("POST", f"/containers/{container}/stop", params=query, timeout=self._timeout + seconds, missing_is_fine=True)

    def exec(self, container: str, command: Sequence[str], *, timeout: float) -> Executed:
        deadline = time.monotonic() + timeout
        session = self.open_exec(container, command)
        start = json.dumps({"Detach": False, "Tty": False})
        try:
            answer = self._call("POST", f"/exec/{session}/start", data=start, headers=_JSON, stream=True, timeout=(self._timeout, timeout))
            with closing(answer):
                output = _output(answer.raw, deadline)
        except (TimeoutError, EngineUnreachable, urllib3.exceptions.HTTPError) as exc:
            self._kill_exec(container, session)
            raise ExecTimeout(f"command {command[0]} in container {container[:12]}: not done within {timeout:g} s") from exc
        return Executed(self.exec_code(session), output)

    def open_exec(self, container: str, command: Sequence[str], *, terminal: bool = False, stdin: bool = False) -> str:
        """A session in which ``command`` will run; its id. ``POST exec/<id>/start`` starts it."""
        body = json.dumps(wire.exec_body(command, terminal=terminal, stdin=stdin))
        return _read("exec", _id, self._json("POST", f"/containers/{container}/exec", data=body, headers=_JSON))

    def exec_code(self, session: str) -> int:
        """The exit code of a command that has ended."""
        return _read("exec", lambda body: int(body["ExitCode"]), self._json("GET", f"/exec/{session}/json"))

    def remove(self, container: str) -> None:
        query = {"force": "true", "v": "true", "timeout": "0"}
        self._call("DELETE", f"/containers/{container}", params=query, missing_is_fine=True)

    def remove_sandbox(self, sandbox: str) -> None:
        self._call("DELETE", f"/pods/{sandbox}", params={"force": "true", "timeout": "0"}, missing_is_fine=True)

    def image(self, name: str) -> str:
        answer = self._call("GET", f"/images/{quote(name, safe='')}/json", missing_is_fine=True)
        return "" if answer.status_code == 404 else str(_decoded(answer.content).get("Id", ""))

    def image_user(self, name: str) -> str:
        body = self._json("GET", f"/images/{quote(name, safe='')}/json")
        return _read("image", lambda found: str((found.get("Config") or {}).get("User") or found.get("User") or ""), body)

    def images(self) -> list[Image]:
        entries = self._json("GET", "/images/json") or []
        return _read("images", lambda found: [wire.image_from_list(entry) for entry in found], entries)

    def remove_image(self, image: str) -> None:
        self._call("DELETE", f"/images/{quote(image, safe='')}", missing_is_fine=True)

    def load(self, archive: Path) -> list[str]:
        try:
            with archive.open("rb") as body:
                answer = self._call("POST", "/images/load", data=body, headers={"Content-Type": "application/x-tar"}, timeout=LOAD_LIMIT)
        except OSError as exc:
            raise EngineError(f"load: {exc}") from exc
        finally:
            self._keep_images()
        return _read("load", lambda found: list(map(str, found.get("Names") or [])), _decoded(answer.content))

    def is_whole(self, name: str) -> bool:
        """By an export: Podman compares each file with the checksum that it noted when the file came."""
        answer = self._call(
            *("GET", f"/images/{quote(name, safe='')}/get"),
            params={"format": "docker-archive"},
            stream=True,
            timeout=LOAD_LIMIT,
            raise_error=False,
        )
        with closing(answer):
            if answer.status_code >= 400:
                reason = _reason(answer)
                logger.warning("image %s: %s", name, reason)
                return "no space left" in reason  # which says nothing of the image
        return True

    def memory(self) -> dict[str, int]:
        by_id = {container.id: container.label(POD_UID) for container in self.containers() if container.state is State.RUNNING}
        if not by_id:
            return {}
        body = self._json("GET", "/containers/stats", params={"stream": "false", "containers": list(by_id)})
        used: dict[str, int] = {}
        for entry in _read("stats", lambda found: list(found.get("Stats") or []), body):
            uid = by_id.get(str(entry.get("ContainerID")), "")
            used[uid] = used.get(uid, 0) + int(entry.get("MemUsage") or 0)
        return used

    def volume(self, name: str) -> str:
        answer = self._call("GET", f"/volumes/{quote(name, safe='')}/json", missing_is_fine=True)
        return "" if answer.status_code == 404 else _read("volume", _place, _decoded(answer.content))

    def make_volume(self, name: str, labels: tuple[tuple[str, str], ...]) -> str:
        body = json.dumps({"Name": name, "Label": dict(labels)})
        return _read("volume", _place, self._json("POST", "/volumes/create", data=body, headers=_JSON))

    def pull(self, name: str, *, credentials: str, stall: float, heard: Callable[[Fetched], object]) -> Image:
        try:
            imagepull.fetch(self._socket, name, credentials=credentials, stall=stall, heard=heard)
        finally:
            self._keep_images()
        try:
            body = self._json("GET", f"/images/{quote(name, safe='')}/json")
            return _read("image", lambda found: Image(str(found["Id"]), (name,), int(found.get("Size") or 0)), body)
        except EngineError as exc:
            raise ImagePullError(name, f"it was fetched and is not here: {exc}") from exc

    def happenings(self) -> Iterator[Happening | None]:
        query = {"stream": "true", "filters": json.dumps({"type": ["container"], "label": wire.label_filter("")["label"]})}
        try:
            answer = self._call("GET", "/events", params=query, stream=True, timeout=(self._timeout, EVENT_SILENCE))
            with closing(answer):
                yield None
                for line in answer.iter_lines(chunk_size=1):
                    happening = wire.happening_from_event(_decoded(line))
                    if happening is not None:
                        yield happening
        except (requests.RequestException, EngineError) as exc:
            logger.debug("event stream ended: %s", exc)

    def close(self) -> None:
        close: Any = self._client.close
        close()

    def _create(self, spec: ContainerSpec) -> Any:
        return self._call("POST", "/containers/create", data=json.dumps(wire.container_body(spec)), headers=_JSON, raise_error=False)

    def _has_freed_name(self, reason: str) -> bool:
        """A power cut in the middle of a creation leaves a layer that keeps the name, of a container that Podman does not know."""
        holder = wire.holder_of_name(reason)
        if not holder or self._call("GET", f"/containers/{holder}/json", raise_error=False).status_code != 404:
            return False
        logger.warning("the storage of container %s, which was never made, is removed", holder[:12])
        self.remove(holder)
        return True

    def _make_sandbox(self, spec: SandboxSpec) -> str:
        sandbox = _read("pod", _id, self._json("POST", "/pods/create", data=json.dumps(wire.sandbox_body(spec)), headers=_JSON))
        try:
            self._call("POST", f"/pods/{sandbox}/start")
            bridges.keep_addresses()
        except EngineError:
            self.remove_sandbox(sandbox)
            raise
        return sandbox

    def _check_pause_image(self) -> None:
        """Podman builds the image that holds a sandbox when it is first wanted. If a power cut spoilt it, the next try builds another."""
        try:
            for name in (name for image in self.images() for name in image.names if name.startswith(_PAUSE_IMAGE)):
                if not self.is_whole(name):
                    self.remove_image(name)
                    logger.warning("image %s was spoilt and is removed", name)
        except EngineError as exc:
            logger.warning("the image for networks of pods: %s", exc)

    def _keep_images(self) -> None:
        """Before anyone builds on what has come; layers of a pull that failed stay too."""
        try:
            if place := next(filter(None, (self._place_of(image.id) for image in self.images())), ""):
                sync_file_system(place)
        except (EngineError, OSError) as exc:
            logger.warning("a power cut may spoil the images that have just come: %s", exc)

    def _place_of(self, image: str) -> str:
        """Where an image lies, or empty where Podman cannot say. ``info`` tells too where the storage is, and takes long."""
        answer = self._call("GET", f"/images/{image}/json", raise_error=False)
        place = str((((_decoded(answer.content).get("GraphDriver") or {}).get("Data")) or {}).get("UpperDir") or "")
        return place if os.path.isdir(place) else ""

    def _kill_exec(self, container: str, session: str) -> None:
        """The engine has no word for this."""
        try:
            pid = _read("exec", lambda body: int(body.get("Pid") or 0), self._json("GET", f"/exec/{session}/json"))
        except EngineError as exc:
            logger.debug("exec %s: %s", session[:12], exc)
            return
        processes.tell(pid, container, signal.SIGKILL)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        try:
            return self._call(method, path, **options).json()
        except ValueError as exc:
            raise EngineError(f"{method} {path}: the answer is not JSON") from exc

    def _call(
        self, method: str, path: str, *, missing_is_fine: bool = False, raise_error: bool = True, timeout: Any = None, **options: Any
    ) -> Any:
        send = getattr(self._client.api, method.lower())
        try:
            answer = send(path, timeout=timeout or self._timeout, **options)
        except (requests.ConnectionError, requests.Timeout, OSError) as exc:
            raise EngineUnreachable(f"{method} {path}: {exc}") from exc
        except (APIError, PodmanError, requests.RequestException) as exc:
            raise EngineError(f"{method} {path}: {exc}") from exc
        if raise_error and answer.status_code >= 400 and not (missing_is_fine and answer.status_code == 404):
            raise EngineError(f"{method} {path}: {_reason(answer)}")
        return answer


def _read(what: str, parse: Callable[[Any], T], body: Any) -> T:
    try:
        return parse(body)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise EngineError(f"{what}: the engine's answer has an unknown shape ({type(exc).__name__}: {exc})") from exc


def _id(body: dict[str, Any]) -> str:
    return str(body["Id"])


def _place(body: dict[str, Any]) -> str:
    return str(body["Mountpoint"])


def _output(stream: Any, deadline: float) -> bytes:
    """Raises:
    TimeoutError: the output has no end before ``deadline``.
    """
    kept = bytearray()
    while header := stream.read(8):
        piece = stream.read(wire.frame_length(header))
        kept += piece[: OUTPUT_LIMIT - len(kept)]
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(kept)


def _reason(answer: Any) -> str:
    return wire.reason(_decoded(answer.content)) or f"HTTP {answer.status_code}"


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
