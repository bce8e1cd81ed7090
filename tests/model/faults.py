"""What can go wrong with one call."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.model.store import Answer, Call


@dataclass(frozen=True, slots=True)
class Fault:
    """`answer` is what the program is told, None if it stays where it is; the table does not change,
    but the call is in flight from now on where `in_flight` says so.
    """

    word: str
    answer: Any = None
    in_flight: bool = False
    dies: bool = False


TIMES_OUT = Fault("times out", {"timeout": True}, in_flight=True)
SENT_AGAIN = Fault("is sent again", in_flight=True)
DIES_SENDING = Fault("dies, its call in flight", in_flight=True, dies=True)
DIES = Fault("dies", dies=True)
FAILS = Fault("fails", {"error": "InternalServerError", "server": True})
UPSTREAM_AWAY = Fault("does not reach upstream", {"not_sent": True})
UPSTREAM_REFUSES = Fault("is refused by upstream", {"status": 500, "members": {}})
UPSTREAM_SILENT = Fault("gets no answer from upstream", {"timeout": True})


def faults_of(call: Call, answer: Answer, old: Answer, *, mortal: bool) -> Iterator[Fault]:
    """The faults that can befall `call`, which would get `answer`, and `old` at the start of the scenario;
    `mortal` programs can die.
    """
    if mortal:
        yield DIES if call.is_read else DIES_SENDING
    if call.may_be_old and old != answer:
        yield Fault("reads what was stored at the start", old)
    match call.kind:
        case "get_item" | "query":
            yield FAILS
        case "upstream_status":
            yield UPSTREAM_SILENT
        case "upstream_transcribe":
            yield from (UPSTREAM_AWAY, UPSTREAM_REFUSES, TIMES_OUT)
        case "transact_write_items":
            yield from (TIMES_OUT, SENT_AGAIN, _conflict(call))
            yield from _single_reasons(answer)
        case _:
            yield from (TIMES_OUT, SENT_AGAIN)


def _conflict(call: Call) -> Fault:
    reasons = [{"Code": "TransactionConflict"} for _ in call.request["TransactItems"]]
    return Fault("conflicts", {"reasons": reasons})


def _single_reasons(answer: Answer) -> Iterator[Fault]:
    reasons = answer.get("reasons", [])
    refused = [at for at, reason in enumerate(reasons) if reason["Code"] != "None"]
    for told in refused if len(refused) > 1 else ():
        alone = [r if at == told else {"Code": "None"} for at, r in enumerate(reasons)]
        yield Fault(f"is told of reason {told} alone", {"reasons": alone})
