"""Secrets are created where they are missing, once, and CloudFormation is told how it went."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from engine.access import keyrings, ring_store, rotation
from engine.access.keyrings import Key, parse
from engine.access.ring_store import Stored
from engine.access.rotation import Terms
from engine.admin import cloudformation, health
from engine.platform.outgoing import Unknown
from engine.platform.times import DAY_S
from local.engine import json_client
from local.settings import ROOT
from tests.support import deployed, template
from tests.support.gateway import Gateway
from tests.support.loglines import caught

NOW = 1_800_000_000


@pytest.fixture
def ssm(endpoint: str) -> Iterator[Any]:
    client = json_client("ssm", endpoint)
    yield client
    client.close()


def values(ssm: Any, prefix: str) -> dict[str, str]:
    found = ssm.get_parameters_by_path(Path=prefix, WithDecryption=True)["Parameters"]
    return {parameter["Name"].removeprefix(prefix): parameter["Value"] for parameter in found}


class Receiver(ThreadingHTTPServer):
    """What CloudFormation offers at the end of a custom resource: takes one answer after another."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.received: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/answer?X-Amz-Signature=abc%2Bd"


class Answers(BaseHTTPRequestHandler):
    server: Receiver

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """The server says nothing on the terminal."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def test_every_missing_secret_is_created_and_none_is_overwritten(ssm: Any) -> None:
    prefix = "/rotation-1/"
    assert rotation.create_missing(ssm, prefix, ["A", "B"], NOW) == ["A", "B"]
    first = values(ssm, prefix)
    assert rotation.create_missing(ssm, prefix, ["A", "B", "C"], NOW + 1) == ["C"]
    second = values(ssm, prefix)
    assert {name: second[name] for name in first} == first
    assert second.keys() == {"A", "B", "C"}


def test_a_secret_that_somebody_imported_is_left_as_it_is(ssm: Any) -> None:
    ssm.put_parameter(Name="/rotation-2/A", Value="imported", Type="SecureString")
    assert rotation.create_missing(ssm, "/rotation-2/", ["A"], NOW) == []
    assert values(ssm, "/rotation-2/") == {"A": "imported"}


def test_two_runs_at_once_create_each_secret_once(ssm: Any) -> None:
    names = [f"S{n}" for n in range(5)]
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(rotation.create_missing, ssm, "/rotation-3/", names, NOW) for _ in range(4)
        ]
    created = [name for run in runs for name in run.result()]
    assert sorted(created) == names


def test_a_new_ring_has_one_secret_of_256_bits_and_is_read_back() -> None:
    document = json.loads(rotation.new_ring(NOW))
    (key,) = document["keys"]
    assert list(document) == ["keys"] and list(key) == ["secret", "createdAt"]
    assert key["createdAt"] == "2027-01-15T08:00:00.000Z"
    assert len(key["secret"]) >= 43
    assert keyrings.parse(json.dumps(document)) == (Key(key["secret"], NOW, NOW),)
    assert json.loads(rotation.new_ring(NOW)) != document


def test_secrets_are_stored_encrypted(ssm: Any) -> None:
    rotation.create_missing(ssm, "/rotation-4/", ["A"], NOW)
    assert ssm.get_parameter(Name="/rotation-4/A")["Parameter"]["Type"] == "SecureString"


def request(receiver: Receiver, kind: str, **members: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": receiver.url,
        "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/pluct/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Secrets",
        "ResourceType": "Custom::Secrets",
        "ResourceProperties": {"Names": ["ONE", "TWO"]},
        **members,
    }


def invoke(endpoint: str, prefix: str, event: dict[str, Any]) -> None:
    environment = {**Gateway(endpoint).environment, "SECRETS_PREFIX": prefix}
    deployed.load("rotation", environment).lambda_handler(event, None)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_creates_the_secrets_and_cloudformation_hears_of_it(
    endpoint: str, ssm: Any, kind: str
) -> None:
    with receiving() as receiver:
        invoke(endpoint, f"rotation-{kind}", request(receiver, kind))
    ((path, content_type, body),) = receiver.received
    assert path == "/answer?X-Amz-Signature=abc%2Bd"
    assert content_type in ("", None)
    assert body == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "secrets",
        "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/pluct/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Secrets",
        "Data": {"log": "ONE, TWO"},
    }
    assert values(ssm, f"/rotation-{kind}/").keys() == {"ONE", "TWO"}


def test_an_update_keeps_its_id_and_adds_only_what_is_new(endpoint: str, ssm: Any) -> None:
    with receiving() as receiver:
        invoke(endpoint, "rotation-6", request(receiver, "Create"))
        before = values(ssm, "/rotation-6/")
        more = {
            "ResourceProperties": {"Names": ["ONE", "TWO", "THREE"]},
            "PhysicalResourceId": "kept",
        }
        invoke(endpoint, "rotation-6", request(receiver, "Update", **more))
    body = receiver.received[-1][2]
    assert (body["PhysicalResourceId"], body["Data"]) == ("kept", {"log": "THREE"})
    after = values(ssm, "/rotation-6/")
    assert {name: after[name] for name in before} == before


def test_deleting_the_stack_takes_no_secret_away(endpoint: str, ssm: Any) -> None:
    with receiving() as receiver:
        invoke(endpoint, "rotation-7", request(receiver, "Create"))
        before = values(ssm, "/rotation-7/")
        gone = request(receiver, "Delete", PhysicalResourceId="secrets")
        invoke(endpoint, "rotation-7", gone)
    assert receiver.received[-1][2]["Status"] == "SUCCESS"
    assert values(ssm, "/rotation-7/") == before


@pytest.mark.parametrize(
    "broken", [{"ResourceProperties": {}}, {"ResourceProperties": {"Names": [7]}}]
)
def test_a_failure_is_told_without_its_words_and_logged(
    endpoint: str, broken: dict[str, Any]
) -> None:
    with receiving() as receiver, caught() as lines:
        invoke(endpoint, "rotation-8", request(receiver, "Create", **broken))
    body = receiver.received[-1][2]
    assert body["Status"] == "FAILED"
    assert "log" in body["Reason"] and "Error" not in body["Reason"]
    assert [line["message"] for line in lines.json if line["level"] == "ERROR"] == [
        "custom resource failed"
    ]


def test_neither_the_answer_nor_the_log_shows_a_secret(endpoint: str, ssm: Any) -> None:
    with receiving() as receiver, caught() as lines:
        invoke(endpoint, "rotation-9", request(receiver, "Create"))
    shown = json.dumps(receiver.received) + lines.text
    secrets = [
        json.loads(value)["keys"][0]["secret"] for value in values(ssm, "/rotation-9/").values()
    ]
    assert len(secrets) == 2
    assert [secret for secret in secrets if secret in shown] == []


SAMPLE = json.loads((ROOT / "events" / "name_revision.json").read_text(encoding="utf-8"))


def revision(endpoint: str, kind: str = "Update", **properties: Any) -> dict[str, Any]:
    """What CloudFormation is answered about the sample's `Custom::Revision`, with other properties."""
    with receiving() as receiver:
        event = {
            **SAMPLE,
            "RequestType": kind,
            "ResponseURL": receiver.url,
            "ResourceProperties": {**SAMPLE["ResourceProperties"], **properties},
        }
        invoke(endpoint, "rotation-revision", event)
    answer: dict[str, Any] = receiver.received[-1][2]
    return answer


def test_a_revision_is_the_same_for_the_same_values_and_another_for_others(endpoint: str) -> None:
    first, again = revision(endpoint), revision(endpoint, ServiceTimeout="60")
    assert (first["Status"], first["PhysicalResourceId"]) == ("SUCCESS", "revision")
    assert first["Data"] == again["Data"]
    common, tokens = first["Data"]["Common"], first["Data"]["TokensFunction"]
    assert common != tokens and {len(common), len(tokens)} == {16}
    own = revision(endpoint, TokensFunction=["true"])["Data"]
    assert own["Common"] == common and own["TokensFunction"] != tokens
    every = revision(endpoint, Common=["arn", "dev", "251"])["Data"]
    assert every["Common"] != common and every["TokensFunction"] != tokens


def test_the_order_of_values_and_their_borders_count(endpoint: str) -> None:
    lists = (["a", "b"], ["b", "a"], ["ab", ""], ["a,b"])
    digests = {revision(endpoint, Common=values)["Data"]["Common"] for values in lists}
    assert len(digests) == len(lists)


def test_a_revision_that_is_deleted_is_answered(endpoint: str) -> None:
    assert revision(endpoint, "Delete")["Status"] == "SUCCESS"


@pytest.mark.parametrize("members", [{"ResourceType": "Custom::Other"}, {"ResourceProperties": {}}])
def test_a_custom_resource_that_is_not_known_fails_the_deployment(
    endpoint: str, members: dict[str, Any]
) -> None:
    with receiving() as receiver, caught() as lines:
        invoke(endpoint, "rotation-10", {**SAMPLE, "ResponseURL": receiver.url, **members})
    assert receiver.received[-1][2]["Status"] == "FAILED"
    assert [line["level"] for line in lines.json] == ["ERROR"]


@pytest.mark.parametrize("status", [302, 403, 500])
def test_an_answer_that_is_not_taken_is_an_error(status: int) -> None:
    with receiving() as receiver:
        receiver.status = status
        event = request(receiver, "Create")
        with pytest.raises(Unknown):
            cloudformation.answer(event, {}, reason="done")


TERMS = Terms(rotate_after_s=60 * DAY_S, user_token_s=30 * DAY_S)


def daily(endpoint: str, prefix: str, now: float) -> None:
    function: Any = Gateway(endpoint, SECRETS_PREFIX=prefix).function("rotation")
    function.clock = lambda: now
    function.lambda_handler({"source": "aws.events"}, None)


def put(ssm: Any, prefix: str, **rings: list[Key]) -> None:
    for name, keys in rings.items():
        value = ring_store.document(Stored(tuple(keys)))
        path = f"/{prefix}/{name}"
        ssm.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)


def test_the_calendar_turns_only_what_nobody_else_holds(endpoint: str, ssm: Any) -> None:
    with caught() as lines:
        daily(endpoint, "daily-1", time.time() + 400 * DAY_S)
    counts = {name: len(parse(value)) for name, value in values(ssm, "/daily-1/").items()}
    turned = {"ENGINE_JWT_SECRET", "VEND_JWT_SECRET"}
    assert {name for name, count in counts.items() if count == 2} == turned
    assert {name for name, policy in rotation.POLICIES.items() if policy.scheduled} == turned
    told = [line["message"] for line in lines.json if "rotated" in line["message"]]
    assert told == [f"be:rotated secret={name}" for name in rotation.POLICIES if name in turned]


def test_every_secret_of_the_template_has_a_policy() -> None:
    assert set(deployed.secret_names()) <= set(rotation.POLICIES)
    assert not any(p.scheduled and not p.made_here for p in rotation.POLICIES.values())


def test_the_age_of_each_secret_is_a_metric(endpoint: str, ssm: Any) -> None:
    daily(endpoint, "daily-2", time.time())
    put(ssm, "daily-2", WEBHOOK_SECRET=[Key("w", NOW, NOW)], ADMIN_SECRET=[Key("a", 0, 0)])
    with caught() as lines:
        daily(endpoint, "daily-2", NOW + 91 * DAY_S)
    (line,) = [line for line in lines.json if line["message"] == "secret ages"]
    assert line["ages"]["WEBHOOK_SECRET"] == 91
    assert max(line["SecretAgeDays"]) == line["ages"]["ADMIN_SECRET"] > 20_000
    assert line["_aws"]["CloudWatchMetrics"] == [
        {"Namespace": "Pluct", "Dimensions": [[]], "Metrics": [{"Name": "SecretAgeDays"}]}
    ]


def test_a_spoiled_ring_is_left_alone_counted_and_stops_no_other(endpoint: str, ssm: Any) -> None:
    daily(endpoint, "daily-3", time.time())
    ssm.put_parameter(Name="/daily-3/ENGINE_JWT_SECRET", Value="bare", Overwrite=True)
    with caught() as lines:
        daily(endpoint, "daily-3", time.time() + 400 * DAY_S)
    found = values(ssm, "/daily-3/")
    assert found["ENGINE_JWT_SECRET"] == "bare"
    assert len(parse(found["VEND_JWT_SECRET"])) == 2
    (error,) = [line for line in lines.json if line["level"] == "ERROR"]
    assert (error["message"], error["secret"]) == ("be:not-rotated", "ENGINE_JWT_SECRET")
    assert [line["NotRotated"] for line in lines.json if "NotRotated" in line] == [1]


def test_no_line_of_a_rotation_shows_a_secret(endpoint: str, ssm: Any) -> None:
    with caught() as lines:
        for day in (0, 70, 140):
            daily(endpoint, "daily-4", time.time() + day * DAY_S)
    secrets = [key.secret for value in values(ssm, "/daily-4/").values() for key in parse(value)]
    assert "be:rotated" in lines.text
    assert [secret for secret in secrets if secret in lines.text] == []


@pytest.mark.parametrize("name", ["ENGINE_JWT_SECRET", "VEND_JWT_SECRET"])
def test_a_new_key_is_made_when_the_newest_is_old_enough(name: str) -> None:
    before = Stored((Key("a", NOW, NOW),))
    day_before = rotation.turned(before, name, TERMS, NOW + 60 * DAY_S - 1)
    assert day_before == before
    after = rotation.turned(before, name, TERMS, NOW + 60 * DAY_S)
    assert [key.created_at for key in after.keys] == [NOW, NOW + 60 * DAY_S]
    assert after.keys[1].signs_from == NOW + 60 * DAY_S + rotation.STAGE_S
    assert rotation.turned(after, name, TERMS, NOW + 60 * DAY_S + 1) == after


def test_an_imported_key_stays_until_somebody_takes_it_out() -> None:
    keys = (Key("held elsewhere", NOW, NOW, imported=True), Key("a", NOW, NOW), Key("b", NOW, NOW))
    years_later = NOW + 59 * DAY_S
    after = rotation.turned(Stored(keys), "VEND_JWT_SECRET", TERMS, years_later)
    assert [key.secret for key in after.keys] == ["held elsewhere", "b"]


@pytest.mark.parametrize("name", ["TTT_SHARED_SECRET", "PROVISIONING_API_KEY", "OTHER"])
def test_what_belongs_to_others_is_not_made_here(ssm: Any, name: str) -> None:
    put(ssm, "daily-5", **{name: [Key("theirs", NOW, NOW)]})
    with pytest.raises(rotation.NotMadeHere, match=name):
        rotation.rotate(ssm, "/daily-5/", name, now=NOW)
    assert len(parse(values(ssm, "/daily-5/")[name])) == 1


def test_a_secret_that_is_shown_may_be_shown_at_once_in_both_forms(ssm: Any) -> None:
    put(ssm, "daily-6", WEBHOOK_SECRET=[Key("old", NOW, NOW)])
    done = rotation.rotate(ssm, "/daily-6/", "WEBHOOK_SECRET", now=NOW + 60)
    assert (len(done.made), done.dropped, done.age_s) == (1, (), 0)
    ring = keyrings.KeyRings(ssm, "/daily-6/", ("WEBHOOK_SECRET",))["WEBHOOK_SECRET"]
    assert ring.matches("old") and ring.secrets[0] == "old" and len(ring.secrets) == 2


def test_the_template_creates_all_secrets_that_functions_may_read() -> None:
    granted = {
        str(resource).rsplit("/", 1)[-1].rstrip("'}")
        for function in template.functions().values()
        for statement in function.statements
        if "ssm:GetParameters" in statement["Action"]
        for resource in (
            statement["Resource"]
            if isinstance(statement["Resource"], list)
            else [statement["Resource"]]
        )
    }
    named = {*deployed.secret_names(), *deployed.imported_names()}
    assert granted - {health.PROBE_PARAMETER} == named
