"""What the files of the FAT partition mean together, and what stays in them after use."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from componentconfig.errors import ConfigError
from componentconfig.file import parse
from componentconfig.rendering import render_full
from componentconfig.suggestion import shown
from edgecore.certs.joinconfig import with_values
from edgecore.errors import ConfigError as EdgeConfigError
from edgecore.firstboot import imager
from edgecore.firstboot.settings import FirstBoot, over, settings

OURS = "bramble.yaml"
SECRETS: tuple[tuple[str, ...], ...] = (("wifi", "passphrase"), ("cloud", "token"))
FILES = (OURS, imager.USER_DATA, imager.NETWORK_CONFIG, imager.CUSTOM_TOML)
"""In the order in which they count."""

MISNAMED = ("bramble.yaml.txt", "bramble.yml", "bramble.txt")
"""What an editor or a person makes of the name."""

_TAKEN = "# What stood here was taken over by Bramble at the first boot. Later changes: bramble.yaml.\n"


@dataclass(frozen=True, slots=True)
class Found:
    """``settings`` hold only where there are no ``problems``. ``notes`` name what is left aside."""

    settings: FirstBoot
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def understand(texts: Mapping[str, str], names: tuple[str, ...] = ()) -> Found:
    """``texts`` are the known files that are there, by name; ``names`` everything that lies beside them."""
    found = FirstBoot()
    problems: list[str] = []
    notes = [f"{name} is not read or run; {OURS} says what it would" for name in names if name == imager.FIRSTRUN]
    problems += [f"{name}: rename it to {OURS}" for name in names if name in MISNAMED and OURS not in texts]
    for name in FILES:
        if name not in texts:
            continue
        try:
            if name == OURS:
                found = over(found, settings(parse(OURS, texts[name])))
                continue
            reading = _READERS[name](texts[name])
            found = over(found, imager.read_wishes(name, reading))
            notes += [f"{name}: {key} is left aside" for key in reading.left]
        except ConfigError as exc:
            problems += [problem if problem.startswith(name) else f"{name}: {problem}" for problem in exc.problems]
    return Found(found, tuple(problems), tuple(notes))


def without_secrets(texts: Mapping[str, str]) -> dict[str, str]:
    """The files that change when their secrets go, as they are then. Imager's are emptied whole: they are a program's, not a person's."""
    changed = {name: _emptied(name) for name in texts if name != OURS and texts[name] != _emptied(name)}
    if OURS in texts and (blanked := _blanked(texts[OURS])) != texts[OURS]:
        changed[OURS] = blanked
    return changed


def _blanked(text: str) -> str:
    found = settings(parse(OURS, text))
    held: dict[tuple[str, ...], str] = {("wifi", "passphrase"): found.wifi.passphrase, ("cloud", "token"): found.cloud.token}
    changes = {path: "" for path in SECRETS if held[path]}
    if not changes:
        return text
    try:
        blanked = with_values(text, changes)
        if not any(secret in blanked for secret in held.values() if secret):
            return blanked
    except EdgeConfigError:
        pass  # laid out in braces, perhaps
    # A secret that stands elsewhere too, in a comment say, goes with all comments.
    return render_full(settings(_without(parse(OURS, text))))


def _without(tree: Any) -> Any:
    sections = {path[0]: path[1] for path in SECRETS}
    if not isinstance(tree, dict):
        return tree
    return {
        key: {name: value for name, value in body.items() if str(name).lower() != sections.get(str(key).lower())}
        if isinstance(body, dict)
        else body
        for key, body in tree.items()
    }


def _emptied(name: str) -> str:
    return ("#cloud-config\n" if name == imager.USER_DATA else "") + _TAKEN


def _toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigError(f"not a TOML document that can be read: {shown(str(exc))}") from exc


_READERS: dict[str, Callable[[str], imager.Reading]] = {
    imager.USER_DATA: lambda text: imager.user_data(parse(imager.USER_DATA, text)),
    imager.NETWORK_CONFIG: lambda text: imager.network_config(parse(imager.NETWORK_CONFIG, text)),
    imager.CUSTOM_TOML: lambda text: imager.custom_toml(_toml(text)),
}
