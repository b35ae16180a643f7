"""The built-in kinds, one row each."""

from __future__ import annotations

from cloudstub.kinds.cells import PLAIN
from cloudstub.kinds.columns import COLUMNS
from cloudstub.kinds.kind import ALL_VERBS, Kind, Version

ASKED_ONLY = ("create",)
MEASURED = ("get", "list")


def _kind(
    group: str,
    version: str,
    kind: str,
    plural: str,
    *short_names: str,
    namespaced: bool = True,
    status: bool = False,
    generations: bool = False,
    verbs: tuple[str, ...] = ALL_VERBS,
    subresources: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    singular: str = "",
) -> Kind:
    resource = f"{plural}.{group}" if group else plural
    return Kind(
        group=group,
        kind=kind,
        plural=plural,
        singular=singular or kind.lower(),
        namespaced=namespaced,
        versions={version: Version(version, COLUMNS.get(resource, PLAIN), has_status=status)},
        storage=version,
        short_names=short_names,
        categories=categories,
        verbs=verbs,
        subresources=("status", *subresources) if status else subresources,
        counts_generations=generations,
        preferred=(version,),
    )


ALL = ("all",)
EXTENSIONS = ("api-extensions",)
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"

BUILTIN = (
    _kind("", "v1", "Namespace", "namespaces", "ns", namespaced=False, status=True, subresources=("finalize",)),
    _kind("", "v1", "Node", "nodes", "no", namespaced=False, status=True),
    _kind("", "v1", "Pod", "pods", "po", status=True, subresources=("binding", "log", "exec", "attach", "portforward"), categories=ALL),
    _kind("", "v1", "ConfigMap", "configmaps", "cm"),
    _kind("", "v1", "Secret", "secrets"),
    _kind("", "v1", "Service", "services", "svc", status=True, categories=ALL),
    _kind("", "v1", "Endpoints", "endpoints", "ep", singular="endpoints"),
    _kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    _kind("", "v1", "Event", "events", "ev"),
    _kind("", "v1", "ServiceAccount", "serviceaccounts", "sa"),
    _kind("", "v1", "PersistentVolume", "persistentvolumes", "pv", namespaced=False, status=True),
    _kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", status=True),
    _kind("apps", "v1", "Deployment", "deployments", "deploy", status=True, generations=True, subresources=("scale",), categories=ALL),
    _kind("apps", "v1", "ReplicaSet", "replicasets", "rs", status=True, generations=True, subresources=("scale",), categories=ALL),
    _kind("apps", "v1", "StatefulSet", "statefulsets", "sts", status=True, generations=True, subresources=("scale",), categories=ALL),
    _kind("apps", "v1", "DaemonSet", "daemonsets", "ds", status=True, generations=True, categories=ALL),
    _kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    _kind("batch", "v1", "Job", "jobs", status=True, generations=True, categories=ALL),
    _kind("batch", "v1", "CronJob", "cronjobs", "cj", status=True, generations=True, categories=ALL),
    _kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", namespaced=False),
    _kind("coordination.k8s.io", "v1", "Lease", "leases"),
    _kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        "crds",
        namespaced=False,
        status=True,
        generations=True,
        categories=EXTENSIONS,
    ),
    _kind(RBAC, "v1", "Role", "roles"),
    _kind(RBAC, "v1", "RoleBinding", "rolebindings"),
    _kind(RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False),
    _kind(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _kind(ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", namespaced=False, categories=EXTENSIONS),
    _kind(ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False, categories=EXTENSIONS),
    _kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False, verbs=MEASURED),
    _kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", verbs=MEASURED),
    _kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False, verbs=ASKED_ONLY),
    _kind("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False, verbs=ASKED_ONLY),
    _kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False, verbs=ASKED_ONLY),
    _kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=ASKED_ONLY),
    _kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=ASKED_ONLY),
)
