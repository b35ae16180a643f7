"""What can be wrong with a component config."""

from __future__ import annotations


class ConfigError(Exception):
    """A config that cannot be used. ``problems`` has one line per fault, each beginning with the full key."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
