"""What kinds refuse, by the path of the field."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloudstub.kinds import defaults, names, validation
from cloudstub.kinds.catalog import version_rank
from cloudstub.kinds.custom import definition_errors
from tests.unit.cloudstub.verbs.worlds import definition, deployment, pod

Object = dict[str, Any]
HTTPS = {"url": "https://127.0.0.1/convert"}
WEBHOOK = {"strategy": "Webhook"}


def changed(obj: Object, path: str, value: Any) -> Object:
    """A copy with one field set; `-` as value takes it away. Numbers in the path are indexes."""
    obj = copy.deepcopy(obj)
    at: Any = obj
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        at = at[part] if isinstance(part, int) else at.setdefault(part, {})
    if value == "-":
        del at[last]
    else:
        at[last] = value
    return obj


def faults(resource: str, obj: Object) -> list[str]:
    obj = copy.deepcopy(obj)
    defaults.fill(resource, obj)
    return [fault.path for fault in validation.errors(resource, obj, None)]


VOLUME = {"name": "v", "configMap": {"name": "c"}}


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("spec.containers", [], "spec.containers"),
        ("spec.containers.0.name", "-", "spec.containers[0].name"),
        ("spec.containers.0.name", "Not Ok", "spec.containers[0].name"),
        ("spec.containers.0.image", "-", "spec.containers[0].image"),
        ("spec.containers.0.image", " x", "spec.containers[0].image"),
        ("spec.containers.0.imagePullPolicy", "Sometimes", "spec.containers[0].imagePullPolicy"),
        ("spec.containers.0.ports", [{}], "spec.containers[0].ports[0].containerPort"),
        ("spec.containers.0.ports", [{"containerPort": 70_000}], "spec.containers[0].ports[0].containerPort"),
        ("spec.containers.0.ports", [{"containerPort": 80, "protocol": "ICMP"}], "spec.containers[0].ports[0].protocol"),
        ("spec.containers.0.ports", [{"containerPort": 80, "name": "A_B"}], "spec.containers[0].ports[0].name"),
        ("spec.containers.0.env", [{"value": "x"}], "spec.containers[0].env[0].name"),
        ("spec.containers.0.env", [{"name": "a=b"}], "spec.containers[0].env[0].name"),
        ("spec.containers.0.env", [{"name": "a", "value": "x", "valueFrom": {}}], "spec.containers[0].env[0].valueFrom"),
        ("spec.containers.0.volumeMounts", [{"name": "no", "mountPath": "/a"}], "spec.containers[0].volumeMounts[0].name"),
        ("spec.containers.0.resources", {"limits": {"cpu": "much"}}, "spec.containers[0].resources.limits[cpu]"),
        ("spec.volumes", [VOLUME, VOLUME], "spec.volumes[1].name"),
        ("spec.volumes", [{**VOLUME, "emptyDir": {}}], "spec.volumes[0].emptyDir"),
        ("spec.volumes", [{"name": "v", "secret": {}}], "spec.volumes[0].secret.secretName"),
        ("spec.volumes", [{"name": "v", "hostPath": {"path": "/a/../b"}}], "spec.volumes[0].hostPath.path"),
        ("spec.restartPolicy", "Perhaps", "spec.restartPolicy"),
        ("spec.dnsPolicy", "Any", "spec.dnsPolicy"),
        ("spec.terminationGracePeriodSeconds", -1, "spec.terminationGracePeriodSeconds"),
        ("spec.nodeSelector", {"a b": "c"}, "spec.nodeSelector"),
        ("metadata.annotations", {"a": "x" * 300_000}, "metadata.annotations"),
    ],
)
def test_a_pod_is_refused_by_the_field(path: str, value: Any, fault: str) -> None:
    assert faults("pods", pod()) == []
    assert fault in faults("pods", changed(pod(), path, value))


def test_two_containers_may_not_take_one_host_port() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}]
    containers = [{"name": name, "image": "i", "ports": ports} for name in ("a", "b")]
    assert faults("pods", pod(containers=containers)) == ["spec.containers[1].ports[0].hostPort"]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("spec.selector", "-", "spec.selector"),
        ("spec.selector.matchLabels.app", "other", "spec.template.metadata.labels"),
        ("spec.replicas", -1, "spec.replicas"),
        ("spec.template.spec.containers.0.image", "-", "spec.template.spec.containers[0].image"),
        ("spec.template.spec.restartPolicy", "Never", "spec.template.spec.restartPolicy"),
        ("spec.strategy.type", "Quick", "spec.strategy.type"),
        ("spec.strategy", {"type": "Recreate", "rollingUpdate": {}}, "spec.strategy.rollingUpdate"),
        ("spec.strategy", {"rollingUpdate": {"maxSurge": "x%"}}, "spec.strategy.rollingUpdate.maxSurge"),
    ],
)
def test_a_deployment_is_refused_by_the_field(path: str, value: Any, fault: str) -> None:
    assert faults("deployments.apps", deployment()) == []
    assert fault in faults("deployments.apps", changed(deployment(), path, value))


@pytest.mark.parametrize(
    ("resource", "body", "fault"),
    [
        ("services", {"spec": {"type": "Odd", "ports": [{"port": 1}]}}, "spec.type"),
        ("services", {"spec": {}}, "spec.ports"),
        ("services", {"spec": {"ports": [{"port": 0}]}}, "spec.ports[0].port"),
        ("services", {"spec": {"ports": [{"port": 1}, {"port": 2}]}}, "spec.ports[0].name"),
        ("services", {"spec": {"ports": [{"port": 1}], "clusterIP": "x"}}, "spec.clusterIP"),
        ("services", {"spec": {"ports": [{"port": 1, "targetPort": 0}]}}, "spec.ports[0].targetPort"),
        ("services", {"spec": {"ports": [{"port": 1, "targetPort": "No_Name"}]}}, "spec.ports[0].targetPort"),
        ("services", {"spec": {"ports": [{"port": 1, "nodePort": 30000}]}}, "spec.ports[0].nodePort"),
        ("services", {"spec": {"ports": [{"port": 1, "protocol": "ICMP"}]}}, "spec.ports[0].protocol"),
        ("services", {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}}, "spec.ports[1].name"),
        ("services", {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}}, "spec.ports[1]"),
        ("services", {"spec": {"ports": [{"port": 1}], "sessionAffinity": "Always"}}, "spec.sessionAffinity"),
        ("services", {"spec": {"type": "NodePort", "ports": [{"port": 1}], "clusterIP": "None"}}, "spec.clusterIPs[0]"),
        ("services", {"spec": {"type": "ExternalName"}}, "spec.externalName"),
        ("services", {"spec": {"type": "ExternalName", "externalName": "Not A Host"}}, "spec.externalName"),
        ("endpoints", {"subsets": [{"addresses": [{"ip": "x"}]}]}, "subsets[0].addresses[0].ip"),
        ("endpoints", {"subsets": [{"addresses": [{"ip": "127.0.0.1"}]}]}, "subsets[0].addresses[0].ip"),
        ("endpoints", {"subsets": [{"addresses": [{"ip": "169.254.1.1"}]}]}, "subsets[0].addresses[0].ip"),
        ("endpoints", {"subsets": [{"ports": [{"port": 1}]}]}, "subsets[0]"),
        ("endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 70000}]}]}, "subsets[0].ports[0].port"),
        ("secrets", {"data": {"a": "not base64!"}}, "data[a]"),
        ("configmaps", {"data": {"a": "x" * 1_100_000}}, "data"),
        ("nodes", {"spec": {"taints": [{"key": "a", "effect": "Odd"}]}}, "spec.taints[0].effect"),
        ("events", {}, "involvedObject"),
        ("events", {"involvedObject": {"namespace": "b"}}, "involvedObject.namespace"),
        ("leases.coordination.k8s.io", {"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds"),
        ("jobs.batch", {"spec": {"parallelism": -1}}, "spec.parallelism"),
        ("jobs.batch", {"spec": {"completionMode": "Indexed", "parallelism": 2}}, "spec.completions"),
        ("jobs.batch", {"spec": {"completionMode": "Other"}}, "spec.completionMode"),
        ("cronjobs.batch", {"spec": {}}, "spec.schedule"),
        ("cronjobs.batch", {"spec": {"schedule": "often"}}, "spec.schedule"),
        ("cronjobs.batch", {"spec": {"schedule": "@daily", "timeZone": "Mars/Base"}}, "spec.timeZone"),
        ("cronjobs.batch", {"spec": {"schedule": "@daily", "concurrencyPolicy": "Queue"}}, "spec.concurrencyPolicy"),
        ("cronjobs.batch", {"spec": {"schedule": "@daily", "startingDeadlineSeconds": -1}}, "spec.startingDeadlineSeconds"),
        ("cronjobs.batch", {"spec": {"schedule": "@daily"}}, "spec.jobTemplate.spec.template.spec.containers"),
        ("persistentvolumeclaims", {"spec": {}}, "spec.accessModes"),
        ("persistentvolumeclaims", {"spec": {"accessModes": ["Some"]}}, "spec.accessModes[0]"),
        ("persistentvolumeclaims", {"spec": {"accessModes": ["ReadWriteOnce"]}}, "spec.resources.requests.storage"),
        ("persistentvolumes", {"spec": {}}, "spec.capacity.storage"),
        ("storageclasses.storage.k8s.io", {}, "provisioner"),
        ("storageclasses.storage.k8s.io", {"provisioner": "p", "reclaimPolicy": "Recycle"}, "reclaimPolicy"),
    ],
)
def test_other_kinds_are_refused_by_the_field(resource: str, body: Object, fault: str) -> None:
    assert fault in faults(resource, {"metadata": {"name": "a", "namespace": "default"}, **body})


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("spec", "-", "spec"),
        ("spec.group", "-", "spec.group"),
        ("spec.group", "flat", "metadata.name"),
        ("spec.scope", "World", "spec.scope"),
        ("spec.names", "x", "spec.names.plural"),
        ("spec.names.kind", "", "spec.names.kind"),
        ("spec.versions", [], "spec.versions"),
        ("spec.versions", ["v1"], "spec.versions"),
        ("spec.versions.0.storage", False, "spec.versions"),
        ("spec.versions.0.served", "yes", "spec.versions[0].served"),
        ("spec.versions.0.schema", "-", "spec.versions[0].schema.openAPIV3Schema"),
        ("spec.versions.0.schema.openAPIV3Schema.properties", {"a": {}}, "spec.versions[0].schema.openAPIV3Schema.properties[a].type"),
        ("spec.versions.0.additionalPrinterColumns", ["x"], "spec.versions[0].additionalPrinterColumns[0]"),
        ("spec.versions.0.additionalPrinterColumns.0.type", "odd", "spec.versions[0].additionalPrinterColumns[0].type"),
        ("spec.versions.0.additionalPrinterColumns.0.jsonPath", "x", "spec.versions[0].additionalPrinterColumns[0].jsonPath"),
        ("spec.conversion", {"strategy": "Odd"}, "spec.conversion.strategy"),
        ("spec.conversion", {"strategy": "Webhook"}, "spec.conversion.webhook"),
        ("spec.conversion", {"strategy": "None", "webhook": {"clientConfig": HTTPS}}, "spec.conversion.webhook"),
        ("spec.conversion", WEBHOOK | {"webhook": {"clientConfig": HTTPS}}, "spec.conversion.webhook.conversionReviewVersions"),
        ("spec.conversion", WEBHOOK | {"webhook": {"conversionReviewVersions": ["v1"]}}, "spec.conversion.webhook.clientConfig"),
    ],
)
def test_a_definition_is_refused_by_the_field(path: str, value: Any, fault: str) -> None:
    assert definition_errors(definition()) == []
    assert fault in [error.path for error in definition_errors(changed(definition(), path, value))]


@pytest.mark.parametrize(
    ("resource", "name", "is_good"),
    [
        ("pods", "a.b-c", True),
        ("pods", "A", False),
        ("pods", "-a", False),
        ("pods", "a" * 254, False),
        ("pods", "a\n", False),
        ("namespaces", "a.b", False),
        ("services", "1a", False),
        ("services", "a1", True),
        ("clusterroles.rbac.authorization.k8s.io", "system:node", True),
        ("clusterroles.rbac.authorization.k8s.io", "a/b", False),
    ],
)
def test_names_keep_to_the_grammar_of_their_kind(resource: str, name: str, is_good: bool) -> None:
    assert (names.name_fault(resource, name) == "") == is_good


def test_versions_are_ranked_as_kubernetes_ranks_them() -> None:
    ranked = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1"]
    assert sorted(set(ranked), key=version_rank, reverse=True) == ranked
