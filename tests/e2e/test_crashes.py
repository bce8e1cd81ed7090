"""Functions killed during a vend: the vend is charged and repeatable, or not charged."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from local.harness import local_run
from tests.e2e.conftest import App
from tests.support.replays import timeless

KEYS = 75
BALANCE = 50
ATTEMPTS = 200


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield int(child)
            yield from descendants(int(child))


def workers(name: str) -> list[int]:
    """The processes of this test run that execute the function `name`."""
    found = []
    for pid in descendants(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text() + os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if name in command:
            found.append(pid)
    return found


class Killer(threading.Thread):
    """Kills a random working process of the tokens function after every few answers."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.answers = 0
        self.killed = 0

    def run(self) -> None:
        chance = random.Random(7)
        seen = 0
        while not self.stopped.wait(chance.uniform(0.0, 0.02)):
            alive = workers("TokensFunction") if self.answers >= seen + 4 else []
            if alive:
                seen = self.answers
                os.kill(chance.choice(alive), signal.SIGKILL)
                self.killed += 1


def vended(app: App, headers: dict[str, str], key: str, killer: Killer) -> tuple[int, str]:
    """The final answer for `key`, without the time left; repeated until the gateway answers."""
    for _ in range(ATTEMPTS):
        try:
            reply = app.call(
                "POST", "/v1/vend-token", {"clientRequestId": key}, headers=headers, described=False
            )
        except requests.RequestException:
            continue
        if reply.status < 500:
            killer.answers += 1
            return reply.status, timeless(reply.text)
        time.sleep(0.05)
    raise AssertionError("the gateway never answered")


def test_a_killed_function_never_charges_twice_or_for_nothing() -> None:
    """A run of its own, so that no other test waits for the killed functions."""
    with local_run(COLD="1", RATE_LIMIT="100000", QUIET="1") as run:
        vend_under_fire(App(run))


def vend_under_fire(app: App) -> None:
    user, headers = app.device(balance=BALANCE)
    killer = Killer()
    killer.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            answers = list(
                pool.map(lambda n: vended(app, headers, f"key-{n}", killer), range(KEYS))
            )
    finally:
        killer.stopped.set()
        killer.join()
    assert killer.killed >= 10
    sold = [content for status, content in answers if status == 200]
    assert (len(sold), len(set(sold))) == (BALANCE, BALANCE)
    assert {status for status, _ in answers} == {200, 402}
    for n, answer in enumerate(answers):
        if answer[0] == 200:
            assert vended(app, headers, f"key-{n}", killer) == answer
    account = app.ledger.account(user)
    assert (account.available, account.held) == (0, BALANCE)
    app.assert_adds_up(user)
