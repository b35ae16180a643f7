"""Validating and mutating webhooks: their configurations read, defaulted and checked, and which of them a request concerns. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cloudstub.errors import FieldError
from cloudstub.kinds import label_selector
from cloudstub.kinds.conversion import review_version_errors
from cloudstub.kinds.faults import duplicate, forbidden, invalid, required, unsupported, wrong_type
from cloudstub.kinds.names import name_fault
from cloudstub.kinds.webhook_client import Client, client_errors, client_of

Object = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
VALIDATING = f"validatingwebhookconfigurations.{GROUP}"
MUTATING = f"mutatingwebhookconfigurations.{GROUP}"
ANY = "*"
_CHOICES = {
    "failurePolicy": ("Fail", "Ignore"),
    "matchPolicy": ("Exact", "Equivalent"),
    "sideEffects": ("None", "NoneOnDryRun"),
    "reinvocationPolicy": ("Never", "IfNeeded"),
}
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants to do: ``operation`` CREATE, UPDATE or DELETE, to ``plural`` (with ``subresource``) in ``version``."""

    operation: str
    group: str
    version: str
    plural: str
    subresource: str = ""
    namespaced: bool = True


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook of a configuration. ``seconds``: how long it may take."""

    name: str
    client: Client
    rules: tuple[Object, ...]
    fails_closed: bool = True
    exact: bool = False
    seconds: float = 10.0
    again: bool = False
    """Asked once more where a later webhook has changed the object."""
    namespaces: Object | None = None
    objects: Object | None = None

    def version_for(self, asked: Asked, versions: tuple[str, ...]) -> str | None:
        """The version in which the webhook wants to see the object, None where no rule is about it. ``versions``: the served ones."""
        candidates = (asked.version,) if self.exact else (asked.version, *(v for v in versions if v != asked.version))
        return next((version for version in candidates if any(_applies(rule, asked, version) for rule in self.rules)), None)

    def selects(self, object_labels: list[dict[str, str]], namespace_labels: dict[str, str] | None) -> bool:
        """By the labels of the object (old and new), and of its namespace (None: it is in none)."""
        if namespace_labels is not None and not label_selector.matches(self.namespaces or {}, namespace_labels):
            return False
        return not self.objects or any(label_selector.matches(self.objects, labels) for labels in object_labels)


def _applies(rule: Object, asked: Asked, version: str) -> bool:
    wanted = f"{asked.plural}/{asked.subresource}" if asked.subresource else asked.plural
    by_pattern = {wanted, "*/*"} | ({f"{asked.plural}/*", f"*/{asked.subresource}"} if asked.subresource else {ANY})
    scope = "Namespaced" if asked.namespaced else "Cluster"
    return (
        bool({ANY, asked.operation} & set(rule["operations"]))
        and bool({ANY, asked.group} & set(rule["apiGroups"]))
        and bool({ANY, version} & set(rule["apiVersions"]))
        and bool(by_pattern & set(rule["resources"]))
        and rule.get("scope", ANY) in (ANY, scope)
    )


def webhooks_of(configuration: Object) -> Iterator[Webhook]:
    """The webhooks of a stored configuration, in their order."""
    for entry in configuration.get("webhooks") or ():
        yield Webhook(
            name=entry["name"],
            client=client_of(entry["clientConfig"]),
            rules=tuple(entry.get("rules") or ()),
            fails_closed=entry.get("failurePolicy", "Fail") == "Fail",
            exact=entry.get("matchPolicy", "Equivalent") == "Exact",
            seconds=float(entry.get("timeoutSeconds", 10)),
            again=entry.get("reinvocationPolicy") == "IfNeeded",
            namespaces=entry.get("namespaceSelector"),
            objects=entry.get("objectSelector"),
        )


def fill(configuration: Object, *, mutates: bool) -> None:
    """The defaults of Kubernetes, in place."""
    hooks = configuration.get("webhooks")
    for hook in hooks if isinstance(hooks, list) else ():
        if not isinstance(hook, dict):
            continue
        defaults: Object = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
        defaults |= {"timeoutSeconds": 10} | ({"reinvocationPolicy": "Never"} if mutates else {})
        for key, value in defaults.items():
            hook.setdefault(key, value)
        for rule in hook["rules"] if isinstance(hook.get("rules"), list) else ():
            if isinstance(rule, dict):
                rule.setdefault("scope", ANY)


def errors(configuration: Object) -> list[FieldError]:
    """What is wrong with a configuration."""
    hooks = configuration.get("webhooks")
    if hooks is None:
        return []
    if not isinstance(hooks, list):
        return [wrong_type("webhooks", hooks, "a list")]
    found: list[FieldError] = []
    names: set[str] = set()
    for index, hook in enumerate(hooks):
        path = f"webhooks[{index}]"
        if not isinstance(hook, dict):
            found.append(wrong_type(path, hook, "an object"))
            continue
        found += _hook_errors(hook, path)
        name = hook.get("name")
        if isinstance(name, str) and name in names:
            found.append(duplicate(f"{path}.name", name))
        names.add(str(name))
    return found


def _hook_errors(hook: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    name = hook.get("name")
    if not isinstance(name, str) or not name:
        found.append(required(f"{path}.name"))
    elif name.count(".") < 2 or name_fault("webhooks", name):
        found.append(invalid(f"{path}.name", name, "should be a domain with at least three segments separated by dots"))
    found += client_errors(hook.get("clientConfig"), f"{path}.clientConfig")
    found += review_version_errors(hook.get("admissionReviewVersions"), f"{path}.admissionReviewVersions")
    if hook.get("sideEffects") is None:
        found.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    for key, choices in _CHOICES.items():
        if hook.get(key) is not None and hook[key] not in choices:
            found.append(unsupported(f"{path}.{key}", hook[key], choices))
    seconds = hook.get("timeoutSeconds", 10)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 30:
        found.append(invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds"))
    if hook.get("matchConditions"):
        found.append(forbidden(f"{path}.matchConditions", "CEL expressions are not evaluated by this server"))
    for key in ("namespaceSelector", "objectSelector"):
        if hook.get(key) is not None and not isinstance(hook[key], dict):
            found.append(wrong_type(f"{path}.{key}", hook[key], "an object"))
    return found + _rules_errors(hook.get("rules"), f"{path}.rules")


def _rules_errors(rules: Any, path: str) -> list[FieldError]:
    if rules is None:
        return []
    if not isinstance(rules, list):
        return [wrong_type(path, rules, "a list")]
    return [fault for index, rule in enumerate(rules) for fault in _rule_errors(rule, f"{path}[{index}]")]


def _rule_errors(rule: Any, path: str) -> list[FieldError]:
    if not isinstance(rule, dict):
        return [wrong_type(path, rule, "an object")]
    found: list[FieldError] = []
    for key in ("operations", "apiGroups", "apiVersions", "resources"):
        values = rule.get(key)
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            found.append(required(f"{path}.{key}"))
        elif key == "operations":
            found += [unsupported(f"{path}.operations[{i}]", v, _OPERATIONS) for i, v in enumerate(values) if v not in _OPERATIONS]
    if rule.get("scope") is not None and rule["scope"] not in _SCOPES:
        found.append(unsupported(f"{path}.scope", rule["scope"], _SCOPES))
    return found
