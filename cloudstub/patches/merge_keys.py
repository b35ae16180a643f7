"""How the lists of the built-in kinds merge (``patchStrategy`` and ``patchMergeKey`` of the Kubernetes API reference): data only.

A list that is not named here is atomic: a patch replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rule:
    """How one field merges. ``merge_key``: a list of objects, told apart by it; ``is_set``: a list of plain values that unite.

    ``second_key`` (field, default) tells entries apart that share the merge key, where both sides name it (ports: protocol).
    """

    below: Mapping[str, Rule] = field(default_factory=dict)
    merge_key: str | None = None
    second_key: tuple[str, str] | None = None
    is_set: bool = False


Rules = Mapping[str, Rule]


def _by(key: str, below: Rules | None = None, *, second: tuple[str, str] | None = None) -> Rule:
    return Rule(below=below or {}, merge_key=key, second_key=second)


def _of(**fields: Rule) -> Rule:
    return Rule(below=fields)


_SET = Rule(is_set=True)
_PROTOCOL = ("protocol", "TCP")
_METADATA = _of(ownerReferences=_by("uid"), finalizers=_SET)
_CONTAINER = {
    "env": _by("name"),
    "ports": _by("containerPort", second=_PROTOCOL),
    "volumeMounts": _by("mountPath"),
    "volumeDevices": _by("devicePath"),
}
_POD_SPEC = _of(
    containers=_by("name", _CONTAINER),
    initContainers=_by("name", _CONTAINER),
    ephemeralContainers=_by("name", _CONTAINER),
    volumes=_by("name"),
    imagePullSecrets=_by("name"),
    hostAliases=_by("ip"),
    topologySpreadConstraints=_by("topologyKey"),
    resourceClaims=_by("name"),
    schedulingGates=_by("name"),
)
_TEMPLATE = _of(metadata=_METADATA, spec=_POD_SPEC)
_CONDITIONS = _of(conditions=_by("type"))
_WORKLOAD = {"metadata": _METADATA, "spec": _of(template=_TEMPLATE), "status": _CONDITIONS}
_PLAIN: Rules = {"metadata": _METADATA}
_WITH_CONDITIONS: Rules = {"metadata": _METADATA, "status": _CONDITIONS}

_KINDS: dict[str, Rules] = {
    "Pod": {"metadata": _METADATA, "spec": _POD_SPEC, "status": _of(conditions=_by("type"), podIPs=_by("ip"))},
    "PodTemplate": {"metadata": _METADATA, "template": _TEMPLATE},
    "ReplicationController": _WORKLOAD,
    "Deployment": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "Job": _WORKLOAD,
    "CronJob": {"metadata": _METADATA, "spec": _of(jobTemplate=_of(metadata=_METADATA, spec=_of(template=_TEMPLATE)))},
    "Service": {
        "metadata": _METADATA,
        "spec": _of(ports=_by("port", second=_PROTOCOL)),
        "status": _CONDITIONS,
    },
    "ServiceAccount": {"metadata": _METADATA, "secrets": _by("name"), "imagePullSecrets": _by("name")},
    "Node": {
        "metadata": _METADATA,
        "spec": _of(podCIDRs=_SET),
        "status": _of(conditions=_by("type"), addresses=_by("type")),
    },
    "Namespace": _WITH_CONDITIONS,
    "PersistentVolumeClaim": _WITH_CONDITIONS,
    "ValidatingWebhookConfiguration": {"metadata": _METADATA, "webhooks": _by("name")},
    "MutatingWebhookConfiguration": {"metadata": _METADATA, "webhooks": _by("name")},
}


def rules_of(kind: str) -> Rules:
    """The merge rules of a built-in kind; metadata merges alike in all of them."""
    return _KINDS.get(kind, _PLAIN)
