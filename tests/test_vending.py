"""Vending: one credit, one token, once; whatever order, repetition or refusal comes along."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import jwt
import pytest

from engine.credits.hold_items import CAPTURED, OPEN, SPENT, find
from engine.credits.holds import Claim, claim
from engine.ledger.items import account_pk, account_sk
from engine.ledger.posting import Ledger
from engine.platform.errors import Busy, InsufficientCredits
from engine.platform.table import Table, Update
from tests.support.gateway import Gateway, Reply
from tests.support.replays import timeless
from tests.support.troubles import PatientTime


def claims(reply: Reply) -> dict[str, object]:
    return jwt.decode(reply.json["token"], options={"verify_signature": False})


def test_a_vend_holds_one_credit_and_answers_a_token_for_a_quarter_of_an_hour(
    gateway: Gateway,
) -> None:
    user, headers = gateway.user(balance=2)
    reply = gateway.vend(headers)
    body = reply.json
    assert reply.status == 200
    assert list(body) == [
        "ok", "token", "serviceToken", "pollingToken", "scope", "expiresIn", "expiresAt",
        "balanceAfter", "requestId", "product", "units",
    ]  # fmt: skip
    token = claims(reply)
    assert token == {
        "iss": "pluct-business-engine",
        "aud": "tttranscribe",
        "sub": user,
        "scope": "ttt:transcribe",
        "jti": token["jti"],
        "iat": token["iat"],
        "exp": int(str(token["iat"])) + 900,
    }
    assert body["balanceAfter"] == 1
    account = gateway.ledger.account(user)
    assert (account.available, account.held) == (1, 1)
    hold = find(gateway.ledger.table, user, str(token["jti"]))
    assert hold is not None
    assert hold.state == OPEN
    gateway.assert_explained(user)


def test_the_same_request_id_answers_the_first_token_byte_for_byte(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=5)
    first = gateway.vend(headers, "again")
    second = gateway.vend(headers, "again")
    assert timeless(second.text) == timeless(first.text)
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert gateway.balance(user) == 4


def test_a_retry_of_the_last_credit_gets_its_token_and_not_402(gateway: Gateway) -> None:
    _, headers = gateway.user(balance=1)
    first = gateway.vend(headers, "last")
    assert gateway.vend(headers, "another").status == 402
    assert timeless(gateway.vend(headers, "last").text) == timeless(first.text)


def test_without_credits_402_says_so_and_nothing_changes(gateway: Gateway) -> None:
    user, headers = gateway.user()
    reply = gateway.vend(headers)
    assert reply.status == 402
    assert reply.json["error"] == "INSUFFICIENT_CREDITS"
    assert reply.json["balance"] == 0
    product = {"code": "transcript", "version": 1}
    assert reply.details == {"balance": 0, "required": 1, "price": 1, "product": product}
    assert gateway.entries(user)[1:] == []


def test_a_user_whom_nobody_created_has_nothing_to_spend(gateway: Gateway) -> None:
    reply = gateway.vend(gateway.user_headers("stranger"))
    assert (reply.status, reply.code) == (402, "insufficient_credits")


def test_the_same_request_id_with_another_payload_is_refused(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=3)
    gateway.vend(headers, "mine")
    other = {"clientRequestId": "mine", "note": "other"}
    reply = gateway.call("POST", "/v1/vend-token", other, headers=headers)
    assert (reply.status, reply.code) == (422, "idempotency_key_reused")
    assert gateway.balance(user) == 2


def test_a_request_id_belongs_to_its_user(gateway: Gateway) -> None:
    _, one = gateway.user(balance=1)
    _, two = gateway.user(balance=1)
    assert claims(gateway.vend(one, "shared"))["sub"] != claims(gateway.vend(two, "shared"))["sub"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"idempotency-key": "k"}, {"clientRequestId": "fresh", "x": 1}),
        ({"idempotency-key": '"k"'}, {"x": 1}),
        ({"x-client-request-id": "fresh"}, {"clientRequestId": "k", "x": 1}),
        ({"x-client-request-id": "k"}, {"x": 1}),
    ],
)
def test_a_key_is_the_same_however_it_is_sent(
    gateway: Gateway, headers: dict[str, str], body: dict[str, object]
) -> None:
    """`Idempotency-Key` wins over the body, the body over `X-Client-Request-Id`."""
    user, auth = gateway.user(balance=2)
    bare = gateway.call(
        "POST", "/v1/vend-token", {"x": 1}, headers={**auth, "idempotency-key": "k"}
    )
    again = gateway.call("POST", "/v1/vend-token", body, headers={**auth, **headers})
    assert timeless(again.text) == timeless(bare.text)
    assert gateway.balance(user) == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\tinside", "ümlaut", 7, True, ["k"]])
def test_a_key_that_is_not_1_to_255_printable_characters_is_refused(
    gateway: Gateway, key: object
) -> None:
    user, headers = gateway.user(balance=1)
    reply = gateway.call("POST", "/v1/vend-token", {"clientRequestId": key}, headers=headers)
    assert (reply.status, reply.details) == (400, {"field": "clientRequestId"})
    assert gateway.balance(user) == 1


def test_after_two_days_a_key_is_new(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    user, _ = gateway.user(balance=2)
    gateway.now = 1_800_000_000
    spent = {"userId": user, "clientRequestId": "legacy"}
    one = gateway.call("POST", "/vend-token", spent)
    gateway.now += 3 * 86_400
    two = gateway.call("POST", "/vend-token", spent)
    assert one.json["token"] != two.json["token"]
    assert gateway.balance(user) == 0
    gateway.assert_explained(user)


def test_thirty_credits_and_two_hundred_vends_sell_thirty_tokens(gateway: Gateway) -> None:
    """A vend that meets too many others is told to come again, and does."""
    user, headers = gateway.user(balance=30)

    def vended(n: int) -> Reply:
        while (reply := gateway.vend(headers, f"race-{n}")).status == 503:
            assert reply.code == "busy"
        return reply

    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(vended, range(200)))
    assert Counter(reply.status for reply in replies) == {200: 30, 402: 170}
    sold = [reply for reply in replies if reply.status == 200]
    assert len({claims(reply)["jti"] for reply in sold}) == 30
    assert sorted(reply.json["balanceAfter"] for reply in sold) == list(range(30))
    gateway.assert_explained(user)


def test_one_key_from_thirty_threads_is_charged_once(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=5)
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: gateway.vend(headers, "same"), range(30)))
    assert {timeless(reply.text) for reply in replies} == {timeless(replies[0].text)}
    assert gateway.balance(user) == 4
    gateway.assert_explained(user)


def test_the_rate_limit_is_exact_and_a_replay_gets_through(endpoint: str) -> None:
    gateway = Gateway(endpoint, RATE_LIMIT="5")
    user, _ = gateway.user()
    gateway.add(user, 20)
    gateway.now = 1_800_000_000
    headers = gateway.user_headers(user)
    first = gateway.vend(headers, "one")
    with ThreadPoolExecutor(10) as pool:
        statuses = Counter(
            reply.status for reply in pool.map(lambda n: gateway.vend(headers, f"r{n}"), range(20))
        )
    assert statuses == {200: 4, 429: 16}
    gateway.now += 20
    refused = gateway.vend(headers, "more")
    assert refused.headers["retry-after"] == "40"
    assert refused.json["retryAfterSeconds"] == 40
    assert refused.headers["ratelimit-policy"] == '"default";q=5;w=60'
    assert refused.headers["ratelimit"] == '"default";r=0;t=40'
    assert timeless(gateway.vend(headers, "one").text) == timeless(first.text)
    gateway.now += 40
    again = gateway.vend(headers, "more")
    assert (again.status, again.headers["ratelimit"]) == (200, '"default";r=4;t=60')


def test_the_older_route_spends_at_once_and_refuses_with_its_own_words(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=1)
    reply = gateway.call("POST", "/vend-token", {"userId": user})
    assert reply.status == 200
    account = gateway.ledger.account(user)
    assert (account.available, account.held) == (0, 0)
    hold = find(gateway.ledger.table, user, str(claims(reply)["jti"]))
    assert hold is not None
    assert hold.state == SPENT
    short = gateway.call("POST", "/vend-token", {"userId": user})
    assert (short.status, short.json["error"]) == (403, "Insufficient credits")


def test_the_older_route_can_be_switched_off(endpoint: str) -> None:
    gateway = Gateway(endpoint, ALLOW_ANONYMOUS_VEND="false")
    user, _ = gateway.user(balance=1)
    assert gateway.call("POST", "/vend-token", {"userId": user}).status == 403
    assert gateway.balance(user) == 1


def test_an_outside_backend_redeems_a_token_once(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=2)
    for token in (
        gateway.vend(headers).json["token"],
        gateway.call("POST", "/vend-token", {"userId": user}).json["token"],
    ):
        look = gateway.call("POST", "/validate-token", {"token": token}).json
        assert (look["valid"], look["used"], look["payload"]["sub"]) == (True, False, user)
        with ThreadPoolExecutor(8) as pool:
            redeem = {"token": token, "consume": True}
            answers = list(
                pool.map(lambda _: gateway.call("POST", "/validate-token", redeem).json, range(8))  # noqa: B023
            )
        assert Counter(answer["valid"] for answer in answers) == {True: 1, False: 7}
        assert {answer.get("reason") for answer in answers} == {None, "already used"}
    account = gateway.ledger.account(user)
    assert (account.available, account.held) == (0, 0)
    assert [entry.type for entry in gateway.entries(user)].count("capture") == 1
    gateway.assert_explained(user)


def test_a_backend_whose_answer_was_lost_redeems_again_with_the_same_key(gateway: Gateway) -> None:
    _, headers = gateway.user(balance=1)
    redeem = {"token": gateway.vend(headers).json["token"], "consume": True}
    mine = {**redeem, "clientRequestId": "mine"}
    assert gateway.call("POST", "/validate-token", mine).json["valid"] is True
    assert gateway.call("POST", "/validate-token", mine).json["valid"] is True
    other = {**redeem, "clientRequestId": "other"}
    assert gateway.call("POST", "/validate-token", other).json["reason"] == "already used"


def test_a_token_that_started_a_job_is_not_redeemed(gateway: Gateway) -> None:
    """The claim of a job and that of an outside backend shut each other out."""
    user, headers = gateway.user(balance=1)
    token = gateway.vend(headers).json["token"]
    jti = str(jwt.decode(token, options={"verify_signature": False})["jti"])
    gateway.ledger.table.write(claim(user, jti, Claim("a-job", "somebody", 1_800_000_000)))
    reply = gateway.call("POST", "/validate-token", {"token": token, "consume": True})
    assert reply.json["reason"] == "already used"
    hold = find(gateway.ledger.table, user, jti)
    assert hold is not None
    assert (hold.state, hold.claim) == (OPEN, "a-job")


def test_a_redeemed_hold_is_captured(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=1)
    reply = gateway.vend(headers)
    gateway.call("POST", "/validate-token", {"token": reply.json["token"], "consume": True})
    hold = find(gateway.ledger.table, user, str(claims(reply)["jti"]))
    assert hold is not None
    assert hold.state == CAPTURED


def test_what_is_no_vended_token_is_not_valid(gateway: Gateway) -> None:
    _, headers = gateway.user()
    token = headers["authorization"].removeprefix("Bearer ")
    for text in (token, "x", "a.b.c", ""):
        reply = gateway.call("POST", "/validate-token", {"token": text})
        assert (reply.status, reply.json["valid"]) == (200, False)


def test_an_account_lowered_from_outside_is_not_driven_below_zero(gateway: Gateway) -> None:
    """`available >= :needed` holds even where `seq` did not move."""
    user, headers = gateway.user(balance=1)
    stale = gateway.ledger.account(user)
    lowered = Update(
        account_pk(user), account_sk("credits"), "SET available = :none", "seq = :seq",
        values={":none": 0, ":seq": stale.seq},
    )  # fmt: skip

    class LoweredAfterReading(Table):
        def get(self, pk: str, sk: str, *, consistent: bool = True):
            found = super().get(pk, sk, consistent=consistent)
            if found is not None and found.get("available"):
                self.write(lowered)
            return found

    module, table = gateway.function("tokens"), gateway.ledger.table
    whole, module.ledger = module.ledger, Ledger(LoweredAfterReading(table._client, table.name))
    try:
        reply = gateway.vend(headers)
    finally:
        module.ledger = whole
    assert reply.status == 402
    assert gateway.balance(user) == 0


def test_a_stray_entry_is_never_written_over(gateway: Gateway) -> None:
    """The entry is put only where none is; the vend gives up without a charge."""
    user, headers = gateway.user(balance=1)
    stray = {"pk": {"S": f"A#{user}"}, "sk": {"S": f"E#credits#{3:012d}"}, "seq": {"N": "3"}}
    gateway.dynamodb.put_item(TableName=gateway.table_name, Item=stray)
    ledger, time = gateway.function("tokens").ledger, PatientTime()
    with mock.patch.multiple(ledger, _clock=time.clock, _sleep=time.sleep):
        reply = gateway.vend(headers)
    assert (reply.status, reply.code) == (503, "busy")
    assert gateway.balance(user) == 1
    kept = gateway.ledger.table.get(f"A#{user}", f"E#credits#{3:012d}")
    assert json.dumps(kept) == json.dumps(
        {"pk": f"A#{user}", "sk": f"E#credits#{3:012d}", "seq": 3}
    )


def test_errors_of_the_ledger_carry_what_clients_need() -> None:
    assert InsufficientCredits(2, 3).members == {"balance": 2}
    assert Busy(retry_after_s=7).headers == {"Retry-After": "7"}
