"""The Helm chart by a real helm, and the same by kubectl, at an API that takes them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudcore.cloudstream.apiservice import NAME, Fate, api_service, fate_of
from cloudcore.config import read_config
from demo.stage import BIN, Failed, Stage, free_port, run, wait_for
from tests.containers.chart import CHART, TOP, documents, helm, render

MANIFESTS = TOP / "packaging" / "manifests"
HELMS_OWN = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
)


def test_helm_finds_nothing_to_say_against_the_chart() -> None:
    said = helm("lint", CHART, "--strict", "--namespace", "kubeedge")
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said and "[ERROR]" not in said


def test_the_chart_makes_of_its_defaults_what_the_manifests_say() -> None:
    """But for the right to make an APIService: what Helm makes needs no leave for anybody else."""
    rights = [one for one in documents(MANIFESTS / "rbac.yaml") if one["kind"] != "Namespace"]
    role = _only(rights, "ClusterRole", "cloudcore")
    role["rules"] = [rule for rule in role["rules"] if "apiservices" not in rule["resources"]]
    assert _by_name(render()) == _by_name(rights + documents(MANIFESTS / "cloudcore.yaml"))


def test_with_its_value_cloudcore_serves_metrics_and_knows_the_apiservice_of_the_chart_for_its_own(tmp_path: Path) -> None:
    objects = render({"metricsService": {"enabled": True}})
    added = documents(MANIFESTS / "cloudcore-metrics.yaml")
    assert _by_name(added).items() <= _by_name(objects).items()
    assert _names(objects) - _names(render()) == _names(added) | {("APIService", NAME)}
    file = tmp_path / "cloudcore.yaml"
    file.write_text(_only(objects, "ConfigMap", "cloudcore")["data"]["cloudcore.yaml"])
    config, warnings = read_config(file)
    assert (warnings, config.modules.cloud_stream.metrics_service) == ([], "kubeedge/cloudcore-metrics")
    made = _only(objects, "APIService", NAME)
    wanted = api_service(("kubeedge", "cloudcore-metrics"), "ca")
    assert fate_of(made, wanted) is Fate.UPDATE
    assert made["spec"] | {"caBundle": wanted["spec"]["caBundle"]} == wanted["spec"]


def test_cloudcore_of_a_chart_may_not_make_an_apiservice_and_with_metrics_change_its_own_alone() -> None:
    def rights(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [rule for rule in _only(render(values), "ClusterRole", "cloudcore")["rules"] if "apiservices" in rule["resources"]]

    assert rights({}) == []
    assert [(rule["verbs"], rule["resourceNames"]) for rule in rights({"metricsService": {"enabled": True}})] == [
        (["get", "update", "delete"], [NAME])
    ]


def test_without_rights_of_its_own_a_release_with_metrics_makes_none() -> None:
    objects = render({"metricsService": {"enabled": True}, "rbac": {"create": False}})
    assert not [one for one in objects if "Role" in one["kind"]]
    assert _only(objects, "APIService", NAME)


def test_a_packed_chart_is_whole(tmp_path: Path) -> None:
    helm("package", CHART, "--destination", tmp_path)
    packed = next(tmp_path.glob("bramble-*.tgz"))
    assert render(chart=packed) == render()
    definitions = helm("show", "crds", packed)
    assert definitions.count("kind: CustomResourceDefinition") == len(list((TOP / "packaging" / "crds").glob("*.yaml")))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"service": {"type": "Loadbalancer"}}, "/service/type"),
        ({"replicas": "two"}, "/replicas"),
        ({"replica": 1}, "replica"),
        ({"service": {"nodePorts": {"hub": 80}}}, "/service/nodePorts/hub"),
        ({"config": {"module": {}}}, "module"),
        ({"persistence": {"size": "big"}}, "/persistence/size"),
        ({"logLevel": "loud"}, "/logLevel"),
        ({"replicas": 2}, "persistence.enabled=false"),
        ({"metricsService": {"enabled": "yes"}}, "/metricsService/enabled"),
        ({"metricsService": {"enabled": True}, "streams": {"enabled": False}}, "streams.enabled=true"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Failed, match=complaint):
        render(values)


def test_another_namespace_is_refused_since_the_rights_are_made_out_for_one() -> None:
    with pytest.raises(Failed, match="kubeedge"):
        render(namespace="default")


def test_node_ports_and_addresses_are_where_a_person_put_them() -> None:
    ports = {"type": "NodePort", "nodePorts": {"hub": 30000, "enrolment": 30002}}
    objects = render({"service": ports, "streams": {"clusterIP": "10.96.200.200"}, "advertise": {"dnsNames": ["cloud.example"]}})
    service = _only(objects, "Service", "cloudcore-boards")["spec"]
    assert service["type"] == "NodePort"
    assert [port["nodePort"] for port in service["ports"]] == [30000, 30002]
    assert _only(objects, "Service", "cloudcore")["spec"]["clusterIP"] == "10.96.200.200"
    config = _only(objects, "ConfigMap", "cloudcore")["data"]["cloudcore.yaml"]
    assert "nodeAddress: 10.96.200.200" in config and "cloud.example" in config


def test_several_replicas_are_kept_apart_and_not_all_evicted_at_once() -> None:
    objects = render({"replicas": 3, "persistence": {"enabled": False}})
    assert _only(objects, "PodDisruptionBudget", "cloudcore")["spec"]["maxUnavailable"] == 1
    deployment = _only(objects, "Deployment", "cloudcore")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (3, "RollingUpdate")
    assert not [one for one in objects if one["kind"] == "PersistentVolumeClaim"]


@pytest.mark.parametrize(("kubernetes", "version"), [("1.20.2", "policy/v1beta1"), ("1.21.0", "policy/v1"), ("v1.31.4+k3s1", "policy/v1")])
def test_a_disruption_budget_is_of_a_version_that_the_cluster_has(kubernetes: str, version: str) -> None:
    objects = render({"replicas": 2, "persistence": {"enabled": False}}, kubernetes=kubernetes)
    assert _only(objects, "PodDisruptionBudget", "cloudcore")["apiVersion"] == version


def test_without_the_right_to_make_tokens_every_other_right_is_there() -> None:
    whole = _only(render(), "ClusterRole", "cloudcore")["rules"]
    fewer = _only(render({"rbac": {"serviceAccountTokens": False}}), "ClusterRole", "cloudcore")["rules"]
    assert fewer == [rule for rule in whole if "serviceaccounts/token" not in rule["resources"]]
    assert len(fewer) == len(whole) - 1
    assert not [one for one in render({"rbac": {"create": False}}) if "Role" in one["kind"] or one["kind"] == "ServiceAccount"]


def test_settings_of_ones_own_lie_over_those_of_the_chart_and_make_another_pod(tmp_path: Path) -> None:
    objects = render({"config": {"modules": {"history": {"maxAge": 90}, "cloudhub": {"nodeLimit": 50}}}})
    file = tmp_path / "cloudcore.yaml"
    file.write_text(_only(objects, "ConfigMap", "cloudcore")["data"]["cloudcore.yaml"])
    config, warnings = read_config(file)
    assert warnings == []
    assert (config.modules.history.max_age, config.modules.cloudhub.node_limit) == (90, 50)
    assert config.modules.admission.service == "kubeedge/cloudcore"
    annotations = _only(objects, "Deployment", "cloudcore")["spec"]["template"]["metadata"]["annotations"]
    assert annotations != _only(render(), "Deployment", "cloudcore")["spec"]["template"]["metadata"]["annotations"]


@pytest.fixture
def kubeconfig(stage: Stage) -> Iterator[Path]:
    """An empty Kubernetes API: cloudstub."""
    path = stage.folder / "kubeconfig"
    stage.start(
        "cloudstub", BIN / "cloudstub", "--data-dir", stage.folder / "api", "--listen", f"127.0.0.1:{free_port()}", "--kubeconfig", path
    )
    wait_for("the API", path.exists, within=60)
    yield path


def test_helm_installs_upgrades_and_uninstalls_it(kubeconfig: Path) -> None:
    reach = ("--kubeconfig", kubeconfig, "--namespace", "kubeedge")
    helm("install", "bramble", CHART, *reach, "--create-namespace", values={"service": {"type": "NodePort"}})
    assert "deployed" in helm("status", "bramble", *reach)
    assert "cloudcore" in _kubectl(kubeconfig, "get", "deployments")
    assert "devices.devices.kubeedge.io" in _kubectl(kubeconfig, "get", "crds")
    helm("upgrade", "bramble", CHART, *reach, values={"logLevel": "debug"})
    assert '"debug"' in _kubectl(kubeconfig, "get", "deployment", "cloudcore", "-o", "jsonpath={.spec.template.spec.containers[0].args}")
    helm("uninstall", "bramble", *reach)
    assert "cloudcore" not in _kubectl(kubeconfig, "get", "deployments,services,configmaps", "-o", "name")
    # What boards uploaded, and their devices, are not helm's to throw away.
    assert "cloudcore" in _kubectl(kubeconfig, "get", "persistentvolumeclaims")
    assert "devices.devices.kubeedge.io" in _kubectl(kubeconfig, "get", "crds")


def test_kubectl_applies_the_manifests_and_has_nothing_to_change_afterwards(kubeconfig: Path) -> None:
    files = ("-f", MANIFESTS / "rbac.yaml", "-f", MANIFESTS / "cloudcore.yaml")
    _kubectl(kubeconfig, "apply", *files)
    again = _kubectl(kubeconfig, "apply", *files).strip().splitlines()
    assert len(again) == 13
    assert [line for line in again if not line.endswith("unchanged")] == []


def _kubectl(kubeconfig: Path, *words: str | Path) -> str:
    place = () if words[0] == "apply" else ("--namespace", "kubeedge")
    return run("kubectl", "--kubeconfig", kubeconfig, "--cache-dir", kubeconfig.parent / "kubectl", *place, *words)


def _only(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    found = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


def _names(objects: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["kind"], one["metadata"]["name"]) for one in objects}


def _by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Without what Helm adds for itself, and settings as what they mean."""
    return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): _bare(copy.deepcopy(one)) for one in objects}


def _bare(one: dict[str, Any]) -> dict[str, Any]:
    labels = one["metadata"].get("labels", {})
    for label in (*HELMS_OWN, "app.kubernetes.io/name"):
        labels.pop(label, None)
    if not labels:
        one["metadata"].pop("labels", None)
    if one["kind"] == "PersistentVolumeClaim":
        one["metadata"].pop("annotations", None)
    if one["kind"] == "Deployment":
        one["spec"]["template"]["metadata"].pop("annotations", None)
    if one["kind"] == "ConfigMap":
        one["data"] = {name: yaml.safe_load(text) for name, text in one["data"].items()}
    return one
