"""A token is used once, by one job or one redemption: each condition, with somebody who comes in between.

What `tests/test_conditions.py` shows of credits and holds, this shows of what is built on them.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from engine.credits import hold_items, vending
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, Hold
from engine.ledger.audit import Audit
from engine.ledger.items import account_pk
from engine.platform.errors import (
    EngineError,
    InsufficientCredits,
    JobNotFound,
    RateLimited,
    TokenAlreadyUsed,
    Unauthorized,
    UpstreamFailed,
)
from engine.platform.table import ConditionFailed, Put, Table, Update
from engine.transcription import jobs, starting, submission
from engine.transcription import status as job_status
from engine.transcription.answers import Mirrored
from engine.transcription.handover import NoHandover
from engine.transcription.submission import SWEEP_AFTER_S
from engine.transcription.upstream import NotSent, UpstreamAnswer
from engine.web import rate_limits
from engine.web.request_ids import KEEP_S
from tests.mutation.desk import (
    NOW,
    OTHER_VIDEO,
    VIDEO,
    Desk,
    Interrupted,
    Service,
    brisk,
    fresh,
    nothing,
    nowhere,
    proxy,
    submit,
)
from tests.support.gateway import Gateway


def redeem(desk: Desk, hold: Hold, key: str = "", *, table: Table | None = None) -> None:
    vending.redeem(brisk(table or desk.table), hold, key or fresh("key"), nowhere())


@contextmanager
def unauthorized(reason: str) -> Iterator[None]:
    """What is done in it is refused, for `reason`."""
    with pytest.raises(Unauthorized) as refused:
        yield
    assert refused.value.details == {"reason": reason}


def replaced(desk: Desk, *, now: int = NOW + KEEP_S + 1) -> tuple[Hold, Hold]:
    """A hold, and the one that a vend of the same key put into its place."""
    return desk.hold("key", state=SPENT), desk.hold("key", state=SPENT, now=now)


# Redeeming


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_a_token_that_is_redeemed_meanwhile_is_not_redeemed_twice(
    gateway: Gateway, state: str
) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold(state=state)
    with unauthorized("already used"):
        redeem(desk, hold, table=desk.interrupted(lambda: redeem(desk, hold)))
    item = desk.stored(hold)
    assert (item["state"], item["claim"][:7]) == (CAPTURED if state == OPEN else SPENT, "redeem:")
    assert desk.explained() == (0, 0)


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_the_same_redemption_again_is_the_first_one(gateway: Gateway, state: str) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold("key", state=state)
    redeem(desk, hold, "mine", table=desk.interrupted(lambda: redeem(desk, hold, "mine")))
    found, _ = desk.vend("key", state=state)
    item = desk.stored(found)
    table = desk.interrupted(nothing)
    redeem(desk, found, "mine", table=table)
    assert table.made == 0
    with unauthorized("already used"):
        redeem(desk, found, "another")
    assert desk.stored(found) == item
    assert desk.explained() == (0, 0)


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_a_token_whose_job_is_begun_meanwhile_is_not_redeemed(gateway: Gateway, state: str) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold(state=state)
    service = Service()
    with unauthorized("already used"):
        redeem(desk, hold, table=desk.interrupted(lambda: submit(desk, hold, service)))
    item = desk.stored(hold)
    assert (item["state"], item["job_id"]) == (state, service.job_id)
    assert not item["claim"].startswith("redeem:")


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_a_token_whose_job_was_begun_before_is_not_redeemed(gateway: Gateway, state: str) -> None:
    desk = Desk(gateway, balance=1)
    submit(desk, desk.hold("key", state=state), Service())
    hold, _ = desk.vend("key", state=state)
    with unauthorized("already used"):
        redeem(desk, hold)
    item = desk.stored(hold)
    assert item["state"] == state
    assert not item["claim"].startswith("redeem:")


def test_a_token_whose_credit_went_back_meanwhile_is_not_redeemed(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold(state=SPENT)
    table = desk.interrupted(lambda: desk.settle(hold, RELEASED))
    with unauthorized("already used"):
        redeem(desk, hold, table=table)
    assert "claim" not in desk.stored(hold)
    assert desk.explained() == (1, 0)
    with unauthorized("released"):
        vending.validate(desk.ledger, hold.token)


def test_a_token_whose_place_another_took_is_good_for_nothing(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=2)
    old, new = replaced(desk)
    service = Service()
    with unauthorized("already used"):
        redeem(desk, old)
    with unauthorized("unknown"):
        submit(desk, old, service)
    assert "claim" not in desk.stored(new)
    submit(desk, new, service)
    with unauthorized("unknown"):
        submit(desk, old, service)
    assert service.started == 1


# Starting a job


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_a_token_starts_one_job_whose_answer_is_kept_with_it(gateway: Gateway, state: str) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(state=state), Service()
    first = submit(desk, hold, service)
    item = desk.stored(hold)
    packed = zlib.decompress(item["answer"]["packed"])
    assert (item["job_id"], packed.decode()) == (service.job_id, first.body)
    look_at = hold.grace_ends_at if state == OPEN else NOW + SWEEP_AFTER_S
    assert (item["open_shard"], item["expires_at"]) == (hold_items.shard_of(hold.name), look_at)
    assert "ttl" not in item
    assert submit(desk, hold, service) == Mirrored(first.status, first.body, replayed=True)
    with pytest.raises(TokenAlreadyUsed):
        submit(desk, hold, service, url=OTHER_VIDEO)
    assert service.started == 1


def test_a_call_that_comes_while_upstream_is_asked_starts_nothing(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, second = desk.hold(), Service()
    submit(desk, hold, Service(meanwhile=lambda: submit(desk, hold, second)))
    assert second.started == 0


def test_a_token_that_is_claimed_meanwhile_starts_no_other_job(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    table = desk.interrupted(lambda: submit(desk, hold, service))
    with pytest.raises(TokenAlreadyUsed):
        submit(desk, hold, service, url=OTHER_VIDEO, table=table)
    assert service.started == 1


@pytest.mark.parametrize("changed", [{"jti": "another"}, {"claimed_by": "another"}])
def test_an_answer_is_kept_only_with_the_hold_that_its_call_claimed(
    gateway: Gateway, changed: dict[str, str]
) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    service = Service(meanwhile=lambda: desk.edit(hold_items.hold_sk(hold.name), **changed))
    with pytest.raises(UpstreamFailed):
        submit(desk, hold, service)
    item = desk.stored(hold)
    assert "packed" not in item.get("answer", {}) and "job_id" not in item
    job = desk.table.get(f"J#{service.job_id}", "JOB") or {}
    assert (job["user"], job["jti"]) == (desk.user, hold.jti)
    assert "said_packed" not in job


def test_a_job_id_that_somebody_else_has_is_not_taken_over(gateway: Gateway) -> None:
    theirs, ours = Desk(gateway, balance=1), Desk(gateway, balance=1)
    service = Service()
    submit(theirs, theirs.hold(), service)
    before = theirs.table.get(f"J#{service.job_id}", "JOB")
    hold = ours.hold()
    with pytest.raises(UpstreamFailed):
        submit(ours, hold, service)
    assert theirs.table.get(f"J#{service.job_id}", "JOB") == before
    assert ours.stored(hold)["state"] == RELEASED
    assert ours.explained() == (1, 0)
    assert theirs.explained() == (0, 1)


def test_an_answer_that_was_kept_already_is_known_again(gateway: Gateway) -> None:
    """Two deliveries of one write, the first one's answer lost."""
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()

    class Twice(Interrupted):
        def transact(self, writes: Any) -> None:
            super().transact(writes)
            super().transact(writes)

    assert submit(desk, hold, service, table=Twice(desk.table, nothing)).status == 202
    assert desk.stored(hold)["state"] == OPEN
    assert desk.explained() == (0, 1)


def test_a_token_whose_credit_went_back_starts_nothing(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    desk.settle(hold, RELEASED)
    with unauthorized("released"):
        submit(desk, hold, service)
    assert service.started == 0
    assert desk.explained() == (1, 0)


# By the worker, and by the webhook


def handed_over(desk: Desk, state: str = OPEN) -> Hold:
    """A hold whose call nobody has made yet."""
    hold = desk.hold(state=state)

    class Away(Service):
        def transcribe(self, *_: object) -> UpstreamAnswer:
            raise NotSent()

    class Kept(NoHandover):
        def send(self, user: str, jti: str) -> None:
            return None

    gateway = replace(proxy(Away(), desk.table), timeout_s=0, handover=Kept())
    submission.submit(gateway, hold.token, VIDEO, nowhere())
    return hold_items.read(desk.stored(hold))


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_the_worker_makes_the_call_that_any_token_paid_for(gateway: Gateway, state: str) -> None:
    desk, service = Desk(gateway, balance=1), Service()
    hold = handed_over(desk, state)
    assert starting.perform(proxy(service, desk.table), desk.user, hold.jti, NOW) == "started"
    assert (desk.stored(hold)["job_id"], service.started) == (service.job_id, 1)


@pytest.mark.parametrize(
    "changed", [{"jti": "another"}, {"state": RELEASED}, {"performed_at": NOW}]
)
def test_the_worker_makes_no_call_where_the_hold_is_another_meanwhile(
    gateway: Gateway, changed: dict[str, Any]
) -> None:
    desk, service = Desk(gateway, balance=1), Service()
    hold = handed_over(desk)
    table = desk.interrupted(lambda: desk.edit(hold_items.hold_sk(hold.name), **changed))
    starting.perform(proxy(service, table), desk.user, hold.jti, NOW)
    assert service.started == 0


@pytest.mark.parametrize("changed", [{"jti": "another"}, {"job_id": "another"}])
def test_a_job_is_named_only_to_the_hold_that_lacks_it(
    gateway: Gateway, changed: dict[str, Any]
) -> None:
    desk, job_id = Desk(gateway, balance=1), fresh("job")
    hold = handed_over(desk)
    table = desk.interrupted(lambda: desk.edit(hold_items.hold_sk(hold.name), **changed))
    starting.adopt(proxy(Service(), table), hold, job_id, NOW)
    assert desk.stored(hold).get("job_id") == changed.get("job_id")
    assert desk.table.get(f"J#{job_id}", "JOB") is None


# How a job goes


def read(desk: Desk, job_id: str, service: Service) -> Mirrored:
    return job_status.status(proxy(service, desk.table), desk.user, job_id, nowhere())


@pytest.mark.parametrize(
    ("says", "ends", "figures"),
    [
        ("completed", CAPTURED, (0, 0)),
        ("failed", RELEASED, (1, 0)),
        ("processing", OPEN, (0, 1)),
    ],
)
def test_the_end_of_a_job_settles_its_hold(
    gateway: Gateway, says: str, ends: str, figures: tuple[int, int]
) -> None:
    desk = Desk(gateway, balance=1)
    members = {"status": says, "result": {"transcription": "text"}}
    hold, service = desk.hold(), Service(says=(200, members))
    submit(desk, hold, service)
    read(desk, service.job_id, service)
    assert desk.stored(hold)["state"] == ends
    assert desk.explained() == figures


def test_a_job_of_which_nobody_heard_stays_held_and_is_not_started_again(
    gateway: Gateway,
) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service(slow=True)
    assert submit(desk, hold, service).status == 202
    assert desk.explained() == (0, 1)
    assert submit(desk, hold, service).replayed
    desk.settle(hold_items.read(desk.stored(hold)), RELEASED)
    with pytest.raises(TokenAlreadyUsed):
        submit(desk, hold, service)
    assert service.started == 1


def test_a_job_is_read_by_its_user_alone(gateway: Gateway) -> None:
    """By its id, also where its record names another user, and by ours once the token was used."""
    desk, service = Desk(gateway, balance=2), Service()
    unused = desk.hold()
    submit(desk, desk.hold(), service)
    job = {"pk": f"J#{service.job_id}", "sk": "JOB"}
    found = desk.table.get(**job)
    assert found is not None
    with pytest.raises(JobNotFound):
        read(Desk(gateway), service.job_id, service)
    with pytest.raises(JobNotFound):
        read(desk, f"job-{unused.name}", service)
    desk.table.write(Put(found | {"user": "another"}, ""))
    with pytest.raises(JobNotFound):
        read(desk, service.job_id, service)


# Refusals


def told(desk: Desk, error: EngineError, table: Table, limit: int = 2) -> EngineError:
    return vending.refused(Audit(table, 400), desk.user, error, nowhere(), rate_limit=limit)


def test_a_refused_vend_is_counted_and_one_that_the_limit_refused_is_not(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    short = InsufficientCredits(0, 1)
    assert [told(desk, short, desk.table) for _ in range(2)] == [short, short]
    assert desk.item("ACCOUNT#credits")["rate_used"] == 2
    limited = told(desk, short, desk.table)
    assert isinstance(limited, RateLimited)
    table = desk.interrupted(nothing)
    assert told(desk, limited, table) is limited
    assert table.made == 2, "the audit and its figure alone"


def test_a_refused_vend_of_nobodys_is_counted_beside(gateway: Gateway) -> None:
    desk, short = Desk(gateway), InsufficientCredits(0, 1)
    assert told(desk, short, desk.interrupted(nothing), limit=1) is short
    assert isinstance(told(desk, short, desk.interrupted(nothing), limit=1), RateLimited)
    with pytest.raises(RateLimited):
        rate_limits.take(desk.table, account_pk(desk.user), "vend", 1, NOW)
    assert desk.table.get(account_pk(desk.user), "ACCOUNT#credits") is None


def ended_elsewhere(desk: Desk, job_id: str) -> None:
    """Somebody else hears that the job has completed."""
    said = '{"status":"completed","result":{"transcription":"words"}}'
    change = "SET said = :said, is_final = :yes"
    desk.table.write(Update(f"J#{job_id}", "JOB", change, "", values={":said": said, ":yes": True}))


def test_a_job_that_has_ended_meanwhile_keeps_its_end(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    service = Service(says=(200, {"status": "failed"}))
    submit(desk, hold, service)
    table = desk.interrupted(lambda: ended_elsewhere(desk, service.job_id))
    gone = job_status.status(proxy(service, table), desk.user, service.job_id, nowhere())
    assert '"credit":"captured"' in gone.body
    assert desk.stored(hold)["state"] == CAPTURED


@pytest.mark.parametrize(
    "says", [(200, {"status": "processing"}), (200, {"status": "failed"}), (404, {})]
)
def test_what_was_heard_of_a_jobs_end_first_stays(
    gateway: Gateway, says: tuple[int, dict[str, Any]]
) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    submit(desk, hold, service)
    service.says, service.meanwhile = says, lambda: ended_elsewhere(desk, service.job_id)
    assert '"credit":"captured"' in read(desk, service.job_id, service).body
    assert desk.stored(hold)["state"] == CAPTURED


def test_a_job_that_passes_while_upstream_is_asked_does_not_come_back(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    submit(desk, hold, service)
    key = {"pk": {"S": f"J#{service.job_id}"}, "sk": {"S": "JOB"}}
    service.meanwhile = lambda: gateway.dynamodb.delete_item(TableName=desk.table.name, Key=key)
    read(desk, service.job_id, service)
    assert desk.table.get(f"J#{service.job_id}", "JOB") is None


def test_a_job_that_expired_is_not_created_again_by_an_erasure(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    submit(desk, hold, service)
    job = jobs.read(desk.ledger, service.job_id)
    assert job is not None
    key = {"pk": {"S": job["pk"]}, "sk": {"S": job["sk"]}}
    gateway.dynamodb.delete_item(TableName=desk.table.name, Key=key)
    with pytest.raises(ConditionFailed):
        desk.table.write(jobs.erasure(job, NOW))
    assert jobs.read(desk.ledger, service.job_id) is None


def test_a_job_that_upstream_knows_again_begins_its_time_anew(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service(says=(404, {}))
    submit(desk, hold, service)
    for later_s, says in ((0, (404, {})), (60, (200, {"status": "processing"})), (130, (404, {}))):
        service.says = says
        with suppress(JobNotFound):
            job_status.status(
                proxy(service, desk.table), desk.user, service.job_id, nowhere(NOW + later_s)
            )
    assert desk.stored(hold)["state"] == OPEN
