from __future__ import annotations

import base64
from typing import Any

import pytest

from edgecore.edged.environment import environment
from edgecore.edged.errors import ConfigProblem
from edgecore.edged.expansion import expand
from edgecore.edged.fields import Surroundings
from edgecore.edged.pod import read_pod
from edgecore.edged.sources import Source
from tests.unit.edgecore.edged.pods import container, pod

AROUND = Surroundings("edge1", "192.168.1.9", cpu=4, memory=2 * 1024**3, pod_address="10.88.0.7")
DOCUMENTS: dict[Source, dict[str, Any] | None] = {
    Source("configmap", "conf"): {"data": {"colour": "blue", "2bad": "x"}},
    Source("secret", "pass"): {"data": {"word": base64.b64encode(b"s3cret").decode()}},
    Source("secret", "broken"): {"data": {"word": "***"}},
    Source("configmap", "gone"): None,
}


def resolve(*env: dict[str, Any], **fields: Any) -> dict[str, str]:
    document = container(env=list(env), **fields)
    plan = read_pod(pod(document, metadata={"labels": {"app": "web"}, "annotations": {"note": 'a"b'}}))
    return environment(document, plan, DOCUMENTS, AROUND)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A $ $(", "$A $ $("),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("", ""),
    ],
)
def test_expansion_follows_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_a_value_sees_only_what_stands_above_it() -> None:
    assert resolve({"name": "A", "value": "$(B)"}, {"name": "B", "value": "1"}, {"name": "C", "value": "$(B)"}) == {
        "A": "$(B)",
        "B": "1",
        "C": "1",
    }


def test_whole_objects_come_first_with_their_prefix_and_env_overrides_them() -> None:
    found = resolve(
        {"name": "MY_colour", "value": "red and $(MY_colour)"},
        envFrom=[{"prefix": "MY_", "configMapRef": {"name": "conf"}}, {"secretRef": {"name": "pass"}}],
    )
    assert found == {"MY_colour": "red and blue", "MY_2bad": "x", "word": "s3cret"}


def test_keys_that_are_no_variable_names_are_left_out() -> None:
    assert resolve(envFrom=[{"configMapRef": {"name": "conf"}}]) == {"colour": "blue"}


@pytest.mark.parametrize(
    ("origin", "value"),
    [
        ({"configMapKeyRef": {"name": "conf", "key": "colour"}}, "blue"),
        ({"secretKeyRef": {"name": "pass", "key": "word"}}, "s3cret"),
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "web-0"),
        ({"fieldRef": {"fieldPath": "metadata.uid"}}, "0d2c7a4e-1"),
        ({"fieldRef": {"fieldPath": "metadata.labels['app']"}}, "web"),
        ({"fieldRef": {"fieldPath": "metadata.annotations['none']"}}, ""),
        ({"fieldRef": {"fieldPath": "metadata.annotations"}}, 'note="a\\"b"'),
        ({"fieldRef": {"fieldPath": "spec.nodeName"}}, "edge1"),
        ({"fieldRef": {"fieldPath": "spec.serviceAccountName"}}, "default"),
        ({"fieldRef": {"fieldPath": "status.hostIP"}}, "192.168.1.9"),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "10.88.0.7"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "4"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, "64"),
        ({"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, "250"),
    ],
)
def test_a_variable_can_come_from_anywhere(origin: dict[str, Any], value: str) -> None:
    resources = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}
    assert resolve({"name": "X", "valueFrom": origin}, resources=resources) == {"X": value}


@pytest.mark.parametrize("ref", [{"name": "gone", "key": "k"}, {"name": "conf", "key": "k"}, {"name": "unheard", "key": "k"}])
def test_what_is_optional_and_missing_is_no_variable(ref: dict[str, Any]) -> None:
    assert resolve({"name": "X", "valueFrom": {"configMapKeyRef": {**ref, "optional": True}}}) == {}


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "k"}}, 'configmap "gone" not found'),
        ({"secretKeyRef": {"name": "nope", "key": "k"}}, 'secret "nope" not found'),
        ({"configMapKeyRef": {"name": "conf", "key": "size"}}, "couldn't find key size in ConfigMap default/conf"),
        ({"secretKeyRef": {"name": "broken", "key": "word"}}, "Secret default/broken: the value of word is not base64"),
        ({"fieldRef": {"fieldPath": "spec.volumes"}}, "unsupported fieldPath: spec.volumes"),
        ({"resourceFieldRef": {"resource": "limits.gpu"}}, "unsupported container resource : limits.gpu"),
    ],
)
def test_what_is_needed_and_missing_is_named_in_kubernetes_words(origin: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        resolve({"name": "X", "valueFrom": origin})
    assert str(caught.value) == message
