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

from edgecore.containers import labels
from edgecore.containers.images import credentials_for
from edgecore.containers.model import Mount, MountKind, State
from edgecore.containers.pulls import Present
from edgecore.edged.devices import paths_for
from edgecore.edged.environment import environment
from edgecore.edged.errors import ConfigProblem, VolumeProblem
from edgecore.edged.fetcher import ImageFetcher
from edgecore.edged.handlers import HttpGet
from edgecore.edged.hooks import Hooks, hook_of
from edgecore.edged.pod import PodPlan, Wanted
from edgecore.edged.podspec import Resolved, check_user, container_spec, must_not_be_root, sandbox_spec
from edgecore.edged.ports import Workshop
from edgecore.edged.probes import probes_of
from edgecore.edged.reconcile import Make
from edgecore.edged.sources import SECRET, Source, content, sources_of
from edgecore.edged.status import CREATING, Waiting
from edgecore.edged.stopping import Stopper
from edgecore.edged.tokens import PodTokens
from edgecore.edged.volumes import DEVICES, Claim, Files, Host, Volume, mounts_of, volumes_of
from edgecore.errors import Busy, EngineError, EngineUnreachable, ImageMissing, NoAnswer, NotFound, StoreError

logger = logging.getLogger(__name__)

RETRY = 10.0
LONGEST_RETRY = 120.0
_LOOKUP_LIMIT = 5.0
CLAIM = "persistentvolumeclaim"


class ContainerMaker:
    """For one pod. ``waiting``: why each container is not there yet; ``retry_at``: when to try again (monotonic).

    ``given_up`` says whether the pod is to go, so that no hook is waited for.
    """

    def __init__(self, shop: Workshop, wake: Callable[[], None], stopper: Stopper, given_up: Callable[[], bool]) -> None:
        self._shop = shop
        self._wake = wake
        self._stopper = stopper
        self._given_up = given_up
        self._hooks = Hooks(shop)
        self._documents: dict[Source, dict[str, Any] | None] = {}
        self._places: dict[str, Path] | None = None
        self._volumes: dict[str, Volume] = {}
        self._failures: dict[str, int] = {}
        self._fetcher = ImageFetcher(shop, wake)
        self._tokens = PodTokens(shop)
        self._refresh_at = 0.0
        self._told = ""
        self.sandbox = ""
        self.address = ""
        self.waiting: dict[str, Waiting] = {}
        self.retry_at: dict[str, float] = {}

    @property
    def look_at(self) -> list[float]:
        """When a pull that takes long is to be told again, a token gets old, or volumes are worth another try (monotonic); may be past."""
        return [*self._fetcher.look_at, *([self._refresh_at] if self._refresh_at else self._tokens.look_at)]

    def forget_tries(self) -> None:
        """Something changed: everything is worth another try now."""
        self.retry_at.clear()
        self._refresh_at = 0.0
        self._tokens.forget_failures()

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
        if not plan.spec.get("volumes") or self._refresh_at > time.monotonic():
            return
        self._refresh_at = 0.0
        if self._places is not None and not self._tokens.due():
            return
        try:
            if self._places is None:
                self._prepare(plan)
            else:
                self._write_again(plan)
        except VolumeProblem as exc:
            level, self._told = (logging.DEBUG if str(exc) == self._told else logging.WARNING), str(exc)
            logger.log(level, "pod %s/%s: %s", plan.namespace, plan.name, exc)
            self._shop.events.about_pod(plan, "FailedMount", str(exc), warning=True)
            self._refresh_at = time.monotonic() + RETRY

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
            self._shop.events.about_pod(plan, "Failed", f"Error: {exc}", container=name, warning=True)
            self._wait(name, Waiting("CreateContainerConfigError", str(exc)))
        except VolumeProblem as exc:
            self._shop.events.about_pod(plan, "FailedMount", str(exc), warning=True)
            self._wait(name, replace(CREATING, message=str(exc)))
        except EngineUnreachable:
            raise
        except EngineError as exc:
            logger.warning("pod %s/%s: container %s: %s", plan.namespace, plan.name, name, exc)
            self._shop.events.about_pod(plan, "Failed", f"Error: {exc}", container=name, warning=True)
            self._wait(name, Waiting("RunContainerError", str(exc)))

    def _image(self, plan: PodPlan, make: Make) -> Present | None:
        name = make.wanted.name
        before = self.waiting.get(name, CREATING)
        found = self._fetcher.want(plan, make, self._credentials(plan, make.wanted.image), before)
        if isinstance(found, Present):
            return found
        self.waiting[name] = found.waiting
        if found.retry_at is None:
            self.retry_at.pop(name, None)
        else:
            self.retry_at[name] = found.retry_at
        return None

    def _create(self, plan: PodPlan, make: Make, image: Present) -> None:
        runtime, old = self._shop.runtime(), make.instead_of
        self._look_up(plan)
        around = replace(self._shop.around(), pod_address=self.address)
        variables = environment(make.wanted.document, plan, self._documents, around, links=self._links(plan))
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
        if must_not_be_root(make.wanted, plan):
            check_user(spec.security.user, runtime.image_user(image.name))
        for hook in ("postStart", "preStop"):
            hook_of(make.wanted, hook)
        probes_of(make.wanted.document)
        if old is not None and old.state is State.RUNNING:
            self._stopper.stop(plan, old, plan.grace)
        if old is not None and old.state is State.CREATED and not old.started:
            runtime.remove(old.id)
        made = runtime.create(spec)
        self._shop.events.about_pod(plan, "Created", f"Created container {make.wanted.name}", container=make.wanted.name)
        try:
            runtime.start(made)
        except EngineError:
            runtime.remove(made)
            self.address = self.address if plan.shared else ""
            raise
        logger.info("pod %s/%s: container %s started (%s)", plan.namespace, plan.name, make.wanted.name, made[:12])
        self._shop.events.about_pod(plan, "Started", f"Started container {make.wanted.name}", container=make.wanted.name)
        self._after_start(plan, make.wanted, made)

    def _after_start(self, plan: PodPlan, wanted: Wanted, made: str) -> None:
        """A container whose postStart hook fails is ended; whether it runs again is the restart rule's business."""
        address = self._shop.around().host_address if plan.host_network else self.address
        if not address and isinstance(hook_of(wanted, "postStart"), HttpGet):
            found = self._shop.runtime().look(made)
            address = found.address if found is not None else ""
        outcome = self._hooks.after_start(plan, wanted, made, address, self._given_up)
        if outcome.ok:
            return
        logger.warning("pod %s/%s: container %s: postStart hook failed: %s", plan.namespace, plan.name, wanted.name, outcome.text)
        self._shop.events.about_pod(plan, "FailedPostStartHook", outcome.text, container=wanted.name, warning=True)
        found = self._shop.runtime().look(made)
        if found is not None:
            self._stopper.stop(plan, found, plan.grace)

    def _mounts(self, plan: PodPlan, make: Make, variables: dict[str, str]) -> tuple[Mount, ...]:
        wanted = mounts_of(make.wanted.document, plan, variables)
        devices = self._devices(make.wanted)
        if not wanted and not plan.spec.get("volumes"):
            return devices
        places = self._prepare(plan)
        mounts = []
        for mount in wanted:
            place, volume = places[mount.volume], self._volumes[mount.volume]
            read_only = mount.read_only or (isinstance(volume, Claim) and volume.read_only)
            if mount.sub_path:
                mounts.append(Mount(str(self._shop.files.inside(place, mount.sub_path)), mount.target, read_only))
            elif isinstance(volume, Claim):
                mounts.append(Mount(self._volume_name(plan, volume), mount.target, read_only, MountKind.VOLUME))
            elif isinstance(volume, Host) and volume.kind in DEVICES:
                mounts.append(Mount(str(place), mount.target, read_only, MountKind.DEVICE))
            else:
                mounts.append(Mount(str(place), mount.target, read_only))
        return (*mounts, *devices)

    def _devices(self, wanted: Wanted) -> tuple[Mount, ...]:
        paths = paths_for(wanted.document, self._shop.rules().devices)
        return tuple(Mount(str(self._shop.files.device(path)), path, kind=MountKind.DEVICE) for path in paths)

    def _prepare(self, plan: PodPlan) -> dict[str, Path]:
        if self._places is None:
            self._look_up(plan)
            around = replace(self._shop.around(), pod_address=self.address)
            volumes = volumes_of(plan, self._documents, around, self._tokens.look_up(plan))
            self._places = {volume.name: self._place(plan, volume) for volume in volumes}
            self._volumes = {volume.name: volume for volume in volumes}
        return self._places

    def _write_again(self, plan: PodPlan) -> None:
        """For a token that got old. Only what we write: the pod's own directories are left as it has made them."""
        around = replace(self._shop.around(), pod_address=self.address)
        for volume in volumes_of(plan, self._documents, around, self._tokens.look_up(plan)):
            if isinstance(volume, Files):
                self._shop.files.prepare(plan.uid, volume)

    def _place(self, plan: PodPlan, volume: Volume) -> Path:
        if not isinstance(volume, Claim):
            return self._shop.files.prepare(plan.uid, volume)
        name = self._volume_name(plan, volume)
        if place := self._shop.runtime().volume(name):
            return Path(place)
        self._ask_for_claim(plan, volume)
        label = labels.claim_labels(instance=self._shop.rules().instance, namespace=plan.namespace, claim=volume.claim)
        made = Path(self._shop.runtime().make_volume(name, label))
        self._shop.files.open_claim(made, volume)
        logger.info("pod %s/%s: volume %s is made for claim %s", plan.namespace, plan.name, name, volume.claim)
        return made

    def _ask_for_claim(self, plan: PodPlan, volume: Claim) -> None:
        """A claim that the cloud does not know is a mistake; where the cloud cannot be asked, the pod comes first (promise A1)."""
        try:
            self._shop.meta.get(plan.namespace, CLAIM, volume.claim, timeout=_LOOKUP_LIMIT)
        except NotFound as exc:
            raise VolumeProblem(f'persistentvolumeclaim "{volume.claim}" not found') from exc
        except (NoAnswer, Busy, StoreError) as exc:
            logger.info("pod %s/%s: claim %s: %s; it is taken as it is", plan.namespace, plan.name, volume.claim, exc)

    def _links(self, plan: PodPlan) -> dict[str, str]:
        """The Services of the namespace as variables; a pod does not wait for them."""
        if self._shop.naming is None or plan.spec.get("enableServiceLinks") is False:
            return {}
        try:
            return self._shop.naming.links(plan.namespace)
        except (NoAnswer, Busy, StoreError) as exc:
            logger.info("pod %s/%s: no variables of Services: %s", plan.namespace, plan.name, exc)
            return {}

    def _volume_name(self, plan: PodPlan, volume: Claim) -> str:
        return f"bramble-{self._shop.rules().instance}_{plan.namespace}_{volume.claim}"

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
