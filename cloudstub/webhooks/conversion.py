"""Objects of custom kinds in the version that a client speaks, through the webhook of their definition where they have one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from cloudstub.errors import ApiError
from cloudstub.kinds.conversion import Unconverted, converted, review
from cloudstub.kinds.kind import Kind
from cloudstub.store.records import Object, Record, encode
from cloudstub.webhooks.caller import Caller, WebhookUnanswered

SECONDS = 30.0
BATCH = 500


class Conversion:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def records(self, kind: Kind, version: str, records: Sequence[Record]) -> list[Record]:
        """The records as ``version``; those that need no webhook are the same ones."""
        if kind.converter is None or all(is_in(record, kind, version) for record in records):
            return list(records)
        values = await self.objects(kind, version, [record.value for record in records])
        return [
            record if value is record.value else Record(record.key, record.uid, record.revision, encode(value))
            for record, value in zip(records, values, strict=True)
        ]

    async def body(self, kind: Kind, version: str, record: Record) -> bytes:
        return (await self.records(kind, version, [record]))[0].body

    async def objects(self, kind: Kind, version: str, objects: Sequence[Object]) -> list[Object]:
        """The objects as ``version``; the same ones where they are so already.

        Raises:
            ApiError: the webhook failed.
        """
        wanted = kind.api_version(version)
        other = [obj for obj in objects if obj.get("apiVersion") != wanted]
        if kind.converter is None:
            return [obj if obj.get("apiVersion") == wanted else {**obj, "apiVersion": wanted} for obj in objects]
        made: list[Object] = []
        for start in range(0, len(other), BATCH):
            made += await self._ask(kind, wanted, other[start : start + BATCH])
        news = iter(made)
        return [obj if obj.get("apiVersion") == wanted else next(news) for obj in objects]

    async def _ask(self, kind: Kind, wanted: str, objects: list[Object]) -> list[Object]:
        assert kind.converter is not None
        uid = str(uuid.uuid4())
        try:
            answer = await self._caller.post(kind.converter, review(uid, objects, wanted), seconds=SECONDS)
            return converted(answer, uid, objects, wanted)
        except (WebhookUnanswered, Unconverted) as exc:
            raise ApiError(f"conversion webhook for {objects[0].get('apiVersion')}, Kind={kind.kind} failed: {exc}") from exc


def is_in(record: Record, kind: Kind, version: str) -> bool:
    """Whether the record is stored as ``version``; told by its first bytes, without decoding it."""
    return record.body.startswith(f'{{"apiVersion":"{kind.api_version(version)}"'.encode())
