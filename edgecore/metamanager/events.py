"""Events from Edged on their way up (P5.7): appended to what is owed, the newest count of a name lies over the older ones in the cloud."""

from __future__ import annotations

import time

from edgecore.beehive.letters import OutboxChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import StoreError
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.transaction import Transaction
from viaduct.errors import MalformedPayload
from viaduct.message import Message, new_message
from viaduct.resource import parse_resource
from viaduct.vocabulary import Group, ModuleName, Operation, Source


class Events:
    def __init__(self, database: Database, switchboard: Switchboard) -> None:
        self._database = database
        self._switchboard = switchboard

    def take(self, message: Message) -> None:
        """Raises ViaductError: it is malformed. StoreError: the store takes nothing now."""
        path = parse_resource(message.route.resource)
        if not path.name or not isinstance(message.content, dict):
            raise MalformedPayload("content", "expected an event under a name")
        owed = new_message(
            source=Source.EDGED,
            group=Group.META,
            operation=Operation.UPDATE,
            resource=str(path),
            now_ms=time.time_ns() // 1_000_000,
            content=message.content,
        )

        def work(tx: Transaction) -> None:
            outbox.owe(tx, owed, lane=str(path))

        def written(error: StoreError | None) -> None:
            if error is None:
                self._switchboard.send(ModuleName.EDGEHUB, OutboxChanged())

        self._database.write(work, written)
