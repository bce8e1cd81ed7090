"""Users with the released app and older ones: how they repeat, poll, give up, come back and pay."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.chaos.deployment import Deployment, Reply
from bench.chaos.provider import TEXT
from bench.chaos.timeline import Timeline

TRIES_S = (1.0, 2.0)
"""The app's pauses before it repeats a call that failed with 408, 429 or 5xx."""

POLLS_S = (15.0,) * 3 + (30.0,) * 4 + (60.0,) * 4 + (120.0,) * 19
POCKETED_S = 600.0
"""A phone is put away, and its app stopped, for about this long."""

PAYMENT_TRIES = 50
LOST = 0.02
"""The share of answers that do not reach the phone."""

DONE, FAILED, GAVE_UP, BROKE = "text", "failed", "gave up", "no credits"
VIDEO = "https://www.tiktok.com/@someone/video/7300000000000{:06d}"


@dataclass(frozen=True)
class Habits:
    """What an app of some version, and the person behind it, does."""

    name: str
    sends_ids: bool
    """Whether the body carries an id that stays the same over repeats and taps."""
    caches_token: bool
    """Whether one token is used for every video until it is refused."""
    polls: int
    taps: int
    comes_back: float
    """How often an unfinished job is looked for again later."""
    taps_twice: float
    reads_with_user_token: float


HABITS = (
    Habits("released", True, False, 30, 3, 0.3, 0.1, 0.2),
    Habits("older", False, True, 12, 2, 0.3, 0.1, 0.5),
    Habits("hasty", True, False, 3, 2, 0.8, 0.4, 0.6),
    Habits("cached and hasty", True, True, 5, 3, 0.7, 0.2, 0.5),
)


@dataclass
class Shown:
    """What one user's app received."""

    granted: int = 0
    texts: set[str] = field(default_factory=set)
    """The jobs, by the provider's id, whose text was received."""
    ends: Counter[str] = field(default_factory=Counter)


class Phone:
    """One user's app."""

    def __init__(
        self, user: str, habits: Habits, deployment: Deployment, rng: random.Random, number: int
    ) -> None:
        self.user = user
        self.shown = Shown()
        self.habits = habits
        self._deployment = deployment
        self._timeline: Timeline = deployment.timeline
        self._rng = rng
        self._numbers = itertools.count(number * 1000)
        self._token = ""
        self._token_ends_at = 0.0
        self._unread: list[str] = []

    def live(self, until: float, pause_s: float) -> None:
        """Videos, one after the other, with pauses of about `pause_s`, and what comes between."""
        self._timeline.sleep(self._rng.uniform(0, pause_s))
        self.pay()
        while self._timeline.now < until:
            self._video()
            self._timeline.sleep(self._rng.expovariate(1 / pause_s))
            self._come_back()
            if self._rng.random() < 0.1:
                self._vend({"clientRequestId": f"background_{int(self._timeline.now * 1000)}"})

    def pay(self) -> None:
        """Buy one to four credits, however long it takes until the gateway says that they are there."""
        amount = self._rng.randint(1, 4)
        body: dict[str, Any] = {"userId": self.user, "amount": amount}
        path, headers = "/v1/credits/add", self._deployment.api_key
        if self._rng.random() < 0.5:
            body["clientRequestId"] = self._fresh("top")
        else:
            path, headers = "/add-credits", self._deployment.webhook
            body["transactionId"] = self._fresh("pay")
        for _ in range(PAYMENT_TRIES):
            if self._ask("POST", path, body, headers).status == 200:
                break
            self._timeline.sleep(20)
        else:
            raise RuntimeError("the gateway takes no payments")
        if self._rng.random() < 0.2:
            self._ask("POST", path, body, headers)
        self.shown.granted += amount

    def read(self, job: str) -> Reply:
        """The job, as its owner asks for it who has come back with a token just bought or renewed."""
        return self._ask(
            "GET", "/ttt/status/{id}", None, self._deployment.user_headers(self.user), job
        )

    def _video(self) -> None:
        url = VIDEO.format(next(self._numbers))
        ids = {"vend": self._fresh("vend"), "job": self._fresh("job")}
        if self._rng.random() < self.habits.taps_twice:
            self._timeline.spawn(partial(self._tap, url, ids), self._rng.uniform(0.01, 1.5))
        for _ in range(self.habits.taps):
            end = self._tap(url, ids)
            self.shown.ends[end] += 1
            if end == DONE:
                return
            if end == BROKE:
                if self._rng.random() < 0.2:
                    return
                self.pay()
            if end == GAVE_UP and self._rng.random() < 0.5:
                return
            if end == FAILED:
                ids = {"vend": self._fresh("vend"), "job": self._fresh("job")}
            self._timeline.sleep(self._rng.uniform(2, 60))

    def _tap(self, url: str, ids: Mapping[str, str]) -> str:
        """One tap on the button, until a text, an error or the end of patience."""
        token = self._usable_token(ids["vend"])
        if not token:
            return BROKE
        reply = self._submit(token, url, ids)
        if reply.status in (401, 403):
            self._token = ""
            token = self._usable_token(self._fresh("vend"))
            if not token:
                return BROKE
            reply = self._submit(token, url, ids)
        if not 200 <= reply.status < 300:
            return FAILED
        job = str(reply.json.get("jobId") or "")
        return self._poll(job, token) if job else FAILED

    def _usable_token(self, key: str) -> str:
        """The cached token where the app keeps one, else one that is bought; empty without credits."""
        if self.habits.caches_token and self._timeline.now < self._token_ends_at and self._token:
            return self._token
        body = {"clientRequestId": key} if self.habits.sends_ids else {}
        return self._vend(body)

    def _vend(self, body: dict[str, Any]) -> str:
        headers = self._deployment.user_headers(self.user)
        reply = self._ask("POST", "/v1/vend-token", body, headers)
        if reply.status != 200:
            return ""
        self._token = str(reply.json["token"])
        self._token_ends_at = self._timeline.now + int(reply.json["expiresIn"]) - 30
        return self._token

    def _submit(self, token: str, url: str, ids: Mapping[str, str]) -> Reply:
        body = (
            {"url": url, "clientRequestId": ids["job"]} if self.habits.sends_ids else {"url": url}
        )
        return self._ask("POST", "/ttt/transcribe", body, {"authorization": f"Bearer {token}"})

    def _poll(self, job: str, token: str) -> str:
        for pause_s in itertools.islice(POLLS_S, self.habits.polls):
            self._timeline.sleep(pause_s)
            reply = self._ask("GET", self._path(), None, self._reader(token), job)
            if reply.status == 401:
                reply = self.read(job)
            if TEXT.search(reply.text) and str(reply.json.get("text") or "").strip():
                return DONE
            if "failed" in str(reply.json.get("status")):
                return FAILED
        self._unread.append(job)
        return GAVE_UP

    def _come_back(self) -> None:
        """Now and then, after a while, the jobs that were left."""
        left, self._unread = self._unread, []
        for job in left:
            if self._rng.random() < self.habits.comes_back:
                self._timeline.sleep(self._rng.expovariate(1 / POCKETED_S))
                self.read(job)

    def _path(self) -> str:
        return self._rng.choice(("/ttt/status/{id}", "/ttt/status/{id}", "/ttt/poll/{id}"))

    def _reader(self, token: str) -> Mapping[str, str]:
        if self._rng.random() < self.habits.reads_with_user_token:
            return self._deployment.user_headers(self.user)
        return {"authorization": f"Bearer {token}"}

    def _ask(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], job: str = ""
    ) -> Reply:
        """A call and its repeats: the same body, a fresh id in the headers of each."""
        for pause_s in (*TRIES_S, None):
            fresh = {"x-client-request-id": self._fresh("req")}
            reply = self._deployment.call(method, path, body, {**headers, **fresh}, job=job)
            if self._rng.random() < LOST:
                reply = Reply(0)
            self.shown.texts.update(TEXT.findall(reply.text))
            if pause_s is None or not _is_repeated(reply.status):
                break
            self._timeline.sleep(pause_s)
        return reply

    def _fresh(self, kind: str) -> str:
        return f"{kind}_{self._rng.getrandbits(96):024x}"


def _is_repeated(status: int) -> bool:
    return status in (0, 408, 429) or status >= 500


def phones(count: int, deployment: Deployment, rng: random.Random) -> Iterator[Phone]:
    """`count` users, of every habit in turn."""
    for number in range(count):
        habits = HABITS[number % len(HABITS)]
        own = random.Random(rng.getrandbits(64))
        yield Phone(f"user-{number:03d}", habits, deployment, own, number)
