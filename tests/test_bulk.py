"""Bulk adjustments from a CSV table: previewed first, then each row once for ever."""

import csv
import hashlib
import io
from typing import Any

import pytest

from engine.credits import bulk
from engine.ledger import audit
from engine.ledger.audit import Audit
from engine.platform.act import Act
from engine.platform.errors import InvalidRequest
from engine.platform.table import Put, Table
from engine.web.request_ids import fingerprint
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply
from tests.support.streams import AnswersLost, Refusing, fresh

PATH = "/admin/adjustments"
HEAD = "user,amount,reason\n"


def send(gateway: Gateway, text: str, *, dry_run: bool | None = False) -> Reply:
    query = {} if dry_run is None else {"dryRun": "true" if dry_run else "false"}
    headers = gateway.admin | {"content-type": "text/csv"}
    return gateway.call("POST", PATH, raw=text, headers=headers, query=query)


def statuses(reply: Reply) -> list[tuple[str, int | None]]:
    assert reply.status == 200, reply.text
    return [(row["status"], row["balance"]) for row in reply.json["rows"]]


def users(count: int) -> list[str]:
    return [fresh("bulk") for _ in range(count)]


@pytest.mark.parametrize("dry_run", [None, True])
def test_the_default_is_a_dry_run(gateway: Gateway, dry_run: bool | None) -> None:
    ann, bob = users(2)
    gateway.add(ann, 5)
    text = f"{HEAD}{ann},3,thanks\n{ann},-7,charged back\n{ann},-2,charged back\n{bob},4,new\n{bob},-4,back\n"
    reply = send(gateway, text, dry_run=dry_run)
    assert statuses(reply) == [
        ("would_do", 8), ("would_do", 1), ("refused", 1), ("would_do", 4), ("would_do", 0),
    ]  # fmt: skip
    assert (reply.json["dryRun"], reply.json["counts"]) == (True, {"would_do": 4, "refused": 1})
    assert len(gateway.entries(ann)) == 1
    assert gateway.ledger.account(bob).exists is False


def test_rows_are_made_in_order_and_a_refused_one_does_not_stop_the_rest(gateway: Gateway) -> None:
    ann, bob = users(2)
    gateway.add(ann, 5)
    text = f"{HEAD}{ann},3,thanks\n{ann},-9,too much\n{bob},-1,nobody\n{ann},-8,charged back\n"
    preview = send(gateway, text, dry_run=True)
    made = send(gateway, text)
    assert statuses(made) == [("done", 8), ("refused", 8), ("refused", None), ("done", 0)]
    assert [row["code"] for row in made.json["rows"]] == [
        "",
        "insufficient_credits",
        "not_found",
        "",
    ]
    assert [row["balance"] for row in preview.json["rows"]] == [8, 8, None, 0]
    entries = gateway.entries(ann)[1:]
    assert [(e.type, e.amount, e.reason, e.actor) for e in entries] == [
        ("admin_add", 3, "thanks", "admin:secret"),
        ("admin_deduct", -8, "charged back", "admin:secret"),
    ]
    assert [row["seq"] for row in made.json["rows"]] == [2, None, None, 3]
    gateway.assert_explained(ann)


def test_every_refused_row_is_audited(gateway: Gateway) -> None:
    (ann,) = users(1)
    gateway.add(ann, 1)
    send(gateway, f"{HEAD}{ann},-9,too much\n{ann},-8,too much as well\n")
    kept = audit.of_user(gateway.ledger.table, ann, limit=9)
    assert sorted(one["reason"] for one in kept if not one["ok"]) == [
        "too much",
        "too much as well",
    ]


def test_the_same_file_again_changes_nothing(gateway: Gateway) -> None:
    ann, bob = users(2)
    text = f"{HEAD}{ann},3,thanks\n{bob},4,thanks\n"
    first = send(gateway, text)
    again = send(gateway, text)
    assert [status for status, _ in statuses(again)] == ["repeated", "repeated"]
    assert [row["seq"] for row in again.json["rows"]] == [row["seq"] for row in first.json["rows"]]
    assert statuses(send(gateway, text, dry_run=True)) == [("repeated", None)] * 2
    assert (gateway.balance(ann), gateway.balance(bob)) == (3, 4)


def test_a_row_id_counts_once_over_all_files(gateway: Gateway) -> None:
    ann, bob = users(2)
    one, two = fresh("row"), fresh("row")
    assert statuses(send(gateway, f"user,amount,reason,id\n{ann},3,a,{one}\n")) == [("done", 3)]
    longer = f"id,reason,amount,user\n{two},b,4,{bob}\n{one},a,3,{ann}\n"
    assert statuses(send(gateway, longer)) == [("done", 4), ("repeated", 3)]
    other = f"user,amount,reason,id\n{ann},30,a,{one}\n"
    for dry_run in (True, False):
        (row,) = send(gateway, other, dry_run=dry_run).json["rows"]
        assert (row["status"], row["code"]) == ("refused", "idempotency_key_reused")
    assert (gateway.balance(ann), gateway.balance(bob)) == (3, 4)


FAULTS = {
    "user": ["a#b,1,x", ",1,x", f"{'x' * 129},1,x", "ann bob,1,x"],
    "amount": ["u,0,x", "u,1.5,x", "u,1e3,x", "u,,x", "u,ten,x", "u,1000001,x", "u,-1000001,x", "u,²,x"],
    "reason": ["u,1,", "u,1,   ", f"u,1,{'x' * 201}"],
    "columns": ["u,1,x,more"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "line"), [(field, line) for field, lines in FAULTS.items() for line in lines]
)
def test_a_faulty_row_refuses_the_whole_file(gateway: Gateway, field: str, line: str) -> None:
    (ann,) = users(1)
    text = f"{HEAD}{ann},1,fine\n{line}\n"
    assert [row["status"] for row in send(gateway, text, dry_run=True).json["rows"]] == [
        "would_do",
        "invalid",
    ]
    reply = send(gateway, text)
    assert_refused(reply, 400)
    assert reply.json["details"]["rows"] == [{"line": 3, "field": field}]
    assert gateway.ledger.account(ann).exists is False


def test_two_rows_with_one_id_are_a_fault(gateway: Gateway) -> None:
    text = "user,amount,reason,id\nu1,1,x,same\nu2,1,x,same\nu3,1,x,#\n"
    reply = send(gateway, text)
    assert reply.json["details"]["rows"] == [
        {"line": 3, "field": "id"},
        {"line": 4, "field": "id"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        HEAD,
        "user,amount\nann,1\n",
        "user,amount,reason,user\nann,1,x,bob\n",
        'user,amount,reason\nann,1,"never closed\n',
        '{"user": "ann", "amount": 1, "reason": "x"}',
        "\x00",
        HEAD + "ann,1,x\n" * 501,
    ],
)
def test_a_body_that_is_not_such_a_table_is_refused(gateway: Gateway, text: str) -> None:
    assert_refused(send(gateway, text, dry_run=True), 400)


def test_a_body_that_is_not_utf_8_or_too_large_is_refused(gateway: Gateway) -> None:
    with pytest.raises(InvalidRequest):
        bulk.parse(b"user,amount,reason\n\xff,1,x\n")
    assert_refused(send(gateway, HEAD + "x" * 70_000), 413)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffuser,amount,reason\r\n{},+7,\"a, b\"\r\n",
        "User; Amount ;REASON\n{};7;a, b\n\n",
        "reason,user,amount,note\n\"a, b\",{},7,anything\n",
    ],
)  # fmt: skip
def test_tables_from_spreadsheets_are_read(gateway: Gateway, text: str) -> None:
    (ann,) = users(1)
    assert statuses(send(gateway, text.format(ann))) == [("done", 7)]
    assert gateway.entries(ann)[-1].reason == "a, b"


def by_admin() -> Act:
    return Act("admin:secret", fresh("r"), "203.0.113.7", "tests", at=1_800_000_000)


def run_through(gateway: Gateway, client: object, sheet: bulk.Sheet) -> list[bulk.Outcome]:
    ledger = type(gateway.ledger)(
        Table(client, gateway.table_name),  # type: ignore[arg-type]
        sleep=lambda _: None,
    )
    return bulk.Run(ledger, Audit(ledger.table, 400), by_admin()).make(sheet)


def test_a_file_sent_again_after_a_lost_answer_counts_once(gateway: Gateway) -> None:
    ann, bob, cid = users(3)
    sheet = bulk.parse(f"{HEAD}{ann},1,x\n{bob},2,x\n{cid},3,x\n".encode())
    lost = run_through(gateway, AnswersLost(gateway.dynamodb, 1), sheet)
    assert [one.status for one in lost] == ["not_reached"] * 3
    again = run_through(gateway, gateway.dynamodb, sheet)
    assert [one.status for one in again] == ["repeated", "done", "done"]
    assert [gateway.balance(user) for user in (ann, bob, cid)] == [1, 2, 3]


def test_a_store_failure_stops_the_file_at_its_row(gateway: Gateway) -> None:
    ann, bob = users(2)
    sheet = bulk.parse(f"{HEAD}{ann},1,x\n{bob},2,x\n{ann},3,x\n".encode())
    away = Refusing(gateway.dynamodb, "ThrottlingException", word=bob)
    outcomes = run_through(gateway, away, sheet)
    assert [one.status for one in outcomes] == ["done", "not_reached", "not_reached"]
    assert [one.status for one in run_through(gateway, gateway.dynamodb, sheet)] == [
        "repeated",
        "done",
        "done",
    ]


def test_rows_are_started_for_a_limited_time(gateway: Gateway) -> None:
    ann, bob = users(2)
    sheet = bulk.parse(f"{HEAD}{ann},1,x\n{bob},2,x\n".encode())
    ticks = iter([0.0, 1.0, 20.0])
    audit = Audit(gateway.ledger.table, 400)
    run = bulk.Run(gateway.ledger, audit, by_admin(), clock=lambda: next(ticks))
    assert [one.status for one in run.make(sheet)] == ["done", "not_reached"]


def saved_again(rows: list[list[str]]) -> list[bytes]:
    """The same sheet as different programs save it."""

    def written(delimiter: str, end: str, quoting: Any = csv.QUOTE_MINIMAL, tail: str = "") -> str:
        text = io.StringIO(newline="")
        padded = [[*row, *([""] * (len(rows[0]) - len(row)))] for row in rows]
        csv.writer(text, delimiter=delimiter, lineterminator=tail + end, quoting=quoting).writerows(
            padded
        )
        return text.getvalue()

    plain = written(",", "\n")
    return [
        plain.encode(),
        plain.rstrip("\n").encode(),
        written(",", "\r\n").encode(),
        ("\ufeff" + written(";", "\r\n")).encode(),
        written("\t", "\n").encode(),
        written(",", "\n", csv.QUOTE_ALL).encode(),
        written(";", "\r\n", csv.QUOTE_ALL, tail=";;").encode(),
        ("\ufeff" + written(",", "\r\n", tail=",") + ",,,\r\n\r\n  \r\n").encode(),
        ("\r\n" + plain).encode(),
    ]


@pytest.mark.parametrize("ids", [False, True])
def test_a_sheet_saved_again_by_a_spreadsheet_is_the_same_sheet(
    gateway: Gateway, ids: bool
) -> None:
    ann, bob = users(2)
    rows = [
        ["user", "amount", "reason"],
        [ann, "3", "late, again"],
        [bob, "+4", "x"],
        [ann, "-1", "y"],
    ]
    if ids:
        rows = [
            [*row, end] for row, end in zip(rows, ("id", fresh("r"), "", fresh("r")), strict=True)
        ]
    forms = saved_again(rows)
    assert len({bulk.parse(form).digest for form in forms}) == 1
    done = statuses(
        gateway.call(
            "POST",
            "/admin/adjustments",
            raw=forms[0].decode(),
            headers=gateway.admin,
            query={"dryRun": "false"},
        )
    )
    assert [status for status, _ in done] == ["done"] * 3
    for form in forms:
        again = gateway.call(
            "POST",
            "/admin/adjustments",
            raw=form.decode(),
            headers=gateway.admin,
            query={"dryRun": "false"},
        )
        assert [status for status, _ in statuses(again)] == ["repeated"] * 3
    assert (gateway.balance(ann), gateway.balance(bob)) == (2, 4)


def test_a_file_that_an_earlier_version_began_is_not_made_again(gateway: Gateway) -> None:
    """The version 57e622b took the digest of the file's bytes for the ids of rows without one."""
    (ann,) = users(1)
    text = f"{HEAD}{ann},7,fine\n"
    raw = hashlib.sha256(text.encode()).hexdigest()[:32]
    gateway.ledger.table.write(
        Put(
            {
                "pk": "P#adjustment",
                "sk": f"{raw}:2",
                "fingerprint": fingerprint({"user": ann, "amount": 7, "reason": "fine"}),
                "facts": {"request_id": "older", "at": 1, "reason": "fine"},
                "user": ann,
                "seq": 1,
                "balance_after": 7,
            },
            condition="",
        )
    )
    for dry_run in (True, False):
        (row,) = send(gateway, text, dry_run=dry_run).json["rows"]
        assert row["status"] == "repeated"
    assert gateway.ledger.account(ann).exists is False


def test_a_sheet_as_our_own_files_are_written_is_read(gateway: Gateway) -> None:
    """With `userId`, and an apostrophe before a sign."""
    (user,) = users(1)
    gateway.add(user, 10)
    text = f"id,userId,amount,reason\r\nown-1-{user},{user},'-4,put right\r\n"
    reply = send(gateway, text, dry_run=False)
    assert [row["status"] for row in reply.json["rows"]] == ["done"]
    assert gateway.balance(user) == 6
