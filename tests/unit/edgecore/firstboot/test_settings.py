"""Wrong settings of a card are named with the whole key, and a secret is never repeated."""

from __future__ import annotations

import pytest
import yaml

from componentconfig.errors import ConfigError
from edgecore.firstboot.settings import FirstBoot, settings
from tests.unit.edgecore.firstboot.cards import KEY, PASSPHRASE, TOKEN, WHOLE


def test_a_whole_card_is_read() -> None:
    found = settings(yaml.safe_load(WHOLE))
    assert (found.name, found.time_zone, found.mappers) == ("greenhouse", "Europe/Berlin", ("modbus",))
    assert (found.ssh.authorized_keys, found.wifi.ssid, found.wifi.passphrase) == ((KEY,), "Kräuter & Co", PASSPHRASE)
    assert (found.cloud.address, found.cloud.hub_port, found.cloud.token) == ("edge.example", 10000, TOKEN)


def test_an_empty_card_asks_for_nothing() -> None:
    assert settings(None) == FirstBoot()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nane: x", "nane: unknown key; did you mean name?"),
        ("wifi: {pasphrase: secretsecret}", "wifi.pasphrase: unknown key"),
        ("name: Board_1", "name: expected"),
        ("name: a.b", "name: expected"),
        ("name: 12", "name: expected text (in quotes"),
        ("timeZone: ../../etc/shadow", "timeZone: expected"),
        ("timeZone: Europe//Berlin", "timeZone: expected"),
        ("ssh: {authorizedKeys: ssh-rsa}", "ssh.authorizedKeys: expected a list"),
        ('ssh: {authorizedKeys: [\'command="x" ' + KEY + "']}", "ssh.authorizedKeys: expected public keys"),
        ("ssh: {authorizedKeys: ['" + KEY[:-20] + "']}", "ssh.authorizedKeys: expected public keys"),
        ("ssh: {authorizedKeys: ['" + KEY.replace("ed25519", "rsa", 1) + "']}", "ssh.authorizedKeys: expected public keys"),
        ('ssh: {authorizedKeys: ["' + KEY + '\\nssh-rsa AAAA"]}', "ssh.authorizedKeys: expected public keys"),
        ("wifi: {ssid: " + "ü" * 17 + ", country: DE, open: true}", "wifi.ssid: expected"),
        ("wifi: {ssid: x, passphrase: longenough}", "wifi.country: expected the country"),
        ("wifi: {country: de}", "wifi.country: expected"),
        ("wifi: {country: DE, passphrase: longenough}", "wifi.ssid: expected the network's name"),
        ("wifi: {country: DE, ssid: x, passphrase: longenough, open: true}", "wifi.open: expected false"),
        ("cloud: {address: 'a b'}", "cloud.address: expected HOST"),
        ("cloud: {token: " + TOKEN + "}", "cloud.address: expected the cloud's address"),
        ("cloud: {address: a, hubPort: 70000}", "cloud.hubPort: expected a port from 1 to 65535"),
        ("mappers: [modbus, modbus]", "mappers: expected a list"),
        ("mappers: [../../x]", "mappers: expected a list"),
        ("kind: EdgeCore", "kind: expected FirstBoot"),
    ],
)
def test_what_cannot_be_is_refused_by_its_whole_key(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(yaml.safe_load(text))
    assert [problem for problem in caught.value.problems if problem.startswith(said)], caught.value.problems


@pytest.mark.parametrize("text", ["wifi: {passphrase: s3cret}", "wifi: {passphrase: 1234567}", "cloud: {token: s3cret}"])
def test_a_wrong_secret_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(yaml.safe_load(text))
    assert "not shown here" in str(caught.value)
    assert "s3cret" not in str(caught.value) and "1234567" not in str(caught.value)
