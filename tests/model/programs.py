"""The engine's money moves as programs, each with the answer's facts that the rules compare."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from engine.access.keyrings import Ring
from engine.access.tokens import VENDED_LIFETIME_S, VendedToken
from engine.credits import hold_items, holds, payments, users, vending
from engine.credits.hold_items import OPEN, Hold
from engine.credits.payments import Grant
from engine.credits.users import NewUserRequest
from engine.ledger.items import CREDITS, account_pk, account_sk
from engine.ledger.served import Served
from engine.platform.act import Act
from engine.platform.errors import EngineError
from engine.platform.ids import base36, digest
from engine.transcription import starting, submission, sweeping
from engine.transcription import status as job_status
from engine.transcription.gateway import Gateway, Running
from engine.transcription.upstream import NotSent
from engine.web import rate_limits
from tests.model.replay import SECRET, Desk
from tests.model.scenario import Program
from tests.support.proxy import proxy

NOW = 1_700_000_000
USER = "u"
RING = Ring(("model-signing-secret-of-32-bytes-or-more",))
URL = "https://www.tiktok.com/@a/video/7000000000000000001"
GENEROUS = 100
HELD, LEGACY = vending.HELD_OPERATION, vending.SPENT_OPERATION


@dataclass(frozen=True)
class Asked:
    """Whose attempt it is and when it comes; attempts are a second apart."""

    request: str
    attempt: int = 1
    user: str = USER
    at: int = NOW
    follows: int | None = None
    waits: bool = False

    @property
    def now(self) -> int:
        return self.at + self.attempt

    def act(self, actor: str, reason: str = "") -> Act:
        request_id = f"{self.request}.{self.attempt}"
        return Act(actor, request_id, "192.0.2.1", "app", reason, at=self.now)

    def does(self, run: Callable[[Desk], Any]) -> Program:
        return Program(self.request, self.attempt, run, self.follows, self.waits)


def vend(
    asked: Asked, *, key: str | None = None, state: str = OPEN, rate_limit: int = GENEROUS,
    payload: str = "{}",
) -> Program:  # fmt: skip
    """A vend as `/v1/vend-token` does it, or `/vend-token` where `state` is `SPENT`."""
    sell = vending.vend_held if state == OPEN else vending.vend_spent

    def run(desk: Desk) -> Mapping[str, Any]:
        request = vending.vend_request(
            asked.user, state, RING, key or asked.request, payload, asked.act("user")
        )
        sold = sell(desk.ledger, RING, request, rate_limit=rate_limit).members
        left_s = sold.pop("expiresIn")
        sold.get("data", {}).pop("expiresIn", None)  # The older form says everything twice.
        return {
            "requestId": sold["requestId"],
            "balance": sold["balanceAfter"],
            "body": sold,
            "is_dead": left_s <= 0,
        }

    return asked.does(run)


def vend_by_a_process_that_served(asked: Asked, before: Asked) -> Program:
    """A vend by a process that made the vend `before` a moment ago, and remembers the account."""

    def run(desk: Desk) -> Any:
        desk.ledger._served = Served()
        with suppress(EngineError):
            vend(before).run(desk)
        return vend(asked).run(desk)

    return asked.does(run)


def refusal_counted(asked: Asked, *, rate_limit: int = GENEROUS) -> Program:
    """What a refused vend does to the account's rate window."""

    def run(desk: Desk) -> Mapping[str, Any]:
        pk, sk = account_pk(asked.user), account_sk(CREDITS)
        rate_limits.take_on_item(desk.table, pk, sk, rate_limit, asked.now)
        return {"counted_at": asked.now}

    return asked.does(run)


def granted(asked: Asked, amount: int = 1, *, payment: str | None = None) -> Program:
    """Credits coming in, under the request's id or as a payment."""

    def run(desk: Desk) -> Mapping[str, Any]:
        grant = Grant(
            asked.user, amount, "add_webhook", "bank", payment,
            None if payment else asked.request, str(amount), asked.act("webhook", "add_webhook"),
        )  # fmt: skip
        made = payments.grant(desk.ledger, grant)
        return {"requestId": made.request_id, "balance": made.new_balance, "at": made.at}

    return asked.does(run)


def created(asked: Asked, credits: int = 1) -> Program:
    """The user created with `credits`."""

    def run(desk: Desk) -> Mapping[str, Any]:
        request = NewUserRequest(
            asked.user, credits, asked.request, str(credits), asked.act("user")
        )
        made = users.create(desk.ledger, RING, request)
        return {"requestId": made.request_id, "balance": made.balance, "token": made.token}

    return asked.does(run)


def vended_token(key: str, *, operation: str = HELD, issued_at: int = NOW + 1) -> VendedToken:
    """The token of the first attempt of the vend with `key`."""
    jti = digest(USER, operation, key) + base36(issued_at)
    return VendedToken(USER, jti, issued_at, issued_at + VENDED_LIFETIME_S)


def submitted(asked: Asked, token: VendedToken, url: str = URL) -> Program:
    """A transcription started with `token`."""

    def run(desk: Desk) -> Mapping[str, Any]:
        act = asked.act("user")
        mirrored = submission.submit(_gateway(desk), token, url, act)
        return {"status": mirrored.status}

    return asked.does(run)


def looked_at(
    asked: Asked, job_id: str, *, has_asked: bool = False, knows: VendedToken | None = None
) -> Program:
    """`GET /ttt/status/{id}`: an end that upstream tells settles the hold. A process that `has_asked` in this
    second is told what was heard last; one that `knows` the token's job asks before it reads.
    """

    def run(desk: Desk) -> Mapping[str, Any]:
        act, gateway = asked.act("system:status"), _gateway(desk)
        if knows is not None:
            gateway.questions._running.put(job_id, Running(knows.user, knows.jti, job_id))
        if has_asked:
            gateway.questions.take(job_id, act.at)
        mirrored = job_status.status(gateway, asked.user, job_id, act)
        told = json.loads(mirrored.body)
        return {"text": told.get("text"), "job": job_id, "credit": told["credit"]}

    return asked.does(run)


def settled(asked: Asked, token: VendedToken, outcome: str) -> Program:
    """An outcome as upstream's webhook brings it."""

    def run(desk: Desk) -> Mapping[str, Any]:
        hold = hold_items.find(desk.table, token.user, token.jti)
        if hold is None:
            return {}
        after = holds.settle(desk.ledger, hold, outcome, asked.act("system:webhook"))
        return {"settled": after.state}

    return asked.does(run)


def redeemed(asked: Asked, token: VendedToken) -> Program:
    """The token honoured by an outside backend."""

    def run(desk: Desk) -> Mapping[str, Any]:
        hold: Hold = vending.validate(desk.ledger, token)
        act = asked.act("backend")
        vending.redeem(desk.ledger, hold, asked.request, act)
        return {"redeemed": token.jti, "claim": f"redeem:{digest(asked.request)}"}

    return asked.does(run)


def performed(asked: Asked, token: VendedToken) -> Program:
    """The call that was handed over, made by the worker."""

    def run(desk: Desk) -> Mapping[str, Any]:
        return {"performed": starting.perform(_gateway(desk), token.user, token.jti, asked.now)}

    return asked.does(run)


def handed_over(asked: Asked, token: VendedToken, url: str = URL) -> Program:
    """A transcription that could not be sent, and was handed to the worker."""

    def run(desk: Desk) -> Mapping[str, Any]:
        gateway = replace(_gateway(desk), upstream=_Away(), handover=_Taken(), timeout_s=0)  # type: ignore[arg-type]
        return {"status": submission.submit(gateway, token, url, asked.act("user")).status}

    return asked.does(run)


class _Away:
    base = "https://upstream.test"

    def transcribe(self, *_: object) -> None:
        raise NotSent()


class _Taken:
    def send(self, user: str, jti: str) -> None:
        return None


def swept(asked: Asked) -> Program:
    """One run of the sweeper."""

    def run(desk: Desk) -> Mapping[str, Any]:
        sweeping.sweep(
            _gateway(desk), now=asked.now, request_id=f"{asked.request}.{asked.attempt}",
            remaining_s=lambda: 60.0,
        )  # fmt: skip
        return {}

    return asked.does(run)


def attempts(
    make: Callable[[Asked], Program], asked: Asked, number: int, *, first: int, waits: bool = False
) -> list[Program]:
    """`number` attempts of one request, from place `first` on: duplicates, or retries where `waits`."""
    return [
        make(
            replace(
                asked,
                attempt=attempt,
                follows=first + attempt - 2 if attempt > 1 else None,
                waits=waits and attempt > 1,
            )
        )
        for attempt in range(1, number + 1)
    ]


def _gateway(desk: Desk) -> Gateway:
    return proxy(desk.ledger, desk.upstream, SECRET, "https://gateway.test")
