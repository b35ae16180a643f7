"""The subset of JSONPath that printer columns use: fields, indexes, `[*]` and equality filters."""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]\\])+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<all>\*)\]
      | \['(?P<quoted>[^']*)'\]
      | \[\?\(\s*@\.(?P<name>[\w.\-]+)\s*==\s*(?P<quote>["'])(?P<value>[^"']*)(?P=quote)\s*\)\]""",
    re.VERBOSE,
)


class JSONPathError(ValueError):
    """A path outside the subset."""


Step = tuple[str, Any]


def parse(path: str) -> tuple[Step, ...]:
    """``.spec.ports[0].port`` to steps.

    Raises:
        JSONPathError: it is not of the subset.
    """
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise JSONPathError(f"JSONPath {path!r}: not understood at {text[at : at + 20]!r}")
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["field"] is not None:
        return ("field", re.sub(r"\\(.)", r"\1", match["field"]))
    if match["quoted"] is not None:
        return ("field", match["quoted"])
    if match["index"] is not None:
        return ("index", int(match["index"]))
    if match["all"] is not None:
        return ("all", None)
    return ("filter", (match["name"].split("."), match["value"]))


def find(steps: tuple[Step, ...], value: Any) -> list[Any]:
    """Every value that the path leads to; empty where it leads nowhere."""
    found = [value]
    for action, argument in steps:
        found = [next_ for here in found for next_ in _walk(action, argument, here)]
    return found


def _walk(action: str, argument: Any, here: Any) -> list[Any]:
    if action == "field":
        return [here[argument]] if isinstance(here, dict) and argument in here else []
    if action == "all":
        return list(here.values()) if isinstance(here, dict) else here if isinstance(here, list) else []
    if not isinstance(here, list):
        return []
    if action == "index":
        return [here[argument]] if -len(here) <= argument < len(here) else []
    names, wanted = argument
    return [item for item in here if _field(item, names) == wanted]


def _field(value: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
