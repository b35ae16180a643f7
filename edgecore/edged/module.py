"""Edged, the small kubelet: one worker per pod, woken by what MetaManager says and by what the container engine does.

It starts from the store alone (promise A1): nothing here waits for the cloud, and a restart of EdgeCore disturbs no container (A2).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecore.beehive.letters import ConfigChanged, LinkChanged, PodChanged
from edgecore.beehive.module import Module
from edgecore.beehive.switchboard import Switchboard
from edgecore.containers import labels
from edgecore.containers.arrivals import Arrivals
from edgecore.containers.model import Happening
from edgecore.containers.progress import PullBoard
from edgecore.containers.pulls import Pulls
from edgecore.edged.archives import Archives
from edgecore.edged.device_profiles import DeviceProfiles
from edgecore.edged.events import Events
from edgecore.edged.fields import Surroundings
from edgecore.edged.housekeeper import Housekeeper
from edgecore.edged.image_memory import ImageMemory
from edgecore.edged.machine import read_machine
from edgecore.edged.naming import Naming, Presence, Proxy
from edgecore.edged.node import EngineState, Machine
from edgecore.edged.node_reporter import NodeReporter
from edgecore.edged.observer import EngineChanged, Observer, Relisted
from edgecore.edged.pod import PodPlan, read_pod
from edgecore.edged.podspec import NodeRules
from edgecore.edged.ports import EnginePort, Meta, Workshop
from edgecore.edged.prober import Prober
from edgecore.edged.settings import EdgedSettings
from edgecore.edged.sources import CONFIGMAP, SECRET, Source
from edgecore.edged.static_folder import StaticFolder, StaticPodsRead
from edgecore.edged.static_pods import FILE
from edgecore.edged.volume_files import VolumeFiles, memory_root
from edgecore.edged.worker import PodWorker
from edgecore.edgemesh.serving import CLUSTER_DOMAIN, nameserver_of
from edgecore.errors import Busy, NoAnswer, StoreError
from viaduct.vocabulary import SERVED, Group, ModuleName

logger = logging.getLogger(__name__)

_RIM_LIMIT = 10.0
_JOIN_LIMIT = 3.0


@dataclass(frozen=True, slots=True)
class PodsLoaded:
    """From our own starter: every pod that the store holds."""

    pods: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    uid: str


class EdgedModule(Module):
    """Owns the workers. ``engine`` is started and stopped with it; stopping it leaves containers running."""

    name = ModuleName.EDGED
    group = Group.EDGED

    def __init__(
        self,
        settings: EdgedSettings,
        switchboard: Switchboard,
        meta: Meta,
        engine: EnginePort,
        *,
        store_trouble: Callable[[], str] = lambda: "",
        proxy: Proxy | None = None,
        pull_board: PullBoard | None = None,
    ) -> None:
        """``store_trouble``: why the database cannot be written now; empty: it can (S3). ``proxy``: through which Services are served.
        ``pull_board``: where pulls show."""
        self._store_trouble = store_trouble
        self._settings = settings
        self._switchboard = switchboard
        self._meta = meta
        self._engine = engine
        self._instance = labels.instance_of(settings.root_directory)
        self._static = StaticFolder(Path(settings.static_pods), settings.node, self._deliver) if settings.static_pods else None
        self._workers: dict[str, PodWorker] = {}
        self._uids: dict[str, str] = {}
        self._gone_early: set[str] = set()
        self._loaded = False
        self._closed = False
        self._machine = self._read_machine()
        root = Path(settings.root_directory)
        images = ImageMemory(root / "images.json")
        self._files = VolumeFiles(root, memory_root(self._instance))
        self._events = Events(settings.node, meta.report_event)
        self._prober = Prober(engine.runtime)
        self._profiles = DeviceProfiles(meta, settings.node, root)
        self._naming = self._name(proxy) if proxy is not None else None
        self._shop = Workshop(
            meta=meta,
            runtime=engine.runtime,
            pulls=Pulls(engine.runtime, stall=settings.pull_stall, board=pull_board, arrivals=Arrivals(engine.runtime, images)),
            files=self._files,
            rules=self._rules,
            around=self._around,
            prober=self._prober,
            events=self._events,
            naming=self._naming,
        )
        self._observer = Observer(engine.runtime, self._instance, self._deliver)
        self._reporter = NodeReporter(
            meta,
            settings.node,
            self._read_machine,
            version=settings.version,
            register=settings.register,
            every=settings.status_every,
        )

        self._housekeeper = Housekeeper(
            self._shop,
            images,
            settings.disk,
            read=self._read_machine,
            workers=lambda: list(self._workers.values()),
            images_changed=self._reporter.images_changed,
        )
        self._archives = Archives(self._shop, root / "images", images, loaded=self._images_came)

    def opened(self) -> None:
        os.makedirs(self._settings.root_directory, mode=0o711, exist_ok=True)
        self._observer.start()
        self._profiles.start()
        self._reporter.start()
        self._housekeeper.start()
        self._archives.start()
        if self._naming is not None:
            self._naming.start()
        threading.Thread(target=self._load, name="edged-start", daemon=True).start()

    def take(self, letter: Any) -> None:
        if isinstance(letter, PodChanged):
            self._pod_changed(letter)
        elif isinstance(letter, ConfigChanged):
            self._config_changed(letter)
        elif isinstance(letter, Happening):
            self._happened(letter)
        elif isinstance(letter, LinkChanged):
            self._reporter.link_changed(connected=letter.connected, ledger=letter.ledger)
        elif isinstance(letter, Relisted):
            self._relisted(letter)
        elif isinstance(letter, EngineChanged):
            self._engine_changed(letter)
        elif isinstance(letter, StaticPodsRead):
            self._static_pods_read(letter)
        elif isinstance(letter, PodsLoaded):
            self._pods_loaded(letter)
        elif isinstance(letter, WorkerEnded):
            self._worker_ended(letter.uid)
        else:
            logger.debug("edged has no use for %s", type(letter).__name__)

    def closed(self) -> None:
        self._closed = True
        self._observer.close()
        self._profiles.close()
        if self._static is not None:
            self._static.close()
        self._reporter.close()
        self._prober.close()
        self._housekeeper.close()
        self._archives.close()
        if self._naming is not None:
            self._naming.close()
        for worker in self._workers.values():
            worker.close()
        deadline = time.monotonic() + _JOIN_LIMIT
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))
        self._engine.stop()

    def _pod_changed(self, letter: PodChanged) -> None:
        if letter.pod is None:
            if not self._loaded:
                self._gone_early.add(letter.key)
            self._forget(letter.key)
            return
        self._gone_early.discard(letter.key)
        self._keep(letter.key, letter.pod)

    def _keep(self, key: str, document: dict[str, Any]) -> None:
        plan = _plan(key, document)
        if plan is None:
            return
        if self._uids.get(key, plan.uid) != plan.uid:
            self._forget(key)
        self._uids[key] = plan.uid
        self._want(plan.uid, plan)

    def _forget(self, key: str) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None and uid in self._workers:
            self._workers[uid].want(None)

    def _want(self, uid: str, plan: PodPlan | None) -> None:
        worker = self._workers.get(uid)
        if worker is not None and worker.want(plan):
            return
        worker = self._workers[uid] = PodWorker(uid, self._shop, lambda gone: self._deliver(WorkerEnded(gone)))
        worker.want(plan)
        worker.start()

    def _worker_ended(self, uid: str) -> None:
        if uid in self._workers and self._workers[uid].finished:
            del self._workers[uid]

    def _static_pods_read(self, letter: StaticPodsRead) -> None:
        pods = {f"{FILE}/{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod for pod in letter.pods}
        for key in [key for key in self._uids if key.startswith(f"{FILE}/") and key not in pods]:
            self._forget(key)
        for key, pod in pods.items():
            self._keep(key, pod)

    def _config_changed(self, letter: ConfigChanged) -> None:
        namespace, _, rest = letter.key.partition("/")
        kind, _, name = rest.partition("/")
        if kind == CONFIGMAP:
            self._profiles.changed(namespace, name)
        if kind in SERVED and self._naming is not None:
            self._naming.services_changed()
        if kind in (CONFIGMAP, SECRET):
            for worker in self._workers.values():
                worker.config_changed(namespace, Source(kind, name))

    def _happened(self, happening: Happening) -> None:
        worker = self._workers.get(happening.labels.get(labels.POD_UID, ""))
        if worker is not None:
            worker.wake()

    def _pods_loaded(self, letter: PodsLoaded) -> None:
        for document in letter.pods:
            metadata = document.get("metadata") or {}
            key = f"{metadata.get('namespace')}/pod/{metadata.get('name')}"
            if key not in self._uids and key not in self._gone_early:
                self._keep(key, document)
        self._loaded = True
        self._gone_early.clear()
        for uid in self._files.known() - set(self._workers):
            self._files.forget(uid)
        logger.info("%d pods are kept on this node", len(self._uids))
        self._observer.look_now()

    def _relisted(self, letter: Relisted) -> None:
        for uid, worker in self._workers.items():
            found = frozenset((c.id, c.state) for c in letter.containers.get(uid, ()))
            sick = any(not sandbox.ready for sandbox in letter.sandboxes.get(uid, ()))
            if sick or (worker.seen is not None and worker.seen != found):
                worker.wake()
        if not self._loaded:
            return
        for uid in (letter.containers.keys() | letter.sandboxes.keys()) - self._workers.keys():
            logger.warning("containers of pod %s are here but no pod wants them: they are removed", uid)
            self._want(uid, None)

    def _engine_changed(self, letter: EngineChanged) -> None:
        missing = tuple(sorted(self._engine.missing.items()))
        self._reporter.engine_changed(EngineState(letter.version, letter.error, missing))
        if not letter.error:
            for worker in self._workers.values():
                worker.wake()

    def _images_came(self) -> None:
        """From an archive: pods may wait for them, and the node tells of them."""
        self._housekeeper.images_came()
        for worker in list(self._workers.values()):
            worker.try_again()

    def _load(self) -> None:
        """Static pods first: what is here and wanted by nobody is removed once all pods are known."""
        if self._static is not None:
            self._static.look()
            self._static.start()
        while not self._closed:
            try:
                if self._deliver(PodsLoaded(self._stored_pods())):
                    return
            except (NoAnswer, Busy, StoreError) as exc:
                logger.debug("pods cannot be read yet: %s", exc)
            time.sleep(0.5)

    def _stored_pods(self) -> list[dict[str, Any]]:
        """Each with the status that was last reported: it knows ends, transition times and who was ready."""
        statuses = self._meta.pod_statuses()
        pods = self._meta.pods()
        return [{**pod, "status": statuses.get(str((pod.get("metadata") or {}).get("uid")), pod.get("status"))} for pod in pods]

    def _deliver(self, letter: object) -> bool:
        mailbox = self._switchboard.register(self.name, self.group)
        taken = mailbox.place_from_rim(letter, _RIM_LIMIT)
        if not taken and not mailbox.closed:
            logger.warning("edged is too busy to hear of %s; the next look at the engine will tell", type(letter).__name__)
        return taken

    def _read_machine(self) -> Machine:
        machine = read_machine(self._settings.root_directory, node_address=self._settings.node_address)
        there = tuple((name, all(map(os.path.exists, paths))) for name, paths in sorted(self._settings.devices.items()))
        machine = replace(machine, store_trouble=self._store_trouble(), devices=there)
        self._machine = machine
        return machine

    def _rules(self) -> NodeRules:
        return NodeRules(
            instance=self._instance,
            missing=frozenset(self._engine.missing),
            cluster_dns=self._settings.cluster_dns or (self._naming.nameserver() if self._naming is not None else ""),
            cluster_domain=self._naming.domain if self._naming is not None else self._settings.cluster_domain,
            devices=self._settings.devices,
            seccomp_directory=os.path.join(self._settings.root_directory, "seccomp"),
        )

    def _name(self, proxy: Proxy) -> Naming:
        return Naming(
            self._meta,
            proxy,
            address=nameserver_of(self._instance),
            domain=self._settings.cluster_domain or CLUSTER_DOMAIN,
            presences=self._presences,
            say=lambda reason, text: self._events.about_node(reason, text, warning=True),
        )

    def _presences(self) -> list[Presence]:
        """Of every pod; before all are known there is one more that nobody has looked at."""
        return [*(worker.presence() for worker in list(self._workers.values())), *([] if self._loaded else [Presence(None)])]

    def _around(self) -> Surroundings:
        machine = self._machine
        return Surroundings(self._settings.node, machine.address, cpu=machine.cpus, memory=machine.memory)


def _plan(key: str, document: dict[str, Any]) -> PodPlan | None:
    try:
        return read_pod(document)
    except ValueError as exc:
        logger.error("pod %s cannot be kept: %s", key, exc)
        return None
