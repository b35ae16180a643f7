"""The rim thread that keeps the node habitable: removes unused images, evicts pods when nothing else helps.

Only images that this EdgeCore has fetched itself are ever removed; those of other people and those from archives stay.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from edgecore.containers import labels
from edgecore.containers.images import full_name
from edgecore.containers.model import Image
from edgecore.edged.generations import spare
from edgecore.edged.housekeeping import (
    Candidate,
    DiskRules,
    images_to_remove,
    is_full,
    next_to_evict,
    next_to_evict_for_disk,
    sized_volumes,
)
from edgecore.edged.image_memory import ImageMemory
from edgecore.edged.node import Machine, short_of_disk, short_of_memory
from edgecore.edged.ports import Workshop
from edgecore.edged.worker import PodWorker
from edgecore.errors import EngineError

logger = logging.getLogger(__name__)

EVERY = 10.0
IMAGES_EVERY = 300.0
SIZES_EVERY = 60.0


class Housekeeper:
    """``images_changed`` hears what is on the node."""

    def __init__(
        self,
        shop: Workshop,
        memory: ImageMemory,
        rules: DiskRules,
        *,
        read: Callable[[], Machine],
        workers: Callable[[], Sequence[PodWorker]],
        images_changed: Callable[[Sequence[Image]], None],
    ) -> None:
        self._shop = shop
        self._memory = memory
        self._rules = rules
        self._read = read
        self._workers = workers
        self._images_changed = images_changed
        self._closed = threading.Event()
        self._last_used: dict[str, float] = {}
        self._images_at = self._sizes_at = float("-inf")
        self._images_came = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="housekeeper", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def images_came(self) -> None:
        """Somebody else brought some: the next look is at images too."""
        self._images_came.set()

    def look(self) -> None:
        """Raises EngineError."""
        now = time.monotonic()
        machine = self._read()
        if now >= self._images_at + IMAGES_EVERY or self._images_came.is_set() or short_of_disk(machine):
            self._images_came.clear()
            if is_full(machine, self._rules):
                self._remove_spare_containers()
                machine = self._read()
            self._look_at_images(machine, now)
            self._images_at = now
            machine = self._read()
        if now >= self._sizes_at + SIZES_EVERY:
            self._sizes_at = now
            self._look_at_sizes()
        if short_of_memory(machine):
            used = self._shop.runtime().memory()
            self._evict(next_to_evict(self._candidates(used.get)), "The node was low on resource: memory.")
        elif short_of_disk(machine) and not machine.readonly_disk:
            chosen = next_to_evict_for_disk(self._candidates(self._shop.files.used), machine.disk)
            self._evict(chosen, "The node was low on resource: ephemeral-storage.")

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.look()
            except EngineError as exc:
                logger.debug("housekeeping: %s", exc)
            except Exception:
                logger.exception("housekeeping: this is a bug; tried again")
            self._closed.wait(EVERY)

    def _remove_spare_containers(self) -> None:
        """What ended and is here for ``logs --previous`` alone, before the images that it was made of."""
        runtime = self._shop.runtime()
        instance = self._shop.rules().instance
        for container in spare([c for c in runtime.containers() if labels.is_ours(c.labels, instance)]):
            runtime.remove(container.id)
            logger.info("container %s, which has ended and has a successor, is removed: the disk is full", container.name)

    def _look_at_images(self, machine: Machine, now: float) -> None:
        runtime = self._shop.runtime()
        images = runtime.images()
        used = {container.image_id for container in runtime.containers()}
        self._last_used = {image.id: now if image.id in used else self._last_used.get(image.id, now) for image in images}
        names = {name for worker in self._workers() for name in worker.images()}
        kept = used | names | set(map(full_name, names))
        ours = self._ours({image.id for image in images})
        removed = 0
        for image in images_to_remove(
            [image for image in images if image.id in ours], kept, self._last_used, machine=machine, rules=self._rules
        ):
            try:
                runtime.remove_image(image.id)
            except EngineError as exc:
                logger.debug("image %s stays: %s", image.id[:12], exc)
                continue
            removed += 1
            logger.info("image %s is removed: more than %d %% of the disk is in use", " ".join(image.names) or image.id, self._rules.high)
        if removed:
            self._shop.pulls.forget_all()
            images = runtime.images()
        self._images_changed(images)

    def _ours(self, here: set[str]) -> set[str]:
        """Ids of the images that this EdgeCore has fetched, now or before a restart."""
        ours = (self._memory.fetched() | self._shop.pulls.fetched_ids()) & here
        self._memory.set_fetched(ours)
        return ours

    def _look_at_sizes(self) -> None:
        for worker in self._workers():
            plan = worker.plan()
            for name, limit in sized_volumes(plan).items() if plan is not None else ():
                used = self._shop.files.used(worker.uid, name)
                if used > limit:
                    worker.evict(f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}".')

    def _candidates(self, used: Callable[[str], int | None]) -> list[Candidate]:
        plans = [(worker.uid, worker.plan()) for worker in self._workers() if worker.may_be_evicted()]
        return [Candidate(plan, used(uid) or 0) for uid, plan in plans if plan is not None]

    def _evict(self, chosen: Candidate | None, why: str) -> None:
        """One at a time: the next look tells whether that was enough."""
        for worker in self._workers():
            if chosen is not None and worker.uid == chosen.plan.uid:
                worker.evict(why)
