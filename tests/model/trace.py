"""Steps of an interleaving in words."""

from dataclasses import dataclass

from tests.model.faults import Fault
from tests.model.store import Answer, Call, operations

SHOWN = ("available", "held", "seq", "state", "claim", "balance", "ids", "last", "before_last")
NAME_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Step:
    """A step of `actor`: its next call, with a fault or not, or an earlier one that lands."""

    actor: str
    fault: Fault | None = None
    lands: bool = False


def described(step: Step, call: Call | None, answer: Answer | None) -> str:
    """The step as one line."""
    if call is None or answer is None:
        return step.actor
    what = f"{step.actor}: {_call(call)}"
    if step.lands:
        return f"{what} lands late"
    if step.fault is not None:
        return f"{what} {step.fault.word}"
    return f"{what} -> {_answer(call, answer)}"


def _call(call: Call) -> str:
    if call.kind == "get_item":
        key = call.request["Key"]
        return f"get {_short(key['pk']['S'], key['sk']['S'])}"
    writes = [f"{op.kind} {_short(*op.key)}" for op in operations(call)]
    if writes:
        return " + ".join(writes)
    if call.kind.startswith("upstream"):
        return f"{call.kind} {next(iter(call.request.values()))[:NAME_LENGTH]}"
    return call.kind


def _answer(call: Call, answer: Answer) -> str:
    if "reasons" in answer:
        return "refused (" + ", ".join(reason["Code"] for reason in answer["reasons"]) + ")"
    if "error" in answer:
        return "refused"
    if "status" in answer:
        return f"{answer['status']} {answer['members'].get('status', '')}".strip()
    return _read(answer["ok"]) if call.is_read else "done"


def _read(answer: Answer) -> str:
    if "Items" in answer:
        return f"{len(answer['Items'])} found"
    if "Item" not in answer:
        return "nothing there"
    item = answer["Item"]
    shown = [f"{name}={next(iter(item[name].values()))}" for name in SHOWN if name in item]
    return " ".join(shown)[:80] or "found"


def _short(pk: str, sk: str) -> str:
    return f"{pk}/{sk}"[: NAME_LENGTH + len(pk)]
