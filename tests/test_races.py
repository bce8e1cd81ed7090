"""Races of real processes and threads at stores whose writes are atomic: nobody gets what is not paid.

MiniStack is always there; dynoxide is raced on where it is installed. `PROVE=1` in the environment
races with 1,000 vends.
"""

import contextlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from bench.engines import DYNOXIDE, running
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, find
from tests.support.gateway import Gateway
from tests.support.invariants import assert_each_hold_ends_once
from tests.support.racing import DYNAMODB_ADDRESS, Order, Team, Track, new_track
from tests.support.streams import fresh
from tests.support.wallet import quote

VENDS = 1000 if os.environ.get("PROVE") == "1" else 120
CREDITS = 50
LATER_S = 3600


@dataclass
class Course:
    """A store to race on, the processes that do, and a gateway to look at what they did."""

    team: Team
    track: Track
    gateway: Gateway

    def user(self, credits: int) -> str:
        user = fresh("racer")
        self.gateway.add(user, credits)
        return user

    def sold(self, user: str) -> tuple[str, str]:
        """A token that `user` vended, and its jti."""
        token = self.gateway.vend(self.gateway.user_headers(user)).json["token"]
        return token, str(jwt.decode(token, options={"verify_signature": False})["jti"])

    def quoted(self, user: str, key: str) -> str:
        """The id of a quote for one and the same video."""
        module: Any = self.gateway.function("wallet")
        module.ledger.table.name = self.gateway.table_name
        headers = self.gateway.user_headers(user)
        return str(quote(self.gateway, headers, key).json["quoteId"])

    def race(self, orders: list[Order], processes: int = 4) -> list[Any]:
        return self.team.race(self.track, orders, processes)

    def account(self, user: str) -> tuple[int, int]:
        """What is available and held, after checking that every entry explains it."""
        self.gateway.assert_explained(user)
        assert_each_hold_ends_once(self.gateway.entries(user))
        account = self.gateway.ledger.account(user)
        return account.available, account.held

    def types(self, user: str) -> Counter[str]:
        return Counter(entry.type for entry in self.gateway.entries(user))


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    found = Team()
    yield found
    found.close()


@pytest.fixture(scope="module", params=["ministack", "dynoxide"])
def course(request: pytest.FixtureRequest, team: Team) -> Iterator[Course]:
    with contextlib.ExitStack() as stack:
        if request.param == "dynoxide":
            if not DYNOXIDE.exists():
                pytest.skip("dynoxide is not installed in .cache/dynoxide")
            engines = stack.enter_context(running())
            stack.callback(os.environ.pop, DYNAMODB_ADDRESS, None)
            dynamodb, ssm = engines.dynamodb, engines.ssm
        else:
            dynamodb = ssm = request.getfixturevalue("endpoint")
        track = new_track(dynamodb, ssm, f"pluct-races-{os.getpid()}")
        yield Course(team, track, track.gateway())


def orders(act: str, count: int, **arguments: Any) -> list[Order]:
    return [Order(act, arguments) for _ in range(count)]


def statuses(replies: list[tuple[int, str]]) -> Counter[int]:
    return Counter(status for status, _ in replies)


def test_fifty_credits_and_many_vends_at_once_sell_fifty_tokens(course: Course) -> None:
    user = course.user(CREDITS)
    vends = [Order("vend", {"user": user, "key": f"k{n}"}) for n in range(VENDS)]
    replies = course.race(vends)
    assert statuses(replies) == {200: CREDITS, 402: VENDS - CREDITS}
    sold = [json.loads(text) for status, text in replies if status == 200]
    assert len({each["token"] for each in sold}) == CREDITS
    assert sorted(each["balanceAfter"] for each in sold) == list(range(CREDITS))
    assert course.account(user) == (0, CREDITS)
    won = [n for n, (status, _) in enumerate(replies) if status == 200]
    again = [Order("vend", {"user": user, "key": f"k{n}"}) for n in won]
    assert course.race(again) == [replies[n] for n in won]
    assert course.account(user) == (0, CREDITS)


def test_vends_grants_and_settlements_of_one_account_all_count(course: Course) -> None:
    user = course.user(60)
    held = [course.sold(user)[1] for _ in range(20)]
    vends = [Order("vend", {"user": user, "key": f"v{n}"}) for n in range(40)]
    grants = [Order("grant", {"user": user, "key": f"g{n}"}) for n in range(20)]
    ends = [
        Order("settle", {"user": user, "jti": jti, "outcome": outcome})
        for jti, outcome in zip(held, itertools.cycle((CAPTURED, RELEASED)), strict=False)
    ]
    mixed = [
        order for trio in itertools.zip_longest(vends, grants, ends) for order in trio if order
    ]
    replies = course.race(mixed)
    answered = [reply for reply in replies if not isinstance(reply, str)]
    assert statuses(answered) == {200: 60}
    assert sorted(reply for reply in replies if isinstance(reply, str)) == [
        *[CAPTURED] * 10, *[RELEASED] * 10,
    ]  # fmt: skip
    assert course.account(user) == (60 - 20 - 40 + 20 + 10, 40)
    assert course.types(user) == {"api_add": 21, "spend": 60, "capture": 10, "refund": 10}


def test_fulfilments_of_one_video_under_many_ids_are_one_charge_and_one_job(course: Course) -> None:
    """With one credit, or more: no process is told to pay for what another one has bought."""
    for balance in (1, 30):
        user = course.user(balance)
        keys = [f"tap-{n}" for n in range(30)]
        asked = [{"user": user, "quote_id": course.quoted(user, key), "key": key} for key in keys]
        replies = course.race([Order("fulfil", arguments) for arguments in asked])
        assert {status for status, _, _ in replies} == {200}
        assert len({job for _, job, _ in replies}) == 1
        assert sorted(reserved for _, _, reserved in replies) == [0] * 29 + [1]
        assert course.account(user) == (balance - 1, 1)
        assert course.types(user) == {"api_add": 1, "spend": 1}


def test_one_request_id_from_eight_processes_is_charged_once(course: Course) -> None:
    user = course.user(10)
    replies = course.race(orders("vend", 64, user=user, key="same"), processes=8)
    assert {status for status, _ in replies} == {200}
    assert len({text for _, text in replies}) == 1
    assert course.account(user) == (9, 1)


def test_one_payment_from_eight_processes_is_granted_once(course: Course) -> None:
    user = course.user(1)
    replies = course.race(orders("pay", 64, user=user, payment=f"pi-{user}"), processes=8)
    assert {status for status, _ in replies} == {200}
    assert len({text for _, text in replies}) == 1
    assert course.account(user) == (2, 0)


def test_a_token_that_eight_processes_redeem_is_honoured_once(course: Course) -> None:
    user = course.user(1)
    token, _ = course.sold(user)
    assert Counter(course.race(orders("redeem", 32, token=token), processes=8)) == {
        True: 1, False: 31,
    }  # fmt: skip
    assert course.account(user) == (0, 0)


def test_redeeming_and_claiming_shut_each_other_out(course: Course) -> None:
    """A token pays for one thing: an outside backend's, or one transcription."""
    for _ in range(5):
        user = course.user(1)
        token, jti = course.sold(user)
        now = course.gateway.ledger.entries(user, limit=1)[0].at
        claims = [
            Order("claim", {"user": user, "jti": jti, "by": f"job-{n}", "now": now})
            for n in range(8)
        ]
        redeems = orders("redeem", 8, token=token)
        mixed = [order for pair in zip(claims, redeems, strict=True) for order in pair]
        assert course.race(mixed).count(True) == 1
        hold = find(course.gateway.ledger.table, user, jti)
        assert hold is not None and hold.claim is not None
        redeemed = hold.claim.startswith("redeem:")
        assert hold.state == (CAPTURED if redeemed else OPEN)
        assert course.account(user) == (0, 0 if redeemed else 1)


def test_sweeps_at_once_release_each_hold_once(course: Course) -> None:
    users = [course.user(5) for _ in range(6)]
    sold = [course.sold(user) for user in users for _ in range(5)]
    assert len(sold) == 30
    later = int(course.gateway.clock()) + LATER_S
    counts = course.race(orders("sweep", 4, now=later))
    assert all(isinstance(count, int) for count in counts), counts
    assert [course.account(user) for user in users] == [(5, 0)] * 6
    assert sum(course.types(user)["refund"] for user in users) == 30
    assert set(course.race(orders("sweep", 2, now=later))) == {0}


def test_a_claim_and_a_sweep_never_both_have_a_hold(course: Course) -> None:
    """Either the job may start and the credit stays held, or the credit is back and it may not."""
    users = [course.user(1) for _ in range(16)]
    jtis = [course.sold(user)[1] for user in users]
    later = int(course.gateway.clock()) + LATER_S
    claims = [
        Order("claim", {"user": user, "jti": jti, "by": "the-job", "now": later})
        for user, jti in zip(users, jtis, strict=True)
    ]
    sweeps = orders("sweep", 4, now=later)
    results = course.race([*claims[:8], *sweeps[:2], *claims[8:], *sweeps[2:]])
    claimed = [*results[:8], *results[10:18]]
    for user, jti, has_it in zip(users, jtis, claimed, strict=True):
        hold = find(course.gateway.ledger.table, user, jti)
        assert hold is not None
        assert (hold.state, hold.claim) == ((OPEN, "the-job") if has_it else (RELEASED, None))
        assert course.account(user) == ((0, 1) if has_it else (1, 0))


def test_ten_processes_that_settle_one_hold_differently_end_it_once(course: Course) -> None:
    """One resolves it, at most one contradiction is met, and the others change nothing."""
    for _ in range(3):
        user = course.user(3)
        _, jti = course.sold(user)
        ends = [
            Order("settle", {"user": user, "jti": jti, "outcome": outcome})
            for outcome in (CAPTURED, RELEASED) * 10
        ]
        states = course.race(ends, processes=10)
        hold = find(course.gateway.ledger.table, user, jti)
        assert hold is not None
        assert set(states) <= {CAPTURED, RELEASED}
        assert course.account(user) == ((2, 0) if hold.state == CAPTURED else (3, 0))
        resolutions = [e for e in course.gateway.entries(user) if e.reverses is not None]
        assert len(resolutions) == (2 if hold.reconciled else 1)
