"""Typed questions to MetaManager and EdgeHub, for rim threads (pod workers, the node reporter). Everything waits with a time limit."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from edgecore.beehive.switchboard import Switchboard
from edgecore.errors import NoAnswer, NotFound, StoreError
from viaduct.message import Message, new_message
from viaduct.resource import CLUSTER_SCOPE, ResourcePath
from viaduct.tokenrequest import TokenRequest, request_content
from viaduct.vocabulary import DELIVERED, Group, ModuleName, Operation, ResourceType, Source

NODE_STATUS_UID = "38796d14-1df3-11e8-8e5a-286ed488f209"
"""Constant that KubeEdge's edged sends with every node status (contract 4.3)."""

NODE_NAMESPACE = "default"
_LOCAL_TIMEOUT = 10.0
_FOR_GOOD = frozenset({400, 403, 404, 405, 422, 501})


@dataclass(frozen=True, slots=True)
class Token:
    """Of a service account, for one pod. ``fresh``: seconds for which it need not be asked for again."""

    text: str = field(repr=False)
    fresh: float


class MetaClient:
    """Every method may raise Busy (the module takes no letters) and NoAnswer (nothing came in time, or nobody can be asked now)."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard

    def pods(self) -> list[dict[str, Any]]:
        """Every pod stored on this node."""
        return self.stored(ResourceType.POD)

    def stored(self, type_: str) -> list[dict[str, Any]]:
        """Everything of a type that is stored on this node."""
        answer = self._ask_store(Operation.QUERY, f"{CLUSTER_SCOPE}/{type_}", None, _LOCAL_TIMEOUT)
        return [value for value in map(_decoded, answer.content or []) if isinstance(value, dict)]

    def pod_statuses(self) -> dict[str, dict[str, Any]]:
        """By uid: the status that this node last reported of each pod."""
        answer = self._ask_store(Operation.QUERY, f"{CLUSTER_SCOPE}/{ResourceType.PODSTATUS}", None, _LOCAL_TIMEOUT)
        reports = [value for value in map(_decoded, answer.content or []) if isinstance(value, dict)]
        return {str(report.get("UID")): report["Status"] for report in reports if isinstance(report.get("Status"), dict)}

    def get(self, namespace: str, type_: str, name: str, *, timeout: float = 10.0) -> dict[str, Any]:
        """The stored object, else the one that the cloud gives within ``timeout`` seconds (and it is stored).

        Raises:
            NotFound: the cloud says that there is none. NoAnswer: not stored here, and the cloud cannot be asked now.
        """
        path = str(ResourcePath(namespace, type_, name))
        answer = self._ask_store(Operation.QUERY, path, None, timeout)
        value = answer.content
        if isinstance(value, list):
            value = value[0] if value else None
        value = _decoded(value)
        if not isinstance(value, dict):
            raise NotFound(f"{path}: neither stored here nor known to the cloud")
        return value

    def token(self, namespace: str, account: str, request: TokenRequest, *, needed: bool, timeout: float = 10.0) -> Token:
        """A token of a service account for a pod (P5.11); the stored one as long as it is fresh, or no other one comes.

        Raises:
            NotFound: the cloud gives none. NoAnswer: none is stored, and the cloud cannot be asked now, or not for what is not ``needed``.
        """
        resource = str(ResourcePath(namespace, ResourceType.SERVICEACCOUNTTOKEN, account))
        content = {"request": request_content(request), "needed": needed}
        answer = self._switchboard.ask(ModuleName.METAMANAGER, self._message(Operation.QUERY, resource, content), timeout=timeout)
        if answer.route.operation == Operation.ERROR:
            code = answer.content.get("code") if isinstance(answer.content, dict) else None
            raise (NotFound if code in _FOR_GOOD else NoAnswer)(_reason(answer))
        return Token(answer.content["token"], answer.content["fresh"])

    def report_pod_status(self, namespace: str, name: str, uid: str, status: dict[str, Any], *, timeout: float = 10.0) -> None:
        """Returns when ``status`` (core/v1 PodStatus) is saved and owed to the cloud.

        Raises:
            StoreError: it could not be saved; say it again later.
        """
        content = {"UID": uid, "Name": name, "Status": status}
        self._ask_store(Operation.UPDATE, str(ResourcePath(namespace, ResourceType.PODSTATUS, name)), content, timeout)

    def report_event(self, namespace: str, name: str, event: dict[str, Any], *, timeout: float = 0.5) -> None:
        """Hand over a core/v1 Event (P5.7). Nobody says when it is saved: an event is not worth waiting for."""
        message = self._message(Operation.UPDATE, str(ResourcePath(namespace, ResourceType.EVENT, name)), event, sync=False)
        self._switchboard.send_from_rim(ModuleName.METAMANAGER, message, timeout=timeout)

    def report_node_status(self, node: str, status: dict[str, Any], *, timeout: float = 10.0) -> None:
        """Hand over ``status`` (core/v1 NodeStatus). EdgeHub keeps the newest in memory until it is sent; flash is not written."""
        content = {"UID": NODE_STATUS_UID, "Status": status, "ExtendResources": None}
        message = self._message(Operation.UPDATE, str(ResourcePath(NODE_NAMESPACE, ResourceType.NODESTATUS, node)), content, sync=False)
        self._switchboard.send_from_rim(ModuleName.EDGEHUB, message, timeout=timeout)

    def register_node(self, node: str, labels: dict[str, str], status: dict[str, Any], *, timeout: float = 60.0) -> bool:
        """Ask the cloud to make the Node object (contract 4.5). True: it exists now.

        Raises:
            NoAnswer: the cloud is away.
        """
        content = {"metadata": {"name": node, "labels": labels}, "status": status}
        message = self._message(Operation.INSERT, str(ResourcePath(NODE_NAMESPACE, ResourceType.NODESTATUS, node)), content)
        answer = self._switchboard.ask(ModuleName.EDGEHUB, message, timeout=timeout)
        if answer.route.operation == Operation.ERROR:
            raise NoAnswer(_reason(answer))
        return bool(answer.content == DELIVERED)

    def _ask_store(self, operation: Operation, resource: str, content: Any, timeout: float) -> Message:
        answer = self._switchboard.ask(ModuleName.METAMANAGER, self._message(operation, resource, content), timeout=timeout)
        if answer.route.operation == Operation.ERROR:
            raise _error_of(resource, answer)
        return answer

    @staticmethod
    def _message(operation: Operation, resource: str, content: Any, *, sync: bool = True) -> Message:
        return new_message(
            source=Source.EDGED,
            group=Group.META,
            operation=operation,
            resource=resource,
            now_ms=time.time_ns() // 1_000_000,
            content=content,
            sync=sync,
        )


def _decoded(value: Any) -> Any:
    """Stored answers are JSON texts in an array, remote ones the object itself (contract 4.6)."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value


def _error_of(resource: str, answer: Message) -> NoAnswer | NotFound | StoreError:
    code = answer.content.get("code") if isinstance(answer.content, dict) else None
    text = f"{resource}: {_reason(answer)}"
    if code in (403, 404):
        return NotFound(text)
    return StoreError(text) if code == 507 else NoAnswer(text)


def _reason(answer: Message) -> str:
    if isinstance(answer.content, dict):
        return str(answer.content.get("reason", "refused"))
    return str(answer.content)
