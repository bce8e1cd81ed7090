"""How a submission writes, step by step, and what a settlement tells without another read."""

import json
from dataclasses import replace

import pytest

from engine.credits import hold_items, holds
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT
from engine.credits.holds import Beside
from engine.platform.table import ConditionFailed, Put, Update
from engine.products.product import TRANSCRIPT
from engine.transcription import asking, jobs, settling, starting, status
from engine.transcription.answers import Mirrored
from engine.transcription.outcomes import Heard
from engine.transcription.submission import SWEEP_AFTER_S
from tests.mutation.desk import (
    NOW,
    Desk,
    Interrupted,
    Service,
    fresh,
    nothing,
    nowhere,
    proxy,
    submit,
)
from tests.support.faults import Killed
from tests.support.gateway import Gateway

WORDS = "what was said"
COMPLETED = {"status": "completed", "result": {"transcription": WORDS}}


@pytest.mark.parametrize("charge", [None, 0])
@pytest.mark.parametrize(
    "outcomes", [(CAPTURED,), (RELEASED,), (CAPTURED, RELEASED), (RELEASED, CAPTURED)]
)
@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_a_hold_after_its_settlement_is_told_as_it_is_stored(
    gateway: Gateway, state: str, outcomes: tuple[str, ...], charge: int | None
) -> None:
    """It is not read again."""
    desk = Desk(gateway, balance=3)
    hold = desk.hold(state=state)
    for outcome in outcomes:
        hold = desk.settle(hold, outcome, charge=charge)
        assert hold == hold_items.again(desk.table, hold)
    assert hold.state == outcomes[-1]


def test_a_hold_is_told_with_what_was_stored_beside_its_settlement(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    beside = Beside(answer={"status": 502, "refusal": "{}"}, claim="redeem:it")
    after = holds.settle(desk.ledger, desk.hold(), CAPTURED, nowhere(), beside=beside)
    assert (after.answer, after.claim) == (beside.answer, beside.claim)
    assert after == hold_items.again(desk.table, after)


def test_an_answer_that_an_earlier_version_kept_is_the_answer_of_a_repeat(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    submit(desk, hold, service)
    desk.edit(hold_items.hold_sk(hold.name), answer={"status": 202, "body": '{"ok":true}'})
    assert submit(desk, hold, service) == Mirrored(202, '{"ok":true}', replayed=True)
    assert service.started == 1


def test_a_job_whose_token_lives_for_long_is_looked_at_soon_after_its_claim(
    gateway: Gateway,
) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold(product=replace(TRANSCRIPT, version=2, lifetime_s=7200))
    submit(desk, hold, Service())
    assert desk.stored(hold)["expires_at"] == NOW + SWEEP_AFTER_S


def test_what_was_heard_of_a_job_before_its_answer_was_kept_stays(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service(says=(200, COMPLETED))

    def told_by_webhook() -> None:
        service.meanwhile = nothing
        proxied = proxy(service, desk.table)
        found = starting.adopt(proxied, hold_items.again(desk.table, hold), service.job_id, NOW)
        job = jobs.read(proxied.ledger, str(found.job_id)) or {}
        heard = asking.hear(proxied, job, NOW, at_once=True)
        settling.settled(proxied, found, heard, nowhere())

    service.meanwhile = told_by_webhook
    first = submit(desk, hold, service)
    job = jobs.read(desk.ledger, service.job_id) or {}
    assert jobs.heard_in(job).members == COMPLETED and job["is_final"]
    assert desk.stored(hold)["state"] == CAPTURED
    assert submit(desk, hold, service) == Mirrored(first.status, first.body, replayed=True)


def test_a_call_that_died_before_its_hold_named_the_job_is_named_by_the_webhook(
    gateway: Gateway,
) -> None:
    """It writes the claim, the job, the job under upstream's id, and then the answer."""
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()

    def dies() -> None:
        raise Killed()

    with pytest.raises(Killed):
        submit(desk, hold, service, table=Interrupted(desk.table, dies, at=4))
    left = hold_items.again(desk.table, hold)
    assert left.claim is not None and left.job_id is None
    assert jobs.read(desk.ledger, service.job_id) is not None
    found = starting.adopt(proxy(service, desk.table), left, service.job_id, NOW)
    assert found == hold_items.again(desk.table, hold)
    assert found.job_id == service.job_id


def test_the_job_of_one_hold_does_not_replace_that_of_another(gateway: Gateway) -> None:
    desk, id_ = Desk(gateway, balance=2), fresh("upstreams")
    first, second = desk.hold(), desk.hold()
    for _ in range(2):
        desk.table.write(jobs.named(first, id_, NOW))
    with pytest.raises(ConditionFailed):
        desk.table.write(jobs.named(second, id_, NOW))
    found = desk.table.get(f"J#{id_}", "JOB")
    assert found is not None and found["jti"] == first.jti


@pytest.mark.parametrize(
    ("state", "until", "kept"),
    [
        ({"is_final": True}, NOW + 61, NOW + 61),
        ({"is_final": True}, NOW + 60, None),
        ({"is_final": True}, NOW + 59, None),
        ({}, NOW + 61, None),
    ],
)
def test_only_a_job_that_has_ended_is_kept_longer(
    gateway: Gateway, state: dict[str, bool], until: int, kept: int | None
) -> None:
    table, id_ = gateway.ledger.table, fresh("job")
    table.write(Put({"pk": f"J#{id_}", "sk": "JOB", "ttl": NOW + 60, **state}, ""))
    if kept is None:
        with pytest.raises(ConditionFailed):
            table.write(jobs.kept_until(id_, until))
    else:
        assert table.write(jobs.kept_until(id_, until))["ttl"] == kept


def test_a_failure_that_is_heard_after_the_text_gives_nothing_back(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service(says=(200, COMPLETED))
    submit(desk, hold, service)
    proxied = proxy(service, desk.table)
    status.status(proxied, desk.user, service.job_id, nowhere(NOW + 5))
    captured, failed = (
        hold_items.again(desk.table, hold),
        Heard({"status": "failed"}, is_fresh=True),
    )
    assert settling.settled(proxied, captured, failed, nowhere(NOW + 9)) == (captured, failed)
    assert (desk.stored(hold)["state"], desk.explained()) == (CAPTURED, (0, 0))


def test_the_text_of_a_job_whose_credit_went_back_is_not_told(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service(says=(200, COMPLETED))
    submit(desk, hold, service)
    proxied = proxy(service, desk.table)
    told = status.status(proxied, desk.user, service.job_id, nowhere(NOW + 5))
    assert WORDS in told.body
    desk.edit(hold_items.hold_sk(hold.name), state=RELEASED, reconciled=True)
    told = status.status(proxied, desk.user, service.job_id, nowhere(NOW + 9))
    assert WORDS not in told.body


def test_a_text_that_an_earlier_version_kept_of_a_running_job_is_not_told(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold, service = desk.hold(), Service()
    submit(desk, hold, service)
    proxied, act = proxy(service, desk.table), nowhere(NOW + 5)
    assert proxied.questions.take(service.job_id, act.at)
    said = {":said": json.dumps({"status": "processing", "text": WORDS})}
    kept = Update(f"J#{service.job_id}", "JOB", "SET said = :said", "", values=said)
    desk.table.write(kept)
    told = status.status(proxied, desk.user, service.job_id, act)
    assert '"credit":"held"' in told.body and WORDS not in told.body
