"""Labels by which EdgeCore knows its own containers and sandboxes again (promise A3). Nothing else is ever touched."""

from __future__ import annotations

import hashlib
import os

PREFIX = "io.bramble."
MANAGED = PREFIX + "managed"
INSTANCE = PREFIX + "instance"
POD_UID = PREFIX + "pod.uid"
POD_NAMESPACE = PREFIX + "pod.namespace"
POD_NAME = PREFIX + "pod.name"
CONTAINER = PREFIX + "container"
CLAIM = PREFIX + "claim"
HASH = PREFIX + "hash"
RECORD = PREFIX + "record"
"""What came before this container: restarts, failures in a row and the last end (JSON). So the count survives EdgeCore."""

RESTARTS = PREFIX + "restarts"
"""When this very container is started again after its end: ``Always``, ``OnFailure`` or ``Never``."""


def instance_of(root_directory: str) -> str:
    """Short name of the EdgeCore that keeps its volumes in ``root_directory``: two on one machine leave each other alone."""
    return hashlib.sha256(os.path.abspath(root_directory).encode()).hexdigest()[:12]


def is_ours(labels: dict[str, str], instance: str) -> bool:
    """Ours, or labelled as ours by nobody in particular."""
    return labels.get(MANAGED) == "true" and labels.get(INSTANCE, instance) == instance


def pod_labels(*, instance: str, uid: str, namespace: str, name: str) -> tuple[tuple[str, str], ...]:
    return ((MANAGED, "true"), (INSTANCE, instance), (POD_UID, uid), (POD_NAMESPACE, namespace), (POD_NAME, name))


def claim_labels(*, instance: str, namespace: str, claim: str) -> tuple[tuple[str, str], ...]:
    return ((MANAGED, "true"), (INSTANCE, instance), (POD_NAMESPACE, namespace), (CLAIM, claim))
