"""May a pod go to a node at all: selector, affinity, taints, readiness. Resources are ``room``'s business."""

from __future__ import annotations

from typing import Any

from cloudstub.controllers import conditions
from cloudstub.controllers.objects import Object, labels_of, name_of, spec_of, status_of
from cloudstub.kinds import label_selector

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_REPELS = ("NoSchedule", "NoExecute")


def refusal(pod: Object, node: Object) -> str | None:
    """Why ``node`` is not for ``pod``, in Kubernetes' words; None where it is."""
    if not is_selected(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    tolerations = spec_of(pod).get("tolerations") or []
    for taint in taints_of(node):
        if taint.get("effect") in _REPELS and not tolerates(tolerations, taint):
            if taint.get("key") == UNSCHEDULABLE:
                return "node(s) were unschedulable"
            return f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value', '')}}}"
    return None


def is_selected(pod: Object, node: Object) -> bool:
    """Whether nodeSelector and the required node affinity of ``pod`` choose ``node``."""
    labels = labels_of(node)
    if any(labels.get(key) != value for key, value in (spec_of(pod).get("nodeSelector") or {}).items()):
        return False
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term_holds(term, node) for term in required.get("nodeSelectorTerms") or ())


def taints_of(node: Object) -> list[dict[str, Any]]:
    """The node's taints, and those that its state amounts to before the node life cycle has written them."""
    taints = list(spec_of(node).get("taints") or ())
    keys = {taint.get("key") for taint in taints}
    if spec_of(node).get("unschedulable") and UNSCHEDULABLE not in keys:
        taints.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    implied = state_taint(node)
    if implied is not None and implied["key"] not in keys:
        taints.append(implied)
    return taints


def state_taint(node: Object) -> dict[str, Any] | None:
    """The taint that follows from the Ready condition: none while it is True."""
    ready = conditions.find(status_of(node), "Ready")
    value = ready.get("status") if ready else "False"
    if value == "True":
        return None
    return {"key": UNREACHABLE if value == "Unknown" else NOT_READY, "effect": "NoSchedule"}


def tolerates(tolerations: list[dict[str, Any]], taint: dict[str, Any]) -> bool:
    return any(_tolerates(one, taint) for one in tolerations)


def soft_taints(pod: Object, node: Object) -> int:
    """How many PreferNoSchedule taints ``pod`` would rather not meet."""
    tolerations = spec_of(pod).get("tolerations") or []
    return sum(taint.get("effect") == "PreferNoSchedule" and not tolerates(tolerations, taint) for taint in taints_of(node))


def preference(pod: Object, node: Object) -> int:
    """The weights of the preferred node affinity terms that ``node`` holds to."""
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    terms = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(int(one.get("weight") or 0) for one in terms if _term_holds(one.get("preference") or {}, node))


def _term_holds(term: dict[str, Any], node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # an empty term chooses nothing
    own = {"metadata.name": name_of(node)}
    return all(label_selector.holds(one, labels_of(node)) for one in expressions) and all(label_selector.holds(one, own) for one in fields)


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key = toleration.get("key")
    if toleration.get("operator") == "Exists":
        return not key or key == taint.get("key")
    return bool(key) and key == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")
