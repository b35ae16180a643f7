"""The files of an identity: whole or not there, and mended after a cut at any step."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from edgecore.certs import keys
from edgecore.certs.files import IdentityFiles, _alone, belong_together, check_writable, settle, store_pair, stored_identity, write_whole
from edgecore.certs.identity import NodeIdentity
from edgecore.errors import IdentityError
from tests.unit.cloudcore.pki.made import DAY, NOW, authority


@pytest.fixture
def files(tmp_path: Path) -> IdentityFiles:
    return IdentityFiles(tmp_path / "ca.crt", tmp_path / "edge.crt", tmp_path / "edge.key")


def pair() -> tuple[bytes, bytes, NodeIdentity]:
    """Certificate (PEM), key (PEM) and facts of node edge1."""
    made = keys.make_candidate("edge1")
    pem = keys.to_pem(authority().sign_node(made.request, "edge1", now=NOW, lifetime=DAY))
    return pem, made.key_pem, keys.describe(pem, keys.to_pem(authority().certificate))


def test_a_pair_is_stored_with_its_facts(files: IdentityFiles) -> None:
    certificate, key, identity = pair()
    store_pair(files, certificate, key, identity)
    assert belong_together(files.certificate, files.key)
    assert stored_identity(files) == identity
    assert not files.next_key.exists()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (files.key, files.certificate)] == [0o600, 0o644]


def test_a_cut_before_the_certificate_keeps_the_old_pair(files: IdentityFiles) -> None:
    store_pair(files, *pair())
    write_whole(files.next_key, pair()[1], 0o600)
    settle(files)
    assert belong_together(files.certificate, files.key)
    assert not files.next_key.exists()


def test_a_cut_after_the_certificate_is_finished(files: IdentityFiles) -> None:
    store_pair(files, *pair())
    certificate, key, _ = pair()
    write_whole(files.next_key, key, 0o600)
    write_whole(files.certificate, certificate, 0o644)
    assert not belong_together(files.certificate, files.key)
    settle(files)
    assert belong_together(files.certificate, files.key)
    assert files.key.read_bytes() == key


def test_settling_waits_for_a_replacement_under_way_in_another_process(files: IdentityFiles) -> None:
    """It would throw the key away whose certificate is written the next moment, and nobody could prove the node any more."""
    store_pair(files, *pair())
    certificate, key, _ = pair()
    with _alone(files):
        write_whole(files.next_key, key, 0o600)
        settling = threading.Thread(target=settle, args=[files])
        settling.start()
        write_whole(files.certificate, certificate, 0o644)
        assert files.next_key.exists()
    settling.join(5)
    assert belong_together(files.certificate, files.key)


def test_facts_of_another_certificate_do_not_count(files: IdentityFiles) -> None:
    store_pair(files, *pair())
    write_whole(files.certificate, pair()[0], 0o644)
    assert stored_identity(files) is None


def test_a_refusal_of_the_disk_leaves_what_was_there(files: IdentityFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(files.key, b"old", 0o600)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(IdentityError, match=r"edge\.key: cannot be written: No space left on device"):
        write_whole(files.key, b"fresh", 0o600)
    assert files.key.read_bytes() == b"old"
    assert [path.name for path in files.key.parent.iterdir()] == ["edge.key"]


def test_a_place_that_cannot_be_written_is_found_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "a" / "b" / "c")
    with pytest.raises(IdentityError, match="cannot be written"):
        check_writable(tmp_path / "file" / "c")


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_files_that_are_no_certificates_do_not_belong_together(files: IdentityFiles, content: bytes) -> None:
    write_whole(files.certificate, content, 0o644)
    write_whole(files.key, pair()[1], 0o600)
    assert not belong_together(files.certificate, files.key)
    with pytest.raises(IdentityError):
        keys.describe(content, keys.to_pem(authority().certificate))
