"""What shape of answer a client accepts: objects, tables or metadata only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cloudstub.errors import NotAcceptable

TABLE, METADATA, METADATA_LIST, OBJECT = "Table", "PartialObjectMetadata", "PartialObjectMetadataList", ""
_JSON = ("application/json", "application/*", "*/*", "")


@dataclass(frozen=True, slots=True)
class Shape:
    """``kind`` is one of the constants above; ``version`` that of meta.k8s.io."""

    kind: str = OBJECT
    version: str = "v1"


@lru_cache(maxsize=256)
def shape_of(accept: str) -> Shape:
    """The first shape of an Accept header that is served here.

    Raises:
        NotAcceptable: there is none.
    """
    for choice in accept.split(","):
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        values = dict(p.split("=", 1) for p in parameters if "=" in p)
        if media_type not in _JSON:
            continue
        if "as" not in values:
            return Shape()
        if values.get("g") == "meta.k8s.io" and values["as"] in (TABLE, METADATA, METADATA_LIST):
            return Shape(values["as"], values.get("v", "v1"))
    raise NotAcceptable(f"only application/json is served, not {accept[:200]!r}")


def wants_aggregated_discovery(accept: str) -> bool:
    """Whether the client takes all groups and resources in one answer."""
    return any("g=apidiscovery.k8s.io" in choice and "v=v2;" in f"{choice};".replace(" ", "") for choice in accept.split(","))
