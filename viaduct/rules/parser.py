"""A text to a tree: recursive descent, one method per level of binding, loosest first.

or < and < not < comparison < + - < * / % < - (sign) < number, text, true, false, device.property, ( )
"""

from __future__ import annotations

from collections.abc import Callable

from viaduct.rules.fault import ExpressionFault
from viaduct.rules.syntax import Arithmetic, Both, Comparison, Either, Literal, Negative, Node, Opposite, Reference, Step
from viaduct.rules.tokens import Sort, Token, tokens

MAX_LENGTH = 1000
"""Characters of an expression."""

MAX_DEPTH = 16
"""Of parentheses, ``not`` and signs within each other."""

MAX_NAME = 253
_MAX_DIGITS = 40
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def parse(text: str) -> Node:
    """Raises ExpressionFault, and nothing else whatever the text is."""
    if len(text) > MAX_LENGTH:
        raise ExpressionFault(f"{len(text)} characters, the limit is {MAX_LENGTH}", text, MAX_LENGTH)
    parser = _Parser(text)
    return parser.whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._is_over:
            raise self._fault("it is empty: expected a condition such as sensor.temperature > 30")
        found = self._either()
        if not self._is_over:
            raise self._fault(self._surplus())
        return found

    def _either(self) -> Node:
        first, at = self._both(), self._here.at
        parts = [first]
        while self._word("or"):
            parts.append(self._both())
        return Either(tuple(parts), at) if len(parts) > 1 else first

    def _both(self) -> Node:
        first, at = self._opposite(), self._here.at
        parts = [first]
        while self._word("and"):
            parts.append(self._opposite())
        return Both(tuple(parts), at) if len(parts) > 1 else first

    def _opposite(self) -> Node:
        at = self._here.at
        if not self._word("not"):
            return self._comparison()
        return Opposite(self._deeper(at, self._opposite), at)

    def _comparison(self) -> Node:
        left, at = self._sum(), self._here.at
        operator = self._sign(*_COMPARISONS)
        if not operator:
            return left
        right = self._sum()
        if self._here.text in _COMPARISONS and self._here.sort is Sort.SIGN:
            raise self._fault("comparisons are not chained: write a < b and b < c")
        return Comparison(left, operator, right, at)

    def _sum(self) -> Node:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Node:
        return self._chain(self._signed, "*", "/", "%")

    def _chain(self, operand: Callable[[], Node], *operators: str) -> Node:
        start, first = self._here.at, operand()
        steps = []
        at = self._here.at
        while operator := self._sign(*operators):
            steps.append(Step(operator, operand(), at))
            at = self._here.at
        return Arithmetic(first, tuple(steps), start) if steps else first

    def _signed(self) -> Node:
        at = self._here.at
        if not self._sign("-"):
            return self._simple()
        return Negative(self._deeper(at, self._signed), at)

    def _simple(self) -> Node:
        token = self._here
        if token.sort is Sort.NUMBER:
            return self._number(token)
        if token.sort is Sort.TEXT:
            self._next += 1
            return Literal(token.text, token.at)
        if token.sort is Sort.WORD and token.text in ("true", "false"):
            self._next += 1
            return Literal(token.text == "true", token.at)
        if token.sort in (Sort.NAME, Sort.QUOTED):
            return self._reference(token)
        if self._sign("("):
            inner = self._deeper(token.at, self._either)
            if not self._sign(")"):
                raise self._fault(f"expected ')', got {self._here.shown}")
            return inner
        raise self._fault(f'expected a value such as sensor.temperature, 30 or "on", got {token.shown}')

    def _number(self, token: Token) -> Node:
        self._next += 1
        if len(token.text) > _MAX_DIGITS:
            raise ExpressionFault(f"a number of more than {_MAX_DIGITS} characters", self._text, token.at)
        if self._here.sort in (Sort.NAME, Sort.QUOTED) and self._here.at == token.at + len(token.text):
            reason = "a name that begins with a digit stands in backquotes, and a number has no unit"
            raise ExpressionFault(reason, self._text, token.at)
        value = int(token.text) if token.text.isdigit() else float(token.text)
        if abs(value) > 1e300:
            raise ExpressionFault("the number is too large", self._text, token.at)
        return Literal(value, token.at)

    def _reference(self, device: Token) -> Node:
        self._next += 1
        if not self._sign("."):
            hint = f'; a text stands in quotes: "{device.text[:40]}"' if device.sort is Sort.NAME else ""
            raise ExpressionFault(f"{device.text[:40]!r}: expected DEVICE.PROPERTY{hint}", self._text, device.at)
        named = self._here
        if named.sort not in (Sort.NAME, Sort.QUOTED, Sort.WORD):
            raise self._fault(f"expected the name of a property of {device.text[:40]!r}, got {named.shown}")
        self._next += 1
        if self._sign("."):
            raise ExpressionFault("one dot too many; a name that has dots stands in backquotes", self._text, self._before.at)
        for token in (device, named):
            if not 0 < len(token.text) <= MAX_NAME:
                raise ExpressionFault(f"a name has 1 to {MAX_NAME} characters", self._text, token.at)
        return Reference(device.text, named.text, device.at)

    def _deeper(self, at: int, inner: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionFault(f"more than {MAX_DEPTH} levels within each other", self._text, at)
        found = inner()
        self._depth -= 1
        return found

    @property
    def _is_over(self) -> bool:
        return self._here.sort is Sort.END

    @property
    def _here(self) -> Token:
        return self._tokens[self._next]

    @property
    def _before(self) -> Token:
        return self._tokens[self._next - 1]

    def _word(self, word: str) -> bool:
        return self._taken(Sort.WORD, (word,)) != ""

    def _sign(self, *signs: str) -> str:
        return self._taken(Sort.SIGN, signs)

    def _taken(self, sort: Sort, texts: tuple[str, ...]) -> str:
        token = self._here
        if token.sort is not sort or token.text not in texts:
            return ""
        self._next += 1
        return token.text

    def _surplus(self) -> str:
        if self._here.sort is Sort.SIGN and self._here.text == ")":
            return "')' without a '(' before it"
        if self._here.sort is Sort.NAME and self._here.text in ("for", "then", "else"):
            return f"{self._here.text!r} is a field of its own beside `when`"
        return f"expected 'and', 'or', a comparison or the end, got {self._here.shown}"

    def _fault(self, reason: str) -> ExpressionFault:
        return ExpressionFault(reason, self._text, self._here.at)
