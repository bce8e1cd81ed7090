"""A process that Lambda restores from a snapshot, days after it was taken, sells as a fresh one does."""

import gc
import itertools
import json
import random
import time
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from snapshot_restore_py import get_after_restore

from bench import cold, runtime_api
from engine.access import ring_store, rotation, tokens
from engine.access.keyrings import ENGINE_JWT_SECRET, VEND_JWT_SECRET
from engine.access.ring_store import Stored
from engine.admin.health import Uptime
from engine.platform import outgoing, snapshots
from engine.platform.circuit import CLOSED, FAILURES_TO_OPEN, Circuit
from local.conditions import decided
from local.engine import json_client
from local.settings import ROOT
from local.template import load_template, parameter_values, resources_of_type
from tests.support import deployed
from tests.support.gateway import Gateway

DAYS_S = 40 * 24 * 3600
SNAPSHOTS = "PublishedVersions"
_prefixes = itertools.count(1)


@pytest.fixture
def gateway(endpoint: str) -> Gateway:
    """With secrets of its own, as these tests turn them."""
    prefix = f"snapshots-{next(_prefixes)}"
    return Gateway(endpoint, RATE_LIMIT="100000", SECRETS_PREFIX=prefix)


def test_the_hook_is_registered_with_the_library_of_lambda_s_runtime() -> None:
    assert [found for found in get_after_restore() if found[0] is snapshots.restored]


def rotate(gateway: Gateway, now: int) -> None:
    """New keys in the place of those that sign tokens, as after many rotations."""
    client: Any = json_client("ssm", gateway.endpoint)
    for name in (ENGINE_JWT_SECRET, VEND_JWT_SECRET):
        client.put_parameter(
            Name=f"/{gateway.environment['SECRETS_PREFIX']}/{name}",
            Value=ring_store.document(Stored((rotation.new_key(now, 0),))),
            Type="SecureString",
            Overwrite=True,
        )
    client.close()
    gateway.rings.forget()


def test_a_process_restored_after_days_and_rotations_vends(gateway: Gateway) -> None:
    """It had served, so its caches, rings and connections are the old ones."""
    user, headers = gateway.user(balance=3)
    module: Any = gateway.function("tokens")
    module.rings.clock = gateway.rings.clock = gateway.clock
    assert gateway.vend(headers, "before").status == 200
    began = int(time.time())
    old = gateway.user_headers(user)
    rotate(gateway, began + DAYS_S - 3600)
    gateway.now = began + DAYS_S
    snapshots.restored()
    new = gateway.user_headers(user)
    reply = gateway.vend(new, "after")
    assert (reply.status, reply.json["balanceAfter"]) == (200, 1)
    ring = gateway.rings[VEND_JWT_SECRET]
    sold = tokens.verify_vended(reply.json["token"], ring, now=int(gateway.now))
    assert sold.user == user
    assert gateway.vend(old, "old token").status == 401


def test_the_real_runtime_restores_a_process_that_vends_with_rotated_secrets(
    gateway: Gateway,
) -> None:
    """By `awslambdaric`, which waits for the restore as in Lambda; secrets turn while it waits."""
    user, _ = gateway.user(balance=2)
    asleep: list[int] = []

    def sleep() -> None:
        asleep.append(1)
        rotate(gateway, int(time.time()) - 60)

    environ = {**deployed.CREDENTIALS, **deployed.SETTINGS, **gateway.environment}
    with (
        cold.packaged("tokens", compiled=False) as folders,
        runtime_api.running(
            folders.command, folders.environ(environ), folders.task, sleep
        ) as process,
    ):
        event = vend_event(gateway.user_headers(user))
        answer = process.invoke(event)
    assert asleep == [1]
    assert answer.body["statusCode"] == 200, answer.body
    ring = gateway.rings[VEND_JWT_SECRET]
    token = json.loads(answer.body["body"])["token"]
    assert tokens.verify_vended(token, ring, now=int(time.time())).user == user


def vend_event(headers: Mapping[str, str]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / "vend_token.json").read_text())
    return {**event, "headers": {**event["headers"], **headers}}


def test_two_processes_of_one_snapshot_do_not_share_their_chance() -> None:
    """Or all instances of a burst would wait for the same time before they try again."""
    state = random.getstate()
    drawn = set()
    for _ in range(5):
        random.setstate(state)
        snapshots.restored()
        drawn.add(random.random())
    assert len(drawn) == 5


def test_no_connection_outlives_a_restore(gateway: Gateway) -> None:
    """The other side has closed it long ago; a write on it would be a lost answer."""
    _user, headers = gateway.user(balance=1)
    module: Any = gateway.function("tokens")
    client = module.ledger.table._client
    assert gateway.vend(headers).status == 200
    (connection,) = client._idle
    snapshots.restored()
    assert client._idle == []
    assert connection.fileno() == -1


@pytest.mark.parametrize(
    ("pools", "url"),
    [("_plain_pools", "http://127.0.0.1:9"), ("_tls_pools", "https://127.0.0.1:9")],
)
def test_no_connection_to_services_outlives_a_restore(pools: str, url: str) -> None:
    client = outgoing.Client()
    manager = getattr(client, pools)
    manager.connection_from_url(url)
    assert len(manager.pools) == 1
    snapshots.restored()
    assert len(manager.pools) == 0


def test_failures_before_a_snapshot_do_not_open_a_circuit_after_it(gateway: Gateway) -> None:
    circuit = Circuit(gateway.ledger.table, "restored", clock=lambda: 1_800_000_000.0)
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit.failed()
    snapshots.restored()
    circuit.failed()
    circuit.admit()
    assert circuit.look().state == CLOSED


def test_the_time_that_a_process_is_there_begins_with_its_restore() -> None:
    now = [1_800_000_000.0]
    uptime = Uptime(clock=lambda: now[0])
    now[0] += DAYS_S
    assert uptime.seconds == DAYS_S
    snapshots.restored()
    assert uptime.seconds == 0


def test_what_is_gone_is_not_kept_for_a_restore() -> None:
    """Whatever renews itself is held by its owner alone."""
    client = outgoing.Client()
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    snapshots.restored()


def test_functions_that_users_wait_for_start_from_snapshots_where_the_parameter_says_so() -> None:
    template = load_template(ROOT / "template.yaml")
    paths = {
        "TokensFunction", "CreditsFunction", "UsersFunction", "TranscriptionFunction",
        "MetadataFunction", "SubscriptionFunction", "HealthFunction", "HoldsFunction", "PaymentsFunction",
        "WalletFunction",
    }  # fmt: skip
    for value, wanted in (("true", paths), ("false", set())):
        chosen = decided(template, parameter_values(template, {"SnapStart": value}))
        functions = resources_of_type(chosen, "AWS::Serverless::Function")
        found = {
            name
            for name, function in functions.items()
            if function["Properties"].get("SnapStart") == {"ApplyOn": SNAPSHOTS}
        }
        assert found == wanted
