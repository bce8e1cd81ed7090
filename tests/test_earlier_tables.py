"""A table that version 57e622b made is read, verified, served and continued by this one."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.commands.ledger import export
from cli.commands.ledger.export import Format, Selection
from engine.credits import hold_items, holds
from engine.credits.hold_items import CAPTURED, RELEASED, SPENT, WRITTEN_OFF
from engine.credits.verification import verify_all
from engine.ledger import origins
from engine.ledger.items import LATER, Entry, read_entry
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.circuit import AlwaysClosed
from engine.platform.table import Item, marshal, unmarshal
from engine.readmodels.projection import Projector
from engine.readmodels.rebuild import compare, write
from engine.subscriptions.plans import UNIT
from engine.transcription.gateway import Questions
from engine.transcription.handover import NoHandover
from local.engine import json_client
from tests.support import deployed
from tests.support.gateway import Gateway, Reply
from tests.support.scripted import COMPLETED, FAILED, ScriptedUpstream
from tests.support.streams import Context, at_once, event, records

MADE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "57e622b" / "table.json").read_text()
)
"""The items, the calls that made them with their answers, and when the table was read (epoch seconds)."""

ITEMS: list[Item] = [unmarshal(item) for item in MADE["items"]]
ENTRIES = [item for item in ITEMS if item["sk"].startswith("E#")]
ANSWERS: Mapping[str, Any] = {answer["name"]: answer for answer in MADE["answers"]}
NOW = int(MADE["madeAt"])
PREFIX = "pluct-57e622b"
BATCH = 25
JOBS = 9
"""The jobs that upstream had started by then."""

LATER_S = 4000
"""After that no job is waited for any more."""

UPSTREAM = Act("system:upstream", "r-late", "", "", "the job ended", at=NOW)
HIDDEN = ("token", "serviceToken", "pollingToken")
"""Members of an answer that the file has by their digests."""


class Deployment:
    """This version's functions over the table, at the moment when it was read."""

    def __init__(self, endpoint: str) -> None:
        _put_secrets(endpoint)
        self.gateway = Gateway(endpoint, SECRETS_PREFIX=PREFIX, RATE_LIMIT="100000")
        self.table = self.gateway.ledger.table
        self.upstream = ScriptedUpstream()
        self.gateway.now = NOW
        for name in ("transcription", "sweeper"):
            module: Any = self.gateway.function(name)
            module.upstream, module.circuit = self.upstream, AlwaysClosed()
            module.questions = Questions()
        transcription: Any = self.gateway.function("transcription")
        transcription.calls = NoHandover()
        self.gateway.function("sweeper").clock = self.gateway.clock  # type: ignore[attr-defined]

    def restore(self) -> None:
        """The table, the time and upstream as they were when the table was read."""
        self.gateway.now = NOW
        self.upstream.jobs.clear()
        self.upstream.started = ["job"] * JOBS
        found = self.table.scan("sk > :lowest", {":lowest": " "})
        keys = [marshal({"pk": item["pk"], "sk": item["sk"]}) for item in found]
        self._write([{"DeleteRequest": {"Key": key}} for key in keys])
        self._write([{"PutRequest": {"Item": item}} for item in MADE["items"]])

    def _write(self, requests: list[dict[str, Any]]) -> None:
        for first in range(0, len(requests), BATCH):
            batch = requests[first : first + BATCH]
            self.gateway.dynamodb.batch_write_item(RequestItems={self.gateway.table_name: batch})

    def again(self, name: str) -> Reply:
        """The same call at the same time."""
        asked = ANSWERS[name]
        self.gateway.now = asked["at"]
        headers = self._headers(asked["who"])
        return self.gateway.call(asked["method"], asked["path"], asked["body"], headers=headers)

    def _headers(self, who: str) -> dict[str, str]:
        gateway = self.gateway
        known = {
            "api": gateway.api_key,
            "admin": gateway.admin,
            "webhook": {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing},
            "none": {},
        }
        return known[who] if who in known else gateway.user_headers(who)

    def entries(self) -> list[Entry]:
        found = self.table.scan("begins_with(sk, :entry)", {":entry": "E#"})
        return [read_entry(item) for item in found]

    def figures(self, user: str) -> tuple[int, int]:
        account = self.gateway.ledger.account(user)
        return account.available, account.held

    def hold(self, user: str, state: str) -> hold_items.Hold:
        """The user's first hold in this state."""
        items = self.table.ascending(f"A#{user}", "H#", "H#~", consistent=True)
        return next(hold for hold in map(hold_items.read, items) if hold.state == state)

    def sweep(self) -> dict[str, int]:
        swept: dict[str, int] = self.gateway.function("sweeper").lambda_handler({}, Context())
        return swept

    def project(self) -> None:
        """Delivers every entry that the earlier version did not have."""
        known = {(item["pk"], item["sk"]) for item in ENTRIES}
        made = [e for e in self.entries() if (e.item()["pk"], e.item()["sk"]) not in known]
        batch = event(records(sorted(made, key=lambda entry: entry.seq)))
        handler = self.gateway.function("projector").lambda_handler
        assert handler(batch, Context()) == {"batchItemFailures": []}

    def assert_whole(self) -> None:
        """Everything verifies, and every entry of the earlier version is as it was."""
        assert [found for found in verify_all(self.table) if not found.ok] == []
        self.assert_kept()

    def assert_kept(self) -> None:
        stored = self.table.scan("begins_with(sk, :entry)", {":entry": "E#"})
        kept = {(item["pk"], item["sk"]): item for item in stored}
        for item in ENTRIES:
            assert kept[item["pk"], item["sk"]] == item


def _put_secrets(endpoint: str) -> None:
    """The secrets under which the table was made."""
    ssm = json_client("ssm", endpoint)
    for name in deployed.secret_names():
        key = {"secret": f"the {name} of a table of 57e622b", "createdAt": "2026-01-01T00:00:00Z"}
        ssm.put_parameter(
            Name=f"/{PREFIX}/{name}",
            Value=json.dumps({"keys": [key]}),
            Type="SecureString",
            Overwrite=True,
        )


@pytest.fixture(scope="module")
def module_deployment(endpoint: str) -> Deployment:
    made = Deployment(endpoint)
    made.restore()
    return made


@pytest.fixture
def as_stored(module_deployment: Deployment) -> Deployment:
    """For tests that change nothing."""
    module_deployment.gateway.now = NOW
    return module_deployment


@pytest.fixture
def deployment(as_stored: Deployment) -> Iterator[Deployment]:
    try:
        yield as_stored
        as_stored.assert_whole()
    finally:
        as_stored.restore()


def told(reply: Reply) -> Any:
    """The answer as the file has it: tokens by their digests."""
    return _hidden(reply.json)


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _digest(v) if name in HIDDEN else _hidden(v) for name, v in value.items()}
    return [_hidden(one) for one in value] if isinstance(value, list) else value


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def assert_contains(found: Any, earlier: Any, path: str = "") -> None:
    """`found` has every member of `earlier` with the same value; it may have more."""
    if isinstance(earlier, dict):
        for name in earlier:
            assert name in found, f"{path}/{name}"
            assert_contains(found[name], earlier[name], f"{path}/{name}")
    elif isinstance(earlier, list):
        assert len(found) == len(earlier), path
        for number, (one, other) in enumerate(zip(found, earlier, strict=True)):
            assert_contains(one, other, f"{path}/{number}")
    else:
        assert found == earlier, path


def test_the_table_has_everything_that_the_earlier_version_stored() -> None:
    assert {item["type"] for item in ENTRIES} >= {
        "user_creation", "api_add", "add_webhook", "admin_add", "admin_deduct",
        "spend", "capture", "refund", "write_off", "plan_grant", "key_fund", "usage", "key_return",
    }  # fmt: skip
    states = {item["state"] for item in ITEMS if item["sk"].startswith("H#")}
    assert states == {"open", "spent", "captured", "released", "written_off"}
    kinds = {item["pk"].partition("#")[0] for item in ITEMS}
    assert kinds >= {"A", "J", "P", "AUDIT", "FEED", "STATS", "USERS", "ORIGIN", "KEYS", "OPERATOR"}


def test_it_verifies_and_its_entries_stay_in_the_first_format(as_stored: Deployment) -> None:
    as_stored.assert_whole()
    for entry in as_stored.entries():
        assert entry.expected_hash() == entry.hash
        assert not {*LATER, "format"} & entry.item().keys()


REPEATED = [
    "create ann", "add ann", "pay ann", "pay without id", "admin add", "admin deduct", "undo", "add cy",
    "vend done", "vend late-success", "vend redeemed", "vend open", "vend running", "vend lost",
    "vend at once", "vend at once, redeemed", "vend at once, captured",
]  # fmt: skip


@pytest.mark.parametrize("name", REPEATED)
def test_a_repeated_request_gets_the_answer_of_the_earlier_version(
    as_stored: Deployment, name: str
) -> None:
    before = as_stored.entries()
    reply = as_stored.again(name)
    assert (reply.status, reply.headers["idempotency-replayed"]) == (
        ANSWERS[name]["status"],
        "true",
    )
    assert_contains(told(reply), ANSWERS[name]["answer"])
    assert as_stored.entries() == before


def test_a_sheet_sent_again_changes_nothing(as_stored: Deployment) -> None:
    before = as_stored.entries()
    as_stored.gateway.now = ANSWERS["sheet"]["at"]
    reply = as_stored.gateway.call(
        "POST",
        "/admin/adjustments",
        raw=MADE["sheet"],
        headers={**as_stored.gateway.admin, "content-type": "text/csv"},
        query={"dryRun": "false"},
    )
    assert reply.status == 200
    assert as_stored.entries() == before


@pytest.mark.parametrize("name", ["vend failed", "vend late-failure", "vend swept"])
def test_an_id_whose_credit_went_back_buys_anew(deployment: Deployment, name: str) -> None:
    user = ANSWERS[name]["who"]
    available, held = deployment.figures(user)
    reply = deployment.again(name)
    assert reply.status == 200 and "idempotency-replayed" not in reply.headers
    assert deployment.figures(user) == (available - 1, held + 1)


READ = [
    "balance of ann", "balance of bob", "history of ann", "status up-1", "status up-2", "users",
    "story of ann", "statistics", "subscription",
]  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_what_the_earlier_version_answered(
    as_stored: Deployment, name: str
) -> None:
    reply = as_stored.again(name)
    assert reply.status == ANSWERS[name]["status"]
    assert_contains(told(reply), ANSWERS[name]["answer"])


def test_the_sweeper_resolves_the_holds_that_were_open(deployment: Deployment) -> None:
    """A job that completed is captured at the one credit that was held; the others are released."""
    deployment.upstream.jobs["up-8"] = COMPLETED
    deployment.gateway.now = NOW + LATER_S
    assert deployment.sweep() == {"lookedAt": 4, "captured": 1, "released": 3, "waiting": 0}
    assert deployment.figures("bob") == (6, 0)
    assert deployment.figures("dora") == (3, 0)
    made = [entry for entry in deployment.entries() if entry.at == NOW + LATER_S]
    assert sorted((e.type, e.amount, e.held, e.charged) for e in made) == [
        ("capture", 0, -1, 1), *[("refund", 1, -1, 0)] * 3,
    ]  # fmt: skip
    assert not any({*LATER, "format"} & entry.item().keys() for entry in made)


def test_a_late_outcome_is_met_on_holds_of_the_earlier_version(deployment: Deployment) -> None:
    """Captured and never delivered, released and delivered: one credit each; a gift stays one."""
    ledger, available = deployment.gateway.ledger, deployment.figures("ann")[0]
    captured = next(
        hold
        for hold in map(hold_items.read, _holds(deployment, "ann"))
        if hold.state == CAPTURED and not hold.reconciled
    )
    assert (captured.committed, captured.amount, captured.released) == (1, 1, 0)
    after = holds.settle(ledger, captured, RELEASED, UPSTREAM)
    assert (after.state, after.committed, after.released) == (RELEASED, 0, 1)
    released = next(
        hold
        for hold in map(hold_items.read, _holds(deployment, "ann"))
        if hold.state == RELEASED and not hold.reconciled
    )
    after = holds.settle(ledger, released, CAPTURED, UPSTREAM)
    assert (after.state, after.committed, after.released) == (CAPTURED, 1, 0)
    gift = deployment.hold("cy", WRITTEN_OFF)
    assert (gift.committed, gift.released) == (0, 1)
    assert holds.settle(ledger, gift, CAPTURED, UPSTREAM) == gift
    assert deployment.figures("ann") == (available, 0)


def _holds(deployment: Deployment, user: str) -> Iterator[Item]:
    return deployment.table.ascending(f"A#{user}", "H#", "H#~", consistent=True)


def test_a_token_that_was_vended_starts_its_job(deployment: Deployment) -> None:
    token = deployment.again("vend open").json["token"]
    body = {"url": "https://www.tiktok.com/@someone/video/7300000000000000001"}
    headers = {"authorization": f"Bearer {token}"}
    reply = deployment.gateway.call("POST", "/ttt/transcribe", body, headers=headers)
    assert (reply.status, reply.json["jobId"]) == (202, f"up-{JOBS + 1}")
    deployment.upstream.jobs[f"up-{JOBS + 1}"] = FAILED
    deployment.gateway.now = NOW + LATER_S
    deployment.sweep()
    assert deployment.figures("bob") == (7, 0)


def test_a_token_that_was_paid_at_once_is_redeemed_once(deployment: Deployment) -> None:
    token = deployment.again("vend at once").json["token"]
    assert deployment.hold("ann", SPENT).state == SPENT
    valid = []
    for key in ("first", "second"):
        body = {"token": token, "consume": True, "clientRequestId": key}
        valid.append(deployment.gateway.call("POST", "/validate-token", body).json["valid"])
    assert valid == [True, False]


def test_its_accounts_take_grants_vends_and_adjustments(deployment: Deployment) -> None:
    gateway = deployment.gateway
    available, held = deployment.figures("ann")
    gateway.add("ann", 5)
    assert gateway.vend(gateway.user_headers("ann")).json["balanceAfter"] == available + 4
    body = {"userId": "ann", "amount": 2, "reason": "a mistake"}
    assert gateway.call("POST", "/admin/deduct-credits", body, headers=gateway.admin).status == 200
    assert deployment.figures("ann") == (available + 2, held + 1)


def test_an_entry_of_the_earlier_version_is_undone_once(deployment: Deployment) -> None:
    gateway, (available, held) = deployment.gateway, deployment.figures("ann")
    replies = [
        gateway.call(
            "POST",
            f"/admin/users/ann/transactions/{seq}/undo",
            {"reason": "wrong"},
            headers=gateway.admin,
        )
        for seq in (2, 2, 6)
    ]
    assert [reply.status for reply in replies] == [200, 409, 409]
    assert replies[0].json["amount"] == -9
    assert deployment.figures("ann") == (available - 9, held)


@pytest.mark.parametrize("form", list(Format))
def test_an_export_has_every_entry_once(
    as_stored: Deployment, tmp_path: Path, form: Format
) -> None:
    output, selection = tmp_path / f"entries.{form}", Selection(form)
    export.export(as_stored.table, output, selection)
    rows = list(export.rows(output, selection))
    assert [(row["user"], row["seq"], row["hash"]) for row in rows] == [
        (entry.user, entry.seq, entry.hash) for entry in as_stored.entries()
    ]
    totals = export.check(output, selection)
    ledgers = (as_stored.gateway.ledger, Ledger(as_stored.table, UNIT))
    users = {entry.user for entry in as_stored.entries()}
    for ledger in ledgers:
        accounts = [ledger.account(user) for user in users]
        assert totals.amounts[ledger.unit] == sum(account.available for account in accounts)
        assert totals.held[ledger.unit] == sum(account.held for account in accounts)


def test_its_read_models_agree_and_can_be_rebuilt(deployment: Deployment) -> None:
    projector = Projector(deployment.table, low_balance=3, audit_days=400, now=lambda: NOW)
    assert _differences(deployment) == []
    gateway = deployment.gateway
    gateway.add("ann", 5)
    gateway.vend(gateway.user_headers("ann"))
    deployment.project()
    assert _differences(deployment) == []
    write(projector, now=NOW, sleep=at_once)
    assert _differences(deployment) == []
    totals = gateway.call("GET", "/admin/stats", headers=gateway.admin).json
    assert totals["creditsAdded"] == ANSWERS["statistics"]["answer"]["creditsAdded"] + 5


def _differences(deployment: Deployment) -> list[Any]:
    return list(
        compare(deployment.table, audit_days=400, now=NOW, sleep=lambda _: None).differences
    )


def test_a_person_of_the_earlier_version_is_erased(deployment: Deployment) -> None:
    gateway, before = deployment.gateway, deployment.entries()
    reply = gateway.call(
        "POST",
        "/admin/users/ann/erase",
        {"reason": "asked by letter", "confirm": "ann"},
        headers=gateway.admin,
    )
    assert (reply.status, reply.json["complete"], reply.json["profile"]) == (200, True, True)
    assert deployment.entries() == before
    items = deployment.table.scan("sk > :lowest", {":lowest": " "})
    assert not any("my name is Ann" in str(item) for item in items)
    assert all(origins.is_erased(item) for item in origins.of_user(deployment.table, "ann"))
    assert_contains(told(deployment.again("vend done")), ANSWERS["vend done"]["answer"])


def test_who_was_erased_before_vends_and_stays_erased(deployment: Deployment) -> None:
    gateway = deployment.gateway
    assert gateway.vend(gateway.user_headers("dora")).json["balanceAfter"] == 1
    account = gateway.ledger.account("dora")
    assert account.erased_at == NOW
    old, *_ = gateway.entries("dora")
    assert gateway.origin(old) == origins.UNKNOWN or not gateway.origin(old).address


def test_its_subscription_is_shown_and_adjusted(deployment: Deployment) -> None:
    gateway, ledger = deployment.gateway, Ledger(deployment.table, UNIT)
    before = ledger.account("sub")
    reply = gateway.call(
        "POST",
        "/admin/subscriptions/sub/adjust",
        {"amount": "1.5", "reason": "goodwill"},
        headers=gateway.admin,
    )
    assert reply.status == 200, reply.text
    after = ledger.account("sub")
    assert (after.available, after.held, after.owed) == (
        before.available + 1_500_000, before.held, 0,
    )  # fmt: skip
    assert not {*LATER, "format"} & ledger.entries("sub", limit=1)[0].item().keys()


def test_its_operators_and_api_keys_are_known(as_stored: Deployment) -> None:
    keys = as_stored.gateway.call("GET", "/admin/keys", headers=as_stored.gateway.admin).json
    (key,) = keys["keys"]
    assert (key["description"], key["scopes"]) == ("a shop", ["credits:write"])
    assert as_stored.table.get("OPERATOR#olga", "OPERATOR") is not None
