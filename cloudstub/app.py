"""The root: builds the store, the kinds, the server and the controllers, and takes them down again."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import platform
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from cloudstub.api import certificates
from cloudstub.api.auth import Authenticator, ensure_tokens, read_tokens
from cloudstub.api.kubeletclient import KubeletClient
from cloudstub.api.server import listen
from cloudstub.api.service import Service
from cloudstub.api.summaries import Summaries
from cloudstub.config import Config, certificate_names, reachable_host
from cloudstub.controllers import claims
from cloudstub.controllers import runner as controllers
from cloudstub.errors import AlreadyExists, ApiError, ConfigError
from cloudstub.kinds.builtin import BUILTIN
from cloudstub.kinds.catalog import Catalog
from cloudstub.kubeconfig import write_kubeconfig
from cloudstub.store.database import Database
from cloudstub.store.store import Store
from cloudstub.verbs.client_ca import publish_client_ca
from cloudstub.verbs.cluster import Cluster
from cloudstub.verbs.create import create
from cloudstub.verbs.custom_kinds import follow
from cloudstub.verbs.expiry import expire_events
from cloudstub.verbs.world import Target, World
from cloudstub.webhooks.writes import Webhooks

logger = logging.getLogger(__name__)

VERSION = "v1.32.0-bramble"
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
LOCAL_CLASS = {
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": claims.PROVISIONER,
    "reclaimPolicy": "Retain",
    "volumeBindingMode": "WaitForFirstConsumer",
}
COMPACTION_SECONDS = 30.0
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True)
class Running:
    """A server that answers. ``token`` is the administrator's; ``port`` is the one it got."""

    url: str
    port: int
    ca_file: Path
    token: str
    kubeconfig: Path
    cluster: Cluster
    _runner: web.AppRunner
    _kubelets: KubeletClient
    _store: Store
    _webhooks: Webhooks
    _tasks: list[asyncio.Task[None]]
    _lock: int

    async def stop(self) -> None:
        """End the controllers, then the watches and the server, then close the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._store.broadcast.end_all()
        await self._runner.cleanup()
        await self._webhooks.close()
        await self._kubelets.close()
        self._store.close()
        os.close(self._lock)


async def start(config: Config) -> Running:
    """Open the store and serve.

    Raises:
        ConfigError: the data directory is in use, or holds something that is not ours.
        StoreError: the store cannot be opened.
        OSError: the address is taken.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as undo:
        lock = _lock(config.data_dir / "lock")
        undo.callback(os.close, lock)
        files = certificates.ensure(config.data_dir, certificate_names(config), now=_now())
        tokens = config.data_dir / "tokens.csv"
        token = ensure_tokens(tokens)
        store = Store(Database(config.data_dir / "store.db"), now_ms=lambda: time.time_ns() // 1_000_000)
        undo.callback(store.close)
        world = new_world(store)
        await _make_what_always_is(world)
        await publish_client_ca(world, files.ca.read_text())
        kubelets = KubeletClient(files.kubelet_client, files.kubelet_client_key, config.kubelet_ca)
        webhooks = Webhooks(store)
        authenticator = Authenticator(read_tokens(tokens))
        service = Service(world, authenticator, version_info(config.version), webhooks, kubelets, Summaries(kubelets))
        server, port = await listen(service, config.host, config.port, certificates.server_context(files))
        url = f"https://{reachable_host(config.host)}:{port}"
        kubeconfig = config.data_dir / "kubeconfig"
        for path in filter(None, (kubeconfig, config.kubeconfig)):
            write_kubeconfig(path, url, files.ca.read_bytes(), token)
        cluster = Cluster(world)
        tasks = [asyncio.create_task(_tend(world, config), name="cloudstub-tend")]
        if config.runs_controllers:
            tasks.append(asyncio.create_task(controllers.run(cluster, now=_now), name="cloudstub-controllers"))
        undo.pop_all()
    logger.info("serving at %s, %d kinds, revision %d", url, len(list(world.catalog)), store.revision)
    kept = config.kubeconfig or kubeconfig
    return Running(url, port, files.ca, token, kept, cluster, server, kubelets, store, webhooks, tasks, lock)


def new_world(store: Store, clock: Callable[[], datetime] | None = None) -> World:
    """Everything that verbs need, over a store."""
    catalog = Catalog(BUILTIN)
    follow(store, catalog)
    return World(store, catalog, clock or _now, lambda: str(uuid.uuid4()), _suffix)


def version_info(extra: Mapping[str, str]) -> dict[str, str]:
    """What ``/version`` says."""
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
        **extra,
    }


async def _make_what_always_is(world: World) -> None:
    for resource, objects in (("namespaces", [{"metadata": {"name": name}} for name in NAMESPACES]), (claims.CLASSES, [LOCAL_CLASS])):
        kind = world.catalog.by_resource(resource)
        assert kind is not None
        for obj in objects:
            with contextlib.suppress(AlreadyExists):
                create(world, Target(kind, kind.storage), obj)
    await world.store.committed()


async def _tend(world: World, config: Config) -> None:
    """Forget what is too old: events, and the change log."""
    while True:
        await asyncio.sleep(COMPACTION_SECONDS)
        try:
            expire_events(world)
            await world.store.committed()
            world.store.compact(keep_newest=config.keep_changes, max_age_ms=int(config.keep_seconds * 1000))
        except ApiError as exc:
            logger.warning("tending the store failed, will try again: %s", exc)


def _now() -> datetime:
    return datetime.now(UTC)


def _suffix() -> str:
    return "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(5))


def _lock(path: Path) -> int:
    """One process for one data directory; the lock goes with the process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise ConfigError(f"data directory {path.parent}: another cloudstub uses it") from exc
    return descriptor
