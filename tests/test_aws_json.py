"""The client does with every answer what botocore's standard mode does, or what is written here beside it."""

import json
import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from unittest import mock

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from botocore.regions import EndpointResolver
from botocore.retries import standard
from botocore.retries.quota import RetryQuota
from botocore.session import Session, get_session
from hypothesis import given
from hypothesis import strategies as st

from engine.platform import aws_json
from engine.platform.aws_json import Answer, Client, ErrorAnswer, Limits, NoAnswer
from engine.platform.signing import Credentials
from engine.platform.table import marshal, unmarshal
from tests.support.properties import PROPERTY
from tests.test_table import STORED

KEY = {"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}
ASKED: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "read": ("dynamodb", "get_item", KEY),
    "update": ("dynamodb", "update_item", KEY),
    "put": ("dynamodb", "put_item", {"TableName": "t", "Item": {}}),
    "transaction": ("dynamodb", "transact_write_items", {"TransactItems": []}),
    "parameters": ("ssm", "get_parameters", {"Names": ["/a"]}),
    "parameter": ("ssm", "put_parameter", {"Name": "/a", "Value": "b", "Type": "SecureString"}),
}
NO_ANSWER = None
"""In the place of an answer: the time-out of an attempt that was sent."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended, how often it was sent, and how long it waited each time."""

    result: Any
    sent: int
    naps: tuple[float, ...]
    tokens: int
    """Different client request tokens."""


class Theirs:
    """A client of botocore with the same limits, whose answers are given on the wire."""

    def __init__(self, service: str, attempts: int) -> None:
        self.script: list[Answer | None] = []
        self.tokens: list[str] = []
        session: Any = _SESSION
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts}, parameter_validation=False
        )
        self.quota = RetryQuota()
        with mock.patch.object(standard.quota, "RetryQuota", return_value=self.quota):
            self.client: Any = session.create_client(
                service, region_name="us-east-1", config=config, **_KEYS
            )
        self.client.meta.events.register_first(f"before-send.{service}", self._send)
        self.sent = 0

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        self.sent += 1
        self.body = json.loads(request.body)
        self.tokens.append(self.body.get("ClientRequestToken", ""))
        answer = self.script.pop(0)
        if answer is None:
            raise ReadTimeoutError(endpoint_url="x")
        return AWSResponse(request.url, answer.status, answer.headers, _Raw(answer.body))

    def call(self, name: str, request: dict[str, Any], script: list[Answer | None]) -> Outcome:
        self.script, self.sent, self.tokens, naps = list(script), 0, [], []
        fake = mock.Mock(sleep=naps.append)
        with mock.patch.object(botocore.endpoint, "time", fake):
            random.seed(7)
            result = self._result(name, request)
        return Outcome(result, self.sent, tuple(naps), len(set(self.tokens)))

    def _result(self, name: str, request: dict[str, Any]) -> Any:
        try:
            answer = getattr(self.client, name)(**request)
        except ClientError as error:
            shown = error.response
            known = {n: shown[n] for n in ("Item", "CancellationReasons") if n in shown}
            return shown["Error"]["Code"], shown["ResponseMetadata"]["HTTPStatusCode"], known
        except (BotoCoreError, ResponseParserError):
            return "no answer"
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


class Ours:
    """The engine's client, likewise."""

    def __init__(self, service: str, attempts: int) -> None:
        self.client: Any = Client(
            service,
            Limits(attempts),
            endpoint="http://127.0.0.1:9",
            region="us-east-1",
            credentials=lambda: Credentials("a", "b"),
        )
        self.client.exchange = self._exchange
        self.script: list[Answer | None] = []
        self.tokens: list[str] = []
        self.sent = 0

    def _exchange(self, _operation: str, request: dict[str, Any]) -> Answer:
        self.sent += 1
        self.tokens.append(request.get("ClientRequestToken", ""))
        answer = self.script.pop(0)
        if answer is None:
            raise NoAnswer("timeout")
        return answer

    def call(self, name: str, request: dict[str, Any], script: list[Answer | None]) -> Outcome:
        self.script, self.sent, self.tokens, naps = list(script), 0, [], []
        self.client.sleep = naps.append
        random.seed(7)
        result = self._result(name, request)
        return Outcome(result, self.sent, tuple(naps), len(set(self.tokens)))

    def _result(self, name: str, request: dict[str, Any]) -> Any:
        try:
            return getattr(self.client, name)(**request)
        except ErrorAnswer as error:
            known = {
                n: error.members[n] for n in ("Item", "CancellationReasons") if n in error.members
            }
            return error.code, error.status, known
        except NoAnswer:
            return "no answer"


_SESSION = get_session()
_KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}


def answer(code: str, status: int = 400, **members: Any) -> Answer:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "said", **members}
    return Answer(status, {}, json.dumps(body).encode())


FINE = Answer(200, {}, b"{}")
DISTINGUISHED = (
    "ConditionalCheckFailedException", "IdempotentParameterMismatchException", "InternalServerError",
    "ItemCollectionSizeLimitExceededException", "LimitExceededException", "ParameterAlreadyExists",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "ResourceNotFoundException", "ServiceUnavailable", "ThrottlingException",
    "TooManyUpdates", "TransactionCanceledException", "TransactionConflictException",
    "TransactionInProgressException", "ValidationException", "AccessDeniedException",
    "UnrecognizedClientException", "IncompleteSignature", "MissingAuthenticationToken",
)  # fmt: skip


MODELLED = "ReplicatedWriteConflictException"
"""The one code that botocore repeats a call for because the model of `PutItem` and `UpdateItem` says so."""


def standard_codes() -> set[str]:
    """All codes that botocore repeats a call for."""
    return {
        *standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
        *standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    }


CODES = tuple(sorted({*DISTINGUISHED, *standard_codes()}))
_WAITS = [{}, {"x-amz-retry-after": "1500"}, {"x-amz-retry-after": "999999"}, {"x-amz-retry-after": "-5"},
          {"x-amz-retry-after": "soon"}]  # fmt: skip


@st.composite
def answers(draw: st.DrawFn) -> Answer | None:
    kind = draw(st.sampled_from(["fine", "error", "error", "bare", "none", "item"]))
    headers = draw(st.sampled_from(_WAITS))
    if kind == "none":
        return NO_ANSWER
    if kind == "fine":
        return FINE
    if kind == "item":
        return Answer(200, {}, b'{"Item":{"pk":{"S":"a"}}}')
    status = draw(st.sampled_from([400, 400, 400, 429, 500, 502, 503, 504, 501, 413, 301]))
    if kind == "bare":
        return Answer(status, headers, draw(st.sampled_from([b"", b"{}", b"<html>", b'{"x":1}'])))
    code = draw(st.sampled_from(CODES))
    # What the model knows is not throttled by its status alone; no service of AWS answers so.
    status = 400 if status == 429 else status
    return Answer(status, headers, answer(code).body)


PAIRS = {
    service: (Ours(service, tries), Theirs(service, tries))
    for service, tries in (("dynamodb", 3), ("ssm", 2))
}


@PROPERTY
@given(
    asked=st.sampled_from(sorted(ASKED)),
    script=st.lists(answers(), min_size=3, max_size=3),
)
def test_a_call_is_repeated_as_often_and_after_the_same_waits_as_by_botocore(
    asked: str, script: list[Answer | None]
) -> None:
    service, name, request = ASKED[asked]
    ours, theirs = PAIRS[service]
    ours.client._quota = aws_json.QUOTA
    theirs.quota._available_capacity = RetryQuota.INITIAL_CAPACITY
    mine = ours.call(name, dict(request), script)
    their = theirs.call(name, dict(request), script)
    if isinstance(mine.result, dict):
        # botocore drops members that its model does not know.
        assert isinstance(their.result, dict)
        mine = Outcome(their.result, mine.sent, mine.naps, mine.tokens)
    assert mine == their


@pytest.mark.parametrize("code", [*CODES, MODELLED])
@pytest.mark.parametrize("asked", ["update", "parameters"])
def test_every_code_that_is_told_apart_has_the_outcome_of_botocore(code: str, asked: str) -> None:
    service, name, request = ASKED["put" if code == MODELLED else asked]
    tries = 3 if service == "dynamodb" else 2
    ours, theirs = Ours(service, tries), Theirs(service, tries)
    script: list[Answer | None] = [answer(code, Item={"pk": {"S": "a"}})] * tries
    mine, their = (side.call(name, dict(request), script) for side in (ours, theirs))
    assert (mine.sent, mine.naps) == (their.sent, their.naps)
    assert mine.result[:2] == their.result[:2]


def test_the_quota_of_repetitions_runs_out_and_comes_back_as_that_of_botocore() -> None:
    ours, theirs = Ours("dynamodb", 3), Theirs("dynamodb", 3)
    dice = random.Random(3)
    kinds: list[Answer | None] = [
        answer("InternalServerError", 500), answer("ThrottlingException"), NO_ANSWER, FINE,
        answer("ValidationException"),
    ]  # fmt: skip
    sent = []
    for _ in range(300):
        weights = [4, 4, 2, 1, 1] if len(sent) < 150 else [1, 1, 1, 20, 1]
        script = dice.choices(kinds, weights, k=3)
        mine, their = (side.call("get_item", dict(KEY), script) for side in (ours, theirs))
        assert mine == their
        sent.append(mine.sent)
    assert 1 in sent[50:150], "the quota was never spent"
    assert max(sent[200:]) > 1, "the quota never came back"


def test_reasons_and_items_of_a_cancelled_transaction_arrive() -> None:
    reasons = [
        {"Code": "None"},
        {
            "Code": "ConditionalCheckFailed",
            "Message": "m",
            "Item": {"n": {"N": "7"}, "b": {"B": "eA=="}},
        },
    ]
    script: list[Answer | None] = [
        answer("TransactionCanceledException", CancellationReasons=reasons)
    ]
    client = Ours("dynamodb", 3).client
    client.exchange = lambda *_: script[0]
    with pytest.raises(ErrorAnswer) as refused:
        client.transact_write_items(TransactItems=[])
    assert refused.value.members["CancellationReasons"][1]["Item"] == {
        "n": {"N": "7"},
        "b": {"B": b"x"},
    }
    assert refused.value.is_unknown is False


def test_a_refusal_after_a_lost_answer_says_that_the_call_may_have_taken_effect() -> None:
    """The first attempt may have: the caller must look, and not believe the refusal of the last."""
    ours = Ours("dynamodb", 3)
    for first, is_unknown in (
        (NO_ANSWER, True),
        (answer("InternalServerError", 500), True),
        (answer("ThrottlingException"), False),
    ):
        ours.script = [first, answer("ValidationException")]
        ours.client.sleep = lambda _: None
        with pytest.raises(ErrorAnswer) as refused:
            ours.client.update_item(**KEY)
        assert refused.value.is_unknown is is_unknown


def test_a_wrong_checksum_is_no_answer_and_asked_for_again() -> None:
    body = b'{"Item":{"pk":{"S":"a"}}}'
    good = Answer(200, {"x-amz-crc32": str(zlib.crc32(body))}, body)
    bad = Answer(200, {"x-amz-crc32": "1"}, body)
    ours, theirs = Ours("dynamodb", 3), Theirs("dynamodb", 3)
    mine, their = (side.call("get_item", dict(KEY), [bad, good]) for side in (ours, theirs))
    assert mine == their
    assert mine.sent == 2
    # botocore returns the broken answer of its last attempt.
    assert ours.call("get_item", dict(KEY), [bad] * 3).result == "no answer"
    assert isinstance(theirs.call("get_item", dict(KEY), [bad] * 3).result, dict)


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"Item', b"[]", b"null", b"7", b'"x"', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_json_object_is_no_answer_and_not_asked_for_again(body: bytes) -> None:
    ours = Ours("dynamodb", 3)
    assert ours.call("get_item", dict(KEY), [Answer(200, {}, body)]) == Outcome(
        "no answer", 1, (), 1
    )


@PROPERTY
@given(st.dictionaries(st.text(max_size=8), STORED | st.binary(max_size=9), max_size=6))
def test_values_are_on_the_wire_as_botocore_writes_them_and_read_as_it_reads_them(
    item: dict[str, Any],
) -> None:
    ours, theirs = PAIRS["dynamodb"]
    request = {"TableName": "t", "Item": marshal(item)}
    theirs.call("put_item", request, [FINE])
    text = aws_json._encode(request)
    assert json.loads(text) == theirs.body
    stored = json.dumps({"Item": json.loads(text)["Item"]}).encode()
    script: list[Answer | None] = [Answer(200, {}, stored)]
    mine, their = (side.call("get_item", dict(KEY), script) for side in (ours, theirs))
    assert mine == their
    assert unmarshal(mine.result["Item"]) == item


def test_what_cannot_be_sent_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError):
        aws_json._encode({"a": object()})


REGIONS = sorted(
    {
        (service, region)
        for partition in ("aws", "aws-cn", "aws-us-gov")
        for service in ("dynamodb", "ssm")
        for region in Session().get_available_regions(service, partition)
        if region != "local"
    }
)


def test_the_endpoint_of_every_region_is_that_of_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SSM"):
        monkeypatch.delenv(name, raising=False)
    resolver = EndpointResolver(get_session().get_data("endpoints"))
    assert len(REGIONS) > 60
    for service, region in REGIONS:
        found = resolver.construct_endpoint(service, region)
        ours = Client(service, Limits(1), region=region)
        assert ours.endpoint == f"https://{found['hostname']}", region


def test_addresses_and_region_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.test:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://table.test:2")
    monkeypatch.delenv("AWS_ENDPOINT_URL_SSM", raising=False)
    assert Client("dynamodb", Limits(1)).endpoint == "http://table.test:2"
    assert Client("ssm", Limits(1)).endpoint == "http://all.test:1"
    assert Client("ssm", Limits(1), endpoint="http://own.test").endpoint == "http://own.test"
    session: Any = get_session()
    for service, wanted in (("dynamodb", "http://table.test:2"), ("ssm", "http://all.test:1")):
        assert session.create_client(service, "eu-west-1", **_KEYS).meta.endpoint_url == wanted


def test_a_signature_that_is_wrong_for_another_reason_is_refused_at_once() -> None:
    for headers in ({"date": formatdate(usegmt=True)}, {"date": "never"}, {}):
        ours = Ours("dynamodb", 3)
        body = answer("InvalidSignatureException").body
        found = ours.call("get_item", dict(KEY), [Answer(400, headers, body)])
        assert (found.result[0], found.sent) == ("InvalidSignatureException", 1)
