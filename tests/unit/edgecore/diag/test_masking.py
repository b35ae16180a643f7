"""No secret leaves in a bundle, in whatever form it turns up."""

from __future__ import annotations

import base64
import json

import pytest

from edgecore.config import EdgeCoreConfig, EdgeHub, EventBus, Modules
from edgecore.diag.known import without_secrets
from edgecore.diag.masking import Masks, forms_of, forms_of_secret_value, named_in
from edgecore.diag.parts import container_summary, device_summary, pod_summary

KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\nabcdefgh\n-----END PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3fQ.c2lnbmF0dXJl"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "the word hunter22 stands here",
        f"and {base64_of('hunter22')} in base64",
        '{"x": "hunter22"}',
    ],
)
def test_what_is_known_is_taken_out_in_every_form(text: str) -> None:
    masked = Masks(forms_of("hunter22")).text(text)
    assert "hunter22" not in masked and base64_of("hunter22") not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"log: {KEY} end", "MIGHAgEAMBMG"),
        ("half a key: -----BEGIN EC PRIVATE KEY-----\nMIGHAgEAMBMG", "MIGHAgEAMBMG"),
        (f"a token {JWT} was seen", "c2lnbmF0dXJl"),
        (f"joins with {'a' * 64}.{JWT}", "a" * 64),
        ("Authorization: Bearer abcdef123", "abcdef123"),
        ('password="hunter22"', "hunter22"),
        ("mqttPassword: hunter22", "hunter22"),
        ("MQTT_PASSWORD=hunter22 mapper", "hunter22"),
        ("mount //nas -o user=x,password=hunter22,rw", "hunter22"),
        ("tcp://me:hunter22@broker:1883", "hunter22"),
        ("api-key=hunter22&x=1", "hunter22"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_though_nobody_knows_it(text: str, secret: str) -> None:
    assert secret not in Masks([]).text(text)


def test_text_without_secrets_stays_as_it_is() -> None:
    text = "2026-01-01 info edgehub: connected to 192.0.2.1:10000, 3 messages; the certificate ends on 2027-01-01"
    assert Masks(["hunter22", "1", ""]).text(text) == text


def test_values_under_a_secrets_name_are_taken_out_of_json_and_the_rest_stays() -> None:
    found = Masks(["hunter22"]).value({"auths": {"quay.io": {"auth": "dXNlcg=="}}, "n": 3, "say": ["hunter22", True, None], "token": ""})
    assert found == {"auths": {"quay.io": {"auth": "***"}}, "n": 3, "say": ["***", True, None], "token": ""}


def test_passwords_of_registries_are_found_inside_their_secret() -> None:
    document = json.dumps({"auths": {"quay.io": {"username": "me", "password": "hunter22", "auth": base64_of("me:hunter22")}}})
    forms = set(forms_of_secret_value(base64_of(document)))
    assert {"hunter22", base64_of("me:hunter22")} <= forms


def test_a_value_that_is_no_base64_is_known_all_the_same() -> None:
    assert list(forms_of_secret_value("€€€€")) == ["€€€€"]


def test_secrets_are_found_in_a_config_that_cannot_be_read() -> None:
    found = set(named_in("modules: [\n  mqttPassword: 'hunter 22'\n  token: abc.def  # mine\n  heartbeat: 15\n"))
    assert {"hunter", "abc.def"} <= found
    assert not any("15" in value for value in found)


def test_every_secret_setting_of_the_config_is_masked() -> None:
    modules = Modules(edgehub=EdgeHub(token="tttttt"), eventbus=EventBus(mqtt_password="pppppp", mqtt_username="me"))
    text = repr(without_secrets(EdgeCoreConfig(modules=modules)))
    assert "tttttt" not in text and "pppppp" not in text and "me" in text
    assert "***" not in repr(without_secrets(EdgeCoreConfig()))


def test_of_a_pod_neither_command_nor_environment_is_kept() -> None:
    container = {
        "name": "main",
        "image": "web:1",
        "command": ["x", "hunter22"],
        "args": ["hunter22"],
        "env": [{"name": "A", "value": "hunter22"}],
    }
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "hunter22"}
    pod = {"metadata": {"name": "web", "annotations": annotations}, "spec": {"containers": [container]}, "status": {"phase": "Running"}}
    text = json.dumps(pod_summary(pod))
    assert "hunter22" not in text and "web:1" in text and "Running" in text


def test_of_a_container_neither_command_nor_labels_of_others_are_kept() -> None:
    entry = {"Names": ["a"], "Command": ["hunter22"], "Labels": {"io.bramble.pod.name": "web", "mine": "hunter22"}, "Mounts": ["/hunter22"]}
    text = json.dumps(container_summary(entry))
    assert "hunter22" not in text and '"io.bramble.pod.name": "web"' in text


def test_of_a_device_the_values_are_not_kept() -> None:
    device = {"metadata": {"name": "lock"}, "state": "online", "lastOnline": "", "twins": {"code": {"actual": {"value": "hunter22"}}}}
    assert device_summary(device) == {"name": "lock", "state": "online", "lastOnline": "", "properties": ["code"]}
