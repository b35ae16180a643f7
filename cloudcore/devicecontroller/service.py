"""DeviceController: devices down, reported values up, the profile ConfigMap for mappers (contract 5).

    DeviceController(kube, devices=…, models=…, configmaps=…, downlink=hub, now=utc_clock, noticed=sync.notice)

``devices``, ``models``, ``configmaps`` are informers (``cloudcore.cluster.Informer``) which keep whole objects. ``await start()`` waits
until their caches are filled; ``await stop()`` ends the writers. An ``Uplink``: CloudHub gives it what has the source ``twin``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from cloudcore.cluster import Clock, Cluster, Informer
from cloudcore.devicecontroller import limits, reports, translate
from cloudcore.devicecontroller.complaints import Complaints
from cloudcore.devicecontroller.downstream import Downstream
from cloudcore.devicecontroller.profile import model_of
from cloudcore.devicecontroller.profiles import Profiles
from cloudcore.devicecontroller.upstream import Upstream
from cloudcore.devices.conversion import KEPT
from cloudcore.errors import Denied, KubeUnreachable, Refused
from cloudcore.keeper import keep
from cloudcore.objects import epoch_ms, identity
from cloudcore.ports import Downlink, Holding, JsonObject, Notice, Owed
from viaduct.errors import MalformedResource
from viaduct.message import Message
from viaduct.resource import MEMBERSHIP_DETAIL, parse_device_resource
from viaduct.vocabulary import Operation

_EDGE_UPDATED = "twin/edge_updated"
_STATE = "state"


class DeviceController:
    def __init__(
        self,
        kube: Cluster,
        *,
        devices: Informer,
        models: Informer,
        configmaps: Informer,
        downlink: Downlink,
        now: Clock,
        noticed: Notice = lambda node, key: None,
    ) -> None:
        self._devices, self._models, self._configmaps = devices, models, configmaps
        self._downlink = downlink
        self._now = now
        self._complaints = Complaints(kube, now=now)
        self._downstream = Downstream(devices=devices, downlink=downlink, now=now, noticed=noticed, complain=self._complaints.say)
        self._upstream = Upstream(kube, devices=devices, models=models, downstream=self._downstream)
        self._profiles = Profiles(kube, devices=devices, models=models, configmaps=configmaps, bindings=self._downstream.bindings)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._devices.follow(self._device_event)
        self._models.follow(self._model_event)
        self._configmaps.follow(self._profiles.configmap_event)
        for informer in (self._devices, self._models, self._configmaps):
            await informer.synced.wait()
        self._task = keep(self._profiles.run, "device profiles")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._upstream.stop()
        await self._complaints.stop()

    def holdings(self, node: str) -> Iterator[Holding]:
        """What ``node`` should serve. Raises KubeUnreachable before the caches are filled: an empty answer would empty the board."""
        self._check_synced()
        return self._downstream.holdings(node)

    def holding(self, node: str, key: str) -> Holding | None:
        """The one under ``key``, or None where ``node`` should hold nothing there."""
        return self._downstream.holding(node, key)

    def owed_one(self, node: str, key: str) -> Owed | None:
        return self._downstream.owed_one(node, key)

    def removal(self, node: str, key: str, uid: str) -> Owed | None:
        return self._downstream.removal(key, uid)

    def node_changed(self, node: str, connected: bool) -> None:
        """Nothing is kept per session."""

    async def take(self, node: str, message: Message) -> Message | None:
        if message.route.resource == MEMBERSHIP_DETAIL:
            return self._detail(node, message)
        try:
            name, what = parse_device_resource(message.route.resource)
        except MalformedResource as exc:
            raise Refused(str(exc)) from exc
        if message.route.operation != Operation.UPDATE or what not in (_EDGE_UPDATED, _STATE):
            raise Refused(
                f"{message.route.operation or 'no operation'} of a device's {what[:64]} is not something that a node says",
                code=405,
                why="operation",
            )
        # A board's clock may be ahead; nothing was seen after now.
        said_ms = max(0, min(message.header.timestamp, epoch_ms(self._now())))
        read = reports.twin_report if what == _EDGE_UPDATED else reports.state_report
        report = read(message.content, said_ms=said_ms)
        place = self._downstream.bindings.named(node, name)
        if place is None:
            self._send_away(node, name)
            raise Denied(f"node {node} serves no device {name}", "device_of_another_node", code=404)
        if report.twins or report.state:
            await self._upstream.report(place, report)
        return None

    def _send_away(self, node: str, name: str) -> None:
        self._check_synced()
        owed = translate.no_membership_by_name(name, "", now_ms=epoch_ms(self._now()))
        self._downlink.offer(node, owed)

    def _detail(self, node: str, message: Message) -> Message:
        self._check_synced()
        entries = [entry for owed in self._downstream.owed(node) for entry in owed.message.content["added_devices"]]
        return translate.detail_answer(message, entries, now_ms=epoch_ms(self._now()))

    def _device_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        place = identity(new if new is not None else old or {})
        node_before = self._downstream.bindings.node_of(place)
        is_mark_old = self._downstream.device_event(old, new)
        lost = reports.lost(old, new) if old is not None and new is not None else reports.Report()
        if is_mark_old or lost.restored:
            self._upstream.mend(place, lost)
        if new is None:
            self._upstream.forget(place)
        else:
            self._check_desired(new)
        if old is None or new is None or _described(old) != _described(new):
            for node in (node_before, self._downstream.bindings.node_of(place)):
                heir = self._downstream.bindings.named(node, place[1])
                for namespace in {place[0], heir[0] if heir is not None else place[0]}:
                    self._profiles.mark(node, namespace)

    def _model_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        self._profiles.model_event(old, new)
        if new is not None:
            namespace, name = identity(new)
            for device in self._devices.values():
                if identity(device)[0] == namespace and model_of(device) == name:
                    self._check_desired(device)

    def _check_desired(self, device: JsonObject) -> None:
        model = self._models.get(identity(device)[0], model_of(device))
        for text in limits.refusals(device, model) if model is not None else ():
            self._complaints.say(device, limits.REASON, text)

    def _check_synced(self) -> None:
        if not self._devices.synced.is_set():
            raise KubeUnreachable("the devices of the cluster are not listed yet")


def _described(device: JsonObject) -> tuple[object, object]:
    """What mappers hear of a device: its spec, and what of v1beta1 is kept beside it."""
    annotations = (device.get("metadata") or {}).get("annotations") or {}
    return device.get("spec"), annotations.get(KEPT["v1beta1"])
