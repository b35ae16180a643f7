from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from edgecore.edged.errors import VolumeProblem
from edgecore.edged.fields import Surroundings
from edgecore.edged.pod import read_pod
from edgecore.edged.sources import Source, TokenFound, TokenWish, sources_of, token_wishes
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


TOKEN = {"projected": {"sources": [{"serviceAccountToken": {"audience": "vault", "expirationSeconds": 700, "path": "token"}}]}}
WISH = TokenWish("vault", 700)


@pytest.mark.parametrize(
    ("security", "own", "expected"),
    [
        ({}, {}, File(b"T", 0o644)),
        ({"fsGroup": 5}, {}, File(b"T", 0o600)),
        ({"runAsUser": 7}, {}, File(b"T", 0o600, 7)),
        ({"runAsUser": 7}, {"runAsUser": 8}, File(b"T", 0o600, 8)),
    ],
)
def test_a_token_is_a_file_for_the_pods_user_or_group_in_memory(security: dict[str, Any], own: dict[str, Any], expected: File) -> None:
    plan = read_pod(pod(container(securityContext=own), volumes=[{"name": "v", **TOKEN}], securityContext=security))
    (found,) = volumes_of(plan, {}, AROUND, {WISH: TokenFound("T", "no newer one")})
    assert found == Files("v", {"token": expected}, in_memory=True, group=security.get("fsGroup"))


def test_a_token_for_users_that_differ_is_nobodys_own() -> None:
    containers = [container("a", securityContext={"runAsUser": 7}), container("b")]
    plan = read_pod(pod(*containers, volumes=[{"name": "v", **TOKEN}]))
    (found,) = volumes_of(plan, {}, AROUND, {WISH: TokenFound("T")})
    assert isinstance(found, Files)
    assert found.files == {"token": File(b"T", 0o644)}


def test_a_token_that_a_pod_asked_for_itself_is_waited_for_in_a_kubelets_words() -> None:
    plan = read_pod(pod(volumes=[{"name": "v", **TOKEN}]))
    assert token_wishes(plan.spec) == {WISH: True}
    with pytest.raises(VolumeProblem) as caught:
        volumes_of(plan, {}, AROUND, {WISH: TokenFound(problem="none offered")})
    assert str(caught.value) == 'MountVolume.SetUp failed for volume "v" : failed to fetch token: none offered'


API_ACCESS: dict[str, Any] = {
    "name": "kube-api-access-x7k2p",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
    },
}
ROOT_CA: dict[Source, dict[str, Any] | None] = {Source("configmap", "kube-root-ca.crt"): {"data": {"ca.crt": "PEM"}}}


@pytest.mark.parametrize(
    ("documents", "found", "names"),
    [
        ({}, TokenFound(problem="none"), {"namespace"}),
        (ROOT_CA, TokenFound(problem="none"), {"namespace", "ca.crt"}),
        ({Source("configmap", "kube-root-ca.crt"): {"data": {}}}, TokenFound("T"), {"namespace", "token"}),
        (ROOT_CA, TokenFound("T"), {"namespace", "ca.crt", "token"}),
    ],
)
def test_the_volume_for_calling_back_an_api_server_holds_what_there_is(
    documents: dict[Source, dict[str, Any] | None], found: TokenFound, names: set[str]
) -> None:
    mounting = container(volumeMounts=[{"name": API_ACCESS["name"], "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])
    plan = read_pod(pod(mounting, volumes=[API_ACCESS]))
    (wish,) = token_wishes(plan.spec)
    assert not token_wishes(plan.spec)[wish]
    (volume,) = volumes_of(plan, documents, AROUND, {wish: found})
    assert isinstance(volume, Files)
    assert set(volume.files) == names
    assert volume.in_memory
    assert [mount.volume for mount in mounts_of(mounting, plan, {})] == [API_ACCESS["name"]]


def test_a_volume_that_only_has_the_name_of_one_for_calling_back_is_as_any_other() -> None:
    plan = read_pod(pod(volumes=[{"name": "kube-api-access-x", "configMap": {"name": "none"}}]))
    with pytest.raises(VolumeProblem):
        volumes_of(plan, {}, AROUND)


def test_a_token_that_two_volumes_name_is_needed_where_one_of_them_needs_it() -> None:
    own = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "t"}}]}}
    for volumes in ([API_ACCESS, own], [own, API_ACCESS]):
        assert token_wishes({"volumes": volumes}) == {TokenWish("", 3607): True}


def test_a_token_shows_in_no_text() -> None:
    assert "T0ken" not in repr(TokenFound("T0ken"))


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
