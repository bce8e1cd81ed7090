"""The drill of an outage of TTTranscribe, for seconds or for an hour, while apps continue to call."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import cycle

import requests

from bench.drills.scene import Record, Reply, Scene, User, becomes
from bench.processes import Watch, cpu_seconds

DOWN_S = 20.0
USERS = 6
CREDITS = 50
PERIODS = 6
"""The number of periods into which records are grouped."""

VIDEO = 6718335390845000000
SERVICE = "ttt"
NO_ANSWER = "no answer"
REFUSED = {"502", "503"}
BACK_WITHIN_S = 150.0
"""The circuit breaker's minute, and its three trial calls."""

SETTLED_WITHIN_S = 60.0
UNUSED_S = 1500
"""After this time an unused token has expired and the sweeper has run."""

PACE = 720
"""The rounds of an outage, at most two a second."""


@dataclass
class Seen:
    """The answers to apps by period and step, and the states of the circuit breaker."""

    length_s: float
    started: float = field(default_factory=time.monotonic)
    answers: defaultdict[int, defaultdict[str, Counter[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Counter))
    )
    states: Counter[str] = field(default_factory=Counter)
    state: str = "closed"
    written: int = 0
    """The number of writes of the circuit breaker's item."""
    untold: int = 0
    """Answers 503 without Retry-After."""

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self.started

    def note(self, step: str, reply: Reply | None) -> None:
        period = min(int(self.passed_s * PERIODS / self.length_s), PERIODS - 1)
        status = str(reply.status_code) if reply is not None else NO_ANSWER
        self.answers[period][step][status] += 1
        if reply is not None and status == "503" and "retry-after" not in reply.headers:
            self.untold += 1

    def all_of(self, step: str) -> Counter[str]:
        return sum((steps[step] for steps in self.answers.values()), Counter())

    def lines(self) -> list[str]:
        share = self.length_s / PERIODS
        return [
            f"{period * share:.0f} to {(period + 1) * share:.0f} s: "
            + "; ".join(f"{step} {_counted(counts)}" for step, counts in sorted(steps.items()))
            for period, steps in sorted(self.answers.items())
        ]


@dataclass(frozen=True)
class Early:
    """A job that upstream accepted before the outage, and its user."""

    user: User
    job: str


def upstream_down(scene: Scene, record: Record, length_s: float = DOWN_S) -> None:
    """TTTranscribe accepts jobs, then answers 503 to every call for a while; apps continue to call."""
    users = [scene.user(balance=CREDITS) for _ in range(USERS)]
    scene.job_seconds(min(90.0, length_s / 4))
    early = [_begun(scene, user, number) for number, user in enumerate(users)]
    scene.vend(users[0], "unused").raise_for_status()
    watch, cpu_before = Watch(), cpu_seconds(os.getpid())
    scene.upstream({"route": "*", "action": {"kind": "status", "status": 503}, "times": None})
    scene.control("DELETE", "calls")
    seen = _asked_meanwhile(scene, users, early, watch, length_s)
    cpu = (cpu_seconds(os.getpid()) - cpu_before) / seen.passed_s
    _tell(record, seen, cpu)
    met = scene.control("GET", "calls").json()["counts"]
    record.saw(f"calls that reached upstream meanwhile: {met}")
    _compare_balances(scene, users, record, unused=int(length_s < UNUSED_S))
    scene.upstream()
    scene.job_seconds(1.0)
    _come_back(scene, users, early, record, unused=int(length_s < UNUSED_S))
    for growth in watch.growths(fewest=4):
        record.saw(
            f"{growth.function}: {growth.memory_mb[0]:.1f} MB and {growth.files[0]} open files at "
            f"first, {growth.memory_mb[1]:.1f} and {growth.files[1]} at last"
        )
    grown = [growth.function for growth in watch.growths(fewest=4) if growth.is_leak]
    record.promise(f"no process grew or kept files open {grown or ''}".strip(), not grown)
    record.promise("the ledger adds up", scene.findings() == [])
    took = becomes(lambda: scene.differences() == [], SETTLED_WITHIN_S)
    record.promise("read models agree with the ledger", took is not None)


def _asked_meanwhile(
    scene: Scene, users: list[User], early: list[Early], watch: Watch, length_s: float
) -> Seen:
    """In turn, one user vends and submits, and another asks for the status of an earlier job."""
    seen = Seen(length_s)
    pause_s = max(0.5, length_s / PACE)
    jobs, number = cycle(early), 0
    while seen.passed_s < length_s:
        next_at = time.monotonic() + pause_s
        number += 1
        _vend_and_call(scene, users[number % USERS], number, seen)
        job = next(jobs)
        seen.note("status", _answer(scene, "GET", f"/ttt/status/{job.job}", job.user))
        _note_state(scene, seen)
        watch.sample()
        time.sleep(max(0.0, next_at - time.monotonic()))
    return seen


def _vend_and_call(scene: Scene, user: User, number: int, seen: Seen) -> None:
    try:
        vended = scene.vend(user, f"down-{number}")
    except requests.RequestException:
        seen.note("vend", None)
        return
    seen.note("vend", vended)
    if vended.ok:
        try:
            seen.note("transcribe", scene.transcribe(vended, VIDEO + number))
        except requests.RequestException:
            seen.note("transcribe", None)


def _tell(record: Record, seen: Seen, cpu: float) -> None:
    for line in seen.lines():
        record.saw(line)
    changes = ", ".join(f"{count} x {state}" for state, count in sorted(seen.states.items()))
    record.saw(
        f"changes of the breaker that were seen: {changes}; its item was written "
        f"{seen.written} times; {cpu:.3f} cores used"
    )
    vends, calls, looks = (seen.all_of(step) for step in ("vend", "transcribe", "status"))
    record.promise("vending continues", set(vends) == {"200"})
    record.promise("each call was refused at once, none 500, none lost", set(calls) <= REFUSED)
    record.promise("so was each look at a job", set(looks) <= REFUSED | {"200"})
    record.promise("each 503 has Retry-After", seen.untold == 0)
    record.promise("the circuit breaker opens", seen.states["open"] > 0)


def _compare_balances(scene: Scene, users: list[User], record: Record, unused: int) -> None:
    """Refused calls cost nothing. Credits remain held only for accepted jobs and for an unused token that has
    not expired.
    """
    balances = [scene.balance(user) for user in users]
    available, held = (sum(amounts) for amounts in zip(*balances, strict=True))
    record.saw(f"{available} of {USERS * CREDITS} credits to spend, {held} held")
    record.promise("no credit is gone", available + held == USERS * CREDITS)
    record.promise(
        f"{len(users)} begun jobs still hold one, and {unused} unused token",
        held == len(users) + unused,
    )


def _come_back(
    scene: Scene, users: list[User], early: list[Early], record: Record, unused: int
) -> None:
    """Calls succeed again without intervention, and accepted jobs are delivered and charged."""
    tried = iter(range(10_000))

    def accepted() -> bool:
        number = next(tried)
        vended = scene.vend(users[0], f"back-{number}")
        return vended.ok and scene.transcribe(vended, VIDEO + 50_000 + number).ok

    back = becomes(accepted, BACK_WITHIN_S)
    record.saw(f"first accepted call {back:.1f} s after it was well" if back else "never accepted")
    record.promise("calls succeed again without intervention", back is not None)

    def delivered() -> bool:
        replies = [_answer(scene, "GET", f"/ttt/status/{job.job}", job.user) for job in early]
        return all(reply is not None and _is_delivered(reply) for reply in replies)

    took = becomes(delivered, BACK_WITHIN_S)
    record.promise("each job that was accepted before is delivered", took is not None)
    paid = len(early) + 1
    becomes(lambda: _held(scene, users) == unused, SETTLED_WITHIN_S)
    left = sum(scene.balance(user)[0] for user in users)
    record.saw(f"{paid} texts delivered, {left} of {USERS * CREDITS} credits left, {unused} held")
    record.promise("each transcription was charged once", left == USERS * CREDITS - paid - unused)


def _is_delivered(reply: Reply) -> bool:
    return reply.ok and reply.json()["status"] == "completed" and bool(reply.json()["text"])


def _held(scene: Scene, users: list[User]) -> int:
    return sum(scene.balance(user)[1] for user in users)


def _begun(scene: Scene, user: User, number: int) -> Early:
    reply = scene.transcribe(scene.vend(user, "early"), VIDEO + 90_000 + number)
    reply.raise_for_status()
    return Early(user, reply.json()["jobId"])


def _answer(scene: Scene, method: str, path: str, user: User) -> Reply | None:
    try:
        return scene.call(method, path, user.headers)
    except requests.RequestException:
        return None


def _note_state(scene: Scene, seen: Seen) -> None:
    """Counts a change of the breaker's state since the previous look."""
    item = scene.table.get("CIRCUIT", SERVICE)
    state = item["state"] if item is not None else "closed"
    seen.written = item["version"] if item is not None else 0
    if state != seen.state:
        seen.states[state] += 1
        seen.state = state


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(counts.items()))
