from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from edgecore.edged.errors import VolumeProblem
from edgecore.edged.fields import Surroundings
from edgecore.edged.pod import read_pod
from edgecore.edged.sources import Source, sources_of
from edgecore.edged.volume_files import VolumeFiles, memory_root
from edgecore.edged.volumes import Claim, Empty, File, Files, Host, Volume, mounts_of, volumes_of
from tests.unit.edgecore.edged.pods import container, pod

AROUND = Surroundings("edge1", "192.168.1.9", cpu=4, memory=1024)
DOCUMENTS: dict[Source, dict[str, Any] | None] = {
    Source("configmap", "conf"): {"data": {"a.txt": "A", "b.txt": "B"}, "binaryData": {"c.bin": base64.b64encode(b"\0C").decode()}},
    Source("secret", "pass"): {"data": {"word": base64.b64encode(b"s3cret").decode()}},
    Source("configmap", "evil"): {"data": {"../up": "x"}},
}


def volume(**entry: Any) -> Volume:
    plan = read_pod(pod(volumes=[{"name": "v", **entry}], metadata={"labels": {"app": "web"}}))
    (found,) = volumes_of(plan, DOCUMENTS, AROUND)
    return found


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"emptyDir": {}}, Empty("v")),
        ({"emptyDir": {"medium": "Memory"}}, Empty("v", in_memory=True)),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, Empty("v", in_memory=True, size=1024**2)),
        ({"persistentVolumeClaim": {"claimName": "data", "readOnly": True}}, Claim("v", "data", read_only=True)),
        ({"hostPath": {"path": "/dev", "type": "Directory"}}, Host("v", "/dev", "Directory")),
        (
            {"configMap": {"name": "conf"}},
            Files("v", {"a.txt": File(b"A", 0o644), "b.txt": File(b"B", 0o644), "c.bin": File(b"\0C", 0o644)}),
        ),
        (
            {"configMap": {"name": "conf", "defaultMode": 0o400, "items": [{"key": "a.txt", "path": "d/x"}]}},
            Files("v", {"d/x": File(b"A", 0o400)}),
        ),
        ({"secret": {"secretName": "pass"}}, Files("v", {"word": File(b"s3cret", 0o644)}, in_memory=True)),
        ({"configMap": {"name": "none", "optional": True}}, Files("v", {})),
        ({"configMap": {"name": "conf", "optional": True, "items": [{"key": "zzz", "path": "z"}]}}, Files("v", {})),
        (
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            Files("v", {"labels": File(b'app="web"', 0o644)}),
        ),
        (
            {
                "projected": {
                    "sources": [{"secret": {"name": "pass"}}, {"configMap": {"name": "conf", "items": [{"key": "a.txt", "path": "a"}]}}]
                }
            },
            Files("v", {"word": File(b"s3cret", 0o644), "a": File(b"A", 0o644)}, in_memory=True),
        ),
    ],
)
def test_what_a_volume_becomes(entry: dict[str, Any], expected: Volume) -> None:
    assert volume(**entry) == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"configMap": {"name": "none"}}, 'MountVolume.SetUp failed for volume "v" : configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'MountVolume.SetUp failed for volume "v" : secret "none" not found'),
        ({"configMap": {"name": "conf", "items": [{"key": "zzz", "path": "z"}]}}, "references non-existent config key: zzz"),
        ({"configMap": {"name": "conf", "items": [{"key": "a.txt", "path": "../z"}]}}, "expected a relative path without '..'"),
        ({"configMap": {"name": "conf", "items": [{"key": "a.txt", "path": "/etc/z"}]}}, "expected a relative path without '..'"),
        ({"configMap": {"name": "conf", "items": [{"key": "a.txt", "path": "..data"}]}}, "expected a relative path without '..'"),
        ({"configMap": {"name": "evil"}}, "expected a relative path without '..'"),
        ({"hostPath": {"path": "etc"}}, "expected an absolute path"),
        ({"hostPath": {"path": "/a/../b"}}, "expected an absolute path"),
        ({"nfs": {"server": "x"}}, "kind nfs is not supported on this node"),
        ({"emptyDir": {}, "name": "../x"}, "the name is not usable"),
    ],
)
def test_a_volume_that_cannot_be_says_why(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeProblem) as caught:
        volume(**entry)
    assert message in str(caught.value)


def test_the_volume_for_calling_back_an_api_server_is_left_out_with_its_mounts() -> None:
    name = "kube-api-access-x7k2p"
    mounting = container(volumeMounts=[{"name": name, "mountPath": "/var/run/secrets"}])
    plan = read_pod(pod(mounting, volumes=[{"name": name, "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]))
    assert volumes_of(plan, {}, AROUND) == []
    assert mounts_of(mounting, plan, {}) == []


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"name": "other", "mountPath": "/a"}, 'no volume is named "other"'),
        ({"name": "v", "mountPath": "a"}, "mountPath 'a'"),
        ({"name": "v", "mountPath": "/a/../b"}, "mountPath '/a/../b'"),
        ({"name": "v", "mountPath": "/a", "subPath": "../b"}, "path '../b'"),
        ({"name": "v", "mountPath": "/a", "subPathExpr": "$(UP)/b"}, "path '../b'"),
    ],
)
def test_a_mount_that_cannot_be_is_named(mount: dict[str, Any], message: str) -> None:
    mounting = container(volumeMounts=[mount])
    plan = read_pod(pod(mounting, volumes=[{"name": "v", "emptyDir": {}}]))
    with pytest.raises(VolumeProblem) as caught:
        mounts_of(mounting, plan, {"UP": ".."})
    assert message in str(caught.value)


def test_every_object_that_a_pod_names_is_found() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s1", "key": "k"}}}]
    document = pod(
        container(env=env, envFrom=[{"configMapRef": {"name": "c1"}}]),
        initContainers=[container("i", envFrom=[{"secretRef": {"name": "s2"}}])],
        imagePullSecrets=[{"name": "s3"}],
        volumes=[{"name": "v", "configMap": {"name": "c2"}}, {"name": "w", "secret": {"secretName": "s4"}}, {"name": "e", "emptyDir": {}}],
    )
    assert {f"{s.type}/{s.name}" for s in sources_of(document["spec"])} == {
        "configmap/c1",
        "configmap/c2",
        "secret/s1",
        "secret/s2",
        "secret/s3",
        "secret/s4",
    }


def test_files_are_swapped_as_a_whole_and_old_ones_go(tmp_path: Path) -> None:
    files = VolumeFiles(tmp_path, None)
    place = files.prepare("u1", Files("v", {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)}))
    assert ((place / "a").read_bytes(), (place / "d/b").read_bytes()) == (b"1", b"2")
    assert ((place / "a").stat().st_mode & 0o777, (place / "d/b").stat().st_mode & 0o777) == (0o644, 0o600)
    first = os.readlink(place / "..data")
    assert files.prepare("u1", Files("v", {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)})) == place
    assert os.readlink(place / "..data") == first
    files.prepare("u1", Files("v", {"a": File(b"9", 0o644)}))
    assert sorted(e for e in os.listdir(place) if not e.startswith("..")) == ["a"]
    assert (place / "a").read_bytes() == b"9"
    assert not (place / first).exists()


def test_a_reader_sees_the_old_set_or_the_new_one(tmp_path: Path) -> None:
    files = VolumeFiles(tmp_path, None)
    place = files.prepare("u1", Files("v", {"a": File(b"1", 0o644), "b": File(b"1", 0o644)}))
    holding = os.open(place / "..data", os.O_RDONLY | os.O_DIRECTORY)
    files.prepare("u1", Files("v", {"a": File(b"2", 0o644), "b": File(b"2", 0o644)}))
    assert ((place / "a").read_bytes(), (place / "b").read_bytes()) == (b"2", b"2")
    os.close(holding)


def test_secrets_lie_in_memory_where_there_is_any_and_only_root_can_reach_them(tmp_path: Path) -> None:
    files = VolumeFiles(tmp_path / "disk", tmp_path / "memory")
    place = files.prepare("u1", Files("v", {"word": File(b"x", 0o600)}, in_memory=True))
    assert place.is_relative_to(tmp_path / "memory")
    assert (tmp_path / "memory/pods/u1").stat().st_mode & 0o777 == 0o700
    files.prepare("u1", Empty("e"))
    assert files.known() == {"u1"}
    files.forget("u1")
    assert files.known() == set()


def test_a_tmpfs_is_used_only_if_it_is_one(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"tmpfs {tmp_path} tmpfs rw 0 0\n/dev/x / ext4 rw 0 0\n")
    assert memory_root("i", mounts=mounts, candidates=("/nowhere", str(tmp_path))) == tmp_path / "bramble-i"
    assert memory_root("i", mounts=mounts, candidates=("/",)) is None
    assert memory_root("i", mounts=tmp_path / "missing") is None


def test_a_sub_path_is_made_and_never_leads_out_of_its_volume(tmp_path: Path) -> None:
    files = VolumeFiles(tmp_path, None)
    place = files.prepare("u1", Empty("v"))
    assert files.inside(place, "a/b").is_dir()
    assert (place / "a/b").stat().st_mode & 0o7777 == place.stat().st_mode & 0o7777
    (place / "out").symlink_to("/etc")
    for escape in ("out", "out/cron.d", "out/made-by-us"):
        with pytest.raises(VolumeProblem, match="leads out"):
            files.inside(place, escape)
    assert not Path("/etc/made-by-us").exists()


@pytest.mark.parametrize(
    ("kind", "name", "fine"),
    [
        ("", "fresh", True),
        ("DirectoryOrCreate", "fresh", True),
        ("FileOrCreate", "fresh", True),
        ("Directory", "fresh", False),
        ("File", "fresh", False),
        ("Directory", "file", False),
        ("File", "file", True),
        ("Socket", "file", False),
        ("CharDevice", "file", False),
        ("Nonsense", "file", False),
    ],
)
def test_the_type_of_a_host_path_is_checked(tmp_path: Path, kind: str, name: str, fine: bool) -> None:
    (tmp_path / "file").touch()
    files, wanted = VolumeFiles(tmp_path / "root", None), Host("v", str(tmp_path / name), kind)
    if fine:
        assert files.prepare("u1", wanted).exists()
    else:
        with pytest.raises(VolumeProblem):
            files.prepare("u1", wanted)
