"""Which kinds are served now: the built-in ones and those that CustomResourceDefinitions add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudstub.kinds.kind import Kind


class Catalog:
    """Kinds by (group, plural)."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {(kind.group, kind.plural): kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind served under this path, or None."""
        kind = self._kinds.get((group, plural))
        return kind if kind is not None and version in kind.versions else None

    def by_resource(self, resource: str) -> Kind | None:
        """``deployments.apps`` to its kind."""
        plural, _, group = resource.partition(".")
        return self._kinds.get((group, plural))

    def by_kind(self, group: str, kind: str) -> Kind | None:
        return next((k for k in self._kinds.values() if k.group == group and k.kind == kind), None)

    def install(self, kind: Kind) -> None:
        self._kinds[(kind.group, kind.plural)] = kind

    def remove(self, group: str, plural: str) -> None:
        self._kinds.pop((group, plural), None)

    def groups(self) -> dict[str, list[str]]:
        """Group names other than core to their served versions, the best first."""
        groups: dict[str, list[str]] = {}
        for kind in self._kinds.values():
            if kind.group:
                versions = groups.setdefault(kind.group, [])
                versions += [v for v in kind.preferred or tuple(kind.versions) if v not in versions]
        return {group: sorted(versions, key=version_rank, reverse=True) for group, versions in groups.items()}

    def of_group(self, group: str, version: str) -> list[Kind]:
        found = [k for k in self._kinds.values() if k.group == group and version in k.versions]
        return sorted(found, key=lambda kind: kind.plural)


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: GA above beta above alpha, higher numbers first, other names last."""
    for stage, word in ((2, "beta"), (1, "alpha"), (3, "")):
        major, found, minor = version.removeprefix("v").partition(word) if word else (version.removeprefix("v"), "", "0")
        if version.startswith("v") and major.isdecimal() and minor.isdecimal() and (found or not word):
            return (stage, int(major), int(minor), version)
    return (0, 0, 0, version)
