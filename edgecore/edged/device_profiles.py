"""A rim thread that lays ``deviceProfile.json`` where mappers of this board find it that are no pods: ``<root>/devices/<namespace>/``.

Pods mount the ConfigMap (contract 5.2); a mapper that runs as a service has no other way to it. The file is replaced as a whole.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from pathlib import Path

from edgecore.edged.ports import Meta
from edgecore.edged.sources import CONFIGMAP
from edgecore.errors import Busy, NoAnswer, NotFound, StoreError
from viaduct import profile

logger = logging.getLogger(__name__)

_LATER = 5.0


class DeviceProfiles:
    """``changed`` may be called from any thread, also for ConfigMaps that are no profile."""

    def __init__(self, meta: Meta, node: str, root: Path) -> None:
        self._meta = meta
        self._configmap = profile.configmap_of(node)
        self._folder = root / "devices"
        self._namespaces: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="device-profiles", daemon=True).start()

    def changed(self, namespace: str, configmap: str) -> None:
        if configmap == self._configmap:
            self._namespaces.put(namespace)

    def close(self) -> None:
        self._namespaces.put(None)

    def _run(self) -> None:
        failed: set[str] = set()
        while True:
            try:
                namespace = self._namespaces.get(timeout=_LATER if failed else None)
            except queue.Empty:
                waiting, failed = failed, set()
                failed.update(late for late in waiting if not self._lay(late))
                continue
            if namespace is None:
                return
            if not self._lay(namespace):
                failed.add(namespace)

    def _lay(self, namespace: str) -> bool:
        """Make the file what the ConfigMap says now. False: not possible now."""
        place = self._folder / namespace / profile.FILE
        try:
            data = self._meta.get(namespace, CONFIGMAP, self._configmap).get("data") or {}
            self._write(place, str(data.get(profile.FILE, "{}")))
        except NotFound:
            place.unlink(missing_ok=True)
            logger.info("no devices in namespace %s any more", namespace)
        except (Busy, NoAnswer, StoreError, OSError) as exc:
            logger.warning("%s cannot be written, tried again: %s", place, exc)
            return False
        return True

    def _write(self, place: Path, text: str) -> None:
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
        logger.info("devices of namespace %s: %s", place.parent.name, place)
