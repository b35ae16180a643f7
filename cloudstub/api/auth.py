"""Who sent a request: a bearer token of the token file, or a client certificate of our CA."""

from __future__ import annotations

import csv
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cloudstub.errors import ConfigError, Unauthorized
from cloudstub.verbs.reviews import User

ADMIN = User("admin", "admin", ("system:masters", "system:authenticated"))


class Authenticator:
    """Tokens are kept as their hashes, so that looking one up tells nothing by its time."""

    def __init__(self, tokens: Iterable[tuple[str, User]]) -> None:
        self._users = {_digest(token): user for token, user in tokens}

    def by_token(self, token: str) -> User | None:
        return self._users.get(_digest(token)) if token else None

    def user(self, authorization: str, certificate: dict[str, Any] | None) -> User:
        """Who it is. ``certificate`` is the verified peer certificate, as ssl decodes it.

        Raises:
            Unauthorized: nobody that we know.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            user = self.by_token(token.strip())
            if user is not None:
                return user
        elif certificate:
            return _subject(certificate)
        raise Unauthorized("Unauthorized")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _subject(certificate: dict[str, Any]) -> User:
    fields = [(name, value) for part in certificate.get("subject", ()) for name, value in part]
    names = [value for name, value in fields if name == "commonName"]
    groups = tuple(value for name, value in fields if name == "organizationName")
    if not names:
        raise Unauthorized("the client certificate has no common name")
    return User(names[0], groups=(*groups, "system:authenticated"))


def read_tokens(path: Path) -> list[tuple[str, User]]:
    """The static token file: ``token,user,uid,"group1,group2"`` on each line.

    Raises:
        ConfigError: a line that is none, or no file to read.
    """
    try:
        rows = [(i, row) for i, row in enumerate(csv.reader(path.read_text().splitlines()), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise ConfigError(f"token file {path}: {exc}") from exc
    for number, row in rows:
        if len(row) < 3 or not row[0].strip() or not row[1].strip():
            raise ConfigError(f'token file {path}, line {number}: expected token,user,uid[,"group1,group2"]')
    return [(row[0].strip(), User(row[1].strip(), row[2].strip(), _groups(row))) for _, row in rows]


def _groups(row: list[str]) -> tuple[str, ...]:
    listed = row[3].split(",") if len(row) > 3 else []
    return (*(group.strip() for group in listed if group.strip()), "system:authenticated")


def ensure_tokens(path: Path) -> str:
    """Make the token file if it is missing; gives the first token in it, the administrator's."""
    if not path.exists():
        line = f'{secrets.token_urlsafe(32)},{ADMIN.name},{ADMIN.uid},"{ADMIN.groups[0]}"\n'
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(line)
    tokens = read_tokens(path)
    if not tokens:
        raise ConfigError(f"token file {path}: holds no token")
    return tokens[0][0]
