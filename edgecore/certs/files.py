"""The door to the files of an identity: CA, certificate, key. What is written is whole on the disk or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgecore.certs.identity import NodeIdentity, from_json, to_json
from edgecore.errors import IdentityError

_FILE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Paths as in ``modules.edgehub`` of the config; the facts of the certificate and the last signed time lie beside it."""

    ca: Path
    certificate: Path
    key: Path

    @property
    def facts(self) -> Path:
        return self.certificate.with_name(self.certificate.stem + ".identity.json")

    @property
    def signed_time(self) -> Path:
        return self.certificate.with_name(self.certificate.stem + ".time")

    @property
    def next_key(self) -> Path:
        return self.key.with_name(self.key.name + ".next")

    def exist(self) -> bool:
        """Whether there is anything that a fresh identity would overwrite."""
        return self.certificate.exists() or self.key.exists()


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write beside, sync, rename, sync the directory: power may fail at any instant.

    Raises:
        IdentityError: the disk refused; what was there is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _make_folder(path)
        with suppress(FileNotFoundError):
            beside.unlink()
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_directory(path.parent)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink()
        raise IdentityError(f"{path}: cannot be written: {exc.strerror}") from exc


def check_writable(*paths: Path) -> None:
    """Raises: IdentityError: one of them could not be written (no permission, a read-only disk, a file where a directory should be)."""
    for path in paths:
        nearest = next(parent for parent in path.parents if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise IdentityError(f"{path}: cannot be written: {nearest} does not let us")


def read_file(path: Path) -> bytes:
    """Raises: IdentityError: it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT)
    except OSError as exc:
        raise IdentityError(f"{path}: cannot be read: {exc.strerror}") from exc


def store_pair(files: IdentityFiles, certificate_pem: bytes, key_pem: bytes, identity: NodeIdentity) -> None:
    """Replace certificate and key. They are two files and cannot change in one instant, so ``settle`` can finish what was begun.

    Raises:
        IdentityError: the disk refused.
    """
    _make_folder(files.key)
    with _alone(files):
        write_whole(files.next_key, key_pem, 0o600)
        write_whole(files.certificate, certificate_pem, 0o644)
        _settle(files)
        write_whole(files.facts, to_json(identity), 0o644)


def settle(files: IdentityFiles) -> None:
    """Finish or forget a replacement that was cut short: keep the key that fits the certificate."""
    if files.next_key.exists():
        with _alone(files):
            _settle(files)


@contextmanager
def _alone(files: IdentityFiles) -> Iterator[None]:
    """One at a time, among processes too: who settles in the middle of a replacement would throw the key away that is about to count."""
    try:
        handle = os.open(files.key.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        raise IdentityError(f"{files.key.parent}: cannot be read: {exc.strerror}") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _settle(files: IdentityFiles) -> None:
    if not files.next_key.exists():
        return
    try:
        if belong_together(files.certificate, files.next_key):
            os.replace(files.next_key, files.key)
        else:
            files.next_key.unlink()
        _sync_directory(files.key.parent)
    except OSError as exc:
        raise IdentityError(f"{files.key}: cannot be written: {exc.strerror}") from exc


def belong_together(certificate: Path, key: Path) -> bool:
    """Whether the two files can be read and the key is that of the certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)
    except (OSError, ValueError):
        return False
    return True


def stored_identity(files: IdentityFiles) -> NodeIdentity | None:
    """The facts beside the certificate, or None where they are missing or those of another certificate."""
    try:
        identity = from_json(read_file(files.facts))
        return identity if identity and identity.digest == digest_of(read_file(files.certificate)) else None
    except IdentityError:
        return None


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _make_folder(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
