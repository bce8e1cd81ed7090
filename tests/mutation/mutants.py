"""The mutants of the layer: those of every condition, found in the source, and the recorded ones."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.settings import ROOT
from tests.mutation.decisions import DECISIONS
from tests.mutation.expressions import changes
from tests.mutation.places import function_at

LAYER = ROOT / "layers" / "engine" / "engine"
NAME = "condition"
"""What arguments and variables that hold a condition are called."""

MONEY, JOBS = "test_conditions", "mutation/test_jobs"
SUBMISSIONS = "mutation/test_submissions"
MODELS, SWEEPS = "mutation/test_read_models", "mutation/test_sweeps"
PROJECTED = (MODELS, "test_projection", "test_projection_lists", "test_projection_crashes")
TESTS: Mapping[str, tuple[str, ...]] = {
    "credits.adjustments": (
        "test_adjustments",
        "test_entry_format",
        "test_bulk",
        "test_payments",
    ),
    "access.api_keys": ("test_access",),
    "access.attempts": ("test_dashboard_access", "test_dashboard"),
    "access.operators": (
        "test_operators_api",
        "test_dashboard_access",
        "test_dashboard",
        "test_cli_operators",
    ),
    "access.sessions": ("test_dashboard_access", "test_dashboard"),
    "metadata.cache": ("test_metadata_cache", "test_metadata"),
    "platform.circuit": ("test_circuit",),
    "ledger.audit": (MONEY, "test_erasure", "test_vending", "test_admin"),
    "admin.erasure": ("test_erasure", "test_cli_erasure"),
    **dict.fromkeys(
        (
            "credits.holds",
            "credits.hold_items",
            "credits.hold_parts",
            "credits.placing",
            "credits.backend_holds",
        ),
        (
            "mutation/test_hold_parts",
            "test_holds",
            "test_hold_access",
            "mutation/test_holds",
            MONEY,
            JOBS,
            SUBMISSIONS,
            SWEEPS,
            "test_vending",
            "test_replays",
            "test_lost_answers",
            "test_crash_points",
        ),
    ),
    "transcription.webhook": ("test_job_webhook",),
    **dict.fromkeys(
        (
            "transcription.jobs",
            "transcription.asking",
            "transcription.gateway",
            "transcription.outcomes",
            "transcription.settling",
            "transcription.status",
        ),
        (
            JOBS,
            SUBMISSIONS,
            "test_submission_crashes",
            "test_job_records",
            "test_evidence",
            "test_job_answers",
            "test_polls",
            "test_transcription_status",
            "test_sweeping",
            "test_fulfilment",
            "test_wallet",
        ),
    ),
    "subscriptions.monitor": ("test_subscription_monitor", "test_subscription_missing"),
    "subscriptions.lifecycle": (
        "test_subscription",
        "test_subscription_missing",
        "test_subscription_monitor",
        "test_subscription_races",
    ),
    "subscriptions.provider_keys": (
        "test_provider_key_conditions",
        "test_subscription_transitions",
        "test_subscription_missing",
        "test_subscription_monitor",
    ),
    "subscriptions.subscription": (
        "test_subscription_conditions",
        "test_subscription_transitions",
        "test_subscription_money",
        "test_subscription",
        "test_erasure",
    ),
    "ledger.posting": (
        MONEY,
        JOBS,
        "test_origins",
        "test_vending",
        "test_served",
        "test_credits",
        "test_users",
        "test_entry_format",
        "test_holds",
        "test_hold_access",
        "test_crash_points",
    ),
    "ledger.items": (
        MONEY,
        "test_ledger_items",
        "test_entry_format",
        "test_holds",
        "test_hold_access",
        "test_vending",
    ),
    "web.rate_limits": ("test_rate_limits", MONEY, "test_lost_answers", "test_vending"),
    "subscriptions.outbox": ("test_notices",),
    "subscriptions.plans": ("test_subscription",),
    "ledger.origins": ("test_origins", "test_erasure"),
    "credits.payments": (MONEY, "test_payments", "test_credits", "test_crash_points"),
    "readmodels.projection": (*PROJECTED, "test_layouts"),
    "readmodels.batches": PROJECTED,
    "readmodels.writes": (
        *PROJECTED,
        "test_open_hours",
        "test_audit_days",
        "test_layouts",
        "test_rebuild",
    ),
    "readmodels.figures": ("test_layouts", "test_open_hours", MODELS, "test_rebuild"),
    "readmodels.open_hours": ("test_open_hours", MODELS, "test_rebuild"),
    "readmodels.audit_days": ("test_audit_days",),
    "readmodels.audit_users": ("test_audit_users",),
    "readmodels.folds": ("test_layouts", "test_rebuild"),
    "readmodels.rebuild": (MODELS, "test_rebuild", "test_open_hours"),
    "ledger.idempotency": (MONEY, "test_payments", "test_bulk", "test_credits", "test_users"),
    **dict.fromkeys(
        ("transcription.starting", "transcription.answers"),
        (
            JOBS,
            SUBMISSIONS,
            "test_transcription",
            "test_transcription_failures",
            "test_handover",
            "test_job_webhook",
            "test_replays",
        ),
    ),
    "subscriptions.issuing": (
        "test_subscription",
        "test_subscription_admin",
        "test_subscription_monitor",
    ),
    "subscriptions.transitions": (
        "test_subscription_transitions",
        "test_subscription_money",
        "test_subscription",
        "test_subscription_admin",
    ),
    "transcription.sweeping": (SWEEPS, "test_sweeping", "test_crash_points"),
    **dict.fromkeys(
        ("transcription.submission", "transcription.request_records"),
        (
            JOBS,
            SUBMISSIONS,
            "test_submission_crashes",
            "test_transcription",
            "test_transcription_failures",
            "test_job_answers",
            "test_replays",
        ),
    ),
    "credits.users": (MONEY, "test_users", "test_identity", "test_crash_points"),
    "credits.vending": (JOBS, "test_vending", "test_transcription"),
    "products.catalogue": ("test_products", "test_settled_by_use"),
    "wallet.policy": ("test_app_policy",),
    "wallet.credit_requests": ("test_credit_requests",),
    "wallet.devices": ("test_credit_requests",),
    "wallet.quotes": ("test_quotes", "test_fulfilment"),
    "wallet.videos": ("test_fulfilment",),
    "payments.packs": ("test_payment_conditions", "test_packs"),
    "payments.intents": (
        "test_intents",
        "test_packs",
        "test_settlement",
        "test_buying",
        "test_provider_crashes",
    ),
    "payments.by_mpesa": ("test_mpesa_results", "test_reconciler"),
    "payments.rows": (
        "test_payment_conditions",
        "test_settlement",
        "test_clawback",
        "test_payment_crashes",
    ),
    "payments.reconciliation": ("test_reconciler", "test_buying"),
    "providers.daraja_token": ("test_providers_daraja_token",),
}
"""The tests that should kill a module's mutants, the likeliest first."""


@dataclass(frozen=True)
class Mutant:
    """`before`, at the byte `start` of the module's source, becomes `after`; `what` says so in short."""

    id: str
    module: str
    what: str
    start: int
    before: str
    after: str

    @property
    def tests(self) -> tuple[str, ...]:
        return TESTS[self.module]

    @property
    def function(self) -> str:
        """The function that it changes, as `room.module:name`; no name where it is in none."""
        return f"{self.module}:{function_at(path_of(self.module).read_bytes(), self.start)}"

    def source(self) -> bytes:
        """The module's source with the mutant in it."""
        source = path_of(self.module).read_bytes()
        end = self.start + len(self.before.encode())
        return source[: self.start] + self.after.encode() + source[end:]


def all_mutants() -> list[Mutant]:
    """Every mutant, by module. Raises `ValueError` where the source does not fit the list any more."""
    parameters = _parameters()
    found = [mutant for module in _modules() for mutant in _of_conditions(module, parameters)]
    found += [_recorded(*decision) for decision in DECISIONS]
    twice = [name for name, count in Counter(mutant.id for mutant in found).items() if count > 1]
    unknown = {mutant.module for mutant in found} - TESTS.keys()
    if twice or unknown:
        raise ValueError(f"ids used twice: {twice}; modules without tests: {unknown}")
    return found


def path_of(module: str) -> Path:
    """The file of `room.module`."""
    room, _, name = module.partition(".")
    return LAYER / room / f"{name}.py"


def _modules() -> list[str]:
    """Every module of every room, as `room.module`."""
    return sorted(f"{path.parent.name}.{path.stem}" for path in LAYER.glob("*/*.py"))


def _recorded(name: str, before: str, after: str) -> Mutant:
    module = ".".join(name.split(".")[:2])
    source = path_of(module).read_text()
    if source.count(before) != 1:
        raise ValueError(f"{name}: found {source.count(before)} times: {before!r}")
    start = len(source[: source.index(before)].encode())
    what = f"{_line(before)}  ->  {_line(after)}"
    return Mutant(name, module, what, start, before, after)


def _line(text: str) -> str:
    return " ".join(text.split())


def _of_conditions(module: str, parameters: Mapping[str, int]) -> Iterator[Mutant]:
    source = path_of(module).read_bytes()
    numbers = Counter[str]()
    for function, literal in _literals(ast.parse(source), parameters):
        start, end = _span(source, literal)
        for change in changes(literal.value):
            text = literal.value
            changed = (
                text[: change.start] + change.after + text[change.start + len(change.before) :]
            )
            numbers[function] += 1
            yield Mutant(
                f"{module}.{function}.{numbers[function]}",
                module,
                f"{change.kind} {change.before}",
                start,
                source[start:end].decode(),
                repr(changed),
            )


def _parameters() -> dict[str, int]:
    """The functions and classes of the layer that take a condition, with its position."""
    found: dict[str, int] = {}
    for path in LAYER.rglob("*.py"):
        for node in ast.parse(path.read_bytes()).body:
            names: list[str] = []
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
            elif isinstance(node, ast.ClassDef):
                fields = (field for field in node.body if isinstance(field, ast.AnnAssign))
                names = [field.target.id for field in fields if isinstance(field.target, ast.Name)]
            if NAME in names:
                found[node.name] = names.index(NAME)  # type: ignore[attr-defined]
    return found


def _literals(
    tree: ast.Module, parameters: Mapping[str, int]
) -> Iterator[tuple[str, ast.Constant]]:
    """The conditions written out in each function, with its name; the empty one is none.

    Conditions of reads (`KeyConditionExpression`) let nothing happen twice and are left out.
    """
    for name, function in _functions(tree.body):
        nodes = list(ast.walk(function))
        if any(isinstance(n, ast.keyword) and n.arg == "KeyConditionExpression" for n in nodes):
            continue
        for node in nodes:
            value = _condition_in(node, parameters)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                if value.value:
                    yield name, value
            elif value is not None and not (isinstance(value, ast.Name) and value.id == NAME):
                raise ValueError(f"{name}: a condition that is not written out")


def _functions(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods in `body`, with their qualified names."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield within + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{within}{node.name}.")


def _condition_in(node: ast.AST, parameters: Mapping[str, int]) -> ast.expr | None:
    """The value that `node` uses as a condition, if it does."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        named = any(isinstance(n, ast.Name) and n.id == NAME for t in targets for n in ast.walk(t))
        return node.value if named else None
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == NAME:
            return keyword.value
    if isinstance(node.func, ast.Name) and node.func.id in parameters:
        return node.args[parameters[node.func.id]]
    return None


def _span(source: bytes, node: ast.Constant) -> tuple[int, int]:
    """The bytes of `node`'s literal."""
    lines = source.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (
        begins[node.lineno - 1] + node.col_offset,
        begins[node.end_lineno - 1] + node.end_col_offset,
    )
