"""The secrets that lie on this board, so that they can be looked for in what leaves it. None of these files goes into a bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from componentconfig.setting import entries
from edgecore.diag import masking
from edgecore.doctor.board import NeedsRoot
from edgecore.doctor.case import Case
from edgecore.errors import EdgeCoreError
from edgecore.store import inspection

_REGISTRY_FILES = ("/run/containers/*/auth.json", "/root/.docker/config.json", "/root/.config/containers/auth.json")


def known_secrets(case: Case) -> set[str]:
    """As far as we may read: what we may not read we cannot give away."""
    return {form for find in (_of_config, _of_files, _of_database, _of_registries) for form in _quietly(find, case)}


def without_secrets(config: Any) -> Any:
    """The config with every secret setting masked."""
    changed = {}
    for entry in entries(type(config)):
        value = getattr(config, entry.attribute)
        if entry.section is not None:
            changed[entry.attribute] = without_secrets(value)
        elif entry.setting.secret and value:
            changed[entry.attribute] = masking.MASK
    return type(config)(**{field.name: changed.get(field.name, getattr(config, field.name)) for field in fields(config)})


def _quietly(find: Any, case: Case) -> set[str]:
    try:
        return set(find(case))
    except (NeedsRoot, EdgeCoreError, OSError):
        return set()


def _of_config(case: Case) -> Iterator[str]:
    """Of the settings, and of the text, which may be no config at all."""
    for secret in _secret_settings(case.config):
        yield from masking.forms_of(secret)
    yield from masking.named_in(case.board.text(case.config_file))


def _secret_settings(config: Any) -> Iterator[str]:
    for entry in entries(type(config)):
        value = getattr(config, entry.attribute)
        if is_dataclass(value):
            yield from _secret_settings(value)
        elif entry.setting.secret and value:
            yield str(value)


def _of_files(case: Case) -> Iterator[str]:
    key = case.config.modules.edgehub.tls_private_key_file
    for path in (key, f"{key}.next"):
        yield from masking.forms_of(case.board.text(path))


def _of_database(case: Case) -> Iterator[str]:
    if case.board.exists(case.config.database.data_source):
        for value in inspection.secret_values(case.database):
            yield from masking.forms_of_secret_value(value)
        for token in inspection.token_values(case.database):
            yield from masking.forms_of(token)


def _of_registries(case: Case) -> Iterator[str]:
    for pattern in _REGISTRY_FILES:
        for path in case.board.find(pattern):
            try:
                document = json.loads(case.board.text(path))
            except ValueError:
                continue
            for leaf in masking.hidden_in(document):
                yield from masking.forms_of(leaf)
