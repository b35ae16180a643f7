"""What travels while the faults happen, numbered from 1: ConfigMaps and wishes for devices down, reported values and uploads up."""

from __future__ import annotations

import asyncio
import json
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from demo.parts import Site
from tests.faults.background import Background
from tests.system.api import api_session
from tests.system.mqtt import Client
from viaduct import topics

_JSON = {"Content-Type": "application/json"}
_HEADERS = {"PATCH": {"Content-Type": "application/merge-patch+json"}, "POST": _JSON, "DELETE": _JSON}
_DEVICES = "/apis/devices.kubeedge.io/v1alpha1/namespaces/default/devices"
_CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
_PATIENCE = 3.0
"""Seconds that a mapper waits for a result before it says its newest value again."""
_SOON = 0.3
"""The same where the result was an error."""
_UNDER_WAY = 20
"""Reports of a device without a result while the mapper hurries; else one."""


@dataclass(frozen=True)
class Cast:
    """Who plays: ``configs`` are ConfigMaps of one pod, ``guests`` others of it that come and go, ``wishes`` devices that get a desired
    value, ``reports`` devices that report. ``probe`` is a device that is not counted, for delays."""

    node: str
    configs: tuple[str, ...]
    guests: tuple[str, ...]
    wishes: tuple[str, ...]
    reports: tuple[str, ...]
    uploads: tuple[str, ...]
    probe: str

    def manifests(self) -> str:
        """As kubectl takes them; everything has number 0."""
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": [*self._manifests()]})

    def _manifests(self) -> Iterator[dict[str, Any]]:
        meta = {"namespace": "default"}
        yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.node, "labels": {"node-role.kubernetes.io/edge": ""}}}
        for name in self.configs:
            yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": name}, "data": {"number": "0"}}
        volumes = [{"name": name, "configMap": {"name": name}} for name in (*self.configs, *self.guests)]
        spec = {
            "nodeName": self.node,
            "containers": [{"name": "main", "image": "localhost/none", "imagePullPolicy": "Never"}],
            "volumes": volumes,
        }
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "name": f"reader-of-{self.node}"}, "spec": spec}
        kind: dict[str, Any] = {"string": {"accessMode": "ReadWrite", "defaultValue": ""}}
        properties = [{"name": "level", "description": "", "type": kind}]
        api = "devices.kubeedge.io/v1alpha1"
        yield {"apiVersion": api, "kind": "DeviceModel", "metadata": {**meta, "name": "counter"}, "spec": {"properties": properties}}
        selector = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": [self.node]}]}]}
        value = {"value": "", "metadata": {"type": "string"}}
        for name in (*self.wishes, *self.reports, self.probe):
            yield {
                "apiVersion": api,
                "kind": "Device",
                "metadata": {**meta, "name": name},
                "spec": {"deviceModelRef": {"name": "counter"}, "nodeSelector": selector},
                "status": {"twins": [{"propertyName": "level", "desired": value, "reported": value}]},
            }


class Writers:
    """Writes numbers into the API, object by object, until told to stop; says ``accepted(stream, number)`` of each write that returned."""

    def __init__(self, background: Background, site: Site, cast: Cast, accepted: Any, numbers: dict[str, int], *, every: float) -> None:
        self._site = site
        self._cast = cast
        self._accepted = accepted
        self._numbers = numbers
        self._every = every
        self._stopping = asyncio.Event()
        self._background = background
        self._running = background.spawn(self._run())

    def stop(self, timeout: float = 60.0) -> None:
        """What was begun is finished."""
        self._background.loop.call_soon_threadsafe(self._stopping.set)
        self._running.result(timeout)

    async def _run(self) -> None:
        async with api_session(self._site) as session:
            configs = (self._write(session, f"default/configmap/{name}", f"{_CONFIGMAPS}/{name}", _config) for name in self._cast.configs)
            wishes = (self._write(session, f"wish/{name}", f"{_DEVICES}/{name}", _wish) for name in self._cast.wishes)
            guests = (self._come_and_go(session, name) for name in self._cast.guests)
            await asyncio.gather(*configs, *wishes, *guests)

    async def _write(self, session: aiohttp.ClientSession, stream: str, path: str, body: Any) -> None:
        while not await self._pause(self._every * random.uniform(0.5, 1.5)):
            number = self._numbers[stream] = self._numbers.get(stream, 0) + 1
            await self._say(session, path, json.dumps(body(number)))
            self._accepted(stream, number)

    async def _come_and_go(self, session: aiohttp.ClientSession, name: str) -> None:
        """Each time another object under the same name."""
        made = json.dumps({"metadata": {"name": name}, "data": {"text": "here"}})
        while True:
            for method, path, body, gone in (("POST", _CONFIGMAPS, made, 409), ("DELETE", f"{_CONFIGMAPS}/{name}", "", 404)):
                if await self._pause(self._every * random.uniform(0.5, 1.5)):
                    return
                await self._say(session, path, body, method=method, fine=gone)

    async def _say(self, session: aiohttp.ClientSession, path: str, body: str, *, method: str = "PATCH", fine: int = 200) -> None:
        """Again until it is taken: the API server may be dead for a while, or have died after it took it (``fine`` says so)."""
        while True:
            try:
                timeout = aiohttp.ClientTimeout(total=10)
                async with session.request(method, path, data=body, headers=_HEADERS[method], timeout=timeout) as answer:
                    if answer.status in (200, 201, fine):
                        return
                    await answer.read()
            except (TimeoutError, aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.2)

    async def _pause(self, seconds: float) -> bool:
        """True: it is time to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
            return True
        except TimeoutError:
            return False


def _config(number: int) -> dict[str, Any]:
    return {"data": {"number": str(number)}}


def _wish(number: int) -> dict[str, Any]:
    return {"status": {"twins": [{"propertyName": "level", "desired": {"value": str(number), "metadata": {"type": "string"}}}]}}


class Mapper:
    """A foreign mapper for all devices at once: reports numbers, each until its ``result`` comes, uploads numbers, hears what is wished."""

    def __init__(
        self, port: int, cast: Cast, accepted: Any, wished: Any, numbers: dict[str, int], *, every: float, uploads_every: float
    ) -> None:
        self._cast = cast
        self._accepted = accepted
        self._wished = wished
        self._numbers = numbers
        self._every = every
        self._uploads_every = uploads_every
        self._waiting: dict[str, tuple[int, float]] = {}
        self._answered_up_to = {name: numbers.get(name, 0) for name in cast.reports}
        self._next = {name: time.monotonic() + random.uniform(0, every) for name in cast.reports}
        self._next_upload = {name: time.monotonic() + random.uniform(0, uploads_every) for name in cast.uploads}
        self._hurry = [0, 0]
        self._stopping = threading.Event()
        self._client = Client(port, *(topics.twin_update_result(name) for name in cast.reports), *_wish_topics(cast))
        self._thread = threading.Thread(target=self._run, name="mapper", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 60.0) -> bool:
        """Report nothing further; False where a result did not come within ``timeout``. Wishes are heard until ``close``."""
        self._stopping.set()
        deadline = time.monotonic() + timeout
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self._waiting

    def hurry(self, reports: int, uploads: int) -> None:
        """Say so many reports and uploads without a pause, with a few reports of each device under way. Returns when all are said."""
        self._hurry = [reports, uploads]
        while any(left > 0 for left in self._hurry):
            time.sleep(0.1)

    def close(self) -> None:
        self._client.close()
        self._thread.join(5)

    def _run(self) -> None:
        while self._client.is_open:
            self._report()
            deadline = time.monotonic() + 0.02
            while (left := deadline - time.monotonic()) > 0:
                try:
                    topic, payload = self._client.arrivals.get(timeout=left)
                except queue.Empty:
                    break
                self._hear(topic, json.loads(payload))
                if any(self._hurry):
                    break

    def _report(self) -> None:
        now = time.monotonic()
        for name in self._cast.reports:
            number, said_at = self._waiting.get(name, (0, 0.0))
            if number and now - said_at > _PATIENCE:
                self._say(name, number)
            while self._may_report(name, now):
                self._hurry[0] -= self._hurry[0] > 0
                self._next[name] = now + self._every * random.uniform(0.5, 1.5)
                self._numbers[name] = self._numbers.get(name, 0) + 1
                self._say(name, self._numbers[name])
        for name in self._cast.uploads:
            if (now >= self._next_upload[name] or self._hurry[1] > 0) and not self._stopping.is_set():
                self._hurry[1] -= self._hurry[1] > 0
                self._next_upload[name] = now + self._uploads_every * random.uniform(0.5, 1.5)
                self._numbers[name] = self._numbers.get(name, 0) + 1
                self._client.publish(f"{topics.UPLOAD_PREFIX}{name}", str(self._numbers[name]))

    def _may_report(self, name: str, now: float) -> bool:
        if self._stopping.is_set():
            return False
        under_way = self._waiting[name][0] - self._answered_up_to.get(name, 0) if name in self._waiting else 0
        return under_way < _UNDER_WAY if self._hurry[0] > 0 else not under_way and now >= self._next[name]

    def _say(self, name: str, number: int) -> None:
        self._waiting[name] = (number, time.monotonic())
        twin = {"level": {"actual": {"value": str(number)}, "metadata": {"type": "string"}}}
        self._client.publish(topics.twin_update(name), {"event_id": f"{name} {number}", "timestamp": 0, "twin": twin})

    def _hear(self, topic: str, payload: dict[str, Any]) -> None:
        if topic.endswith("/twin/update/result"):
            self._answered(payload)
        else:
            self._wish_heard(topic.split("/")[3], payload)

    def _answered(self, payload: dict[str, Any]) -> None:
        name, _, number = str(payload.get("event_id", "")).partition(" ")
        newest = self._waiting.get(name, (0, 0.0))[0]
        if not newest or not self._answered_up_to.get(name, 0) < int(number or 0) <= newest:
            return
        if payload.get("code"):
            self._waiting[name] = (newest, time.monotonic() - _PATIENCE + _SOON)
            return
        self._answered_up_to[name] = int(number)
        if int(number) == newest:
            del self._waiting[name]
        self._accepted(name, int(number))

    def _wish_heard(self, device: str, payload: dict[str, Any]) -> None:
        value = payload.get("delta", {}).get("level")
        if value:
            self._wished(f"wish/{device}", int(value))


def _wish_topics(cast: Cast) -> list[str]:
    return [topics.twin_update_delta(name) for name in cast.wishes]
