"""Rules for people to read. Pure; ``now`` is epoch seconds."""

from __future__ import annotations

from typing import Any

from edgecore.localapi.tables import age, table

_HEADS = ("NAMESPACE", "NAME", "STATE", "SINCE", "LAST FIRED", "TIMES", "FROM", "WHEN")
_LONGEST = 60


def listing(rules: list[dict[str, Any]], *, now: float) -> str:
    """A line for each, and below what is wrong with some."""
    lines = [table(_HEADS, [_row(rule, now) for rule in rules])]
    lines += [f"{rule['name']}: {rule['status']['error']}" for rule in rules if rule["status"].get("error")]
    return "\n".join(lines)


def described(rule: dict[str, Any], *, now: float) -> str:
    spec, status = rule["spec"], rule["status"]
    lines = [
        f"Name:        {rule['name']}",
        f"Namespace:   {rule['namespace'] or '<none>'}",
        f"From:        {rule['from']}",
        f"When:        {_flat(spec.get('when'))}",
    ]
    lines += [f"{label + ':':<13}{spec[key]}" for label, key in (("For", "for"), ("Cooldown", "cooldown")) if spec.get(key)]
    for label, key in (("Then", "then"), ("Else", "else")):
        actions = spec.get(key)
        lines += [f"{label + ':':<13}{_action(action)}" for action in actions] if isinstance(actions, list) else []
    lines.append(f"State:       {status['state']}, since {age(status.get('since'), now)}")
    fired = f"{age(status['lastFired'], now)} ago, {status['fired']} times" if status.get("lastFired") else "never"
    lines.append(f"Last fired:  {fired}")
    if status.get("error"):
        lines.append(f"Error:       {status['error']}")
    return "\n".join(lines)


def _row(rule: dict[str, Any], now: float) -> tuple[str, ...]:
    status = rule["status"]
    fired = age(status["lastFired"], now) if status.get("lastFired") else "<never>"
    when = _flat(rule["spec"].get("when"))
    when = when if len(when) <= _LONGEST else when[: _LONGEST - 3] + "..."
    since = age(status.get("since"), now)
    return rule["namespace"], rule["name"], status["state"], since, fired, str(status["fired"]), rule["from"], when


def _flat(text: Any) -> str:
    return " ".join(text.split()) if isinstance(text, str) else "<none>"


def _action(action: Any) -> str:
    return f"{action.get('device')}.{action.get('property')} = {action.get('value')}" if isinstance(action, dict) else str(action)
