"""What a built-in kind refuses, with field paths. ``errors(resource, obj, old)``: ``old`` is None on create."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import names, webhook_rules
from cloudstub.kinds.custom import definition_errors
from cloudstub.kinds.faults import forbidden, immutable, invalid, required, unsupported, wrong_type
from cloudstub.kinds.kind import Object
from cloudstub.kinds.pod_validation import pod_errors, template_errors
from cloudstub.kinds.schedules import schedule_fault, zone_fault
from cloudstub.kinds.service_validation import endpoints_errors, service_errors
from cloudstub.kinds.volume_validation import claim_errors, class_errors, volume_errors

Check = Callable[[Object, Object | None], list[FieldError]]
POLICIES = ("Allow", "Forbid", "Replace")
LONGEST_CRONJOB = 52
"""Characters of a CronJob's name: its jobs get eleven more."""
DATA_LIMIT = 1024 * 1024


def errors(resource: str, obj: Object, old: Object | None) -> list[FieldError]:
    """Every fault of the object, in the order in which its fields stand."""
    for part in ("spec", "status"):
        if part in obj and obj[part] is not None and not isinstance(obj[part], dict):
            return [wrong_type(part, obj[part], "an object")]
    found = names.metadata_errors(resource, obj["metadata"])
    check = CHECKS.get(resource)
    return found + (check(obj, old) if check else [])


def _replicas(spec: Object) -> list[FieldError]:
    found = []
    for name in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        value = spec.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int):
            found.append(wrong_type(f"spec.{name}", value, "an integer"))
        elif value < 0:
            found.append(invalid(f"spec.{name}", value, "must be greater than or equal to 0"))
    return found


def _selector_errors(spec: Object) -> list[FieldError]:
    selector = spec.get("selector")
    if not isinstance(selector, dict) or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return [required("spec.selector")]
    found = names.labels(selector.get("matchLabels"), "spec.selector.matchLabels")
    template = spec.get("template") if isinstance(spec.get("template"), dict) else {}
    metadata = template.get("metadata") if isinstance(template, dict) else {}
    labels = (metadata.get("labels") or {}) if isinstance(metadata, dict) else {}
    wanted = selector.get("matchLabels") or {}
    if not found and isinstance(labels, dict) and any(labels.get(key) != value for key, value in wanted.items()):
        found.append(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return found


def _workload(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    return [
        *_replicas(spec),
        *_selector_errors(spec),
        *template_errors(spec.get("template"), "spec.template", restart=("Always",)),
        *immutable(obj, old, "spec", "selector"),
    ]


def _deployment(obj: Object, old: Object | None) -> list[FieldError]:
    strategy = (obj.get("spec") or {}).get("strategy")
    found = _workload(obj, old)
    if not isinstance(strategy, dict):
        return [*found, wrong_type("spec.strategy", strategy, "an object")]
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        found.append(unsupported("spec.strategy.type", strategy.get("type"), ("Recreate", "RollingUpdate")))
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate") is not None:
        found.append(forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"))
    rolling = strategy.get("rollingUpdate")
    if isinstance(rolling, dict):
        found += [_percent(rolling[n], f"spec.strategy.rollingUpdate.{n}") for n in rolling if not _is_amount(rolling[n])]
    return found


def _is_amount(value: Any) -> bool:
    if isinstance(value, str):
        return value.endswith("%") and value[:-1].isdecimal()
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _percent(value: Any, path: str) -> FieldError:
    return invalid(path, value, "must be a number of 0 or more, or a percentage such as '25%'")


def _job(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    found = [
        invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in ("parallelism", "completions", "backoffLimit")
        if name in spec and (isinstance(spec[name], bool) or not isinstance(spec[name], int) or spec[name] < 0)
    ]
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in ("Indexed", "NonIndexed"):
        found.append(unsupported("spec.completionMode", mode, ("Indexed", "NonIndexed")))
    elif mode == "Indexed" and spec.get("completions") is None:
        found.append(required("spec.completions", "when completion mode is Indexed"))
    found += template_errors(spec.get("template"), "spec.template", restart=("Never", "OnFailure"))
    return (
        found
        + immutable(obj, old, "spec", "completionMode")
        + immutable(obj, old, "spec", "selector")
        + immutable(obj, old, "spec", "template")
    )


def _cronjob(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    found = [
        invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit", "startingDeadlineSeconds")
        if name in spec and (isinstance(spec[name], bool) or not isinstance(spec[name], int) or spec[name] < 0)
    ]
    if not spec.get("schedule"):
        found.append(required("spec.schedule"))
    elif fault := schedule_fault(spec["schedule"]):
        found.append(invalid("spec.schedule", spec["schedule"], fault))
    if "timeZone" in spec and (fault := zone_fault(spec["timeZone"])):
        found.append(invalid("spec.timeZone", spec["timeZone"], fault))
    if spec.get("concurrencyPolicy") not in POLICIES:
        found.append(unsupported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), POLICIES))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    found += template_errors(job.get("template"), "spec.jobTemplate.spec.template", restart=("Never", "OnFailure"))
    name = obj["metadata"].get("name")
    if isinstance(name, str) and len(name) > LONGEST_CRONJOB:
        found.append(invalid("metadata.name", name, f"must be no more than {LONGEST_CRONJOB} characters"))
    return found


def _data(obj: Object, *, is_secret: bool) -> list[FieldError]:
    found: list[FieldError] = []
    size = 0
    for field in ("data", "binaryData", "stringData"):
        value = obj.get(field)
        found += names.string_map(value, field)
        if not isinstance(value, dict):
            continue
        found += [invalid(f"{field}[{key}]", key, fault) for key in value if (fault := names.config_key_fault(key))]
        for key, item in value.items():
            size += len(item) if isinstance(item, str) else 0
            is_encoded = field == "binaryData" or (is_secret and field == "data")
            if is_encoded and isinstance(item, str) and not _is_base64(item):
                found.append(invalid(f"{field}[{key}]", "…", "must be base64"))
    if size > DATA_LIMIT * (4 / 3 if is_secret else 1):
        found.append(FieldError("data", f"Too long: may not be more than {DATA_LIMIT} bytes", "FieldValueTooLong"))
    return found


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _sealed(obj: Object, old: Object | None) -> list[FieldError]:
    """`immutable: true` holds for the data and for itself."""
    if old is None or old.get("immutable") is not True:
        return []
    if obj.get("immutable") is not True:
        return [forbidden("immutable", "field is immutable when `immutable` is set")]
    return [
        forbidden(field, "field is immutable when `immutable` is set")
        for field in ("data", "binaryData")
        if (obj.get(field) or {}) != (old.get(field) or {})
    ]


def _configmap(obj: Object, old: Object | None) -> list[FieldError]:
    return _data(obj, is_secret=False) + _sealed(obj, old)


def _secret(obj: Object, old: Object | None) -> list[FieldError]:
    return _data(obj, is_secret=True) + immutable(obj, old, "type") + _sealed(obj, old)


def _event(obj: Object, old: Object | None) -> list[FieldError]:
    involved = obj.get("involvedObject")
    if not isinstance(involved, dict):
        return [required("involvedObject")]
    wanted = involved.get("namespace") or "default"
    if obj["metadata"].get("namespace") != wanted:
        return [invalid("involvedObject.namespace", involved.get("namespace", ""), "does not match event.namespace")]
    return []


def _node(obj: Object, old: Object | None) -> list[FieldError]:
    taints = (obj.get("spec") or {}).get("taints") or []
    if not isinstance(taints, list):
        return [wrong_type("spec.taints", taints, "a list")]
    found = []
    for i, taint in enumerate(taints):
        path = f"spec.taints[{i}]"
        if not isinstance(taint, dict) or not isinstance(taint.get("key"), str) or not taint["key"]:
            found.append(required(f"{path}.key"))
        elif taint.get("effect") not in ("NoExecute", "NoSchedule", "PreferNoSchedule"):
            found.append(unsupported(f"{path}.effect", taint.get("effect"), ("NoExecute", "NoSchedule", "PreferNoSchedule")))
    return found


def _lease(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0):
        return [invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
    return []


def _definition(obj: Object, old: Object | None) -> list[FieldError]:
    found = definition_errors(obj)
    if old is not None and not found:
        found += immutable(obj, old, "spec", "group") + immutable(obj, old, "spec", "scope")
        found += immutable(obj, old, "spec", "names", "plural") + immutable(obj, old, "spec", "names", "kind")
        stored = (old.get("status") or {}).get("storedVersions") or []
        declared = {version["name"] for version in obj["spec"]["versions"]}
        found += [
            invalid(f"status.storedVersions[{i}]", v, "must appear in spec.versions") for i, v in enumerate(stored) if v not in declared
        ]
    return found


def _webhooks(obj: Object, old: Object | None) -> list[FieldError]:
    return webhook_rules.errors(obj)


CHECKS: dict[str, Check] = {
    webhook_rules.VALIDATING: _webhooks,
    webhook_rules.MUTATING: _webhooks,
    "pods": pod_errors,
    "deployments.apps": _deployment,
    "replicasets.apps": _workload,
    "statefulsets.apps": _workload,
    "daemonsets.apps": _workload,
    "jobs.batch": _job,
    "cronjobs.batch": _cronjob,
    "configmaps": _configmap,
    "secrets": _secret,
    "services": service_errors,
    "endpoints": endpoints_errors,
    "persistentvolumeclaims": claim_errors,
    "persistentvolumes": volume_errors,
    "storageclasses.storage.k8s.io": class_errors,
    "events": _event,
    "nodes": _node,
    "leases.coordination.k8s.io": _lease,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
}
