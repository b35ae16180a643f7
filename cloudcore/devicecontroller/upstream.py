"""Reported values into Devices (contract 5.4): one write in flight per device, what came meanwhile goes into the next one together.

Each write names the version that it replaces. Where the user wrote in between it is laid over what the user wrote, so a wish is never lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field

from cloudcore.cluster import Cluster, Informer
from cloudcore.devicecontroller.bindings import Place
from cloudcore.devicecontroller.downstream import Downstream
from cloudcore.devicecontroller.profile import model_of
from cloudcore.devicecontroller.reports import Report, written
from cloudcore.errors import KubeConflict, KubeError, KubeInvalid, KubeNotFound, Refused
from cloudcore.kube.resources import DEVICES
from cloudcore.objects import as_number, version_of
from cloudcore.ports import JsonObject

logger = logging.getLogger(__name__)

_ATTEMPTS = 30
_PATIENCE_FROM = 5
_AT_ONCE = 32


@dataclass(slots=True)
class _Waiting:
    report: Report = field(default_factory=Report)
    senders: list[asyncio.Future[None]] = field(default_factory=list)


class Upstream:
    def __init__(self, kube: Cluster, *, devices: Informer, models: Informer, downstream: Downstream) -> None:
        self._kube = kube
        self._devices = devices
        self._models = models
        self._downstream = downstream
        self._waiting: dict[Place, _Waiting] = {}
        self._writers: dict[Place, asyncio.Task[None]] = {}
        self._last: dict[Place, JsonObject] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def report(self, place: Place, report: Report) -> None:
        """Returns once the API server has accepted a write with ``report`` in it, or with values that came later.

        Raises:
            Refused: the Device is gone, or refuses the values. KubeError: not now.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(place, _Waiting())
        waiting.report = waiting.report.then(report)
        waiting.senders.append(done)
        self._begin(place)
        await done

    def mend(self, place: Place, report: Report) -> None:
        """Put the annotation of the wish right, and values back that are lost; nobody waits for it."""
        waiting = self._waiting.setdefault(place, _Waiting())
        waiting.report = waiting.report.then(report)
        self._begin(place)

    def forget(self, place: Place) -> None:
        self._last.pop(place, None)

    async def stop(self) -> None:
        writers = list(self._writers.values())
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

    def _begin(self, place: Place) -> None:
        if place not in self._writers:
            self._writers[place] = asyncio.create_task(self._write_all(place), name=f"reports of {place[0]}/{place[1]}")

    async def _write_all(self, place: Place) -> None:
        try:
            while (waiting := self._waiting.pop(place, None)) is not None:
                await self._write_one(place, waiting)
        finally:
            del self._writers[place]

    async def _write_one(self, place: Place, waiting: _Waiting) -> None:
        try:
            async with self._room:
                await self._write(place, waiting.report)
        except asyncio.CancelledError:
            _fail(waiting, KubeError("CloudCore stops"))
            raise
        except Exception as exc:
            if not waiting.senders or not isinstance(exc, KubeError | Refused):
                logger.warning("device %s/%s cannot be written: %s", *place, exc, exc_info=not isinstance(exc, KubeError | Refused))
            _fail(waiting, exc)
            return
        for sender in waiting.senders:
            if not sender.done():
                sender.set_result(None)

    async def _write(self, place: Place, report: Report) -> None:
        device = self._newest(place)
        for attempt in range(_ATTEMPTS):
            try:
                if device is None:
                    device = await self._kube.get(DEVICES, *place)
                wanted = written(device, report, self._declared(place, device), wish=self._downstream.wish_of(place))
                if wanted is not None:
                    self._last[place] = await self._kube.update(DEVICES, place[0], wanted)
                return
            except KubeConflict:
                device = None
                if attempt >= _PATIENCE_FROM:
                    await asyncio.sleep(random.uniform(0, 0.01 * attempt))
            except KubeNotFound as exc:
                raise Refused(f"there is no device {place[0]}/{place[1]}", code=404) from exc
            except KubeInvalid as exc:
                raise Refused(f"device {place[0]}/{place[1]}: {exc}", code=exc.code or 422) from exc
        raise KubeConflict(f"device {place[0]}/{place[1]}: changed {_ATTEMPTS} times while it was written", code=409)

    def _newest(self, place: Place) -> JsonObject | None:
        """The cache is behind our own last write for a moment: the newer of both."""
        cached, last = self._devices.get(*place), self._last.get(place)
        if cached is None or last is None:
            return cached
        if as_number(version_of(cached)) >= as_number(version_of(last)):
            del self._last[place]
            return cached
        return last

    def _declared(self, place: Place, device: JsonObject) -> frozenset[str]:
        model = self._models.get(place[0], model_of(device))
        properties = ((model or {}).get("spec") or {}).get("properties") or []
        return frozenset(str(item.get("name")) for item in properties if isinstance(item, dict))


def _fail(waiting: _Waiting, exc: Exception) -> None:
    for sender in waiting.senders:
        if not sender.done():
            sender.set_exception(exc)
