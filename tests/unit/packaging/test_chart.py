"""What the manifests and the chart of CloudCore rest on. What helm makes of the chart is shown by ``make test-containers``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import edgesite.config
from cloudcore.config import CloudCoreConfig, read_config
from viaduct import __version__

PACKAGING = Path(__file__).parents[3] / "packaging"
CHART = PACKAGING / "helm" / "bramble"


def manifest(kind: str, name: str = "cloudcore", file: str = "cloudcore.yaml") -> dict[str, Any]:
    objects = yaml.safe_load_all((PACKAGING / "manifests" / file).read_text())
    return next(one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))


def test_cloudcore_reads_the_settings_of_the_manifest_and_listens_where_the_services_lead(tmp_path: Path) -> None:
    file = tmp_path / "cloudcore.yaml"
    file.write_text(manifest("ConfigMap")["data"]["cloudcore.yaml"])
    config, warnings = read_config(file)
    container = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    modules = config.modules
    assert warnings == []
    assert ports == {
        "hub": modules.cloudhub.websocket.port,
        "enrolment": modules.cloudhub.https.port,
        "streams": modules.cloud_stream.stream_port,
        "webhooks": modules.admission.port,
        "metrics": int(config.common_config.monitor_server.bind_address.rpartition(":")[2]),
    }
    led = {port["targetPort"] for name in ("cloudcore", "cloudcore-boards") for port in manifest("Service", name)["spec"]["ports"]}
    assert led == set(ports)
    webhooks = {"port": 443, "name": "webhooks", "targetPort": "webhooks", "protocol": "TCP"}
    assert webhooks in manifest("Service", modules.admission.service.partition("/")[2])["spec"]["ports"]
    assert config.state_dir in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert config.state_dir == CloudCoreConfig().state_dir


def test_with_the_setting_that_the_manifest_names_cloudcore_serves_metrics_where_their_service_leads(tmp_path: Path) -> None:
    setting = "# metricsService:"
    text = manifest("ConfigMap")["data"]["cloudcore.yaml"]
    assert text.count(setting) == 1
    file = tmp_path / "cloudcore.yaml"
    file.write_text(text.replace(setting, "metricsService:"))
    config, warnings = read_config(file)
    streams = config.modules.cloud_stream
    service = manifest("Service", "cloudcore-metrics", "cloudcore-metrics.yaml")
    assert warnings == []
    assert streams.metrics_service == f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(443, streams.metrics_port)]
    assert service["spec"]["selector"] == manifest("Deployment")["spec"]["selector"]["matchLabels"]


def test_who_may_read_metrics_is_the_same_in_a_cluster_and_beside_it() -> None:
    inside, beside = (manifest("ClusterRole", "cloudcore-metrics-reader", file) for file in ("cloudcore-metrics.yaml", "metrics.yaml"))
    assert inside == beside
    assert inside["rules"] == [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["get", "list"]}]


def test_no_manifest_takes_the_apiservice_of_a_metrics_server() -> None:
    kinds = {one["kind"] for file in (PACKAGING / "manifests").glob("*.yaml") for one in yaml.safe_load_all(file.read_text())}
    assert "APIService" not in kinds


def test_every_port_says_its_protocol_since_server_side_apply_of_kubernetes_1_20_refuses_one_that_does_not() -> None:
    services = [
        manifest("Service"),
        manifest("Service", "cloudcore-boards"),
        manifest("Service", "cloudcore-metrics", "cloudcore-metrics.yaml"),
    ]
    ports = [port for service in services for port in service["spec"]["ports"]]
    ports += manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert {port.get("protocol") for port in ports} == {"TCP"}


def test_the_pod_is_one_of_the_profile_restricted_with_a_root_that_nobody_writes() -> None:
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["serviceAccountName"] == "cloudcore"


def test_chart_manifest_and_program_are_of_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    image = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert (chart["version"], str(chart["appVersion"]), image) == (__version__, __version__, f"localhost/bramble-cloudcore:{__version__}")


def test_rights_and_definitions_of_the_chart_are_the_ones_of_the_manifests() -> None:
    for file in ("rbac.yaml", "cloudcore-metrics.yaml"):
        assert (CHART / "files" / file).resolve() == PACKAGING / "manifests" / file
    assert (CHART / "crds").resolve() == PACKAGING / "crds"


@pytest.mark.parametrize("path", [[], ["service"], ["persistence"], ["streams"], ["metricsService"], ["rbac"], ["image"]], ids=".".join)
def test_every_value_is_in_the_schema_and_no_other_is_taken(path: list[str]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(values)
    place = values
    for key in path:
        place = place[key]
    place["misspelt"] = 1
    with pytest.raises(jsonschema.ValidationError, match="misspelt"):
        jsonschema.Draft7Validator(schema).validate(values)


def test_the_settings_in_the_image_of_a_site_are_read_and_keep_everything_on_its_volume() -> None:
    config, warnings = edgesite.config.read_config(PACKAGING / "containers" / "edgesite.yaml")
    assert warnings == []
    assert config.api_server.kube_config.startswith(config.api_server.data_dir + "/")
    assert "VOLUME /var/lib/bramble\n" in (PACKAGING / "containers" / "edgesite.Containerfile").read_text()


@pytest.mark.parametrize("image", ["cloudcore", "edgesite", "mappers"])
def test_an_image_has_a_numeric_user_and_no_shell_in_its_way(image: str) -> None:
    lines = (PACKAGING / "containers" / f"{image}.Containerfile").read_text().splitlines()
    assert "FROM ${DEBIAN}" in lines
    assert "FROM scratch" in (PACKAGING / "containers" / "debian.Containerfile").read_text().splitlines()
    assert "USER 65532:65532" in lines
    assert any(line.startswith('ENTRYPOINT ["/usr/bin/') for line in lines)
