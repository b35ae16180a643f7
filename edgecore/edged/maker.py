"""Makes the containers of one pod: looks up what they name, fetches images, writes volumes, asks the engine.

Never waits for an image. Whatever stands in the way becomes a ``Waiting`` for the pod's status and a time to try again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecore.containers.images import credentials_for, policy_for
from edgecore.containers.model import Mount, State
from edgecore.containers.pulls import Failed, Present, Pulling
from edgecore.edged.environment import environment
from edgecore.edged.errors import ConfigProblem, VolumeProblem
from edgecore.edged.pod import PodPlan
from edgecore.edged.podspec import Resolved, container_spec, sandbox_spec
from edgecore.edged.ports import Workshop
from edgecore.edged.reconcile import Make
from edgecore.edged.sources import SECRET, Source, content, sources_of
from edgecore.edged.status import CREATING, Waiting
from edgecore.edged.volumes import mounts_of, volumes_of
from edgecore.errors import Busy, EngineError, EngineUnreachable, ImageMissing, NoAnswer, NotFound, StoreError

logger = logging.getLogger(__name__)

RETRY = 10.0
LONGEST_RETRY = 120.0
_LOOKUP_LIMIT = 5.0
_PULL_REASONS = ("ErrImagePull", "ImagePullBackOff")


class ContainerMaker:
    """For one pod. ``waiting``: why each container is not there yet; ``retry_at``: when to try again (monotonic)."""

    def __init__(self, shop: Workshop, wake: Callable[[], None]) -> None:
        self._shop = shop
        self._wake = wake
        self._documents: dict[Source, dict[str, Any] | None] = {}
        self._places: dict[str, Path] | None = None
        self._failures: dict[str, int] = {}
        self.sandbox = ""
        self.address = ""
        self.waiting: dict[str, Waiting] = {}
        self.retry_at: dict[str, float] = {}

    def forget_tries(self) -> None:
        """Something changed: everything is worth another try now."""
        self.retry_at.clear()

    def forget_document(self, source: Source) -> bool:
        """An object changed. False: this pod does not use it."""
        if source not in self._documents:
            return False
        del self._documents[source]
        self._places = None
        self.forget_tries()
        return True

    def refresh_volumes(self, plan: PodPlan) -> None:
        """Write what has changed; containers that run see it. A problem is no reason to disturb them."""
        if self._places is not None or not plan.spec.get("volumes"):
            return
        try:
            self._prepare(plan)
        except VolumeProblem as exc:
            logger.warning("pod %s/%s: %s", plan.namespace, plan.name, exc)
            self.retry_at.setdefault("", time.monotonic() + RETRY)

    def make_sandbox(self, plan: PodPlan) -> None:
        spec = sandbox_spec(plan, self._shop.rules())
        self.sandbox = self._shop.runtime().create_sandbox(spec)
        self.address = self._shop.runtime().sandbox_address(self.sandbox)

    def make(self, plan: PodPlan, make: Make) -> None:
        """Create and start one container in the place of its predecessor, or note why not.

        Raises:
            EngineUnreachable: nothing can be done now for anyone.
        """
        name = make.wanted.name
        if self.retry_at.get(name, 0.0) > time.monotonic():
            return
        try:
            image = self._image(plan, make)
            if image is not None:
                self._create(plan, make, image)
                self._settled(name)
        except ImageMissing:
            self._shop.pulls.forget(make.wanted.image)
            self._wake()
        except ConfigProblem as exc:
            self._wait(name, Waiting("CreateContainerConfigError", str(exc)))
        except VolumeProblem as exc:
            self._wait(name, replace(CREATING, message=str(exc)))
        except EngineUnreachable:
            raise
        except EngineError as exc:
            logger.warning("pod %s/%s: container %s: %s", plan.namespace, plan.name, name, exc)
            self._wait(name, Waiting("RunContainerError", str(exc)))

    def _image(self, plan: PodPlan, make: Make) -> Present | None:
        name, wanted = make.wanted.name, make.wanted
        policy = policy_for(wanted.image, wanted.pull_policy if make.instead_of is None else "IfNotPresent")
        credentials = self._credentials(plan, wanted.image)
        answer = self._shop.pulls.want(wanted.image, policy, credentials=credentials, asker=plan.uid, wake=self._wake)
        if isinstance(answer, Present):
            return answer
        before = self.waiting.get(name, CREATING)
        if isinstance(answer, Pulling):
            self.waiting[name] = before
            self.retry_at.pop(name, None)
        else:
            self.waiting[name] = _pull_failure(answer, before, wanted.image)
            self.retry_at[name] = answer.retry_at
        return None

    def _create(self, plan: PodPlan, make: Make, image: Present) -> None:
        runtime, old = self._shop.runtime(), make.instead_of
        self._look_up(plan)
        around = replace(self._shop.around(), pod_address=self.address)
        variables = environment(make.wanted.document, plan, self._documents, around)
        resolved = Resolved(
            image=image.name,
            environment=variables,
            mounts=self._mounts(plan, make, variables),
            record=make.record.text(),
            sandbox=self.sandbox,
            address=self.address,
            attempt=make.record.restarts,
        )
        spec = container_spec(plan, make.wanted, resolved, self._shop.rules())
        if old is not None and old.state is State.RUNNING:
            runtime.stop(old.id, plan.grace)
        if old is not None and old.state is State.CREATED and not old.started:
            runtime.remove(old.id)
        made = runtime.create(spec)
        try:
            runtime.start(made)
        except EngineError:
            runtime.remove(made)
            self.address = self.address if plan.shared else ""
            raise
        logger.info("pod %s/%s: container %s started (%s)", plan.namespace, plan.name, make.wanted.name, made[:12])
        if old is not None:
            runtime.remove(old.id)

    def _mounts(self, plan: PodPlan, make: Make, variables: dict[str, str]) -> tuple[Mount, ...]:
        wanted = mounts_of(make.wanted.document, plan, variables)
        if not wanted and not plan.spec.get("volumes"):
            return ()
        places = self._prepare(plan)
        mounts = []
        for mount in wanted:
            place = places[mount.volume]
            source = self._shop.files.inside(place, mount.sub_path) if mount.sub_path else place
            mounts.append(Mount(str(source), mount.target, mount.read_only))
        return tuple(mounts)

    def _prepare(self, plan: PodPlan) -> dict[str, Path]:
        if self._places is None:
            self._look_up(plan)
            around = replace(self._shop.around(), pod_address=self.address)
            volumes = volumes_of(plan, self._documents, around)
            self._places = {volume.name: self._shop.files.prepare(plan.uid, volume) for volume in volumes}
        return self._places

    def _look_up(self, plan: PodPlan) -> None:
        """Fetch what is named and not known yet. What does not exist is asked for again next time."""
        for source in sources_of(plan.spec):
            if self._documents.get(source) is not None:
                continue
            try:
                self._documents[source] = self._shop.meta.get(plan.namespace, source.type, source.name, timeout=_LOOKUP_LIMIT)
            except (NotFound, NoAnswer, Busy, StoreError) as exc:
                logger.debug("pod %s/%s: %s", plan.namespace, plan.name, exc)
                self._documents[source] = None

    def _credentials(self, plan: PodPlan, image: str) -> str:
        refs = plan.spec.get("imagePullSecrets") or []
        if not refs:
            return ""
        self._look_up(plan)
        found = []
        for ref in refs:
            values = content(self._documents, Source(SECRET, str(ref.get("name"))), plan.namespace, optional=True)
            text = values.get(".dockerconfigjson") or values.get(".dockercfg") or b"{}"
            try:
                document = json.loads(text)
            except ValueError:
                continue
            if isinstance(document, dict):
                found.append(document)
        return credentials_for(image, found)

    def _wait(self, name: str, waiting: Waiting) -> None:
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        self.waiting[name] = waiting
        self.retry_at[name] = time.monotonic() + min(2.0 ** min(failures, 10), RETRY if failures < 5 else LONGEST_RETRY)

    def _settled(self, name: str) -> None:
        for notes in (self.waiting, self.retry_at, self._failures):
            notes.pop(name, None)


def _pull_failure(failed: Failed, before: Waiting, image: str) -> Waiting:
    if failed.never:
        return Waiting("ErrImageNeverPull", failed.error)
    if before.reason in _PULL_REASONS:
        return Waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {failed.error}')
    return Waiting("ErrImagePull", failed.error)
