"""Answers as tables in kubectl's manner. Pure; ``now`` is epoch seconds."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from edgecore.containers.progress import PULLING

_SPANS = ((86_400 * 2, 86_400, "d"), (3600 * 3, 3600, "h"), (60 * 3, 60, "m"), (0, 1, "s"))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell, three spaces apart."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (heads, *rows))


def listing(kind: str, objects: list[dict[str, Any]], *, now: float, all_namespaces: bool, wide: bool = False) -> str:
    """``edgecore get``."""
    kinds: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], tuple[str, ...]]]] = {
        "pods": (("NAME", "READY", "STATUS", "RESTARTS", "AGE", *(("IP",) if wide else ())), lambda o: _pod_row(o, now, wide)),
        "configmaps": (("NAME", "DATA", "AGE"), lambda o: _config_row(o, now)),
        "secrets": (("NAME", "TYPE", "DATA", "AGE"), lambda o: _secret_row(o, now)),
        "services": (("NAME", "TYPE", "CLUSTER-IP", "PORT(S)", "AGE"), lambda o: _service_row(o, now)),
        "devices": (("NAME", "STATE", "LAST ONLINE", "TWINS", "PROBLEM"), _device_row),
        "nodes": (("NAME", "STATUS", "CLOUD", "VERSION"), _node_row),
    }
    heads, row = kinds[kind]
    spaced = all_namespaces and kind not in ("devices", "nodes")
    rows = [(*((str(_meta(o).get("namespace", "")),) if spaced else ()), *row(o)) for o in objects]
    return table((*(("NAMESPACE",) if spaced else ()), *heads), rows)


def pod_state(pod: dict[str, Any]) -> str:
    """The word that kubectl would show: why containers wait or ended, else the phase. Of an image that comes: how far it has come."""
    status = pod.get("status") or {}
    if _meta(pod).get("deletionTimestamp"):
        return "Terminating"
    word = str(status.get("reason") or status.get("phase") or "Pending")
    for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        message = str(((container.get("state") or {}).get("waiting") or {}).get("message") or "")
        if message.startswith(f"{PULLING} "):
            return message
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
        if ended:
            word = str(ended.get("reason") or f"ExitCode:{ended.get('exitCode')}")
    return word


def described(pod: dict[str, Any], *, now: float) -> str:
    """``edgecore describe pod``."""
    meta, spec, status = _meta(pod), pod.get("spec") or {}, pod.get("status") or {}
    lines = [
        ("Name:", meta.get("name")),
        ("Namespace:", meta.get("namespace")),
        ("Node:", spec.get("nodeName")),
        ("Status:", pod_state(pod)),
        ("IP:", status.get("podIP") or ""),
        ("Age:", age(meta.get("creationTimestamp"), now)),
        ("Restart policy:", spec.get("restartPolicy", "Always")),
        ("Message:", status.get("message") or ""),
    ]
    text = [f"{key:<16}{value}" for key, value in lines if value]
    told = {str(c.get("name")): c for c in status.get("containerStatuses") or []}
    text.append("Containers:")
    for container in spec.get("containers") or []:
        text += _container(container, told.get(str(container.get("name"))) or {})
    text.append("Conditions:")
    text += [f"  {c.get('type', ''):<18}{c.get('status', '')} {c.get('message') or ''}".rstrip() for c in status.get("conditions") or []]
    text.append("On this node:")
    text += [f"  {c['container']:<18}{c['state']:<10}{c['id'][:12]}  {c['image']}" for c in pod.get("containersOnNode") or []]
    return "\n".join(text)


def overview(status: dict[str, Any]) -> str:
    """``edgecore status``."""
    link = status["link"]
    word = f"connected for {span(link['seconds'])}" if link["connected"] else f"offline for {span(link['seconds'])} ({link['seconds']} s)"
    modules = [f"{m['name']}{'' if m['running'] else ' (down: ' + m['lastError'] + ')'}" for m in status["modules"]]
    lines = [
        ("Node:", status["node"]),
        ("Version:", status["version"]),
        ("Cloud:", word),
        ("Owed to cloud:", f"{status['outbox']} messages"),
        ("Pods:", f"{status['pods']} ({status['containers']} containers)"),
        ("Devices:", str(status["devices"])),
        ("Engine:", status["engineTrouble"] or "answers"),
        ("Store:", status["storeTrouble"] or "takes writes"),
        ("Modules:", ", ".join(modules)),
    ]
    return "\n".join(f"{key:<16}{value}" for key, value in lines)


def usage(rows: list[dict[str, Any]]) -> str:
    """``edgecore top``."""
    cells = [
        (r["namespace"], r["pod"], r["container"], f"{round(r['cpu'] * 1000)}m", f"{round(r['memory'] / 1024 / 1024)}Mi") for r in rows
    ]
    return table(("NAMESPACE", "POD", "CONTAINER", "CPU(cores)", "MEMORY(bytes)"), sorted(cells))


def device(found: dict[str, Any]) -> str:
    """``edgecore describe device``."""
    lines = [
        ("Name:", _meta(found).get("name")),
        ("Description:", found["description"]),
        ("State:", found["state"] or "unknown"),
        ("Last online:", found["lastOnline"] or "<never>"),
    ]
    text = [f"{key:<16}{value}" for key, value in lines if value]
    faults = [f"  {fault.get('property') or '(the device)':<18}{fault['code']:<18}{fault['reason']}" for fault in found["faults"]]
    shown = [f"  {line}" for line in twins(found).splitlines()]
    return "\n".join([*text, "Properties:", *shown, "Problems:" if faults else "Problems:       none", *faults])


def twins(device: dict[str, Any]) -> str:
    """``edgecore twin get``."""
    rows = [(name, twin["type"], _side(twin, "expected"), _side(twin, "actual")) for name, twin in device["twins"].items()]
    return table(("PROPERTY", "TYPE", "EXPECTED", "REPORTED"), rows)


def samples(found: Sequence[tuple[int, str]]) -> str:
    """``edgecore history``."""
    return table(("TIME", "VALUE"), [(stamp(moment), value) for moment, value in found])


def samples_csv(found: Sequence[tuple[int, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "value"))
    writer.writerows((stamp(moment), value) for moment, value in found)
    return text.getvalue().removesuffix("\n")


def stamp(moment_ms: int) -> str:
    """``2026-01-31T12:00:00.250Z``"""
    try:
        whole = datetime.fromtimestamp(moment_ms // 1000, UTC)
    except (ValueError, OverflowError):
        return str(moment_ms)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03}Z"


def age(stamp: Any, now: float) -> str:
    try:
        return span(int(now - datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp()))
    except ValueError:
        return "<unknown>"


def span(seconds: int) -> str:
    """``95`` to ``95s``, ``400`` to ``6m``: one unit, as kubectl rounds old ages."""
    _, unit, letter = next(each for each in _SPANS if seconds >= each[0] or each[1] == 1)
    return f"{max(0, seconds) // unit}{letter}"


def _pod_row(pod: dict[str, Any], now: float, wide: bool) -> tuple[str, ...]:
    status = pod.get("status") or {}
    told = status.get("containerStatuses") or []
    wanted = len((pod.get("spec") or {}).get("containers") or [])
    ready = sum(1 for c in told if c.get("ready"))
    restarts = sum(int(c.get("restartCount") or 0) for c in told)
    name, old = str(_meta(pod).get("name")), age(_meta(pod).get("creationTimestamp"), now)
    return name, f"{ready}/{wanted}", pod_state(pod), str(restarts), old, *((str(status.get("podIP") or "<none>"),) if wide else ())


def _config_row(config: dict[str, Any], now: float) -> tuple[str, ...]:
    count = len(config.get("data") or {}) + len(config.get("binaryData") or {})
    return str(_meta(config).get("name")), str(count), age(_meta(config).get("creationTimestamp"), now)


def _secret_row(secret: dict[str, Any], now: float) -> tuple[str, ...]:
    name, old = str(_meta(secret).get("name")), age(_meta(secret).get("creationTimestamp"), now)
    return name, str(secret.get("type", "Opaque")), str(len(secret.get("keys") or [])), old


def _service_row(service: dict[str, Any], now: float) -> tuple[str, ...]:
    spec = service.get("spec") or {}
    ports = [_port(port) for port in spec.get("ports") or []]
    name, old = str(_meta(service).get("name")), age(_meta(service).get("creationTimestamp"), now)
    return name, str(spec.get("type", "ClusterIP")), str(spec.get("clusterIP") or "<none>"), ",".join(ports) or "<none>", old


def _port(port: dict[str, Any]) -> str:
    outer = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{outer}/{port.get('protocol', 'TCP')}"


def _device_row(device: dict[str, Any]) -> tuple[str, ...]:
    shown = ", ".join(f"{name}={_side(twin, 'actual')}" for name, twin in device["twins"].items())
    faults = device.get("faults") or []
    problem = _fault(faults[0]) + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "") if faults else ""
    return str(_meta(device).get("name")), device["state"] or "unknown", device["lastOnline"] or "<never>", shown, problem


def _fault(fault: dict[str, str]) -> str:
    return ": ".join(fault[key] for key in ("property", "code", "reason") if fault.get(key))


def _node_row(node: dict[str, Any]) -> tuple[str, ...]:
    ready = node["status"]["conditions"][0]["status"] == "True"
    link = node["link"]
    cloud = "connected" if link["connected"] else f"offline {span(link['seconds'])}"
    return str(_meta(node).get("name")), "Ready" if ready else "NotReady", cloud, node["status"]["nodeInfo"]["kubeletVersion"]


def _container(container: dict[str, Any], told: dict[str, Any]) -> list[str]:
    state = told.get("state") or {}
    word = next(iter(state), "unknown")
    detail = state.get(word) or {}
    why = " ".join(str(detail[key]) for key in ("reason", "message") if detail.get(key))
    lines = [f"  {container.get('name')}:", f"    Image:        {container.get('image')}", f"    State:        {word} {why}".rstrip()]
    if word == "terminated":
        lines.append(f"    Exit code:    {detail.get('exitCode')}")
    last = (told.get("lastState") or {}).get("terminated") or {}
    if last:
        lines.append(f"    Last end:     exit code {last.get('exitCode')} {last.get('reason') or ''} at {last.get('finishedAt')}".rstrip())
    return [*lines, f"    Ready:        {bool(told.get('ready'))}", f"    Restarts:     {told.get('restartCount', 0)}"]


def _side(twin: dict[str, Any], side: str) -> str:
    return str((twin.get(side) or {}).get("value", "")) or "<none>"


def _meta(value: dict[str, Any]) -> dict[str, Any]:
    return value.get("metadata") or {}
