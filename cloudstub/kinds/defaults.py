"""The defaults that clients see in built-in kinds. Each function fills a fresh object in place; validation runs after it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from cloudstub.kinds import webhook_rules
from cloudstub.kinds.kind import Object


def fill(resource: str, obj: Object) -> None:
    """Set what the client left out. Shapes that are wrong are left alone: validation names them."""
    filler = FILLERS.get(resource)
    if filler is not None:
        filler(obj)


def _part(obj: Object, name: str) -> Object:
    """A sub-object, made if it is missing; a throw-away one where something else stands in its place."""
    part = obj.setdefault(name, {})
    return part if isinstance(part, dict) else {}


def _each(obj: Object, name: str) -> Iterator[Object]:
    values = obj.get(name)
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else iter(())


def pod_spec(spec: Object) -> None:
    """Defaults of a PodSpec, in a pod or in a template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    for field in ("containers", "initContainers"):
        for container in _each(spec, field):
            _container(container, host_network=spec.get("hostNetwork") is True)
    for volume in _each(spec, "volumes"):
        _volume(volume)


def _container(container: Object, *, host_network: bool) -> None:
    image = container.get("image")
    container.setdefault("imagePullPolicy", _pull_policy(image) if isinstance(image, str) else "IfNotPresent")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in _each(container, "ports"):
        port.setdefault("protocol", "TCP")
        if host_network and "containerPort" in port:
            port.setdefault("hostPort", port["containerPort"])
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for variable in _each(container, "env"):
        field = (variable.get("valueFrom") or {}).get("fieldRef") if isinstance(variable.get("valueFrom"), dict) else None
        if isinstance(field, dict):
            field.setdefault("apiVersion", "v1")
    resources = container["resources"]
    if isinstance(resources, dict) and isinstance(resources.get("limits"), dict):
        requests = resources.setdefault("requests", {})
        if isinstance(requests, dict):
            for amount_of, amount in resources["limits"].items():
                requests.setdefault(amount_of, amount)


def _pull_policy(image: str) -> str:
    """Always for `:latest` and for no tag, as Kubernetes has it."""
    last = image.rsplit("/", 1)[-1]
    if "@" in last:
        return "IfNotPresent"
    return "Always" if ":" not in last or last.endswith(":latest") else "IfNotPresent"


def _probe(probe: Object) -> None:
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        probe.setdefault(name, value)
    if isinstance(probe.get("httpGet"), dict):
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def _volume(volume: Object) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(volume.get(source), dict):
            volume[source].setdefault("defaultMode", 0o644)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")


def _pod(obj: Object) -> None:
    spec = _part(obj, "spec")
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    # What Kubernetes' DefaultTolerationSeconds adds is left out on purpose: nothing here evicts.


def _template(obj: Object) -> Object:
    template = _part(_part(obj, "spec"), "template")
    metadata = template.get("metadata")
    if metadata is None:
        template["metadata"] = {"creationTimestamp": None}
    elif isinstance(metadata, dict):
        metadata.setdefault("creationTimestamp", None)
    pod_spec(_part(template, "spec"))
    return template


def _deployment(obj: Object) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = _part(spec, "strategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = _part(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(obj)


def _replicaset(obj: Object) -> None:
    _part(obj, "spec").setdefault("replicas", 1)
    template = _template(obj)
    labels = template["metadata"].get("labels") if isinstance(template.get("metadata"), dict) else None
    metadata = obj.get("metadata")
    if labels and isinstance(metadata, dict):
        metadata.setdefault("labels", dict(labels))


def _statefulset(obj: Object) -> None:
    spec = _part(obj, "spec")
    for name, value in (("replicas", 1), ("revisionHistoryLimit", 10), ("podManagementPolicy", "OrderedReady")):
        spec.setdefault(name, value)
    strategy = _part(spec, "updateStrategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        _part(strategy, "rollingUpdate").setdefault("partition", 0)
    _template(obj)


def _daemonset(obj: Object) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = _part(spec, "updateStrategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = _part(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    _template(obj)


def _job(obj: Object) -> None:
    spec = _part(obj, "spec")
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    for name, value in (("parallelism", 1), ("backoffLimit", 6), ("completionMode", "NonIndexed"), ("suspend", False)):
        spec.setdefault(name, value)
    template = _template(obj)
    uid = (obj.get("metadata") or {}).get("uid")
    job_name = (obj.get("metadata") or {}).get("name")
    if spec.get("manualSelector") is not True and uid and "selector" not in spec:
        # A job finds its pods by its own uid, so that two jobs with the same labels never share them.
        labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": job_name}
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        if isinstance(template.get("metadata"), dict):
            _part(template["metadata"], "labels").update(labels)


def _cronjob(obj: Object) -> None:
    spec = _part(obj, "spec")
    for name, value in (
        ("concurrencyPolicy", "Allow"),
        ("suspend", False),
        ("successfulJobsHistoryLimit", 3),
        ("failedJobsHistoryLimit", 1),
    ):
        spec.setdefault(name, value)
    template = _part(_part(spec, "jobTemplate"), "spec")
    pod_spec(_part(_part(template, "template"), "spec"))


def _service(obj: Object) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in _each(spec, "ports"):
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")


def _secret(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    plain = obj.get("stringData")
    if isinstance(plain, dict) and all(isinstance(v, str) for v in plain.values()):
        data = _part(obj, "data")
        data.update({k: base64.b64encode(v.encode(errors="replace")).decode() for k, v in plain.items()})
        del obj["stringData"]


def _namespace(obj: Object) -> None:
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("name"), str):
        labels = metadata.setdefault("labels", {})
        if isinstance(labels, dict):
            labels["kubernetes.io/metadata.name"] = metadata["name"]


def _event(obj: Object) -> None:
    obj.setdefault("source", {})
    if obj.get("firstTimestamp"):
        obj.setdefault("count", 1)


def _endpoints(obj: Object) -> None:
    for subset in _each(obj, "subsets"):
        for port in _each(subset, "ports"):
            port.setdefault("protocol", "TCP")


def _persistent_volume(obj: Object) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")


def _persistent_volume_claim(obj: Object) -> None:
    _part(obj, "spec").setdefault("volumeMode", "Filesystem")


def _storage_class(obj: Object) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _validating(obj: Object) -> None:
    webhook_rules.fill(obj, mutates=False)


def _mutating(obj: Object) -> None:
    webhook_rules.fill(obj, mutates=True)


FILLERS: dict[str, Callable[[Object], Any]] = {
    webhook_rules.VALIDATING: _validating,
    webhook_rules.MUTATING: _mutating,
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replicaset,
    "statefulsets.apps": _statefulset,
    "daemonsets.apps": _daemonset,
    "jobs.batch": _job,
    "cronjobs.batch": _cronjob,
    "services": _service,
    "secrets": _secret,
    "namespaces": _namespace,
    "events": _event,
    "endpoints": _endpoints,
    "persistentvolumes": _persistent_volume,
    "persistentvolumeclaims": _persistent_volume_claim,
    "storageclasses.storage.k8s.io": _storage_class,
}
