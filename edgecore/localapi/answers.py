"""What the local command line asks, answered from the store and from the container engine; the cloud is never asked (promise A4).

A question is a JSON object with ``verb``; an answer any JSON value. Secrets give their names and keys, never their values (X5).
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from edgecore.beehive.letters import Arrived, LinkChanged, RulesAsked
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers import usage
from edgecore.containers.choosing import newest
from edgecore.containers.labels import CONTAINER, POD_NAME, POD_NAMESPACE
from edgecore.containers.model import State
from edgecore.containers.progress import Fetched
from edgecore.containers.streams import Streams
from edgecore.errors import EdgeCoreError, EngineError, NoAnswer, NotFound
from edgecore.localapi.module import LocalSettings
from edgecore.store import metadata, outbox, twins
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.twins import TwinRow
from viaduct import faults, topics
from viaduct.faults import fault_list
from viaduct.vocabulary import ModuleName, ResourceType

KINDS = ("pods", "configmaps", "secrets", "services", "devices", "nodes")
MOST_NAME = 253
MOST_SAMPLES = 20_000
"""In one answer, which is in memory whole; who wants more asks for what is older."""

_LATEST = 2**53
_GRACE = 30
_TWIN_LIMIT = 10.0


class BadQuestion(EdgeCoreError):
    """A question that cannot be understood; the text names the field."""


class Answers:
    """``link``: the last word of EdgeHub and how many seconds it has stood."""

    def __init__(self, settings: LocalSettings, switchboard: Switchboard, database: Database, link: tuple[LinkChanged, float]) -> None:
        self._settings = settings
        self._switchboard = switchboard
        self._database = database
        self._link = link

    def answer(self, question: dict[str, Any]) -> Any:
        """Raises EdgeCoreError: NotFound, BadQuestion, EngineError, NoAnswer … with a text for the person who asked."""
        verbs: dict[str, Callable[[dict[str, Any]], Any]] = {
            "get": self._get,
            "describe": self._describe,
            "status": self._status,
            "top": self._top,
            "restart": self._restart,
            "twin-get": self._twin_get,
            "twin-set": self._twin_set,
            "history": self._history,
            "rules": self._rules,
        }
        verb = question.get("verb")
        if not isinstance(verb, str) or verb not in verbs:
            raise BadQuestion(f"verb: expected one of {', '.join(verbs)}, got {str(verb)[:40]!r}")
        return verbs[verb](question)

    def _get(self, question: dict[str, Any]) -> Any:
        kind, namespace, name = _text(question, "kind"), _text(question, "namespace"), _text(question, "name")
        readers: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "pods": self._pods,
            "configmaps": lambda: self._objects(ResourceType.CONFIGMAP),
            "secrets": lambda: [_without_values(secret) for secret in self._objects(ResourceType.SECRET)],
            "services": lambda: self._objects(ResourceType.SERVICE),
            "devices": self._devices,
            "nodes": self._nodes,
        }
        if kind not in readers:
            raise BadQuestion(f"kind: expected one of {', '.join(KINDS)}, got {kind[:40]!r}")
        found = readers[kind]()
        if kind in ("devices", "nodes"):
            namespace = ""
        chosen = [o for o in found if (not namespace or _meta(o, "namespace") == namespace) and (not name or _meta(o, "name") == name)]
        if name and not chosen:
            raise NotFound(_unknown(kind, namespace, name))
        return chosen

    def _describe(self, question: dict[str, Any]) -> Any:
        if question.get("kind") == "devices":
            return self._twin_get({"device": question.get("name")})
        pod = self._pod(question)
        pod["containersOnNode"] = [
            {"container": c.label(CONTAINER), "id": c.id, "state": c.state, "image": c.image, "exitCode": c.exit_code}
            for c in self._streams().containers(str(_meta(pod, "namespace")), str(_meta(pod, "name")))
        ]
        return pod

    def _status(self, _: dict[str, Any]) -> Any:
        letter, seconds = self._link
        owed = self._database.read(outbox.count)
        engine = ""
        try:
            containers = len(self._streams().containers())
        except (EngineError, NotFound) as exc:
            containers, engine = 0, str(exc)
        return {
            "node": self._settings.node,
            "version": self._settings.version,
            "link": {"connected": letter.connected, "ledger": letter.ledger, "seconds": int(seconds)},
            "outbox": owed,
            "storeTrouble": self._database.trouble,
            "pods": len(self._rows(ResourceType.POD)),
            "devices": len(self._database.read(twins.held)),
            "containers": containers,
            "engineTrouble": engine,
            "modules": [
                {"name": kept.name, "running": kept.running, "restarts": kept.restarts, "lastError": kept.last_error}
                for kept in self._settings.modules()
            ],
        }

    def _top(self, _: dict[str, Any]) -> Any:
        """Per container: cores in use over one second, and bytes of memory."""
        return [
            {
                "namespace": use.container.label(POD_NAMESPACE),
                "pod": use.container.label(POD_NAME),
                "container": use.container.label(CONTAINER),
                "cpu": use.cores,
                "memory": use.working_set,
            }
            for use in usage.of_containers(self._streams())
        ]

    def _restart(self, question: dict[str, Any]) -> Any:
        """Running containers are stopped and Edged starts them again; what would not start by itself (it waits, or its policy says no)
        is removed, and Edged makes it anew."""
        pod = self._pod(question)
        spec = pod.get("spec") or {}
        grace = spec.get("terminationGracePeriodSeconds")
        streams = self._streams()
        found = streams.containers(str(_meta(pod, "namespace")), str(_meta(pod, "name")))
        main = {str(c.get("name")) for c in spec.get("containers") or []}
        restarted = [c for c in newest(found) if c.label(CONTAINER) in main]
        for container in restarted:
            if container.state is State.RUNNING:
                streams.stop(container.id, grace if isinstance(grace, int) else _GRACE)
            if container.state is not State.RUNNING or spec.get("restartPolicy", "Always") != "Always":
                try:
                    streams.remove(container.id)
                except NotFound:
                    continue  # Edged was faster
        return {"restarted": sorted({c.label(CONTAINER) for c in restarted})}

    def _twin_get(self, question: dict[str, Any]) -> Any:
        device = _text(question, "device", needed=True)
        found = [each for each in self._devices() if _meta(each, "name") == device]
        if not found:
            raise NotFound(f"device {device} is not known on this node")
        return found[0]

    def _twin_set(self, question: dict[str, Any]) -> Any:
        """As an application on the board would over MQTT; the answer is what DeviceTwin would publish."""
        device, name = _text(question, "device", needed=True), _text(question, "property", needed=True)
        value = question.get("value")
        if not isinstance(value, str):
            raise BadQuestion("value: expected text")
        self._twin_of(device, name)
        payload = {"event_id": "local", "timestamp": int(time.time() * 1000), "twin": {name: {"expected": {"value": value}}}}
        came: queue.SimpleQueue[list[bytes | str]] = queue.SimpleQueue()
        asked = Arrived(topics.twin_update(device), json.dumps(payload).encode(), came.put)
        self._switchboard.send_from_rim(ModuleName.DEVICETWIN, asked, timeout=_TWIN_LIMIT)
        try:
            payloads = came.get(timeout=_TWIN_LIMIT)
        except queue.Empty:
            raise NoAnswer(f"DeviceTwin did not take the value within {_TWIN_LIMIT:g} s") from None
        said = json.loads(payloads[0]) if payloads else {}
        if said.get("code"):
            raise BadQuestion(f"{name}={value}: {said.get('reason')}")
        return self._twin_get({"device": device})

    def _history(self, question: dict[str, Any]) -> Any:
        """Samples as [epoch ms, value], oldest first; ``more``: there are older ones beyond ``limit``."""
        device, name = _text(question, "device", needed=True), _text(question, "property", needed=True)
        since, until = _whole(question, "since_ms", 0, _LATEST), _whole(question, "until_ms", _LATEST, _LATEST)
        limit = _whole(question, "limit", MOST_SAMPLES, MOST_SAMPLES)
        if self._settings.recorder is None:
            raise NotFound("samples are not kept on this node (database.history.enable, modules.devicetwin.enable)")
        samples = self._settings.recorder.read(device, name, since, until, limit + 1)
        if not samples:
            self._twin_of(device, name)
        return {"samples": samples[-limit:], "more": len(samples) > limit}

    def _twin_of(self, device: str, name: str) -> Any:
        known = self._twin_get({"device": device})
        if name not in known["twins"]:
            raise NotFound(f"device {device} has no property {name}: it has {', '.join(known['twins']) or 'none'}")
        return known["twins"][name]

    def _rules(self, question: dict[str, Any]) -> Any:
        """All rules, or those of one ``name``, as they stand at this moment."""
        name = _text(question, "name")
        if not self._switchboard.knows(ModuleName.RULES):
            raise NotFound("rules are switched off on this node (modules.rules.enable, modules.devicetwin.enable)")
        came: queue.SimpleQueue[list[dict[str, object]]] = queue.SimpleQueue()
        self._switchboard.send_from_rim(ModuleName.RULES, RulesAsked(came.put), timeout=_TWIN_LIMIT)
        try:
            found = came.get(timeout=_TWIN_LIMIT)
        except queue.Empty:
            raise NoAnswer(f"the rules did not answer within {_TWIN_LIMIT:g} s") from None
        chosen = [rule for rule in found if name in ("", rule["name"], f"{rule['namespace']}/{rule['name']}")]
        if name and not chosen:
            raise NotFound(f'rule "{name}" not found on this node')
        return chosen

    def _pod(self, question: dict[str, Any]) -> dict[str, Any]:
        namespace, name = _text(question, "namespace") or "default", _text(question, "name", needed=True)
        found = [pod for pod in self._pods() if (_meta(pod, "namespace"), _meta(pod, "name")) == (namespace, name)]
        if not found:
            raise NotFound(_unknown("pods", namespace, name))
        return found[0]

    def _pods(self) -> list[dict[str, Any]]:
        """With the status that Edged reported last, which a cloud that is away has not seen yet."""
        statuses = {row.key.replace("/podstatus/", "/pod/"): _value(row) for row in self._rows(ResourceType.PODSTATUS)}
        pods, pulls = [], self._settings.pulls()
        for row in self._rows(ResourceType.POD):
            pod, told = _value(row), statuses.get(row.key) or {}
            if pod and told.get("UID", _meta(pod, "uid")) == _meta(pod, "uid") and told.get("Status"):
                pod["status"] = told["Status"]
            if pod:
                pods.append(_with_progress(pod, pulls))
        return pods

    def _objects(self, type_: str) -> list[dict[str, Any]]:
        return [value for row in self._rows(type_) if (value := _value(row))]

    def _devices(self) -> list[dict[str, Any]]:
        devices, _, rows = self._database.read(twins.load_all)
        shown: dict[str, dict[str, Any]] = {
            device.id: {
                "metadata": {"name": device.id},
                "description": device.description,
                "state": device.state,
                "lastOnline": device.last_online,
                "faults": fault_list(faults.from_kept(device.faults) or ()),
                "twins": {},
            }
            for device in devices
        }
        for row in rows:
            if row.deviceid in shown and row.attr_type != "deleted":
                shown[row.deviceid]["twins"][row.name] = _twin(row)
        return list(shown.values())

    def _nodes(self) -> list[dict[str, Any]]:
        """This one: what it could tell the cloud."""
        status = self._status({})
        ready = not status["engineTrouble"]
        return [
            {
                "metadata": {"name": self._settings.node},
                "status": {
                    "conditions": [{"type": "Ready", "status": str(ready), "message": status["engineTrouble"]}],
                    "nodeInfo": {"kubeletVersion": self._settings.version},
                },
                "link": status["link"],
            }
        ]

    def _rows(self, type_: str) -> list[MetaRow]:
        return self._database.read(lambda tx: metadata.load_type(tx, type_))

    def _streams(self) -> Streams:
        if self._settings.streams is None:
            raise NotFound("pods are switched off on this node (modules.edged.enable)")
        return self._settings.streams()


def _with_progress(pod: dict[str, Any], pulls: dict[str, Fetched]) -> dict[str, Any]:
    """How far the image has come that a container waits for: fresher than any status, which would be written to flash each time (S2)."""
    status = pod.get("status") or {}
    for told in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        waiting = (told.get("state") or {}).get("waiting")
        if waiting is not None and told.get("image") in pulls:
            waiting["message"] = pulls[told["image"]].text
    return pod


def _unknown(kind: str, namespace: str, name: str) -> str:
    where = f" in namespace {namespace}" if namespace else ""
    return f'{kind} "{name}" not found on this node{where}'


def _twin(row: TwinRow) -> dict[str, Any]:
    plain = asdict(row)
    return {"type": row.attr_type or "string"} | {
        side: json.loads(plain[f"{side}_meta"] or "{}") | {"value": plain[side]}
        for side in ("expected", "actual")
        if plain[f"{side}_meta"] or plain[side]
    }


def _without_values(secret: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in secret.items() if key not in ("data", "stringData")}
    annotations = "kubectl.kubernetes.io/last-applied-configuration"
    meta = dict(shown.get("metadata") or {})
    if annotations in (meta.get("annotations") or {}):  # kubectl keeps a copy of the values there
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != annotations}
        shown["metadata"] = meta
    return shown | {"keys": sorted(secret.get("data") or {})}


def _value(row: MetaRow) -> dict[str, Any]:
    try:
        value = json.loads(row.value)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _meta(value: dict[str, Any], key: str) -> Any:
    return (value.get("metadata") or {}).get(key)


def _text(question: dict[str, Any], name: str, *, needed: bool = False) -> str:
    found = question.get(name, "")
    if not isinstance(found, str) or len(found) > MOST_NAME:
        raise BadQuestion(f"{name}: expected text of at most {MOST_NAME} characters")
    if needed and not found:
        raise BadQuestion(f"{name}: is needed")
    return found


def _whole(question: dict[str, Any], name: str, default: int, most: int) -> int:
    found = question.get(name, default)
    if type(found) is not int or not 0 <= found <= most:
        raise BadQuestion(f"{name}: expected a whole number from 0 to {most}")
    return found
