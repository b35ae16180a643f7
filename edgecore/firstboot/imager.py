"""What Raspberry Pi Imager lays on the FAT partition, in the form of ``bramble.yaml``. Read only: no command in it is ever run.

Two of its forms are known: cloud-init's (``user-data`` and ``network-config``), which it writes for images that it does not know, and
``custom.toml`` of Raspberry Pi OS. ``firstrun.sh`` is a program and is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from componentconfig.errors import ConfigError
from componentconfig.suggestion import shown_key
from edgecore.firstboot.settings import FirstBoot, settings

USER_DATA = "user-data"
NETWORK_CONFIG = "network-config"
CUSTOM_TOML = "custom.toml"
FIRSTRUN = "firstrun.sh"

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """One value looked for in a file, None where it is not there: ``ours`` is its path in ``bramble.yaml``, ``theirs`` in the file."""

    ours: tuple[str, ...]
    theirs: str
    value: Any


@dataclass(frozen=True, slots=True)
class Reading:
    """``left`` are the keys of a file that mean something else elsewhere and nothing here."""

    wishes: tuple[Wish, ...]
    left: tuple[str, ...]


def user_data(tree: object) -> Reading:
    """cloud-init's ``user-data``: host name, time zone, keys of every user."""
    known = ("hostname", "timezone", "ssh_authorized_keys", "users")
    body = _mapping(tree, "the file")
    wishes = [
        Wish(("name",), "hostname", _lower(body.get("hostname"))),
        Wish(("timeZone",), "timezone", body.get("timezone")),
        Wish(("ssh", "authorizedKeys"), "ssh_authorized_keys", _all_keys(body)),
    ]
    return _reading(wishes, [key for key in body if key not in known])


def network_config(tree: object) -> Reading:
    """netplan's form, with or without ``network:`` around it: the first wireless network that it names."""
    body = _mapping(tree, "the file")
    body = _mapping(body.get("network", body), "network")
    left = [key for key in body if key not in ("version", "renderer", "wifis")]
    for interface, about in _mapping(body.get("wifis"), "wifis").items():
        path = f"wifis.{shown_key(interface)}"
        about = _mapping(about, path)
        points = list(_mapping(about.get("access-points"), f"{path}.access-points").items())
        left += [f"{path}.access-points.{shown_key(name)}" for name, _ in points[1:]]
        for name, point in points[:1]:
            return _reading(list(_point(path, name, _mapping(point, f"{path}.access-points.{shown_key(name)}"), about)), left)
    return _reading([], left)


def custom_toml(tree: object) -> Reading:
    """Raspberry Pi OS's ``custom.toml``."""
    body = _mapping(tree, "the file")
    system, ssh, wlan, locale = (_mapping(body.get(name), name) for name in ("system", "ssh", "wlan", "locale"))
    wishes = [
        Wish(("name",), "system.hostname", _lower(system.get("hostname"))),
        Wish(("timeZone",), "locale.timezone", locale.get("timezone")),
        Wish(("ssh", "authorizedKeys"), "ssh.authorized_keys", _listed(ssh.get("authorized_keys"))),
        Wish(("wifi", "ssid"), "wlan.ssid", wlan.get("ssid")),
        Wish(("wifi", "passphrase"), "wlan.password", wlan.get("password")),
        Wish(("wifi", "open"), "wlan.password", True if wlan.get("ssid") and not wlan.get("password") else None),
        Wish(("wifi", "hidden"), "wlan.hidden", wlan.get("hidden")),
        Wish(("wifi", "country"), "wlan.country", _upper(wlan.get("country"))),
    ]
    return _reading(wishes, [key for key in body if key not in ("config_version", "system", "ssh", "wlan", "locale")])


def read_wishes(file: str, reading: Reading) -> FirstBoot:
    """The settings that a file asks for.

    Raises:
        ConfigError: each problem begins with the file and its own key.
    """
    mapping: dict[str, Any] = {}
    for wish in reading.wishes:
        if wish.value is None:
            continue
        place = mapping
        for key in wish.ours[:-1]:
            place = place.setdefault(key, {})
        place[wish.ours[-1]] = wish.value
    try:
        return settings(mapping)
    except ConfigError as exc:
        theirs = {".".join(wish.ours): wish.theirs for wish in reading.wishes}
        raise ConfigError(*(f"{file}: {_renamed(problem, theirs)}" for problem in exc.problems)) from exc


def _point(path: str, name: Any, point: Mapping[Any, Any], about: Mapping[Any, Any]) -> Iterator[Wish]:
    where = f"{path}.access-points.{shown_key(name)}"
    auth = _mapping(point.get("auth"), f"{where}.auth")
    password = point.get("password") or auth.get("password")
    yield Wish(("wifi", "ssid"), f"{path}.access-points", name)
    yield Wish(("wifi", "passphrase"), f"{where}.password", password)
    yield Wish(("wifi", "open"), f"{where}.password", not password)
    yield Wish(("wifi", "hidden"), f"{where}.hidden", point.get("hidden"))
    yield Wish(("wifi", "country"), f"{path}.regulatory-domain", _upper(about.get("regulatory-domain")))


def _reading(wishes: list[Wish], left: list[Any]) -> Reading:
    return Reading(tuple(wishes), tuple(shown_key(key) for key in left[:_MOST_NAMED]))


def _all_keys(body: Mapping[Any, Any]) -> list[Any] | None:
    users = body.get("users")
    found = _listed(body.get("ssh_authorized_keys")) or []
    for user in users if isinstance(users, list) else []:
        if isinstance(user, Mapping):
            found = [*found, *(_listed(user.get("ssh_authorized_keys")) or [])]
    return list(dict.fromkeys(map(_stripped, found))) or None


def _listed(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [_stripped(item) for item in value] if isinstance(value, list) else [_stripped(value)]


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else str(value)[:80]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _mapping(value: Any, path: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}: expected keys with values")
    return value


def _renamed(problem: str, theirs: Mapping[str, str]) -> str:
    key, _, rest = problem.partition(":")
    return f"{theirs.get(key, key)}:{rest}"
