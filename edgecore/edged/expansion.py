"""``$(NAME)`` in env values, command and args, by Kubernetes' rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PATTERN = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` becomes the variable, or stays as it is where there is none; ``$$`` becomes ``$``, so ``$$(NAME)`` is left in peace."""

    def replacement(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        return variables.get(match.group(2), match.group(0))

    return _PATTERN.sub(replacement, text)
