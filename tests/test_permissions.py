"""Each function may do what its code does, and nothing else.

That nothing is missing is shown by every test that calls a handler in process: `tests.support.permissions`
refuses what the template does not grant. Here each function is brought to do all that it does, and what
is granted and never used fails; so do policies that SAM adds beside those of the template.
"""

import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest

from engine.access import rotation
from engine.admin import dead_letters
from engine.platform.aws_json import ErrorAnswer
from engine.platform.table import Table
from engine.subscriptions import outbox
from local.settings import ROOT
from local.template import load_template
from tests.support import (
    deployed,
    openrouter,
    operators,
    payers,
    paying,
    permissions,
    studio,
    template,
    tiktok,
)
from tests.support.gateway import Gateway
from tests.support.openrouter import Context
from tests.support.permissions import Grant, Use, grants
from tests.support.scene import DOORS, make_scene
from tests.support.streams import event, records, stored_entries
from tests.test_notices import receiving
from tools.expected_resources import translated

pytestmark = pytest.mark.enable_socket

BY_THE_EVENT_SOURCE = {
    "projector": {
        ("dynamodb:DescribeStream", "Table/stream"),
        ("dynamodb:GetRecords", "Table/stream"),
        ("dynamodb:GetShardIterator", "Table/stream"),
        ("dynamodb:ListStreams", "Table/stream"),
        ("sqs:SendMessage", ""),
    },
    "transcription_worker": {
        ("sqs:ReceiveMessage", ""),
        ("sqs:DeleteMessage", ""),
        ("sqs:GetQueueAttributes", ""),
    },
}
"""What Lambda does in a function's name for its stream or queue, as its guide lists it."""


@pytest.fixture(scope="module")
def queues(endpoint: str) -> Iterator[tuple[str, str]]:
    """Of dead letters and of calls; nothing else of the engine has any."""
    sqs = boto3.client("sqs", **deployed.client_settings(endpoint))
    made = [
        sqs.create_queue(QueueName=f"permissions-{name}")["QueueUrl"] for name in ("dead", "calls")
    ]
    dead_letters._client.cache_clear()
    yield made[0], made[1]
    dead_letters._client.cache_clear()
    for url in made:
        sqs.delete_queue(QueueUrl=url)


@pytest.fixture(scope="module")
def used(endpoint: str, queues: tuple[str, str]) -> dict[str, set[Use]]:
    permissions.USED.clear()
    _requests(endpoint, queues[0])
    _transcriptions(endpoint, queues[1])
    _subscriptions(endpoint)
    _payments(endpoint)
    _videos(endpoint)
    _operators(endpoint)
    _holds(endpoint)
    _front(endpoint)
    _triggers(endpoint)
    return {name: set(uses) for name, uses in permissions.USED.items()}


def _requests(endpoint: str, dead: str) -> None:
    """Every route that reads a body, and every other with what an operator or a user would show."""
    gateway = Gateway(
        endpoint, RATE_LIMIT="100000", DEAD_LETTERS=dead, TTT_BASE="http://127.0.0.1:9"
    )
    scene = make_scene(gateway)
    for door in DOORS:
        gateway.call("POST", door.path, door.body, headers=door.headers(scene))
    for _, method, rule in deployed.routes():
        path = rule.replace("{userId}", scene.user).replace("{id}", scene.user)
        for headers in (scene.headers, gateway.admin):
            with permissions.held_to("admin"):
                gateway.call(method, path.replace("{seq}", "1"), {"reason": "x"}, headers=headers)

    for sort in ("newest", "balance"):
        gateway.call("GET", "/admin/users", headers=gateway.admin, query={"sort": sort})


def _transcriptions(endpoint: str, queue: str) -> None:
    with studio.opened(endpoint) as scene:
        user, headers, vended = scene.vend()
        scene.submit(vended)
        scene.gateway.vend(headers, "background_1")
        scene.vend()
        with scene.handing_over() as worker:
            _, _, other = scene.vend()
            scene.upstream.fault("transcribe", "delay", seconds=60)
            with scene.impatient():
                scene.submit(other)
                scene.submit(scene.vend()[2])
            assert worker.messages
        scene.pass_(3600)
        scene.sweep()
    gateway = Gateway(endpoint, CALLS_QUEUE=queue)
    for name in ("transcription", "wallet"):
        module: Any = gateway.function(name)
        with permissions.held_to(name):
            module.calls.send(user, "some-token")


def _subscriptions(endpoint: str) -> None:
    with openrouter.serving(total_credits="1000") as standin, receiving() as receiver:
        scene = openrouter.Studio(
            endpoint, standin, NOTIFY_URL=f"http://127.0.0.1:{receiver.port}/", ENVIRONMENT="local"
        )
        user = openrouter.fresh_user()
        key = scene.key(user)["key"]
        standin.spend(key, "0.6")
        scene.as_of_the_first_version(user)
        scene.monitor()
        scene.key(user)
        scene.gateway.call("GET", "/api/usage", headers=scene.headers(user))
        admin = {"headers": scene.gateway.admin}
        scene.gateway.call("GET", f"/admin/subscriptions/{user}", **admin)
        scene.gateway.call("GET", f"/admin/subscriptions/{user}/webhooks", **admin)
        write = outbox.notice(user, "credits.low", "seen", {"userId": user}, int(scene.now))
        scene.gateway.ledger.table.write(write)
        scene.gateway.call("GET", "/admin/notices", query={"state": "pending"}, **admin)
        asked = {"reason": "x"}
        scene.gateway.call("POST", f"/admin/subscriptions/{user}/rotate", asked, **admin)
        scene.settle(rounds=2)
        notices: Any = scene.gateway.function("notices")
        notices.clock = lambda: scene.now
        notices.lambda_handler({}, Context())


def _payments(endpoint: str) -> None:
    with paying.market(endpoint) as shop:
        gateway = shop.gateway
        user, headers = shop.buyer()
        shop.intent(headers)
        shop.by_mpesa(headers, phone=paying.PHONE)
        paying.eventually(lambda: shop.account(user) == (250, 0), "granted")
        gateway.call("POST", "/webhooks/stripe", {})
        with permissions.held_to("payments"):
            sale = payers.bought(gateway)
            sale.settle(payment="pi_of_nobody", intent="")
        gateway.call("GET", "/v1/payments", headers=headers)
        for query in ({}, {"user": user}):
            gateway.call("GET", "/admin/payments", headers=gateway.admin, query=query)
        gateway.call("GET", "/admin/packs/p250", headers=gateway.admin)
        assigned = {"userId": user, "packId": "p250", "reason": "x"}
        path = "/admin/payments/stripe/pi_of_nobody/assign"
        assert gateway.call("POST", path, assigned, headers=gateway.admin).status == 200
        for name in ("payments", "payments_admin", "reconciler"):
            with permissions.held_to(name):
                _daraja_token(shop, name)
        reconciler: Any = gateway.function("reconciler")
        with permissions.held_to("reconciler"):
            found = reconciler.Reconciler(reconciler.shop, payers.ACT, lambda: 0.0)
            found._note("unreadable", "stripe", "pi_of_nobody", is_found=True)
        gateway.call("GET", "/admin/payments/findings", headers=gateway.admin)
        because = {"reason": "x"}
        registered = gateway.call(
            "POST", "/admin/payments/addresses", because, headers=gateway.admin
        )
        assert registered.status == 200
        for verb in ("status", "reverse"):
            path = f"/admin/payments/mpesa/{_receipt_of(gateway, user)}/{verb}"
            assert gateway.call("POST", path, because, headers=gateway.admin).status == 202
        shop.reconcile()
        shop.by_hand()


def _receipt_of(gateway: Gateway, user: str) -> str:
    found = gateway.call("GET", "/admin/payments", headers=gateway.admin, query={"user": user})
    receipts = (one["paymentId"] for one in found.json["payments"] if one["provider"] == "mpesa")
    return str(next(receipts))


def _daraja_token(shop: paying.Market, name: str) -> None:
    """The shared token is opened, found invalid, and replaced."""
    shop.daraja.order("other_token", {})
    function: Any = shop.gateway.function(name)
    clients = function.shop.clients
    clients.__dict__.pop("daraja", None)
    now = int(time.time())
    clients.daraja.pull(now - 3600, now)


def _videos(endpoint: str) -> None:
    with tiktok.serving() as standin:
        gateway = Gateway(endpoint, TIKTOK_BASE=standin.base)
        gateway.call("GET", "/meta", query={"url": tiktok.address(tiktok.VISIBLE[0])})


def _holds(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    user, _ = gateway.user(balance=1)
    asked = {"description": "back end", "scopes": ["holds:write"]}
    made = gateway.call("POST", "/admin/generate-key", asked, headers=gateway.admin).json
    key = {"x-api-key": made["key"]}
    placed = {"userId": user, "holdId": "one", "units": 1}
    assert gateway.call("POST", "/v1/holds", placed, headers=key).status == 200
    for n in range(13):  # More than one list keeps, so that the others are read.
        longer = {"expiresInSeconds": 900, "clientRequestId": f"longer-{n}"}
        assert gateway.call("POST", "/v1/holds/one/extend", longer, headers=key).status == 200
    ended = {"units": 1, "final": True, "clientRequestId": "one"}
    assert gateway.call("POST", "/v1/holds/one/commit", ended, headers=key).status == 200


def _operators(endpoint: str) -> None:
    browser = operators.logged_in(Gateway(endpoint), "ann")
    browser.call("GET", "/dashboard/session")
    browser.call("DELETE", "/dashboard/session")


def _front(endpoint: str) -> None:
    """A request that did not come through the front, at every function with routes."""
    gateway = Gateway(endpoint, REQUIRE_FRONT="true")
    for _, method, path in deployed.routes():
        assert gateway.call(method, path).status == 403


def _triggers(endpoint: str) -> None:
    gateway = Gateway(endpoint, SECRETS_PREFIX="permissions")
    user, headers = gateway.user(balance=3)
    gateway.vend(headers)
    batch = records(stored_entries(gateway.ledger.table, user))
    projector: Any = gateway.function("projector")
    projector.lambda_handler(event(batch[1:]), Context())
    function: Any = gateway.function("rotation")
    function.clock = lambda: gateway.clock() + 100 * 86_400
    function.lambda_handler({}, Context())
    names = deployed.secret_names()
    rotation.create_missing(function.parameters, "/permissions-new/", names, int(gateway.clock()))


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_a_function_uses_all_that_it_may_do(name: str, used: dict[str, set[Use]]) -> None:
    of_lambda = BY_THE_EVENT_SOURCE.get(name, set())
    idle = [
        grant
        for grant in grants(name)
        if (grant.action, grant.thing) not in of_lambda
        and not any(grant.covers(use) for use in used[name])
    ]
    assert idle == [], f"template.yaml: {name} has no use for {idle}"


def test_only_what_has_a_stream_or_a_queue_may_read_one() -> None:
    mappings = template.resources("AWS::Lambda::EventSourceMapping").values()
    fed = {mapping["FunctionName"]["Ref"].removesuffix(".Alias") for mapping in mappings}
    names = {
        name
        for name, properties in template.resources("AWS::Serverless::Function").items()
        if properties["CodeUri"].rpartition("/")[2] in BY_THE_EVENT_SOURCE
    }
    assert names == fed


def test_what_a_policy_does_not_grant_is_refused(endpoint: str) -> None:
    """The check itself: a function that goes beyond its policy meets what it would meet in AWS."""
    gateway = Gateway(endpoint)
    function: Any = gateway.function("metadata")
    table: Table = function.store
    assert table.get("TIKTOK#1", "x") is None
    with pytest.raises(ErrorAnswer, match="not authorized"):
        table._client.get_item(TableName=table.name, Key={"pk": {"S": "A#ann"}, "sk": {"S": "x"}})
    assert permissions.REFUSED.pop() == (
        "functions/metadata is not authorized. template.yaml, its Policies: allow dynamodb:GetItem on "
        "Table, dynamodb:LeadingKeys for 'A#ann'"
    )


@pytest.mark.parametrize(
    ("grant", "use", "is_covered"),
    [
        (Grant("dynamodb:GetItem", "Table"), Use("dynamodb:GetItem", "Table", "A#ann"), True),
        (Grant("dynamodb:GetItem", "Table"), Use("dynamodb:PutItem", "Table", "A#ann"), False),
        (Grant("dynamodb:Query", "Table"), Use("dynamodb:Query", "Table/index/open-holds"), False),
        (Grant("dynamodb:GetItem", "Table", ("IP#*",)), Use("dynamodb:GetItem", "Table", "A#x"), False),
        (Grant("dynamodb:GetItem", "Table", ("IP#*",)), Use("dynamodb:GetItem", "Table", "IP#1"), True),
    ],
)  # fmt: skip
def test_a_grant_covers_its_action_on_its_thing_and_its_keys(
    grant: Grant, use: Use, is_covered: bool
) -> None:
    assert grant.covers(use) is is_covered


@cache
def roles() -> dict[str, dict[str, Any]]:
    """The roles of all functions as SAM makes them, for production."""
    given = {"Environment": "prod", "DeploymentType": "Canary10Percent15Minutes"}
    made = translated(load_template(ROOT / "template.yaml"), given)["Resources"]
    return {
        name: resource["Properties"]
        for name, resource in made.items()
        if resource["Type"] == "AWS::IAM::Role"
    }


OF_AWS = {
    "CodeDeployServiceRole": {"AWSCodeDeployRoleForLambda"},
    "": {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"},
}
"""Policies of AWS that SAM attaches, and that docs/security.md accepts: logs and traces."""


FUNCTIONS = sorted(template.resources("AWS::Serverless::Function"))
ROLES = sorted([*(f"{name}Role" for name in FUNCTIONS), "CodeDeployServiceRole"])
"""The roles that SAM makes, named here because its translation takes seconds."""


def test_every_role_is_looked_at() -> None:
    assert sorted(roles()) == ROLES


@pytest.mark.parametrize("name", ROLES)
def test_no_role_has_more_than_its_policy_and_logs_and_traces(name: str) -> None:
    """After SAM's translation, which may attach policies of AWS whose resources are `*`."""
    role = roles()[name]
    attached = {arn.rpartition("/")[2] for arn in map(_arn, role["ManagedPolicyArns"])}
    assert attached == OF_AWS.get(name, OF_AWS[""])
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            named = [
                *template.as_list(statement["Action"]),
                *template.as_list(statement["Resource"]),
            ]
            assert not [text for text in template.texts(named) if "*" in text], statement
            assert "NotAction" not in statement and "NotResource" not in statement


def _arn(value: Any) -> str:
    (text,) = [value] if isinstance(value, str) else template.texts(value)
    return text


def test_what_aws_s_own_policies_allow_is_said_where_it_is_accepted() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert all(f"`{policy}`" in page for policies in OF_AWS.values() for policy in policies)
