"""A sweep resolves what is past its time, each hold once: with somebody who comes in between."""

from dataclasses import dataclass
from typing import Any

import pytest

from engine.credits import hold_items, holds
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, Hold
from engine.credits.holds import Claim
from engine.transcription import sweeping
from engine.transcription.outcomes import FORGOTTEN_AFTER_S
from engine.transcription.sweeping import LOOK_AGAIN_S, LOST_AFTER_S
from tests.mutation.desk import NOW, Desk, Service, fresh, proxy, submit
from tests.support.gateway import Gateway
from tests.support.proxy import JOB_LIMIT_S

DUE_S = 921
"""A second after a token's time: then its job is looked at, too."""

COMPLETED = {"status": "completed", "result": {"transcription": ""}}


@dataclass
class Sweep:
    """A table of its own with one hold, and what a sweep makes of it."""

    desk: Desk
    hold: Hold
    service: Service
    claimed_at: int = NOW

    def at(self, age_s: int) -> sweeping.Swept:
        return sweeping.sweep(
            proxy(self.service, self.desk.table),
            now=self.claimed_at + age_s,
            request_id=fresh("sweep"),
            remaining_s=lambda: 60.0,
        )

    @property
    def item(self) -> dict[str, Any]:
        return self.desk.stored(self.hold)


def begun(endpoint: str, *, state: str = OPEN, job: bool = True, claimed: bool = True) -> Sweep:
    desk = Desk(Gateway(endpoint), balance=1)
    hold, service = desk.hold(state=state), Service()
    if job:
        submit(desk, hold, service)
    elif claimed:
        write = holds.claim(desk.user, hold.jti, Claim("claim", "by", NOW, look_at=NOW))
        desk.table.write(write)
    return Sweep(desk, hold, service)


@pytest.mark.parametrize("state", [OPEN, SPENT])
def test_a_running_job_is_looked_at_again_later(endpoint: str, state: str) -> None:
    sweep = begun(endpoint, state=state)
    assert sweep.at(DUE_S).waiting == 1
    assert sweep.item["expires_at"] == NOW + DUE_S + LOOK_AGAIN_S
    assert sweep.item["state"] == state


@pytest.mark.parametrize("changed", [{"state": CAPTURED}, {"jti": "another"}])
def test_a_hold_that_is_another_meanwhile_is_not_put_off(
    endpoint: str, changed: dict[str, str]
) -> None:
    sweep = begun(endpoint)
    sk = hold_items.hold_sk(sweep.hold.name)
    sweep.service.meanwhile = lambda: sweep.desk.edit(sk, **changed)
    before = sweep.item
    sweep.at(DUE_S)
    assert sweep.item == before | changed


def test_an_unused_token_gives_its_credit_back_and_one_that_is_used_meanwhile_does_not(
    endpoint: str,
) -> None:
    sweep = begun(endpoint, job=False, claimed=False)
    assert sweep.at(920) == sweeping.Swept()
    assert sweep.at(921).released == 1
    assert (sweep.item["state"], sweep.desk.explained()) == (RELEASED, (1, 0))
    assert sweep.at(921) == sweeping.Swept()


@pytest.mark.parametrize(
    ("says", "age_s", "ends"),
    [
        ((200, COMPLETED), DUE_S, CAPTURED),
        ((200, {"status": "completed"}), DUE_S, OPEN),
        ((200, {"status": "failed"}), DUE_S, RELEASED),
        ((404, {}), DUE_S, OPEN),
        (None, DUE_S, OPEN),
        (None, JOB_LIMIT_S, RELEASED),
        ((200, {"status": "processing"}), JOB_LIMIT_S - 1, OPEN),
        ((200, {"status": "processing"}), JOB_LIMIT_S, RELEASED),
    ],
)
def test_a_sweep_settles_a_job_by_what_upstream_says_of_it(
    endpoint: str, says: tuple[int, dict[str, Any]] | None, age_s: int, ends: str
) -> None:
    sweep = begun(endpoint)
    sweep.service.says = says
    sweep.at(age_s)
    assert sweep.item["state"] == ends
    assert ("open_shard" in sweep.item) == (ends == OPEN)
    sweep.desk.explained()


@pytest.mark.parametrize(
    ("later_s", "ends"), [(FORGOTTEN_AFTER_S - 1, OPEN), (FORGOTTEN_AFTER_S, RELEASED)]
)
def test_a_job_that_upstream_does_not_know_has_its_time(
    endpoint: str, later_s: int, ends: str
) -> None:
    sweep = begun(endpoint)
    sweep.service.says = (404, {})
    sweep.at(DUE_S)
    sweep.desk.edit(hold_items.hold_sk(sweep.hold.name), expires_at=NOW)
    sweep.at(DUE_S + later_s)
    assert sweep.item["state"] == ends


@pytest.mark.parametrize(("age_s", "ends"), [(LOST_AFTER_S - 1, OPEN), (LOST_AFTER_S, RELEASED)])
def test_a_job_that_was_never_confirmed_has_its_time(endpoint: str, age_s: int, ends: str) -> None:
    sweep = begun(endpoint, job=False)
    sweep.at(age_s)
    assert sweep.item["state"] == ends


@pytest.mark.parametrize(
    ("age_s", "again_s"),
    [(LOOK_AGAIN_S, 2 * LOOK_AGAIN_S), (LOST_AFTER_S - 100, LOST_AFTER_S)],
)
def test_a_job_that_was_never_confirmed_is_looked_at_again_when_its_time_is_over(
    endpoint: str, age_s: int, again_s: int
) -> None:
    sweep = begun(endpoint, job=False)
    assert sweep.at(age_s).waiting == 1
    assert sweep.item["expires_at"] == NOW + again_s


def test_a_hold_that_was_resolved_and_is_still_in_the_index_is_passed_over(endpoint: str) -> None:
    sweep = begun(endpoint, job=False, claimed=False)
    sweep.desk.edit(hold_items.hold_sk(sweep.hold.name), state=CAPTURED)
    assert sweep.at(5000) == sweeping.Swept()
    assert sweep.item["state"] == CAPTURED


def test_one_holds_trouble_does_not_keep_a_sweep_from_the_others(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    desks = [Desk(gateway, balance=1) for _ in range(2)]
    kept = [desk.hold() for desk in desks]
    desks[0].edit("ACCOUNT#credits", held=0)
    swept = Sweep(desks[0], kept[0], Service()).at(5000)
    assert (swept.waiting, swept.released) == (1, 1)
    assert [desk.stored(hold)["state"] for desk, hold in zip(desks, kept, strict=True)] == [
        OPEN, RELEASED,
    ]  # fmt: skip


def test_what_is_set_aside_is_only_what_is_still_open(endpoint: str) -> None:
    sweep = begun(endpoint, job=False)
    sweep.desk.settle(hold_items.read(sweep.item), RELEASED)
    before = sweep.item
    holds.set_aside(sweep.desk.ledger, {"pk": before["pk"], "sk": before["sk"]}, NOW + 60)
    assert sweep.item == before


def test_holds_of_the_partitions_to_come_are_swept(endpoint: str) -> None:
    sweep = begun(endpoint, job=False, claimed=False)
    last = f"open#{hold_items.SHARDS_SWEPT - 1}"
    sweep.desk.edit(sweep.item["sk"], open_shard=last)
    assert sweep.at(3600).released == 1
    assert sweep.item["state"] == RELEASED
