"""Which collection of the Kubernetes API is meant: group, version, plural name and whether objects live in namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from cloudcore.errors import KubeInvalid


@dataclass(frozen=True, slots=True)
class Resource:
    """``group`` is ``""`` for the core API. ``kind`` is what an object of it says of itself."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """``/api/v1/namespaces/default/pods/web/status``. No namespace: the whole cluster's collection.

        Raises:
            KubeInvalid: a name that would lead elsewhere (names may come from a node).
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        if not {".", ".."}.isdisjoint(parts):
            raise KubeInvalid(f"{self.plural}: {name!r} in {namespace!r} is no name", code=400, reason="BadRequest")
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Resource("", "v1", "pods", "Pod")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICES = Resource("", "v1", "services", "Service")
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
EVENTS = Resource("", "v1", "events", "Event")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PERSISTENT_VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)
DEVICES = Resource("devices.kubeedge.io", "v1alpha1", "devices", "Device")
DEVICE_MODELS = Resource("devices.kubeedge.io", "v1alpha1", "devicemodels", "DeviceModel")
DEVICE_RULES = Resource("rules.devices.bramble.io", "v1alpha1", "devicerules", "DeviceRule")
NODE_UPGRADE_JOBS = Resource("operations.kubeedge.io", "v1alpha1", "nodeupgradejobs", "NodeUpgradeJob", namespaced=False)
OBJECT_SYNCS = Resource("reliablesyncs.kubeedge.io", "v1alpha1", "objectsyncs", "ObjectSync")
CLUSTER_OBJECT_SYNCS = Resource("reliablesyncs.kubeedge.io", "v1alpha1", "clusterobjectsyncs", "ClusterObjectSync", namespaced=False)
