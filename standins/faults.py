"""Rules that define when and how a stand-in fails.

A rule is a JSON object::

    {"route": "transcribe", "action": {"kind": "drop", "when": "after"},
     "times": 1, "skip": 0, "match": ""}

``route``
    name of a route of the stand-in, or ``*``.
``action``
    ``kind`` and its options; ``KINDS`` lists the kinds of every stand-in.
``times``
    the number of requests that it applies to, by default 1; null means all.
``skip``
    the number of matching requests that pass first.
``match``
    text that must occur in the request's path, query or body.

Every kind has the option ``seconds``, a delay before the fault. The shared kinds also
have ``when`` (``before``: the request has no effect; ``after``: it has its effect and
only the answer is lost or spoiled). The first rule that matches a request applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, frozenset[str] | None]
"""The options of a kind and their allowed values; None allows any."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its options, and the routes that it works on; empty means all."""

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
"""The kinds of every stand-in, with their options beside ``when`` and ``seconds``."""

_REQUIRED = {"status": "status", "redirect": "location"}
_BEFORE_BY_DEFAULT = frozenset({"delay", "drop", "status", "redirect"})
_RULE_MEMBERS = frozenset({"route", "action", "times", "skip", "match"})


class RuleError(ValueError):
    """An invalid rule; the text says what is wrong."""


@dataclass(frozen=True)
class Action:
    """The fault of a request to which a rule applies."""

    kind: str
    options: Mapping[str, Any]

    @property
    def before(self) -> bool:
        """Whether the fault comes before the request has an effect."""
        default = "before" if self.kind in _BEFORE_BY_DEFAULT else "after"
        return bool(self.options.get("when", default) == "before")

    @property
    def seconds(self) -> float:
        """The delay before the fault."""
        return float(self.options.get("seconds", 0))

    def get(self, option: str, default: Any = None) -> Any:
        """The option's value, or ``default`` where the rule does not set it."""
        return self.options.get(option, default)


@dataclass
class Rule:
    """A rule and the number of requests that it has matched."""

    route: str
    action: Action
    times: int | None = 1
    skip: int = 0
    match: str = ""
    seen: int = field(default=0)

    def takes(self, route: str, text: str) -> bool:
        """Whether the rule applies to this request; a match is counted."""
        if self.route not in ("*", route) or self.match not in text or self.used_up:
            return False
        self.seen += 1
        return self.seen > self.skip

    @property
    def used_up(self) -> bool:
        """Whether the rule has applied to all of its ``times`` requests."""
        return self.times is not None and self.seen >= self.skip + self.times

    def as_json(self) -> dict[str, Any]:
        """The rule as given, and ``seen``, the number of requests that it has matched."""
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

    ``own_kinds`` are the kinds of this stand-in alone. ``routes`` are the names of its
    routes; an own kind may have further ones, such as an outgoing call.
    """

    def __init__(self, own_kinds: Mapping[str, Kind]) -> None:
        self.routes: set[str] = set()
        self._own_kinds = own_kinds
        self._kinds = {**KINDS, **own_kinds}
        self._rules: list[Rule] = []

    def replace(self, rules: Any) -> None:
        """Replace all rules by ``rules``, a JSON list.

        Raises RuleError, and changes nothing, when one of them is invalid.
        """
        if not isinstance(rules, list):
            raise RuleError("must be a list of rules")
        self._rules = [self._parse(rule) for rule in rules]

    def take(self, route: str, text: str) -> Action | None:
        """The action that applies to one request, or None; the match is counted."""
        for rule in self._rules:
            if rule.takes(route, text):
                return rule.action
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Every rule, including those that no longer apply."""
        return [rule.as_json() for rule in self._rules]

    def _parse(self, rule: Any) -> Rule:
        if not isinstance(rule, dict) or not rule.keys() <= _RULE_MEMBERS:
            raise RuleError(f"a rule must be an object with the members {sorted(_RULE_MEMBERS)}")
        action = self._parse_action(rule.get("action"))
        routes = self._kinds[action.kind].routes or {"*", *self.routes}
        if rule.get("route") not in routes:
            raise RuleError(f"{action.kind}: route must be one of {sorted(routes)}")
        return Rule(
            route=rule["route"],
            action=action,
            times=_count(rule, "times", 1, nullable=True),
            skip=_count(rule, "skip", 0) or 0,
            match=str(rule.get("match", "")),
        )

    def _parse_action(self, action: Any) -> Action:
        if not isinstance(action, dict) or action.get("kind") not in self._kinds:
            raise RuleError(f"action: must be an object whose kind is one of {sorted(self._kinds)}")
        kind = str(action["kind"])
        common = _OWN_OPTIONS if kind in self._own_kinds else _SHARED_OPTIONS
        known = {**common, **self._kinds[kind].options}
        options = {name: value for name, value in action.items() if name != "kind"}
        for name, value in options.items():
            _check_option(kind, name, value, known)
        if kind in _REQUIRED and _REQUIRED[kind] not in options:
            raise RuleError(f"{kind}: {_REQUIRED[kind]} is required")
        return Action(kind, options)


def _check_option(kind: str, name: str, value: Any, known: Options) -> None:
    if name not in known:
        raise RuleError(f"{kind}: the options are {sorted(known)}")
    allowed = known[name]
    if allowed is not None and value not in allowed:
        raise RuleError(f"{kind}: {name} must be one of {sorted(allowed)}")


def _count(rule: dict[str, Any], name: str, default: int, *, nullable: bool = False) -> int | None:
    value = rule.get(name, default)
    if value is None and nullable:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RuleError(f"{name}: must be a whole number of requests")
    return value
