"""DynamoDB condition expressions: their clauses, and how each is deleted, flipped or narrowed.

A deleted clause stays in the expression, inside one that is always true (or false, where it is a term
of an OR): DynamoDB refuses an expression whose values are not all used, and such a refusal would let
every mutant look killed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

FLIPS = {"=": "<>", "<>": "=", ">=": ">", ">": ">=", "<=": "<", "<": "<="}
_OPERAND = r"[#:\w.]+"
_TOKEN = re.compile(
    rf"""\s*(?:
        (?P<word>AND|OR)\b
      | (?P<call>(?:attribute_exists|attribute_not_exists|begins_with|contains)\([^()]*\))
      | (?P<member>{_OPERAND}\s+IN\s+\([^()]*\))
      | (?P<comparison>{_OPERAND}\s*(?:<>|<=|>=|=|<|>)\s*{_OPERAND})
      | (?P<bracket>[()])
    )""",
    re.VERBOSE,
)
_COMPARISON = re.compile(rf"({_OPERAND}\s*)(<>|<=|>=|=|<|>)(\s*{_OPERAND})")
_MEMBERS = re.compile(rf"({_OPERAND})\s+IN\s+\(([^()]*)\)")


@dataclass(frozen=True)
class Change:
    """`before`, found at `start` of the expression, becomes `after`."""

    kind: str
    start: int
    before: str
    after: str


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class _Node:
    """A clause (no `word`), or terms joined by `word`."""

    start: int
    end: int
    word: str = ""
    terms: tuple["_Node", ...] = ()


def changes(expression: str) -> Iterator[Change]:
    """Every change of `expression`, which may begin with AND or OR, as what is added to another does.

    Raises `ValueError` where it cannot be read.
    """
    tokens = list(_tokens(expression))
    word = tokens.pop(0).text if tokens and tokens[0].kind == "word" else ""
    root, rest = _joined(tokens)
    if rest:
        raise ValueError(f"cannot read {expression!r}")
    yield from _changes(expression, root, word or "AND")


def _changes(expression: str, node: _Node, word: str) -> Iterator[Change]:
    """What can be done to `node`, a term of `word`."""
    if node.word == "":
        yield _deleted(expression, node, word, "delete")
        yield from _flipped(expression, node)
        return
    if node.word != word:
        yield _deleted(expression, node, word, "delete all of")
    for term in node.terms:
        yield from _changes(expression, term, node.word)


def _deleted(expression: str, node: _Node, word: str, kind: str) -> Change:
    text = expression[node.start : node.end]
    other = "OR" if word == "AND" else "AND"
    after = f"({text} {other} attribute_exists(pk) {other} attribute_not_exists(pk))"
    return Change(kind, node.start, text, after)


def _flipped(expression: str, node: _Node) -> Iterator[Change]:
    text = expression[node.start : node.end]
    if comparison := _COMPARISON.fullmatch(text):
        left, operator, right = comparison.groups()
        yield Change("flip", node.start, text, f"{left}{FLIPS[operator]}{right}")
    elif members := _MEMBERS.fullmatch(text):
        for value in members[2].split(","):
            narrowed = f"({text} AND {members[1]} <> {value.strip()})"
            yield Change(f"{value.strip()} not in", node.start, text, narrowed)


def _joined(tokens: list[_Token]) -> tuple[_Node, list[_Token]]:
    """Terms joined by OR, each of terms joined by AND; and what comes after them."""
    return _chain(tokens, "OR")


def _chain(tokens: list[_Token], word: str) -> tuple[_Node, list[_Token]]:
    part, tokens = _chain(tokens, "AND") if word == "OR" else _term(tokens)
    parts = [part]
    while tokens and tokens[0].text == word:
        part, tokens = _chain(tokens[1:], "AND") if word == "OR" else _term(tokens[1:])
        parts.append(part)
    if len(parts) == 1:
        return parts[0], tokens
    return _Node(parts[0].start, parts[-1].end, word, tuple(parts)), tokens


def _term(tokens: list[_Token]) -> tuple[_Node, list[_Token]]:
    if not tokens or tokens[0].kind == "word" or tokens[0].text == ")":
        raise ValueError("a clause is missing")
    first, rest = tokens[0], tokens[1:]
    if first.text != "(":
        return _Node(first.start, first.start + len(first.text)), rest
    inner, rest = _joined(rest)
    if not rest or rest[0].text != ")":
        raise ValueError("a bracket is open")
    return _Node(first.start, rest[0].start + 1, inner.word, inner.terms), rest[1:]


def _tokens(expression: str) -> Iterator[_Token]:
    at = 0
    while expression[at:].strip():
        found = _TOKEN.match(expression, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"cannot read {expression[at:]!r}")
        yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        at = found.end()
