"""What nodes report and ask (contract 4.2, 4.4, 4.5). Every method returns once the API server has accepted the write (D1)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cloudcore.cluster import Clock, Cluster, Informer
from cloudcore.edgecontroller import events, nodestatus, podstatus, rulestatus, tokens
from cloudcore.edgecontroller.downstream import Downstream
from cloudcore.edgecontroller.endings import Endings
from cloudcore.edgecontroller.events import EventReport
from cloudcore.edgecontroller.interest import Ref, node_of
from cloudcore.edgecontroller.podstatus import PodReport
from cloudcore.edgecontroller.rulestatus import RuleReport
from cloudcore.edgecontroller.translate import content_of, removed_by_name
from cloudcore.errors import Denied, KubeAlreadyExists, KubeConflict, KubeInvalid, KubeNotFound, Refused
from cloudcore.kube.resources import (
    CONFIGMAPS,
    DEVICE_RULES,
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)
from cloudcore.objects import as_number, epoch_ms, identity, uid_of, version_of
from cloudcore.ports import Downlink, JsonObject, KubeletEndpoint
from viaduct.errors import MalformedPayload
from viaduct.jsontext import read_json
from viaduct.message import Message, reply_to
from viaduct.resource import ResourcePath, parse_resource
from viaduct.tokenrequest import read_request
from viaduct.vocabulary import DELIVERED, Operation, ResourceType

logger = logging.getLogger(__name__)

_ATTEMPTS = 8

_ASKABLE: dict[str, Resource] = {
    ResourceType.CONFIGMAP: CONFIGMAPS,
    ResourceType.SECRET: SECRETS,
    ResourceType.PERSISTENTVOLUME: PERSISTENT_VOLUMES,
    ResourceType.PERSISTENTVOLUMECLAIM: PERSISTENT_VOLUME_CLAIMS,
    ResourceType.NODE: NODES,
    ResourceType.POD: PODS,
}


class Upstream:
    def __init__(
        self,
        kube: Cluster,
        *,
        pods: Informer,
        nodes: Informer,
        downstream: Downstream,
        downlink: Downlink,
        endings: Endings,
        now: Clock,
        kubelet: Callable[[], KubeletEndpoint | None] = lambda: None,
    ) -> None:
        self._kube = kube
        self._pods = pods
        self._nodes = nodes
        self._downstream = downstream
        self._downlink = downlink
        self._endings = endings
        self._now = now
        self._kubelet = kubelet

    async def take(self, node: str, message: Message) -> Message | None:
        path = parse_resource(message.route.resource)
        match path.type, message.route.operation:
            case ResourceType.PODSTATUS, Operation.UPDATE | Operation.INSERT:
                await self._take_pod_statuses(node, path, message.content)
                return None
            case ResourceType.NODESTATUS, Operation.INSERT:
                return await self._register(node, path, message)
            case ResourceType.NODESTATUS, Operation.UPDATE:
                return await self._take_node_status(node, path, message)
            case ResourceType.NODE, Operation.UPDATE:
                return await self._annotate(node, path, message)
            case ResourceType.EVENT, Operation.UPDATE:
                await self._take_event(node, path, message.content)
                return None
            case ResourceType.SERVICEACCOUNTTOKEN, Operation.QUERY:
                return await self._give_token(node, path, message)
            case ResourceType.DEVICERULESTATUS, Operation.UPDATE:
                await self._take_rule_status(node, path, message.content)
                return None
            case kind, Operation.QUERY if kind in _ASKABLE:
                return await self._answer(node, path, message)
        raise Refused(
            f"{message.route.operation or 'no operation'} of {path.type} is not something that a node can ask", code=405, why="operation"
        )

    def may_read(self, node: str, resource: str) -> bool:
        """Whether ``resource`` is its own Node, a pod bound to it or something that its pods name (X2); for which of them a token is
        may say only its request."""
        path = parse_resource(resource)
        if path.type == ResourceType.NODE:
            return path.name == node
        if path.type == ResourceType.POD:
            pod = self._pods.get(path.namespace, path.name)
            return pod is not None and node_of(pod) == node
        if path.type == ResourceType.SERVICEACCOUNTTOKEN:
            own = (self._pods.get(*place) for place in self._downstream.interest.pods_of(node) if place[0] == path.namespace)
            return any(pod is not None and tokens.account_of(pod) == path.name for pod in own)
        if path.type == ResourceType.PERSISTENTVOLUME:
            # Which claim it is bound to says only the volume itself.
            return bool(path.name)
        return self._downstream.interest.needs(node, Ref(path.type, path.namespace, path.name))

    async def _take_pod_statuses(self, node: str, path: ResourcePath, content: Any) -> None:
        value = _json(content)
        reports = [podstatus.pod_report(value, name=path.name)] if path.name else podstatus.pod_reports(value)
        refused: list[Refused] = []
        for report in reports:
            try:
                await self._take_pod_status(node, path.namespace, report)
            except Refused as exc:
                refused.append(exc)
        if refused:
            # The others of a batch have taken effect all the same.
            raise refused[0]

    async def _take_pod_status(self, node: str, namespace: str, report: PodReport) -> None:
        """Lay it over the newest pod; where another wrote in between, read again. First try with the cache: it is mostly right."""
        pod = self._pods.get(namespace, report.name)
        for _ in range(_ATTEMPTS):
            if pod is None or not podstatus.is_same(pod, report, node):
                pod = await self._read(PODS, namespace, report.name)
                if pod is None or not podstatus.is_same(pod, report, node):
                    self._set_right(node, namespace, report, pod)
                    return
            merged = podstatus.merged_pod(pod, report, self._now())
            try:
                if merged is not None:
                    pod = await self._kube.update(PODS, namespace, merged, subresource="status")
                self._endings.look_at(pod)
                return
            except KubeConflict:
                pod = await self._read(PODS, namespace, report.name)
            except KubeNotFound:
                pod = None
        raise KubeConflict(f"status of pod {namespace}/{report.name}: changed {_ATTEMPTS} times while it was written", code=409)

    async def _take_event(self, node: str, path: ResourcePath, content: Any) -> None:
        report = events.event_report(path, _json(content))
        about = await self._own_object(node, path, report)
        wanted = events.event_object(node, path, report, about)
        for _ in range(_ATTEMPTS):
            try:
                await self._kube.create(EVENTS, path.namespace, wanted)
                return
            except KubeAlreadyExists:
                stored = await self._read(EVENTS, path.namespace, path.name)
            newer = events.repeated(stored, wanted) if stored is not None else wanted
            if newer is None:
                return
            try:
                if stored is not None:
                    await self._kube.update(EVENTS, path.namespace, newer)
                    return
            except (KubeConflict, KubeNotFound):
                continue
        raise KubeConflict(f"event {path}: changed {_ATTEMPTS} times while it was written", code=409)

    async def _own_object(self, node: str, path: ResourcePath, report: EventReport) -> JsonObject:
        """What the event is about: a pod bound to the node, or the node itself."""
        if report.kind == "Node":
            if report.name != node or path.namespace != "default":
                raise Denied(f"{path}: node {node} speaks only for itself, in the namespace default", "another_node")
            found = self._nodes.get("", node) or await self._read(NODES, "", node)
        else:
            found = self._pods.get(path.namespace, report.name) or await self._read(PODS, path.namespace, report.name)
            if found is not None and node_of(found) != node:
                raise Denied(f"{path}: pod {report.name} is not bound to node {node}", "another_node")
        if found is None or (report.uid and uid_of(found) != report.uid):
            raise Refused(f"{path}: {report.kind} {report.name} is gone", code=404, why="gone")
        return found

    async def _take_rule_status(self, node: str, path: ResourcePath, content: Any) -> None:
        report = rulestatus.rule_report(_json(content))
        rule = self._downstream.rules.rule(path.namespace, path.name)
        for _ in range(_ATTEMPTS):
            if rule is None or not rulestatus.is_of(rule, node, report):
                rule = await self._own_rule(node, path, report)
            wanted = rulestatus.merged(rule, node, report)
            try:
                if rulestatus.is_news(rule, node, report):
                    await self._tell_of_rule(rule, node, report)
                if wanted is not None:
                    await self._kube.update(DEVICE_RULES, path.namespace, wanted, subresource="status")
                return
            except (KubeConflict, KubeNotFound):
                rule = None
        raise KubeConflict(f"{path}: changed {_ATTEMPTS} times while it was written", code=409)

    async def _own_rule(self, node: str, path: ResourcePath, report: RuleReport) -> JsonObject:
        try:
            rule = await self._kube.get(DEVICE_RULES, path.namespace, path.name)
        except KubeNotFound:
            rule = {}
        if uid_of(rule) != report.uid:
            raise Refused(f"{path}: DeviceRule {path.name} is gone", code=404, why="gone")
        if not rulestatus.is_of(rule, node, report):
            raise Denied(f"{path}: DeviceRule {path.name} does not name node {node}", "another_node")
        return rule

    async def _tell_of_rule(self, rule: JsonObject, node: str, report: RuleReport) -> None:
        event = rulestatus.error_event(rule, node, report, self._now())
        try:
            await self._kube.create(EVENTS, identity(rule)[0], event)
        except KubeAlreadyExists:
            logger.debug("event %s is there already", identity(event)[1])

    def _set_right(self, node: str, namespace: str, report: PodReport, pod: JsonObject | None) -> None:
        """The node speaks of a pod that is not (or no more) its own: tell it what it should hold under that name.

        Raises:
            Denied: it is the pod of another node, not one that is gone (X2).
        """
        path = ResourcePath(namespace, ResourceType.POD, report.name)
        owed = self._downstream.owed_one(node, str(path))
        if owed is None or (pod is None and owed.uid == report.uid):
            owed = removed_by_name(path, report.uid, now_ms=epoch_ms(self._now()))
        logger.info("%s reports pod %s/%s (%s), which it should not hold", node, namespace, report.name, report.uid)
        self._downlink.offer(node, owed)
        if pod is not None and node_of(pod) != node and report.uid in ("", uid_of(pod)):
            raise Denied(f"pod {namespace}/{report.name} is not bound to node {node}", "pod_of_another_node")

    async def _register(self, node: str, path: ResourcePath, message: Message) -> Message:
        report = nodestatus.node_report(_json(message.content))
        _check_own(node, path)
        current = await self._read(NODES, "", node)
        if current is None:
            try:
                current = await self._kube.create(NODES, "", nodestatus.registered_node(node, report))
                logger.info("node %s is registered", node)
            except KubeAlreadyExists:
                current = await self._kube.get(NODES, "", node)
        current = await self._change_node(current, lambda known: nodestatus.relabelled(known, report))
        await self._write_node_status(node, current, report.status)
        return self._done(path, message, "")

    async def _take_node_status(self, node: str, path: ResourcePath, message: Message) -> Message:
        report = nodestatus.node_report(_json(message.content))
        _check_own(node, path)
        current = self._nodes.get("", node) or await self._read(NODES, "", node)
        if current is None:
            raise Refused(f"node {node} is not registered", code=404, why="not_registered")
        written = await self._write_node_status(node, current, report.status)
        return self._done(path, message, version_of(written))

    async def _write_node_status(self, node: str, current: JsonObject, status: JsonObject) -> JsonObject:
        for _ in range(_ATTEMPTS):
            try:
                merged = nodestatus.merged_node(current, status, self._now(), self._kubelet())
                return await self._kube.update(NODES, "", merged, subresource="status")
            except KubeConflict:
                current = await self._kube.get(NODES, "", node)
            except KubeNotFound as exc:
                raise Refused(f"node {node} is not registered", code=404, why="not_registered") from exc
        raise KubeConflict(f"status of node {node}: changed {_ATTEMPTS} times while it was written", code=409)

    async def _annotate(self, node: str, path: ResourcePath, message: Message) -> Message:
        _check_own(node, path)
        content = _json(message.content)
        metadata = content.get("metadata") if isinstance(content, dict) else None
        annotations = metadata.get("annotations") or {} if isinstance(metadata, dict) else None
        if not (isinstance(annotations, dict) and all(isinstance(value, str) for value in annotations.values())):
            raise Refused("content.metadata.annotations: expected text values")
        current = await self._read(NODES, "", node)
        if current is None:
            raise Refused(f"node {node} is not registered", code=404, why="not_registered")
        written = await self._change_node(current, lambda known: nodestatus.annotated(known, annotations))
        return self._object(message, written)

    async def _change_node(self, current: JsonObject, change: Any) -> JsonObject:
        for _ in range(_ATTEMPTS):
            wanted: JsonObject | None = change(current)
            if wanted is None:
                return current
            try:
                return await self._kube.update(NODES, "", wanted)
            except KubeConflict:
                current = await self._kube.get(NODES, "", identity(current)[1])
        raise KubeConflict(f"node {identity(current)[1]}: changed {_ATTEMPTS} times while it was written", code=409)

    async def _answer(self, node: str, path: ResourcePath, message: Message) -> Message:
        """The object, or a refusal with code 404, never silence (bug C10)."""
        if not path.name:
            raise Refused(f"{path}: name one object")
        if not self.may_read(node, message.route.resource):
            raise Denied(f"{path}: no pod of node {node} names it", "not_named")
        resource = _ASKABLE[path.type]
        found = await self._read(resource, path.namespace if resource.namespaced else "", path.name)
        if path.type == ResourceType.PERSISTENTVOLUME and (found is None or not self._claimed(node, found)):
            # One answer for both: a node does not learn which volumes there are.
            raise Denied(f"{path}: there is none that a claim of a pod of node {node} is bound to", "not_named")
        if found is None:
            raise Refused(f"{path} is not found", code=404, why="not_found")
        if path.type == ResourceType.POD and node_of(found) != node:
            raise Denied(f"{path} is not bound to node {node}", "pod_of_another_node")
        return self._object(message, found)

    async def _give_token(self, node: str, path: ResourcePath, message: Message) -> Message:
        """From the API to the node; nothing of it is kept or logged."""
        try:
            request = read_request(_json(message.content))
        except MalformedPayload as exc:
            raise Refused(str(exc)) from exc
        pod = self._pods.get(path.namespace, request.pod)
        if pod is None or uid_of(pod) != request.uid:
            pod = await self._read(PODS, path.namespace, request.pod)
        tokens.check(node, path, request, pod)
        body = tokens.asked_of_the_api(path, request)
        try:
            granted = await self._kube.create(SERVICE_ACCOUNTS, path.namespace, body, subresource="token")
        except KubeNotFound as exc:
            raise Refused(f"{path}: the API gives no token: {exc}", code=501, why="no_tokens") from exc
        except KubeInvalid as exc:
            if exc.code != 405:
                raise
            raise Refused(f"{path}: the API offers no tokens: {exc}", code=501, why="no_tokens") from exc
        return self._object(message, granted)

    def _claimed(self, node: str, volume: JsonObject) -> bool:
        claim = (volume.get("spec") or {}).get("claimRef") or {}
        ref = Ref(ResourceType.PERSISTENTVOLUMECLAIM, str(claim.get("namespace")), str(claim.get("name")))
        return self._downstream.interest.needs(node, ref)

    async def _read(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        try:
            return await self._kube.get(resource, namespace, name)
        except KubeNotFound:
            return None

    def _done(self, path: ResourcePath, message: Message, version: str) -> Message:
        """Contract 4.2: the answer to a node status speaks of the Node."""
        answer = reply_to(message, DELIVERED, now_ms=epoch_ms(self._now()), resource_version=version)
        return answer.with_resource(str(ResourcePath(path.namespace, ResourceType.NODE, path.name)))

    def _object(self, message: Message, obj: JsonObject) -> Message:
        version = version_of(obj) if as_number(version_of(obj)) else ""
        return reply_to(message, content_of(obj), now_ms=epoch_ms(self._now()), resource_version=version)


def _check_own(node: str, path: ResourcePath) -> None:
    if path.name != node:
        raise Denied(f"{path}: node {node} speaks only for itself", "another_node")


def _json(content: Any) -> Any:
    """KubeEdge sends some contents as text that holds JSON (contract 1.1)."""
    if not isinstance(content, str):
        return content
    try:
        return read_json(content)
    except ValueError as exc:
        raise Refused(f"content: not JSON: {exc}") from exc
