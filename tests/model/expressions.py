"""DynamoDB's condition, key and update expressions, evaluated over plain items.

Just the grammar that the engine uses; anything else raises `ExpressionError`, so that an expression
which the model cannot follow is noticed and never passed over. Reference: "Condition and filter
expressions" and "Update expressions" of the DynamoDB developer guide.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

Item = Mapping[str, Any]

TOKEN = re.compile(r"\s*([:#]?[A-Za-z_]\w*|<=|>=|<>|[=<>(),+-])")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(Exception):
    """The expression is outside the grammar that is evaluated here."""


@dataclass(frozen=True)
class Context:
    """What an expression is evaluated against; `item` is None where there is none."""

    item: Item | None
    names: Mapping[str, str]
    values: Mapping[str, Any]

    def operand(self, token: str) -> Any:
        """The value that `token` stands for, `MISSING` for an attribute that is not there."""
        if token.startswith(":"):
            return self.values[token]
        return (self.item or {}).get(self.name(token), MISSING)

    def name(self, token: str) -> str:
        return self.names[token] if token.startswith("#") else token


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
Condition = Callable[[Context], bool]


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Condition:
        condition = self._either()
        if self._peek():
            raise ExpressionError(f"unexpected {self._peek()!r}")
        return condition

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._accept("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda c: any(part(c) for part in parts)

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._accept("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda c: all(part(c) for part in parts)

    def _one(self) -> Condition:
        if self._accept("("):
            inner = self._either()
            self._expect(")")
            return inner
        token = self._next()
        if token in ("attribute_exists", "attribute_not_exists"):
            return self._existence(wanted=token == "attribute_exists")
        return self._comparison(token)

    def _existence(self, *, wanted: bool) -> Condition:
        self._expect("(")
        path = self._next()
        self._expect(")")
        return lambda c: (c.operand(path) is not MISSING) == wanted

    def _comparison(self, left: str) -> Condition:
        sign = self._next()
        if sign == "IN":
            return self._membership(left)
        if sign == "BETWEEN":
            low = self._next()
            self._expect("AND")
            high = self._next()
            return lambda c: (
                _ordered(">=", c.operand(left), c.operand(low))
                and _ordered("<=", c.operand(left), c.operand(high))
            )
        right = self._next()
        if sign == "=":
            return lambda c: _equal(c.operand(left), c.operand(right))
        if sign == "<>":
            return lambda c: not _equal(c.operand(left), c.operand(right))
        if sign in COMPARISONS:
            return lambda c: _ordered(sign, c.operand(left), c.operand(right))
        raise ExpressionError(f"no comparison {sign!r}")

    def _membership(self, left: str) -> Condition:
        self._expect("(")
        members = [self._next()]
        while self._accept(","):
            members.append(self._next())
        self._expect(")")
        return lambda c: any(_equal(c.operand(left), c.operand(member)) for member in members)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ExpressionError("unexpected end")
        self._at += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise ExpressionError(f"{token!r} expected, found {self._peek()!r}")


DEFAULTED = re.compile(r"if_not_exists\(([#\w]+), ([:#\w]+)\)")
"""`if_not_exists(path, value)`, read as `path|value`."""


@cache
def condition(text: str) -> Condition:
    """The meaning of a condition or key expression; the empty one holds always."""
    return _Parser(text).whole() if text else lambda _: True


def changed(text: str, context: Context) -> dict[str, Any]:
    """The item after the update expression `text`; all values are read before any is set.

    Raises `ArithmeticError` where DynamoDB refuses with `ValidationError`.
    """
    settings, removals = _update(text)
    item = dict(context.item or {})
    fresh = {context.name(path): _sum(tokens, context) for path, tokens in settings}
    for path in removals:
        item.pop(context.name(path), None)
    return item | fresh


@cache
def _update(text: str) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """The pairs of SET and the paths of REMOVE."""
    set_part, _, remove_part = text.partition(" REMOVE ")
    if not set_part.startswith("SET "):
        raise ExpressionError(text)
    settings = []
    for clause in DEFAULTED.sub(r"\1|\2", set_part.removeprefix("SET ")).split(","):
        path, _, value = clause.partition("=")
        tokens = value.split() if "|" in value else _tokens(value)
        settings.append((path.strip(), tokens))
    return settings, [path.strip() for path in remove_part.split(",") if path]


def _sum(tokens: list[str], context: Context) -> Any:
    first, _, default = tokens[0].partition("|")
    total = context.operand(first)
    if total is MISSING and default:
        total = context.operand(default)
    for sign, token in zip(tokens[1::2], tokens[2::2], strict=True):
        if sign not in "+-":
            raise ExpressionError(f"no operator {sign!r}")
        change = context.operand(token)
        if total is MISSING or change is MISSING:
            raise ArithmeticError(token)
        total = total + change if sign == "+" else total - change
    if total is MISSING:
        raise ArithmeticError(tokens[0])
    return total


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ExpressionError(text[at:])
        found.append(token[1])
        at = token.end()
    return found


def _equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left is not MISSING and bool(left == right)


def _ordered(sign: str, left: Any, right: Any) -> bool:
    return type(left) is type(right) and left is not MISSING and COMPARISONS[sign](left, right)
