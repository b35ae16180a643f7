"""Where rules come from: objects of the cloud and documents of files. A broken one is a rule too, and says what is wrong with it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecore.store.rules import FILE_PREFIX
from viaduct.rules.rule import MalformedRule, Rule, is_small, nodes_of, read_file_rule, read_rule

CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Source:
    """``key``: of the object as MetaManager has it, or ``file/…``. ``origin``: ``cloud``, or the path of a file. ``fault``: why there is no
    ``rule``."""

    key: str
    namespace: str
    name: str
    origin: str
    spec: Mapping[str, Any]
    rule: Rule | None
    fault: str = ""
    uid: str = ""

    @property
    def digest(self) -> str:
        """Of what it says: another digest is another rule, which begins anew."""
        text = json.dumps([self.uid, self.spec], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def from_cloud(key: str, value: str, uid: str) -> Source:
    namespace, _, name = key.split("/", 2)
    try:
        obj = json.loads(value)
    except (ValueError, RecursionError):
        obj = None
    try:
        rule, fault = read_rule(obj), ""
    except MalformedRule as exc:
        rule, fault = None, str(exc)
    return Source(key, namespace, name, CLOUD, _spec(obj), rule, fault, uid)


def from_file(documents: list[Any], place: str, node: str) -> list[Source]:
    """The rules of one file; those that name other nodes only are left out, so that boards may share a folder."""
    found = []
    for index, document in enumerate(documents):
        named = nodes_of(document) if is_small(document) else ()
        if not named or node in named:
            found.append(_from_document(document, place, index))
    return found


def from_folder(files: Mapping[str, list[Source]], faults: Mapping[str, str]) -> list[Source]:
    """The rules of all files. Of two with one name the first counts; a file that cannot be read at all shows as a rule of its name."""
    found: dict[str, Source] = {}
    for sources in files.values():
        for source in sources:
            known = found.get(source.key)
            if known is None:
                found[source.key] = source
            else:
                key = f"{source.key}@{source.origin}"
                fault = f"metadata.name: {known.origin} has a rule of this name too"
                found[key] = Source(key, source.namespace, source.name, source.origin, source.spec, None, fault)
    for file, fault in faults.items():
        key = f"{FILE_PREFIX}{file}"
        found[key] = Source(key, "", file, file, {}, None, fault)
    return list(found.values())


def _from_document(document: Any, place: str, index: int) -> Source:
    try:
        namespace, name, rule = read_file_rule(document)
    except MalformedRule as exc:
        metadata = document.get("metadata") if isinstance(document, dict) else None
        told = metadata.get("name") if isinstance(metadata, dict) else None
        name = told if isinstance(told, str) and told else f"{place.rpartition('/')[2]}[{index}]"
        return Source(f"{FILE_PREFIX}{place}[{index}]", "", name, place, _spec(document), None, str(exc))
    return Source(f"{FILE_PREFIX}{namespace}/{name}", namespace, name, place, _spec(document), rule)


def _spec(obj: Any) -> Mapping[str, Any]:
    """As plain JSON, which YAML is not: it has dates, and keys that are no text."""
    spec = obj.get("spec") if isinstance(obj, dict) else None
    if not isinstance(spec, dict) or not is_small(spec):
        return {}
    plain: dict[str, Any] = json.loads(json.dumps(spec, default=str, skipkeys=True))
    return plain
