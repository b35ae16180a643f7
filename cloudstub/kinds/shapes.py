"""The JSON types of the built-in kinds' fields, as far as anything here or on a board reads them: data, checked like a custom schema.

A typed API server cannot even decode a field of a wrong type; here this stands in for that, so that whoever reads a stored object may rely
on its shape. A null counts as absent, as in Kubernetes; fields that are not named are free.
"""

from __future__ import annotations

from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds.schema_validate import Schema, validate

_TEXT: Schema = {"type": "string", "nullable": True}
_FLAG: Schema = {"type": "boolean", "nullable": True}
_INT: Schema = {"type": "integer", "format": "int32", "nullable": True}
_LONG: Schema = {"type": "integer", "format": "int64", "nullable": True}
_TEXTS: Schema = {"type": "object", "nullable": True, "additionalProperties": {"type": "string", "nullable": True}}
_PERCENT: Schema = {"x-kubernetes-int-or-string": True, "nullable": True, "pattern": "^([0-9]{1,9}%?)$"}
_QUANTITY: Schema = {"anyOf": [{"type": "string"}, {"type": "number"}], "nullable": True}
_QUANTITIES: Schema = {"type": "object", "nullable": True, "additionalProperties": _QUANTITY}


def _of(**fields: Schema) -> Schema:
    return {"type": "object", "nullable": True, "properties": fields}


def _list(item: Schema) -> Schema:
    return {"type": "array", "nullable": True, "items": {**item, "nullable": False}}


def _requirements(**more: Schema) -> Schema:
    return _list(_of(key=_TEXT, operator=_TEXT, values=_list(_TEXT), **more))


_METADATA = _of(
    labels=_TEXTS,
    annotations=_TEXTS,
    finalizers=_list(_TEXT),
    ownerReferences=_list(
        _of(apiVersion=_TEXT, kind=_TEXT, name=_TEXT, uid=_TEXT, controller=_FLAG, blockOwnerDeletion=_FLAG),
    ),
)
_SELECTOR = _of(matchLabels=_TEXTS, matchExpressions=_requirements())
_NODE_TERM = _of(matchExpressions=_requirements(), matchFields=_requirements())
_NODE_AFFINITY = _of(
    requiredDuringSchedulingIgnoredDuringExecution=_of(nodeSelectorTerms=_list(_NODE_TERM)),
    preferredDuringSchedulingIgnoredDuringExecution=_list(_of(weight=_INT, preference=_NODE_TERM)),
)
_CONTAINER = _of(
    name=_TEXT,
    image=_TEXT,
    imagePullPolicy=_TEXT,
    command=_list(_TEXT),
    args=_list(_TEXT),
    workingDir=_TEXT,
    env=_list(_of(name=_TEXT, value=_TEXT, valueFrom=_of())),
    envFrom=_list(_of(prefix=_TEXT, configMapRef=_of(name=_TEXT), secretRef=_of(name=_TEXT))),
    ports=_list(_of(name=_TEXT, containerPort=_INT, hostPort=_INT, hostIP=_TEXT, protocol=_TEXT)),
    resources=_of(requests=_QUANTITIES, limits=_QUANTITIES),
    volumeMounts=_list(_of(name=_TEXT, mountPath=_TEXT, subPath=_TEXT, readOnly=_FLAG)),
    livenessProbe=_of(),
    readinessProbe=_of(),
    startupProbe=_of(),
    lifecycle=_of(),
    securityContext=_of(),
)
_POD_SPEC = _of(
    containers=_list(_CONTAINER),
    initContainers=_list(_CONTAINER),
    volumes=_list(
        _of(
            name=_TEXT,
            configMap=_of(name=_TEXT),
            secret=_of(secretName=_TEXT),
            emptyDir=_of(),
            hostPath=_of(path=_TEXT),
            persistentVolumeClaim=_of(claimName=_TEXT, readOnly=_FLAG),
        )
    ),
    nodeName=_TEXT,
    nodeSelector=_TEXTS,
    affinity=_of(nodeAffinity=_NODE_AFFINITY),
    tolerations=_list(_of(key=_TEXT, operator=_TEXT, value=_TEXT, effect=_TEXT, tolerationSeconds=_LONG)),
    schedulerName=_TEXT,
    schedulingGates=_list(_of(name=_TEXT)),
    priority=_INT,
    overhead=_QUANTITIES,
    hostNetwork=_FLAG,
    hostPID=_FLAG,
    hostIPC=_FLAG,
    hostname=_TEXT,
    subdomain=_TEXT,
    restartPolicy=_TEXT,
    dnsPolicy=_TEXT,
    serviceAccountName=_TEXT,
    securityContext=_of(),
    imagePullSecrets=_list(_of(name=_TEXT)),
    hostAliases=_list(_of(ip=_TEXT, hostnames=_list(_TEXT))),
    terminationGracePeriodSeconds=_LONG,
    activeDeadlineSeconds=_LONG,
)
_TEMPLATE = _of(metadata=_METADATA, spec=_POD_SPEC)
_CONDITIONS = _list(_of(type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT))
_STATE = _of(
    running=_of(),
    waiting=_of(reason=_TEXT, message=_TEXT),
    terminated=_of(reason=_TEXT, message=_TEXT, exitCode=_INT, signal=_INT, startedAt=_TEXT, finishedAt=_TEXT),
)
_CONTAINER_STATUSES = _list(_of(name=_TEXT, restartCount=_INT, ready=_FLAG, state=_STATE, lastState=_STATE))
_COUNTS = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"), _INT)
_COUNTED = _of(conditions=_CONDITIONS, observedGeneration=_LONG, **_COUNTS)
_ROLLING = _of(maxSurge=_PERCENT, maxUnavailable=_PERCENT)

_NAMES = _of(plural=_TEXT, kind=_TEXT, singular=_TEXT, listKind=_TEXT, shortNames=_list(_TEXT), categories=_list(_TEXT))

_JOB_SPEC = _of(
    selector=_SELECTOR,
    template=_TEMPLATE,
    parallelism=_INT,
    completions=_INT,
    completionMode=_TEXT,
    backoffLimit=_INT,
    activeDeadlineSeconds=_LONG,
    ttlSecondsAfterFinished=_INT,
    suspend=_FLAG,
)
_SPECS: dict[str, Schema] = {
    "pods": _POD_SPEC,
    "nodes": _of(unschedulable=_FLAG, podCIDR=_TEXT, taints=_list(_of(key=_TEXT, value=_TEXT, effect=_TEXT))),
    "namespaces": _of(finalizers=_list(_TEXT)),
    "leases.coordination.k8s.io": _of(holderIdentity=_TEXT, renewTime=_TEXT, acquireTime=_TEXT, leaseDurationSeconds=_INT),
    "deployments.apps": _of(
        replicas=_INT,
        selector=_SELECTOR,
        template=_TEMPLATE,
        strategy=_of(type=_TEXT, rollingUpdate=_ROLLING),
        minReadySeconds=_INT,
        revisionHistoryLimit=_INT,
        progressDeadlineSeconds=_INT,
        paused=_FLAG,
    ),
    "replicasets.apps": _of(replicas=_INT, selector=_SELECTOR, template=_TEMPLATE, minReadySeconds=_INT),
    "daemonsets.apps": _of(
        selector=_SELECTOR,
        template=_TEMPLATE,
        updateStrategy=_of(type=_TEXT, rollingUpdate=_ROLLING),
        minReadySeconds=_INT,
        revisionHistoryLimit=_INT,
    ),
    "statefulsets.apps": _of(replicas=_INT, selector=_SELECTOR, template=_TEMPLATE, serviceName=_TEXT),
    "jobs.batch": _JOB_SPEC,
    "cronjobs.batch": _of(
        schedule=_TEXT,
        timeZone=_TEXT,
        concurrencyPolicy=_TEXT,
        suspend=_FLAG,
        startingDeadlineSeconds=_LONG,
        successfulJobsHistoryLimit=_INT,
        failedJobsHistoryLimit=_INT,
        jobTemplate=_of(metadata=_METADATA, spec=_JOB_SPEC),
    ),
    "services": _of(
        type=_TEXT,
        clusterIP=_TEXT,
        externalIPs=_list(_TEXT),
        externalName=_TEXT,
        selector=_TEXTS,
        sessionAffinity=_TEXT,
        publishNotReadyAddresses=_FLAG,
        ports=_list(_of(name=_TEXT, port=_INT, nodePort=_INT, protocol=_TEXT)),
    ),
    "persistentvolumes": _of(
        accessModes=_list(_TEXT),
        capacity=_QUANTITIES,
        storageClassName=_TEXT,
        persistentVolumeReclaimPolicy=_TEXT,
        volumeMode=_TEXT,
        claimRef=_of(namespace=_TEXT, name=_TEXT, uid=_TEXT),
        nodeAffinity=_of(required=_of(nodeSelectorTerms=_list(_NODE_TERM))),
    ),
    "persistentvolumeclaims": _of(
        accessModes=_list(_TEXT),
        volumeName=_TEXT,
        storageClassName=_TEXT,
        volumeMode=_TEXT,
        resources=_of(requests=_QUANTITIES, limits=_QUANTITIES),
    ),
    "customresourcedefinitions.apiextensions.k8s.io": _of(
        group=_TEXT,
        scope=_TEXT,
        names=_NAMES,
        conversion=_of(strategy=_TEXT),
        versions=_list(
            _of(
                name=_TEXT,
                served=_FLAG,
                storage=_FLAG,
                schema=_of(),
                subresources=_of(status=_of()),
                additionalPrinterColumns=_list(_of(name=_TEXT, type=_TEXT, jsonPath=_TEXT, format=_TEXT, description=_TEXT, priority=_INT)),
            )
        ),
    ),
}
_STATUSES: dict[str, Schema] = {
    "pods": _of(
        phase=_TEXT,
        conditions=_CONDITIONS,
        containerStatuses=_CONTAINER_STATUSES,
        initContainerStatuses=_CONTAINER_STATUSES,
        podIP=_TEXT,
        podIPs=_list(_of(ip=_TEXT)),
    ),
    "nodes": _of(
        conditions=_CONDITIONS,
        allocatable=_QUANTITIES,
        capacity=_QUANTITIES,
        addresses=_list(_of(type=_TEXT, address=_TEXT)),
        nodeInfo=_of(),
    ),
    "deployments.apps": _COUNTED,
    "replicasets.apps": _COUNTED,
    "daemonsets.apps": _of(conditions=_CONDITIONS),
    "jobs.batch": _of(conditions=_CONDITIONS, active=_INT, succeeded=_INT, failed=_INT, startTime=_TEXT),
    "cronjobs.batch": _of(lastScheduleTime=_TEXT, lastSuccessfulTime=_TEXT, active=_list(_of(name=_TEXT, namespace=_TEXT, uid=_TEXT))),
    "persistentvolumes": _of(phase=_TEXT),
    "persistentvolumeclaims": _of(phase=_TEXT, accessModes=_list(_TEXT), capacity=_QUANTITIES),
    "customresourcedefinitions.apiextensions.k8s.io": _of(conditions=_CONDITIONS, storedVersions=_list(_TEXT)),
}
_WEBHOOKS = _list(_of(namespaceSelector=_SELECTOR, objectSelector=_SELECTOR))
_FIELDS: dict[str, dict[str, Schema]] = {
    "events": {
        "involvedObject": _of(kind=_TEXT, namespace=_TEXT, name=_TEXT, fieldPath=_TEXT),
        "source": _of(component=_TEXT, host=_TEXT),
        "series": _of(count=_INT, lastObservedTime=_TEXT),
        "count": _INT,
        **dict.fromkeys(
            ("type", "reason", "message", "reportingComponent", "reportingInstance", "firstTimestamp", "lastTimestamp", "eventTime"),
            _TEXT,
        ),
    },
    "endpoints": {
        "subsets": _list(
            _of(
                addresses=_list(_of(ip=_TEXT, hostname=_TEXT)),
                notReadyAddresses=_list(_of(ip=_TEXT, hostname=_TEXT)),
                ports=_list(_of(name=_TEXT, port=_INT, protocol=_TEXT)),
            )
        ),
    },
    "endpointslices.discovery.k8s.io": {
        "addressType": _TEXT,
        "endpoints": _list(_of(addresses=_list(_TEXT), nodeName=_TEXT, hostname=_TEXT, targetRef=_of(kind=_TEXT, name=_TEXT))),
        "ports": _list(_of(name=_TEXT, port=_INT, protocol=_TEXT)),
    },
    "storageclasses.storage.k8s.io": dict.fromkeys(("provisioner", "reclaimPolicy", "volumeBindingMode"), _TEXT),
    "secrets": {"type": _TEXT, "immutable": _FLAG},
    "configmaps": {"immutable": _FLAG},
    "serviceaccounts": {"secrets": _list(_of(name=_TEXT))},
    "validatingwebhookconfigurations.admissionregistration.k8s.io": {"webhooks": _WEBHOOKS},
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": {"webhooks": _WEBHOOKS},
}


def shape_errors(resource: str, obj: dict[str, Any]) -> list[FieldError]:
    """Which fields of a built-in object are of a wrong JSON type, by their paths."""
    parts = {"metadata": _METADATA, "spec": _SPECS.get(resource, _of()), "status": _STATUSES.get(resource, _of())}
    parts |= _FIELDS.get(resource, {})
    return validate(_of(**parts), {name: obj[name] for name in parts if name in obj})
