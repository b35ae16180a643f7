"""The config: can it be used, may others read its secrets, does a token lie in it for nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from componentconfig import file as configfile
from edgecore.certs.files import write_whole
from edgecore.certs.joinconfig import with_values
from edgecore.certs.jointoken import parse_token
from edgecore.config import DEFAULT_FILE
from edgecore.doctor.case import Case
from edgecore.doctor.check import Check, Group
from edgecore.doctor.verdict import Verdict, ok, skipped, warning, wrong
from edgecore.doctor.wording import in_words, minute
from edgecore.errors import IdentityError

_SHOWN = 5


def judge_config(path: str, *, configured: bool, problems: Sequence[str], warnings: Sequence[str]) -> Verdict:
    if not configured:
        return wrong(
            f"there is no config at {path}: EdgeCore is not set up",
            f"edgecore join --cloud SITE --token TOKEN writes one, or edgecore pair; without any cloud: edgecore --minconfig >{path}",
        )
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        text = "; ".join(problem if path in problem else f"{path}: {problem}" for problem in problems[:_SHOWN])
        return wrong(text + more, "correct the keys that are named; edgecore --defaultconfig explains each")
    if warnings:
        return warning(f"{path}: {'; '.join(warnings)}", "remove what is named, it does nothing here")
    return ok(f"{path} can be read")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """``most``: the permissions that it may have."""

    path: str
    permissions: int
    owner: int
    most: int = 0o600

    @property
    def open_to_others(self) -> bool:
        return bool(self.permissions & ~self.most)


def judge_secret_files(files: Sequence[SecretFile]) -> Verdict:
    exposed = [f"{file.path} (mode {file.permissions:04o})" for file in files if file.open_to_others]
    if exposed:
        return wrong("others may read " + ", ".join(exposed), "chmod 0600 on each, as their owner or root", fixable=True)
    return ok(f"{len(files)} files with secrets are their owner's alone") if files else skipped("there are no files with secrets yet")


def secret_files(case: Case) -> list[SecretFile]:
    edgehub, eventbus = case.config.modules.edgehub, case.config.modules.eventbus
    key, database = edgehub.tls_private_key_file, case.config.database.data_source
    paths = [key, f"{key}.next", *(database + side for side in ("", "-wal", "-shm", ".corrupt"))]
    if case.configured and (edgehub.token or eventbus.mqtt_password):
        paths.append(str(case.config_file))
    found = [(path, case.board.facts(path)) for path in paths]
    return [SecretFile(path, facts.permissions, facts.owner) for path, facts in found if facts is not None]


def judge_token(token: str, *, has_certificate: bool, expires: int | None, now: float) -> Verdict:
    """``expires``: epoch seconds, None where the token does not say or is none."""
    if not token:
        return ok("no join token lies in the config")
    if has_certificate:
        return warning(
            "modules.edgehub.token: a join token lies in the config and is of no use any more: this node has its certificate",
            'set modules.edgehub.token to ""',
            fixable=True,
        )
    if expires is None:
        return wrong("modules.edgehub.token: this is no join token", "take one from cloudcore token create, whole")
    if now >= expires:
        return wrong(f"modules.edgehub.token: the join token expired on {minute(expires)}", "take another from cloudcore token create")
    return ok("modules.edgehub.token: a join token that is good for another " + in_words(expires - now))


def expiry_of(token: str) -> int | None:
    """Of the text of a join token; nothing is verified, that is the cloud's."""
    try:
        payload = parse_token(token).bearer.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
        return int(found)
    except (IdentityError, ValueError, KeyError, TypeError, LookupError):
        return None


def _look_config(case: Case) -> Verdict:
    if case.hidden is not None:
        raise case.hidden
    return judge_config(str(case.config_file), configured=case.configured, problems=case.problems, warnings=case.warnings)


def _look_secret_files(case: Case) -> Verdict:
    return judge_secret_files(secret_files(case))


def _repair_secret_files(case: Case) -> str:
    exposed = [file for file in secret_files(case) if file.open_to_others]
    for file in exposed:
        case.board.protect(file.path, file.permissions & file.most)
    return f"permissions tightened: {', '.join(file.path for file in exposed)}"


def _look_token(case: Case) -> Verdict:
    edgehub = case.config.modules.edgehub
    has_certificate = case.board.exists(edgehub.tls_cert_file) if edgehub.token else False
    return judge_token(edgehub.token, has_certificate=has_certificate, expires=expiry_of(edgehub.token), now=case.board.now())


def _repair_token(case: Case) -> str:
    place: Path = case.board.place(case.config_file)
    text = with_values(configfile.read_text(place), {("modules", "edgehub", "token"): ""})
    write_whole(place, text.encode(), place.stat().st_mode & 0o777)
    return f"the token was taken out of {case.config_file}"


CHECKS = (
    Check(
        "config",
        Group.CONFIG,
        f"the config (by default {DEFAULT_FILE}) can be read and every setting is good",
        "Without a config, or with a wrong setting in it, EdgeCore does not start, and systemd does not try again until that changes.",
        _look_config,
    ),
    Check(
        "secret-files",
        Group.CONFIG,
        "key, database and a config with secrets are mode 0600",
        "Who reads the key can be this node; the database holds the Secrets of its pods.",
        _look_secret_files,
        root=True,
        repair=_repair_secret_files,
        repairs="takes the permissions of others away",
    ),
    Check(
        "token",
        Group.CONFIG,
        "a join token in the config is still good, and gone once it was used",
        "Without a certificate the token is how this board becomes a node; afterwards it is a secret that lies about.",
        _look_token,
        repair=_repair_token,
        repairs='sets modules.edgehub.token to "" where this node has its certificate',
    ),
)
