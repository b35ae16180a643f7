"""What is wrong with a rule, and where."""

from __future__ import annotations

from viaduct.errors import ViaductError


class ExpressionFault(ViaductError):
    """Of an expression: ``offset`` counts its characters from 0, ``line`` and ``column`` from 1."""

    def __init__(self, reason: str, text: str, offset: int) -> None:
        self.reason = reason
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {reason}")
