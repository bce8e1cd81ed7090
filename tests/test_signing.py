"""Signatures are botocore's own, and credentials are those that botocore would use, before they end."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ContainerProvider, ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from engine.platform import signing
from engine.platform.signing import (
    EARLY_S,
    PAUSE_S,
    TRIES,
    Credentials,
    NoCredentials,
    Role,
    Signer,
)
from tests.support.answering import DROP, Answer, Answering, answering
from tests.support.properties import PROPERTY

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
NOT_SIGNED = frozenset(botocore.auth.SIGNED_HEADERS_BLACKLIST) | {
    "authorization", "date", "host", "x-amz-date", "x-amz-security-token",
}  # fmt: skip
HEADERS = st.dictionaries(TOKENS.filter(lambda name: name not in NOT_SIGNED), TEXT, max_size=5)
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@PROPERTY
@given(
    headers=HEADERS,
    body=st.binary(max_size=200) | TEXT.map(str.encode),
    query=st.lists(st.tuples(TEXT, TEXT), max_size=4),
    secret=KEYS,
    token=st.none() | KEYS,
    region=st.sampled_from(["us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1"]) | TOKENS,
    service=st.sampled_from(["dynamodb", "ssm", "sts"]),
    at=st.integers(0, 4_000_000_000),
)
def test_a_signature_is_that_of_botocore(
    headers: dict[str, str],
    body: bytes,
    query: list[tuple[str, str]],
    secret: str,
    token: str | None,
    region: str,
    service: str,
    at: int,
) -> None:
    host = f"{service}.{region}.example.test"
    ours = Signer(service, region).signed(
        Credentials("AKID", secret, token or ""), {"host": host, **headers}, body, at, query=query
    )
    request = AWSRequest(
        "POST", f"https://{host}/?{urlencode(query)}", {"host": host, **headers}, body
    )
    if query:
        request.url, request.params = f"https://{host}/", query
    now = datetime.fromtimestamp(at, UTC)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now):
        SigV4Auth(ReadOnlyCredentials("AKID", secret, token), service, region).add_auth(request)
    assert ours == {name.lower(): value for name, value in request.headers.items()}


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials("AKID", "the-secret", "the-token"))
    assert "AKID" in shown
    assert "the-secret" not in shown and "the-token" not in shown


def test_credentials_of_the_environment_are_used_as_they_are_now() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    role = Role(environ)
    assert role() == Credentials("A", "b", "c")
    environ |= {"AWS_ACCESS_KEY_ID": "D", "AWS_SESSION_TOKEN": ""}
    assert role() == Credentials("D", "b")
    assert role.forget() is False


NOW = 1_900_000_000.0
LIFE_S = 6 * 3600


def credentials(number: int, ends_at: float = NOW + LIFE_S) -> Answer:
    return Answer(200, {
        "AccessKeyId": f"AKID{number}", "SecretAccessKey": f"secret{number}", "Token": f"token{number}",
        "Expiration": datetime.fromtimestamp(ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    })  # fmt: skip


class Lambda:
    """A function's credentials endpoint, as where SnapStart is on, and a clock."""

    def __init__(self, server: Answering) -> None:
        self.server, self.now = server, NOW
        self.environ = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/2021-04-23/credentials?a=b",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the token",
        }
        self.role = Role(self.environ, clock=lambda: self.now)

    def plan(self, *answers: Answer | str) -> None:
        self.server.plan[:] = answers

    @property
    def key(self) -> str:
        return self.role().key_id


@pytest.fixture
def lambda_() -> Iterator[Lambda]:
    with answering(credentials(1)) as server:
        yield Lambda(server)


def test_the_endpoint_is_asked_as_botocore_asks_it(lambda_: Lambda) -> None:
    lambda_.plan(credentials(1, time.time() + LIFE_S))
    ours = lambda_.role()
    theirs = ContainerProvider(environ=lambda_.environ).load().get_frozen_credentials()
    assert (ours.key_id, ours.secret, ours.token) == tuple(theirs)[:3]
    mine, botocores = lambda_.server.asked
    for name in ("authorization", "host"):
        assert mine.headers[name] == botocores.headers[name]
    assert (mine.method, mine.path) == (botocores.method, botocores.path)


def test_a_token_in_a_file_goes_before_that_of_the_environment(
    lambda_: Lambda, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("of the file")
    lambda_.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(file)
    assert lambda_.key == "AKID1"
    assert lambda_.server.asked[0].headers["authorization"] == "of the file"


def test_credentials_are_asked_for_once_and_again_before_they_end(lambda_: Lambda) -> None:
    lambda_.plan(credentials(1), credentials(2, NOW + 2 * LIFE_S))
    assert [lambda_.key for _ in range(3)] == ["AKID1"] * 3
    lambda_.now = NOW + LIFE_S - EARLY_S - 1
    assert lambda_.key == "AKID1"
    assert len(lambda_.server.asked) == 1
    lambda_.now += 1
    assert [lambda_.key for _ in range(3)] == ["AKID2"] * 3
    assert len(lambda_.server.asked) == 2


def test_credentials_that_end_soon_are_not_asked_for_with_every_call(lambda_: Lambda) -> None:
    lambda_.plan(credentials(1, NOW + EARLY_S / 2))
    assert [lambda_.key for _ in range(3)] == ["AKID1"] * 3
    assert len(lambda_.server.asked) == 1


def test_where_the_endpoint_fails_credentials_are_used_until_they_end(lambda_: Lambda) -> None:
    assert lambda_.key == "AKID1"
    lambda_.plan(Answer(500, {}))
    lambda_.now = NOW + LIFE_S - EARLY_S
    assert [lambda_.key for _ in range(3)] == ["AKID1"] * 3
    assert len(lambda_.server.asked) == 1 + TRIES
    lambda_.now += PAUSE_S
    assert lambda_.key == "AKID1"
    assert len(lambda_.server.asked) == 1 + 2 * TRIES
    lambda_.now = NOW + LIFE_S
    with pytest.raises(NoCredentials):
        lambda_.role()
    lambda_.plan(credentials(2, lambda_.now + LIFE_S))
    assert lambda_.key == "AKID2"


BROKEN: Mapping[str, Answer | str] = {
    "nothing": DROP,
    "error": Answer(400, {"code": "x"}),
    "text": Answer(200, "not JSON"),
    "list": Answer(200, []),
    "no secret": Answer(200, {"AccessKeyId": "A", "Expiration": "2030-01-01T00:00:00Z"}),
    "no time": Answer(200, {"AccessKeyId": "A", "SecretAccessKey": "b", "Expiration": "soon"}),
    "null": Answer(200, {"AccessKeyId": "A", "SecretAccessKey": "b", "Expiration": None}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_answer_is_asked_for_again(lambda_: Lambda, kind: str) -> None:
    lambda_.plan(BROKEN[kind], BROKEN[kind], credentials(3))
    assert lambda_.key == "AKID3"
    lambda_.role.forget()
    lambda_.plan(BROKEN[kind])
    with pytest.raises(NoCredentials):
        lambda_.role()
    assert len(lambda_.server.asked) == 3 + TRIES


def test_what_aws_refuses_is_asked_for_anew(lambda_: Lambda) -> None:
    lambda_.plan(credentials(1), credentials(2))
    assert lambda_.key == "AKID1"
    assert lambda_.role.forget() is True
    assert lambda_.key == "AKID2"


@pytest.mark.parametrize(
    "host", ["evil.example.test", "10.0.0.1", "169.254.169.254", "[2001:db8::1]"]
)
def test_the_token_is_sent_to_no_other_host_without_tls(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{host}/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the token",
    }
    monkeypatch.setattr(signing, "HTTPConnection", mock.Mock(side_effect=AssertionError("called")))
    with pytest.raises(NoCredentials):
        Role(environ)()
    with pytest.raises(ValueError, match="Unsupported host"):
        ContainerProvider(environ=environ).load()


def test_without_any_credentials_there_is_an_error() -> None:
    with pytest.raises(NoCredentials):
        Role({})()


def test_the_answer_of_the_endpoint_is_limited(lambda_: Lambda) -> None:
    long: Any = {**json.loads(json.dumps(credentials(1).members)), "Rest": "x" * 100_000}
    lambda_.plan(Answer(200, long))
    with pytest.raises(NoCredentials):
        lambda_.role()
