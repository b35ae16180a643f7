"""What is wrong with a rule, and where."""

from __future__ import annotations

from viaduct.errors import ViaductError


class ExpressionFault(ViaductError):
    """Of an expression: ``offset`` counts its characters from 0, ``line`` and ``column`` from 1."""

    def __init__(self, reason: str, text: str, offset: int) -> None:
        self.reason = _printable(reason)
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {self.reason}")


def _printable(text: str) -> str:
    """It may quote the expression, which may hold anything; it is shown at terminals and in logs."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
