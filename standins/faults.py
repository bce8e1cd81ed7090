"""Rules that tell a stand-in when to fail and how.

A rule is a JSON object::

    {"route": "transcribe", "action": {"kind": "drop", "when": "after"},
     "times": 1, "skip": 0, "match": ""}

``route``
    name of a route of the stand-in, or ``*``.
``action``
    ``kind`` and its options; ``KINDS`` lists those every stand-in knows.
``times``
    how many requests it applies to, 1 unless told; null means all.
``skip``
    how many matching requests pass untouched first.
``match``
    applies only where this text occurs in the request's path, query or body.

Every kind takes ``seconds`` to wait first. The shared kinds take ``when`` too
(``before``: the request has no effect; ``after``: it has its effect and only the
answer is lost or spoiled). A request meets at most one rule: the first that matches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, frozenset[str] | None]
"""Options of a kind: the values each may have, None for any."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its options and the only routes it works on, none for all."""

    options: Options
    routes: frozenset[str] = frozenset()


_SHARED_OPTIONS: Options = {"when": frozenset({"before", "after"}), "seconds": None}
_OWN_OPTIONS: Options = {"seconds": None}

KINDS: Mapping[str, Kind] = {
    "delay": Kind({}),
    "drop": Kind({}),
    "status": Kind({"status": None, "body": None, "headers": None}),
    "garbage": Kind({"status": None}),
    "html": Kind({"status": None}),
    "empty": Kind({"status": None}),
    "not_object": Kind({"status": None, "value": None}),
    "content_type": Kind({"value": None}),
    "members": Kind({"set": None, "remove": None}),
    "truncated": Kind({}),
    "oversized": Kind({"megabytes": None, "encoding": frozenset({"gzip", "br"})}),
    "redirect": Kind({"location": None, "status": None}),
    "drip": Kind({"chunk_bytes": None, "chunk_seconds": None}),
}
"""Kinds every stand-in knows, each with the options it takes beside ``when`` and ``seconds``."""

_REQUIRED = {"status": "status", "redirect": "location"}
_BEFORE_UNLESS_TOLD = frozenset({"delay", "drop", "status", "redirect"})
_RULE_MEMBERS = frozenset({"route", "action", "times", "skip", "match"})


class RuleError(ValueError):
    """A rule that is misspelt or makes no sense; its text says what is wrong."""


@dataclass(frozen=True)
class Action:
    """What happens to a request that meets a rule."""

    kind: str
    options: Mapping[str, Any]

    @property
    def before(self) -> bool:
        """Whether the fault strikes before the request has any effect."""
        unless_told = "before" if self.kind in _BEFORE_UNLESS_TOLD else "after"
        return bool(self.options.get("when", unless_told) == "before")

    @property
    def seconds(self) -> float:
        """How long to wait before the fault strikes."""
        return float(self.options.get("seconds", 0))

    def get(self, option: str, default: Any = None) -> Any:
        """The option's value, or ``default`` where the rule does not name it."""
        return self.options.get(option, default)


@dataclass
class Rule:
    """One rule and how often it has matched."""

    route: str
    action: Action
    times: int | None = 1
    skip: int = 0
    match: str = ""
    seen: int = field(default=0)

    def takes(self, route: str, text: str) -> bool:
        """Count a request that this rule matches; whether it applies to this one."""
        if self.route not in ("*", route) or self.match not in text or self.spent:
            return False
        self.seen += 1
        return self.seen > self.skip

    @property
    def spent(self) -> bool:
        """Whether the rule has been applied as often as it may be."""
        return self.times is not None and self.seen >= self.skip + self.times

    def as_json(self) -> dict[str, Any]:
        """The rule as given, plus ``seen``, the matching requests so far."""
        return {
            "route": self.route,
            "action": {"kind": self.action.kind, **self.action.options},
            "times": self.times,
            "skip": self.skip,
            "match": self.match,
            "seen": self.seen,
        }


class RuleBook:
    """The rules in force, in order.

    ``own_kinds`` are the kinds only this stand-in knows. ``routes`` are the names of
    its routes; what an own kind names beside them (an outgoing call) is one to rules.
    """

    def __init__(self, own_kinds: Mapping[str, Kind]) -> None:
        self.routes: set[str] = set()
        self._own_kinds = own_kinds
        self._kinds = {**KINDS, **own_kinds}
        self._rules: list[Rule] = []

    def replace(self, rules: Any) -> None:
        """Put ``rules`` (a JSON list) in force instead of the present ones.

        Raises RuleError, and changes nothing, when one of them is wrong.
        """
        if not isinstance(rules, list):
            raise RuleError("a list of rules is needed")
        self._rules = [self._parse(rule) for rule in rules]

    def take(self, route: str, text: str) -> Action | None:
        """The action for one request, or None; counts it against the rule."""
        for rule in self._rules:
            if rule.takes(route, text):
                return rule.action
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Every rule in force, also the spent ones."""
        return [rule.as_json() for rule in self._rules]

    def _parse(self, rule: Any) -> Rule:
        if not isinstance(rule, dict) or not rule.keys() <= _RULE_MEMBERS:
            raise RuleError(f"a rule has the members {sorted(_RULE_MEMBERS)}")
        action = self._parse_action(rule.get("action"))
        routes = self._kinds[action.kind].routes or {"*", *self.routes}
        if rule.get("route") not in routes:
            raise RuleError(f"{action.kind}: route is one of {sorted(routes)}")
        return Rule(
            route=rule["route"],
            action=action,
            times=_count(rule, "times", 1, nullable=True),
            skip=_count(rule, "skip", 0) or 0,
            match=str(rule.get("match", "")),
        )

    def _parse_action(self, action: Any) -> Action:
        if not isinstance(action, dict) or action.get("kind") not in self._kinds:
            raise RuleError(f"action: an object whose kind is one of {sorted(self._kinds)}")
        kind = str(action["kind"])
        common = _OWN_OPTIONS if kind in self._own_kinds else _SHARED_OPTIONS
        known = {**common, **self._kinds[kind].options}
        options = {name: value for name, value in action.items() if name != "kind"}
        for name, value in options.items():
            _check_option(kind, name, value, known)
        if kind in _REQUIRED and _REQUIRED[kind] not in options:
            raise RuleError(f"{kind}: {_REQUIRED[kind]} is needed")
        return Action(kind, options)


def _check_option(kind: str, name: str, value: Any, known: Options) -> None:
    if name not in known:
        raise RuleError(f"{kind}: the options are {sorted(known)}")
    allowed = known[name]
    if allowed is not None and value not in allowed:
        raise RuleError(f"{kind}: {name} is one of {sorted(allowed)}")


def _count(rule: dict[str, Any], name: str, default: int, *, nullable: bool = False) -> int | None:
    value = rule.get(name, default)
    if value is None and nullable:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RuleError(f"{name}: a whole number of requests")
    return value
