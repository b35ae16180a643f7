"""What goes into a bundle. Chosen field by field, so that what nobody thought of stays out; masked afterwards all the same."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from componentconfig.rendering import render_full
from edgecore.diag.known import without_secrets
from edgecore.doctor import report
from edgecore.doctor.case import Case
from edgecore.doctor.catalog import CHECKS
from edgecore.doctor.examine import examine
from edgecore.errors import EdgeCoreError
from viaduct import __version__

_PROC = (
    *("cmdline", "cpuinfo", "diskstats", "filesystems", "loadavg", "meminfo", "modules", "mounts", "net/dev", "net/tcp", "net/tcp6"),
    *("partitions", "pressure/cpu", "pressure/io", "pressure/memory", "self/cgroup", "swaps", "uptime", "version", "vmstat"),
)
_LIBRARIES = ("peewee", "paho-mqtt", "websocket-client", "podman", "PyYAML", "cryptography", "requests")
_PROGRAMS = (("podman", "--version"), ("crun", "--version"), ("runc", "--version"), ("mosquitto", "-h"), ("systemctl", "--version"))
_LOG_LINES = "3000"
_LOG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """``make`` gives a text, or a value that becomes JSON. It may raise EdgeCoreError. ``limit`` in seconds."""

    name: str
    make: Callable[[Case], Any]
    limit: float = 30.0


def _versions(case: Case) -> Any:
    board = case.board
    said = {words[0]: board.run(*words).output.partition("\n")[0] for words in _PROGRAMS if board.program(words[0])}
    packages = board.run("dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}\n", "bramble-*").output.splitlines()
    release = dict(line.split("=", 1) for line in board.text("/etc/os-release").splitlines() if "=" in line)
    return {
        "bramble": __version__,
        "python": sys.version,
        "libraries": {name: version for name in _LIBRARIES if (version := _version_of(name))},
        "programs": said,
        "packages": packages,
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "kernel": board.kernel(),
        "model": board.text("/proc/device-tree/model"),
        "asRoot": board.is_root(),
    }


def _version_of(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _doctor(case: Case) -> Any:
    return report.as_json(examine(CHECKS, case))


def _config(case: Case) -> Any:
    if not case.configured:
        return f"# there is no {case.config_file}\n"
    if case.hidden is not None:
        raise case.hidden
    if case.problems:
        return "".join(f"# {problem}\n" for problem in case.problems)
    return "".join(f"# {warning}\n" for warning in case.warnings) + render_full(without_secrets(case.config))


def _status(case: Case) -> Any:
    return case.status()


def _pods(case: Case) -> Any:
    """Without commands, arguments and environment: secrets stand there."""
    return [pod_summary(pod) for pod in case.ask({"verb": "get", "kind": "pods", "namespace": "", "name": ""})]


def pod_summary(pod: Mapping[str, Any]) -> dict[str, Any]:
    meta, spec, status = (pod.get(part) or {} for part in ("metadata", "spec", "status"))
    return {
        "metadata": {key: meta.get(key) for key in ("namespace", "name", "uid", "creationTimestamp", "deletionTimestamp")},
        "spec": {
            "containers": [
                {key: container.get(key) for key in ("name", "image", "resources", "ports")} for container in spec.get("containers") or []
            ],
            **{key: spec.get(key) for key in ("restartPolicy", "hostNetwork", "dnsPolicy")},
        },
        "status": {
            key: status.get(key)
            for key in ("phase", "reason", "message", "podIP", "startTime", "conditions", "initContainerStatuses", "containerStatuses")
        },
    }


def _devices(case: Case) -> Any:
    """Names and whether desired and reported agree, not the values."""
    return [device_summary(device) for device in case.ask({"verb": "get", "kind": "devices", "namespace": "", "name": ""})]


def device_summary(device: Mapping[str, Any]) -> dict[str, Any]:
    name = (device.get("metadata") or {}).get("name")
    return {"name": name, **{key: device.get(key) for key in ("state", "lastOnline")}, "properties": sorted(device.get("twins") or {})}


def _database(case: Case) -> Any:
    found = case.inspection()
    if found is None:
        return {"path": case.config.database.data_source, "exists": False}
    owed = {rank.name.lower(): asdict(held) for rank, held in found.owed.items()}
    facts = {"bytes": found.bytes, "schema": found.schema, "flaw": found.flaw, "rows": found.rows, "owed": owed, "dropped": found.dropped}
    return {"path": case.config.database.data_source, "exists": True, **facts}


def _certificates(case: Case) -> Any:
    from edgecore.certs import keys

    edgehub = case.config.modules.edgehub
    found: dict[str, Any] = {}
    for name, path in (("ca", edgehub.tls_ca_file), ("certificate", edgehub.tls_cert_file)):
        text = case.board.text(path)
        if text:
            since, until = keys.dates(text.encode())
            found[name] = {"path": path, "notBefore": since, "notAfter": until}
    identity = case.identity() if "certificate" in found else None
    if identity is not None:
        found["certificate"] |= {
            "node": identity.node,
            "serial": identity.serial,
            "sha256": identity.digest,
            "caSha256": identity.authority,
        }
    return found


def _podman_info(case: Case) -> Any:
    return case.podman_info()


def _podman_ps(case: Case) -> Any:
    return [container_summary(entry) for entry in case.podman("ps", "-a", "--format", "json") or []]


def container_summary(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Without commands and mounts; of labels our own."""
    labels = {key: value for key, value in (entry.get("Labels") or {}).items() if key.startswith("io.bramble.")}
    wanted = (
        "Id",
        "Names",
        "Image",
        "State",
        "Status",
        "Created",
        "StartedAt",
        "ExitedAt",
        "ExitCode",
        "IsInfra",
        "Pod",
        "Networks",
        "Pid",
    )
    return {**{key: entry.get(key) for key in wanted}, "Labels": labels}


def _journal(*units: str) -> Callable[[Case], Any]:
    words = [word for unit in units for word in ("-u", unit)]

    def make(case: Case) -> str:
        if not case.board.program("journalctl"):
            raise EdgeCoreError("there is no journal")
        ran = case.board.run("journalctl", *words, "-n", _LOG_LINES, "--no-pager", "-o", "short-iso", timeout=25.0)
        return ran.output or ran.error

    return make


def _kernel_log(case: Case) -> Any:
    return "\n".join(case.kernel_log()[-2000:])


def _engine_log(case: Case) -> Any:
    return case.board.text(f"{case.engine_folder}/engine.log")


def log_file(path: str) -> Part:
    """The end of a file to which somebody sends what EdgeCore says."""

    def make(case: Case) -> str:
        text = case.board.text(path)
        if not text:
            raise EdgeCoreError(f"{path}: no such file, or empty")
        return text[-_LOG_BYTES:]

    return Part("logs/given.log", make)


def _proc(case: Case) -> Any:
    """One text: the kernel's files are many and short."""
    found = {name: case.board.text(f"/proc/{name}") for name in _PROC}
    return "".join(f"==> /proc/{name}\n{text}\n\n" for name, text in found.items() if text)


def _metrics(case: Case) -> Any:
    metrics = case.config.metrics
    if not (metrics.enable and metrics.port and case.agent()):
        raise EdgeCoreError("EdgeCore does not run, or serves no numbers")
    connection = http.client.HTTPConnection(metrics.address, metrics.port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read(_LOG_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as exc:
        raise EdgeCoreError(f"metrics: {exc}") from exc
    finally:
        connection.close()


PARTS = (
    Part("versions.json", _versions),
    Part("doctor.json", _doctor, limit=300.0),
    Part("config.yaml", _config),
    Part("status.json", _status),
    Part("pods.json", _pods),
    Part("devices.json", _devices),
    Part("database.json", _database, limit=120.0),
    Part("certificates.json", _certificates),
    Part("podman-info.json", _podman_info),
    Part("podman-ps.json", _podman_ps),
    Part("metrics.txt", _metrics),
    Part("proc.txt", _proc),
    Part("logs/edgecore.log", _journal("edgecore")),
    Part("logs/mappers.log", _journal("bramble-mapper@*")),
    Part("logs/broker.log", _journal("mosquitto")),
    Part("logs/kernel.log", _kernel_log),
    Part("logs/engine.log", _engine_log),
)
