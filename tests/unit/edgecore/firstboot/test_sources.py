"""What several files mean together, and what is left of them."""

from __future__ import annotations

import pytest
import yaml

from edgecore.firstboot.settings import settings
from edgecore.firstboot.sources import understand, without_secrets
from tests.unit.edgecore.firstboot.cards import CUSTOM_TOML, KEY, NETWORK_CONFIG, PASSPHRASE, TOKEN, USER_DATA, WHOLE


def test_what_imager_writes_for_unknown_images_is_read_and_its_commands_are_left_aside() -> None:
    found = understand({"user-data": USER_DATA, "network-config": NETWORK_CONFIG})
    assert found.problems == ()
    assert (found.settings.name, found.settings.time_zone, found.settings.ssh.authorized_keys) == ("greenhouse", "Europe/Berlin", (KEY,))
    wifi = found.settings.wifi
    assert (wifi.ssid, wifi.passphrase, wifi.hidden, wifi.open, wifi.country) == ("home", "0f" * 32, True, False, "DE")
    assert "user-data: runcmd is left aside" in found.notes


def test_what_imager_writes_for_raspberry_pi_os_is_read() -> None:
    found = understand({"custom.toml": CUSTOM_TOML})
    assert found.problems == ()
    assert (found.settings.name, found.settings.wifi.country, found.settings.ssh.authorized_keys) == ("greenhouse", "DE", (KEY,))
    assert "custom.toml: user is left aside" in found.notes


def test_a_wireless_network_without_a_password_is_an_open_one() -> None:
    text = "wifis: {wlan0: {regulatory-domain: DE, access-points: {cafe: {}, bar: {}}}}"
    found = understand({"network-config": text})
    assert (found.settings.wifi.ssid, found.settings.wifi.open) == ("cafe", True)
    assert found.notes == ("network-config: wifis.wlan0.access-points.bar is left aside",)


def test_bramble_yaml_counts_before_imager_and_a_network_comes_whole_from_one() -> None:
    ours = "name: mine\nwifi: {country: FR, ssid: shed, open: true}\n"
    found = understand({"bramble.yaml": ours, "user-data": USER_DATA, "network-config": NETWORK_CONFIG}).settings
    assert (found.name, found.time_zone) == ("mine", "Europe/Berlin")
    assert (found.wifi.ssid, found.wifi.passphrase, found.wifi.hidden) == ("shed", "", False)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("bramble.yaml", "name: [", "bramble.yaml: not a YAML document"),
        ("bramble.yaml", "name: a\nname: b", "bramble.yaml: not a YAML document that can be read: key 'name' given twice"),
        ("user-data", "hostname: a_b", "user-data: hostname: expected a name"),
        ("user-data", "- x", "user-data: the file: expected keys"),
        ("network-config", "wifis: {wlan0: {access-points: {x: {password: abc}}}}", "wifis.wlan0.access-points.x.password: expected"),
        (
            "network-config",
            "wifis: {wlan0: {access-points: {x: {}}}}",
            "network-config: wifis.wlan0.regulatory-domain: expected the country",
        ),
        ("network-config", "wifis: 7", "network-config: wifis: expected keys"),
        ("custom.toml", "[wlan", "custom.toml: not a TOML document"),
        ("custom.toml", '[locale]\ntimezone = "a b"', "custom.toml: locale.timezone: expected"),
    ],
)
def test_a_wrong_value_is_named_by_its_file_and_key(name: str, text: str, said: str) -> None:
    assert any(said in problem for problem in understand({name: text}).problems)


def test_a_file_by_another_name_and_a_program_are_told_of() -> None:
    found = understand({}, ("bramble.yaml.txt", "firstrun.sh"))
    assert found.problems == ("bramble.yaml.txt: rename it to bramble.yaml",)
    assert "firstrun.sh is not read or run" in found.notes[0]


def test_secrets_go_and_everything_else_stays_as_it_was_written() -> None:
    changed = without_secrets({"bramble.yaml": WHOLE})
    assert changed == {"bramble.yaml": WHOLE.replace(PASSPHRASE, '""').replace(TOKEN, '""')}
    assert without_secrets(changed) == {}


@pytest.mark.parametrize(
    "text",
    [
        f"wifi: {{country: DE, ssid: x, passphrase: {PASSPHRASE}}}\ncloud: {{address: a, token: {TOKEN}}}\nname: b",
        f"name: b\n# token: {TOKEN}\ncloud:\n  address: a\n  Token: {TOKEN}\n",
        f"name: b\r\ncloud:\r\n  address: a\r\n  token: {TOKEN}\r\n",
        f"name: b\ncloud:\n  address: a\n  token: |-\n    {TOKEN}\n",
    ],
)
def test_secrets_go_however_the_file_is_laid_out(text: str) -> None:
    (left,) = without_secrets({"bramble.yaml": text}).values()
    assert TOKEN not in left and PASSPHRASE not in left
    assert settings(yaml.safe_load(left)).name == "b"


def test_imagers_files_are_emptied_for_they_hold_a_passwords_hash_too() -> None:
    changed = without_secrets({"user-data": USER_DATA, "network-config": NETWORK_CONFIG, "custom.toml": CUSTOM_TOML})
    assert set(changed) == {"user-data", "network-config", "custom.toml"}
    assert not any(secret in text for text in changed.values() for secret in ("$5$", "0f0f", KEY))
    assert understand(changed).problems == ()
    assert without_secrets(changed) == {}
