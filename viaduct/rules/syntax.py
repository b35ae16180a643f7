"""What an expression is made of. ``at`` is the offset of a part in the text.

Chains are flat: ``a + b - c`` is one Arithmetic, ``a and b and c`` one Both. So a tree is never deeper than the parentheses that somebody
wrote, however long the text is, and walking it needs no deep recursion.
"""

from __future__ import annotations

from dataclasses import dataclass

Value = int | float | str | bool
"""As an expression has it: a number, a text, true or false."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value
    at: int


@dataclass(frozen=True, slots=True)
class Reference:
    """The value that ``device`` reported last of its property ``name``."""

    device: str
    name: str
    at: int

    @property
    def place(self) -> tuple[str, str]:
        return self.device, self.name

    def __str__(self) -> str:
        return f"{self.device}.{self.name}"


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Node
    at: int


@dataclass(frozen=True, slots=True)
class Step:
    """The further operand of a chain, with the operator before it."""

    operator: str
    operand: Node
    at: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    first: Node
    steps: tuple[Step, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Node
    operator: str
    right: Node
    at: int


@dataclass(frozen=True, slots=True)
class Opposite:
    """``not``"""

    operand: Node
    at: int


@dataclass(frozen=True, slots=True)
class Both:
    """``and``"""

    parts: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Either:
    """``or``"""

    parts: tuple[Node, ...]
    at: int


Node = Literal | Reference | Negative | Arithmetic | Comparison | Opposite | Both | Either
