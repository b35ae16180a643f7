"""The texts that are written for settings. Nothing in them can be more than a value: what a person gave is encoded or was checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from edgecore.firstboot.settings import Wifi
from viaduct.pairing import shown_code

_SSID = re.compile(r"^\s*ssid=([0-9a-f]+)$", re.MULTILINE)


def wpa_supplicant(wifi: Wifi) -> str:
    """The network's name as hexadecimal digits and the key that comes of the passphrase, never the passphrase."""
    key = ["key_mgmt=NONE"] if wifi.open else ["key_mgmt=WPA-PSK WPA-PSK-SHA256", "ieee80211w=1", f"psk={_key(wifi)}"]
    lines = [f"ssid={wifi.ssid.encode().hex()}", *(["scan_ssid=1"] if wifi.hidden else []), *key]
    body = "".join(f"\t{line}\n" for line in lines)
    return f"# Written by the first boot.\nctrl_interface=DIR=/run/wpa_supplicant\ncountry={wifi.country}\nnetwork={{\n{body}}}\n"


def ssid_of(wpa_supplicant_text: str) -> str:
    """The network that a file of ours names, or nothing."""
    found = _SSID.search(wpa_supplicant_text)
    return bytes.fromhex(found[1]).decode("utf-8", "replace") if found else ""


def hosts(name: str) -> str:
    return (
        f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    )


def authorized_keys(keys: tuple[str, ...]) -> str:
    return "".join(f"{key.strip()}\n" for key in keys)


def errors(problems: tuple[str, ...]) -> str:
    """For a person who has the card in a laptop."""
    head = "This board could not be set up. Correct what is said here, put the card back and switch on again.\nNothing was changed.\n\n"
    return head + "".join(f"{problem}\n" for problem in problems)


def join_trouble(text: str) -> str:
    return f"This board is set up, but has not joined the cloud. It goes on trying. Last:\n\n{text.strip()}\n"


def pairing(code: str, news: Sequence[str]) -> str:
    shown = shown_code(code)
    head = f"This board waits for its site. Its pairing code is\n\n    {shown}\n\nAt the site type:  cloudcore pair {shown}\n\n"
    life = (
        "After 15 minutes of running it takes another code; this file always has the last one. Switched off and on again it begins with\n"
        f"the same code: with the card in a laptop type  cloudcore pair {shown} --ttl 1h  and then switch the board on.\n"
    )
    return head + life + "".join(f"\n{line}\n" for line in news)


def _key(wifi: Wifi) -> str:
    if len(wifi.passphrase) == 64:
        return wifi.passphrase.lower()
    return hashlib.pbkdf2_hmac("sha1", wifi.passphrase.encode(), wifi.ssid.encode(), 4096, 32).hex()
