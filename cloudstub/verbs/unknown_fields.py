"""Fields that a built-in kind does not know: the ones that people misspell are named, so that a typing error is not silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudstub.store.records import Object

_ROOT = frozenset(("apiVersion", "kind", "metadata"))
_METADATA = frozenset(
    (
        "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers", "managedFields",
    )
)  # fmt: skip
_TOP = {
    "configmaps": ("data", "binaryData", "immutable"),
    "secrets": ("data", "stringData", "type", "immutable"),
    "pods": ("spec", "status"),
    "nodes": ("spec", "status"),
    "namespaces": ("spec", "status"),
    "services": ("spec", "status"),
    "deployments.apps": ("spec", "status"),
    "replicasets.apps": ("spec", "status"),
    "statefulsets.apps": ("spec", "status"),
    "daemonsets.apps": ("spec", "status"),
    "jobs.batch": ("spec", "status"),
    "cronjobs.batch": ("spec", "status"),
    "persistentvolumes": ("spec", "status"),
    "persistentvolumeclaims": ("spec", "status"),
    "leases.coordination.k8s.io": ("spec",),
    "customresourcedefinitions.apiextensions.k8s.io": ("spec", "status"),
}
_SPEC = {
    "deployments.apps": (
        "replicas", "selector", "template", "strategy", "minReadySeconds", "revisionHistoryLimit", "paused", "progressDeadlineSeconds",
    ),
    "replicasets.apps": ("replicas", "selector", "template", "minReadySeconds"),
    "cronjobs.batch": (
        "schedule", "timeZone", "startingDeadlineSeconds", "concurrencyPolicy", "suspend", "jobTemplate", "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ),
    "daemonsets.apps": ("selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit"),
}  # fmt: skip
_POD_SPEC = frozenset(
    (
        "volumes", "initContainers", "containers", "ephemeralContainers", "restartPolicy", "terminationGracePeriodSeconds",
        "activeDeadlineSeconds", "dnsPolicy", "nodeSelector", "serviceAccountName", "serviceAccount",
        "automountServiceAccountToken", "nodeName", "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace",
        "securityContext", "imagePullSecrets", "hostname", "subdomain", "affinity", "schedulerName", "tolerations",
        "hostAliases", "priorityClassName", "priority", "dnsConfig", "readinessGates", "runtimeClassName", "enableServiceLinks",
        "preemptionPolicy", "overhead", "topologySpreadConstraints", "setHostnameAsFQDN", "os", "hostUsers",
        "schedulingGates", "resourceClaims", "resources",
    )
)  # fmt: skip
_CONTAINER = frozenset(
    (
        "name", "image", "command", "args", "workingDir", "ports", "envFrom", "env", "resources", "resizePolicy", "restartPolicy",
        "volumeMounts", "volumeDevices", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
        "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "securityContext", "stdin", "stdinOnce", "tty",
    )
)  # fmt: skip


def unknown_fields(resource: str, obj: Object) -> list[str]:
    """Paths of fields that the kind does not have. Only the levels listed here are looked at."""
    found = _beyond(obj.get("metadata"), _METADATA, "metadata.")
    if resource in _TOP:
        found += _beyond(obj, _ROOT.union(_TOP[resource]), "")
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return found
    if resource in _SPEC:
        found += _beyond(spec, _SPEC[resource], "spec.")
    if resource == "pods":
        found += _in_pod_spec(spec, "spec.")
    elif isinstance(spec.get("template"), dict) and resource in _TOP:
        found += _in_pod_spec(spec["template"].get("spec"), "spec.template.spec.")
    return found


def _in_pod_spec(spec: Any, path: str) -> list[str]:
    found = _beyond(spec, _POD_SPEC, path)
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or () if isinstance(spec, dict) else ()):
            found += _beyond(container, _CONTAINER, f"{path}{field}[{i}].")
    return found


def _beyond(value: Any, known: Iterable[str], path: str) -> list[str]:
    return [f"{path}{key}" for key in value if key not in known] if isinstance(value, dict) else []
