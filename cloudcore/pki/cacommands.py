"""``cloudcore ca backup|restore FILE``: the cluster's identity in a file of mode 0600, and back."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cloudcore.errors import IdentityError
from cloudcore.pki import backup
from cloudcore.pki.authority import CA_SECRET, authority_of
from cloudcore.pki.commands import add_cluster_flags
from cloudcore.pki.kubesecrets import KubeObjects, KubeSecrets

_FILE_LIMIT = 16 * 1024 * 1024


def add_ca_parser(subparsers: Any) -> None:
    """Add ``ca`` to the result of ``ArgumentParser.add_subparsers()``. Sets ``args.run``."""
    ca = subparsers.add_parser("ca", help="keep the cluster's identity in a file, and put it back")
    commands = ca.add_subparsers(dest="ca_command", required=True, metavar="backup|restore")
    keep = commands.add_parser("backup", help="write CA, key, tokens and revocations to FILE (mode 0600: keep it as you keep a key)")
    keep.add_argument("--force", action="store_true", help="replace a FILE that is there")
    restore = commands.add_parser("restore", help="give a cluster the identity in FILE, so that the boards that joined come in again")
    restore.add_argument("--force", action="store_true", help="replace another CA that the cluster has")
    for parser in (keep, restore):
        parser.add_argument("file", type=Path, metavar="FILE")
        add_cluster_flags(parser, run_ca)


async def run_ca(args: argparse.Namespace, kube: KubeObjects) -> str:
    """Do what the parsed arguments ask for; the text to print.

    Raises:
        IdentityError: the file or the cluster does not let us; nothing was changed. KubeError: the API failed.
    """
    store = KubeSecrets(kube)
    if args.ca_command == "backup":
        kept = await backup.take(store)
        _write(args.file, backup.to_text(kept), force=args.force)
        return f"identity of the cluster (CA {authority_of(kept[CA_SECRET]).pin[:16]}) written to {args.file}"
    try:
        kept = backup.from_text(_read(args.file))
    except IdentityError as exc:
        raise IdentityError(f"{args.file}: {exc}") from exc
    authority = await backup.put_back(store, kept, force=args.force)
    return f"identity restored (CA {authority.pin[:16]}); a CloudCore that runs must be started again to use it"


def _write(path: Path, text: str, *, force: bool) -> None:
    """Whole or not at all, and never over a file that somebody did not mean."""
    if path.exists() and not force:
        raise IdentityError(f"{path}: is there already; --force replaces it")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink()
        raise IdentityError(f"{path}: cannot be written: {exc.strerror}") from exc


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_LIMIT + 1)
    except OSError as exc:
        raise IdentityError(f"cannot be read: {exc.strerror}") from exc
    if len(data) > _FILE_LIMIT:
        raise IdentityError(f"larger than {_FILE_LIMIT} bytes: not a backup of an identity")
    return data.decode("utf-8", "replace")
