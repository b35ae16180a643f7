"""Pods that a person lays into a folder of the board: they run without any cloud having heard of them. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from edgecore.edged.pod import read_pod

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
FILE = "file"


def static_pods(documents: list[Any], *, file: str, node: str) -> list[dict[str, Any]]:
    """The pods of one file, as a kubelet would name them: ``<name>-<node>``; another content is another pod.

    Raises:
        ValueError: a document that is no pod; the text names the file and the field.
    """
    return [_pod(document, f"{file}[{index}]" if len(documents) > 1 else file, node) for index, document in enumerate(documents)]


def is_static(document: dict[str, Any]) -> bool:
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    return isinstance(annotations, dict) and annotations.get(SOURCE) == FILE


def _pod(document: Any, place: str, node: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"{place}: expected a Pod")
    if document.get("kind") != "Pod" or document.get("apiVersion") != "v1":
        raise ValueError(f"{place}: kind: expected Pod of apiVersion v1, got {str(document.get('kind'))[:40]!r}")
    metadata, spec = document.get("metadata"), document.get("spec")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise ValueError(f"{place}: metadata.name: expected text")
    if not isinstance(spec, dict):
        raise ValueError(f"{place}: spec: expected an object")
    content = hashlib.sha256(repr((node, document)).encode()).hexdigest()[:32]
    named = {
        **metadata,
        "name": f"{metadata['name']}-{node}",
        "namespace": str(metadata.get("namespace") or "default"),
        "uid": f"{content[:8]}-{content[8:12]}-{content[12:16]}-{content[16:20]}-{content[20:]}",
        "annotations": {**(metadata.get("annotations") or {}), SOURCE: FILE, HASH: content},
    }
    made = {**document, "metadata": named, "spec": {**spec, "nodeName": node}}
    try:
        read_pod(made)
    except ValueError as exc:
        raise ValueError(f"{place}: {exc}") from exc
    return made
