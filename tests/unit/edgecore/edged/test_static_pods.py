from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from edgecore.edged.static_folder import StaticFolder, StaticPodsRead
from edgecore.edged.static_pods import is_static, static_pods

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def read(*documents: Any) -> list[dict[str, Any]]:
    return static_pods(list(documents), file="web.yaml", node="edge1")


def test_a_static_pod_is_named_after_its_node_and_is_another_one_when_its_file_changes() -> None:
    (first,) = read(POD)
    (other,) = read({**POD, "spec": {"containers": [{"name": "c", "image": "j"}]}})
    assert (first["metadata"]["name"], first["metadata"]["namespace"], first["spec"]["nodeName"]) == ("web-edge1", "default", "edge1")
    assert first["metadata"]["uid"] == read(POD)[0]["metadata"]["uid"] != other["metadata"]["uid"]
    assert is_static(first) and not is_static(POD)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("word", "web.yaml: expected a Pod"),
        ({**POD, "kind": "Job"}, "web.yaml: kind: expected Pod of apiVersion v1, got 'Job'"),
        ({**POD, "metadata": {}}, "web.yaml: metadata.name: expected text"),
        ({**POD, "spec": []}, "web.yaml: spec: expected an object"),
        ({**POD, "spec": {"containers": [{"name": "c"}]}}, "web.yaml: spec.containers[0]: expected a container with name and image"),
    ],
)
def test_a_file_that_holds_no_pod_says_what_is_wrong_with_it(document: Any, text: str) -> None:
    with pytest.raises(ValueError, match="web") as caught:
        read(document)
    assert str(caught.value) == text


def test_the_folder_is_told_when_it_changes_and_a_slip_in_a_file_loses_no_pod(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[list[str]] = []

    def deliver(letter: object) -> None:
        assert isinstance(letter, StaticPodsRead)
        told.append([pod["metadata"]["name"] for pod in letter.pods])

    folder = StaticFolder(tmp_path / "manifests", "edge1", deliver)
    folder.look()
    assert told == []
    (tmp_path / "manifests").mkdir()
    file = tmp_path / "manifests" / "web.yaml"
    file.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i}]}\n---\n")
    (tmp_path / "manifests" / "notes.txt").write_text("no pod")
    folder.look()
    folder.look()
    assert told == [["web-edge1"]]
    with caplog.at_level(logging.ERROR):
        file.write_text("{")
        folder.look()
    assert told[-1] == ["web-edge1"] and "the static pods that the file had before stay" in caplog.text
    file.unlink()
    folder.look()
    assert told[-1] == []
