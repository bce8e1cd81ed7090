"""Nobody is logged out: keys come and go for months while clients vend and transcribe over HTTP."""

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest

from engine.access import ring_store, rotation, tokens
from engine.access.keyrings import ENGINE_JWT_SECRET, KEEP_S, VEND_JWT_SECRET
from engine.access.rotation import STAGE_S
from engine.platform.times import DAY_S, iso
from local.engine import json_client
from tests.support.fleet import Client, Fleet, serving
from tests.support.gateway import Gateway
from tests.support.replays import timeless
from tests.support.upstream import serving as transcribing

INSTANCES = 3
USER_TOKEN_S = 30 * DAY_S
SIGNERS = (ENGINE_JWT_SECRET, VEND_JWT_SECRET)
_numbers = itertools.count(1)


@dataclass
class World:
    fleet: Fleet
    client: Client
    ssm: Any
    prefix: str
    user: str = "cycle-user"
    kept: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    """User tokens that have not run out, with the time when they do."""
    vends: list[tuple[float, str, str]] = field(default_factory=list)
    """Answers of vends that can still be had again: until when, under which id, and the text."""

    def ring(self, name: str) -> ring_store.Stored:
        return ring_store.read(
            self.ssm, self.prefix + name, now=int(self.fleet.now), stage_s=STAGE_S
        )

    def secrets(self, name: str) -> list[str]:
        return [key.secret for key in self.ring(name).keys]

    def keep_a_token(self) -> None:
        """What an instance signs now, with the longest life that the deployment allows."""
        now = int(self.fleet.now)
        for instance in self.fleet.instances:
            ring = instance["users"].rings[ENGINE_JWT_SECRET]
            text = tokens.issue_user(self.user, ring, now=now, lifetime_s=USER_TOKEN_S)
            self.kept.append((now + USER_TOKEN_S, {"authorization": f"Bearer {text}"}))

    def live(self) -> None:
        """Everything that a client may do with what it was ever given and may still use."""
        now = self.fleet.now
        self.keep_a_token()
        self.kept = [one for one in self.kept if one[0] > now]
        self.vends = [one for one in self.vends if one[0] > now]
        with ThreadPoolExecutor(3) as pool:
            done = [pool.submit(self.fleet.rotate)]
            # The oldest, the newest and one between: every key that has signed one is among them.
            chosen = {0, len(self.kept) // 2, len(self.kept) - 1}
            done += [pool.submit(self.transcribe, self.kept[at][1]) for at in chosen]
            vends = {self.vends[0], self.vends[-1]} if self.vends else set()
            done += [pool.submit(self.again, *vend[1:], self.kept[-1][1]) for vend in vends]
            for one in done:
                one.result()

    def transcribe(self, headers: dict[str, str]) -> None:
        key = f"vend-{next(_numbers)}"
        vended = self.call("POST", "/v1/vend-token", {"clientRequestId": key}, headers)
        self.vends.append((self.fleet.now + 48 * 3600, key, vended.text))
        ticket = {"authorization": f"Bearer {vended.json['token']}"}
        video = f"https://www.tiktok.com/@someone/video/{7300000000000000000 + next(_numbers)}"
        job = self.call("POST", "/ttt/transcribe", {"url": video}, ticket).json["jobId"]
        for credential in (ticket, headers):
            self.call("GET", f"/ttt/status/{job}", None, credential)

    def again(self, key: str, text: str, headers: dict[str, str]) -> None:
        """A repeated request gets the first answer, signed with the key of that time; where its token has
        run out, the same token for the same job with a new end.
        """
        repeated = self.call("POST", "/v1/vend-token", {"clientRequestId": key}, headers)
        first = json.loads(text)
        if first["expiresAt"] > iso(int(self.fleet.now)):
            assert timeless(repeated.text) == timeless(text)
        for member in ("requestId", "balanceAfter"):
            assert repeated.json[member] == first[member]
        before, after = first["token"], repeated.json["token"]
        assert jti_of(after) == jti_of(before)
        assert jwt.get_unverified_header(after) == jwt.get_unverified_header(before)

    def call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        reply = self.client.call(method, path, body, headers)
        assert reply.status in (200, 202), (path, self.fleet.now, reply.status, reply.text)
        return reply


def jti_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


@pytest.fixture
def world(endpoint: str) -> Iterator[World]:
    name = f"cycle-{next(_numbers)}"
    ssm = json_client("ssm", endpoint)
    shared = Gateway(endpoint, SECRETS_PREFIX=name).rings["TTT_SHARED_SECRET"].signing
    with transcribing(shared, job_seconds=0.0) as upstream:
        fleet = Fleet(endpoint, upstream.base, instances=INSTANCES, prefix=name)
        with serving(fleet) as client:
            fleet.gateway.now = fleet.now
            fleet.gateway.add("cycle-user", 5000)
            yield World(fleet, client, ssm, f"/{name}/")
    ssm.close()


def days(*numbers: int, second: int = 0) -> list[int]:
    return [number * DAY_S + second for number in numbers]


MADE = 60 * DAY_S
# Instances read their rings at different times, so some know the new keys five minutes later.
STAGED = [MADE + offset for offset in (0, 1, 100, KEEP_S - 1, KEEP_S, KEEP_S + 1, STAGE_S - 1)]
SWITCHED = [MADE + STAGE_S + offset for offset in (0, 1, KEEP_S, STAGE_S)]
FIRST_GONE = days(61, 62, 63, 64, 75, 89, 90, 91, 92, 93, second=STAGE_S)
NEXT_CYCLE = days(120, 121, 122, 150, 153, 154, 181, 215, second=2 * STAGE_S)


def test_a_whole_cycle_while_clients_vend_and_transcribe(world: World) -> None:
    start = world.fleet.now
    first = [world.secrets(name)[0] for name in SIGNERS]
    seen: dict[str, set[str]] = {name: set() for name in SIGNERS}

    def walk(seconds: list[int]) -> list[int]:
        """Lives through these times; how many keys the rings have in the end."""
        for second in seconds:
            world.fleet.now = start + second
            world.live()
            for name in SIGNERS:
                seen[name] |= set(world.secrets(name))
        return [len(world.secrets(name)) for name in SIGNERS]

    assert walk(days(0, 1, 30, 59)) == [1, 1]
    assert walk(STAGED) == [2, 2]
    assert walk(SWITCHED) == [2, 2]
    assert walk(FIRST_GONE) == [1, 1]
    assert [world.secrets(name)[0] for name in SIGNERS] != first
    walk(NEXT_CYCLE)
    assert all(len(found) >= 3 for found in seen.values())
    world.fleet.gateway.assert_explained("cycle-user")


def test_without_the_wait_clients_would_be_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cycle above is able to see."""
    hasty = {name: replace(rotation.POLICIES[name], stage_s=0) for name in SIGNERS}
    monkeypatch.setattr(rotation, "POLICIES", hasty)
    start = world.fleet.now

    def walk() -> None:
        # Which instance meets whose token is chance, so there are many.
        for second in (0, MADE - KEEP_S - 1, MADE - 100, *range(MADE, MADE + 210, 7)):
            world.fleet.now = start + second
            world.live()

    with pytest.raises(AssertionError):
        walk()


def test_a_key_goes_only_when_its_last_token_has_run_out(world: World) -> None:
    start = int(world.fleet.now)
    world.fleet.now = start + 60 * DAY_S
    world.fleet.rotate()
    signs_from = world.ring(ENGINE_JWT_SECRET).keys[1].signs_from
    assert signs_from == world.fleet.now + STAGE_S
    for name, kept_s in ((VEND_JWT_SECRET, 3 * DAY_S), (ENGINE_JWT_SECRET, USER_TOKEN_S + DAY_S)):
        world.fleet.now = signs_from + kept_s - 1
        world.fleet.rotate()
        assert len(world.secrets(name)) == 2
        world.fleet.now += 1
        world.fleet.rotate()
        assert len(world.secrets(name)) == 1


def test_an_operator_s_rotation_in_the_midst_logs_nobody_out(world: World) -> None:
    world.live()
    for name in SIGNERS:
        done = rotation.rotate(world.ssm, world.prefix, name, now=int(world.fleet.now))
        assert len(done.made) == 1
        again = rotation.rotate(world.ssm, world.prefix, name, now=int(world.fleet.now) + 60)
        assert again.made == ()
    for offset in (1, 200, KEEP_S, STAGE_S - KEEP_S, KEEP_S, KEEP_S):
        world.fleet.now += offset
        world.live()
    assert world.fleet.now > world.ring(ENGINE_JWT_SECRET).keys[-1].signs_from
    newest = world.secrets(ENGINE_JWT_SECRET)[-1]
    assert world.fleet.instances[0]["users"].rings[ENGINE_JWT_SECRET].signing == newest


def test_rotations_at_once_lose_no_key(world: World) -> None:
    at = int(world.fleet.now) + 60 * DAY_S
    terms = rotation.Terms(60 * DAY_S, USER_TOKEN_S)

    def turn(_: int) -> set[str]:
        done = [rotation.turn(world.ssm, world.prefix, name, terms, now=at) for name in SIGNERS]
        return {kid for one in done if one is not None for kid in one.made}

    with ThreadPoolExecutor(6) as pool:
        made = set().union(*pool.map(turn, range(6)))
    found = {key.kid for name in SIGNERS for key in world.ring(name).keys}
    assert made and made <= found
    for name in SIGNERS:
        value = world.ssm.get_parameter(Name=world.prefix + name, WithDecryption=True)
        written = json.loads(value["Parameter"]["Value"])
        assert len(written["keys"]) == len(world.ring(name).keys)
