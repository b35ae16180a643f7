"""The ValidatingWebhookConfiguration of contract 10.4, and its place in the cluster: ours is kept right, another's is left alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from cloudcore.admission.service import DEVICES, MODELS, RULES
from cloudcore.cluster import Cluster
from cloudcore.errors import KubeAlreadyExists, KubeConflict, KubeForbidden, KubeInvalid, KubeNotFound
from cloudcore.kube.definitions import MANAGED_BY, OWNER, Webhook, is_ours
from cloudcore.kube.resources import VALIDATING_WEBHOOKS
from cloudcore.ports import JsonObject
from viaduct.rules.rule import GROUP

logger = logging.getLogger(__name__)

NAME = "validate-devicemodel"
_SECONDS = 5


def configuration(webhook: Webhook) -> JsonObject:
    """Of devices only their creation is told: each report of a node is an update, and none shall cost two calls."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME, "labels": {MANAGED_BY: OWNER}},
        "webhooks": [
            _hook("validatedevicemodel.kubeedge.io", webhook.client(MODELS), "devicemodels", ["CREATE", "UPDATE"]),
            _hook("validatedevice.kubeedge.io", webhook.client(DEVICES), "devices", ["CREATE"]),
            _hook(
                "validatedevicerule.bramble.io",
                webhook.client(RULES),
                "devicerules",
                ["CREATE", "UPDATE"],
                group=GROUP,
                versions=["v1alpha1"],
            ),
        ],
    }


def _hook(
    name: str,
    client: JsonObject,
    plural: str,
    operations: list[str],
    *,
    group: str = "devices.kubeedge.io",
    versions: Sequence[str] = ("v1alpha1", "v1beta1"),
) -> JsonObject:
    rule = {
        "operations": operations,
        "apiGroups": [group],
        "apiVersions": list(versions),
        "resources": [plural],
        "scope": "Namespaced",
    }
    return {
        "name": name,
        "clientConfig": client,
        "rules": [rule],
        "failurePolicy": "Ignore",
        "matchPolicy": "Exact",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": _SECONDS,
    }


async def register(kube: Cluster, webhook: Webhook) -> None:
    """Write it where it is missing or differs. Where we may not, say so and go on: the schema refuses nearly everything by itself.

    Raises:
        KubeError: the API failed.
    """
    wanted = configuration(webhook)
    try:
        await _write(kube, wanted)
    except (KubeAlreadyExists, KubeConflict):
        logger.info("another CloudCore registers ValidatingWebhookConfiguration %s", NAME)
    except (KubeForbidden, KubeInvalid) as exc:
        logger.warning("ValidatingWebhookConfiguration %s cannot be registered: %s", NAME, exc)


async def _write(kube: Cluster, wanted: JsonObject) -> None:
    try:
        current = await kube.get(VALIDATING_WEBHOOKS, None, NAME)
    except KubeNotFound:
        await kube.create(VALIDATING_WEBHOOKS, None, wanted)
        logger.info("registered ValidatingWebhookConfiguration %s", NAME)
        return
    if not is_ours(current):
        logger.warning("ValidatingWebhookConfiguration %s is not of CloudCore (KubeEdge's own?) and stays as it is", NAME)
    elif not _says(current.get("webhooks"), wanted["webhooks"]):
        await kube.update(VALIDATING_WEBHOOKS, None, current | {"webhooks": wanted["webhooks"]})
        logger.info("updated ValidatingWebhookConfiguration %s", NAME)


def _says(there: Any, wanted: Any) -> bool:
    """Whether ``there`` says all of ``wanted``; the API server adds defaults."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(_says(there.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(there, list) and len(there) == len(wanted) and all(map(_says, there, wanted))
    return bool(there == wanted)
