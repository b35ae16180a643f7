"""Cards for tests: what a person, or Raspberry Pi Imager, lays on the FAT partition."""

from __future__ import annotations

import base64
import struct

KEY = "ssh-ed25519 " + base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(32)).decode() + " me@laptop"
TOKEN = "a" * 64 + ".b.c.d"
PASSPHRASE = "correct horse battery"

WHOLE = f"""\
# The board in the greenhouse.
name: greenhouse   # as on its label
timeZone: Europe/Berlin
ssh:
  authorizedKeys:
  - {KEY}
wifi:
  country: DE
  ssid: "Kräuter & Co"
  passphrase: {PASSPHRASE}
cloud:
  address: edge.example
  token: {TOKEN}
mappers: [modbus]
"""

USER_DATA = f"""\
#cloud-config
hostname: Greenhouse
manage_etc_hosts: true
packages:
- avahi-daemon
timezone: Europe/Berlin
enable_ssh: true
users:
- name: pi
  groups: users,adm,sudo
  lock_passwd: false
  passwd: $5$salt$hash
  ssh_authorized_keys:
    - {KEY}
  sudo: ALL=(ALL) NOPASSWD:ALL
runcmd:
  - [ sh, -c, "touch /tmp/x" ]
"""

NETWORK_CONFIG = f"""\
network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "DE"
      access-points:
        "home":
          hidden: true
          password: "{"0f" * 32}"
      optional: true
"""

CUSTOM_TOML = f"""\
config_version = 1
[system]
hostname = "greenhouse"
[user]
name = "pi"
password = "$5$salt$hash"
password_encrypted = true
[ssh]
enabled = true
authorized_keys = [ "{KEY}" ]
[wlan]
ssid = "home"
password = "{"0f" * 32}"
password_encrypted = true
hidden = false
country = "de"
[locale]
keymap = "de"
timezone = "Europe/Berlin"
"""
