"""DynamoDB: values are stored unchanged, and every failure says what it means for a write."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.platform.errors import Busy, OutcomeUnknown
from engine.platform.table import (
    CONFLICT_TRIES,
    Cancelled,
    ConditionFailed,
    Put,
    Refusal,
    Table,
    Update,
    marshal,
    unmarshal,
)
from local.engine import json_client
from tests.support.gateway import Gateway
from tests.support.properties import PROPERTY
from tests.support.streams import Client
from tests.support.stubs import Stub

NOWHERE = "http://127.0.0.1:9"
PUT = Put({"pk": "a", "sk": "b", "n": 1}, "attribute_not_exists(pk)")
UPDATE = Update("a", "b", "SET n = :n", "n = :seen", values={":n": 2, ":seen": 1})
STORED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@PROPERTY
@given(st.dictionaries(st.text(max_size=8), STORED, max_size=6))
def test_values_are_read_back_unchanged(item: dict[str, Any]) -> None:
    assert unmarshal(marshal(item)) == item


def test_kinds_of_values_are_kept_apart() -> None:
    item = {"t": True, "one": 1, "s": "1", "none": None, "list": [False, 0], "map": {"": ""}}
    out = unmarshal(marshal(item))
    assert [type(value) for value in out.values()] == [bool, int, str, type(None), list, dict]
    assert [type(value) for value in out["list"]] == [bool, int]


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), [1.5], {"a": {"b": 0.1}}, bytearray(b"x"), {1, 2}, object(), 1j],
    ids=lambda value: type(value).__name__,
)
def test_a_float_or_an_unsupported_type_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot store"):
        marshal({"value": value})


@pytest.fixture(scope="module")
def table(gateway: Gateway) -> Table:
    return gateway.ledger.table


def test_an_item_is_put_and_read_back_from_a_real_table(table: Table) -> None:
    item = {
        "pk": "T#1",
        "sk": "x",
        "n": 10**30,
        "t": True,
        "none": None,
        "l": [1, "a"],
        "m": {"a": {}},
    }
    assert table.get("T#1", "x") is None
    assert table.write(Put(item, "attribute_not_exists(pk)")) == item
    assert table.get("T#1", "x") == item


def test_a_refused_write_returns_the_stored_item(table: Table) -> None:
    item = {"pk": "T#2", "sk": "x", "n": 1}
    table.write(Put(item, "attribute_not_exists(pk)"))
    with pytest.raises(ConditionFailed) as refused:
        table.write(Put({**item, "n": 2}, "attribute_not_exists(pk)"))
    assert refused.value.item == item
    with pytest.raises(ConditionFailed) as missing:
        table.write(Update("T#2", "none", "SET n = :n", "n = :n", values={":n": 1}))
    assert missing.value.item is None
    assert table.get("T#2", "x") == item
    assert table.get("T#2", "none") is None


def test_an_update_answers_the_item_as_it_is_afterwards(table: Table) -> None:
    table.write(Put({"pk": "T#3", "sk": "x", "ttl": 1, "n": 1}, "attribute_not_exists(pk)"))
    change = Update("T#3", "x", "SET #ttl = :two", "n = :one", names={"#ttl": "ttl"},
                    values={":two": 2, ":one": 1})  # fmt: skip
    assert table.write(change) == {"pk": "T#3", "sk": "x", "ttl": 2, "n": 1}


def test_a_transaction_does_all_or_nothing_and_names_the_refusals_in_order(table: Table) -> None:
    new = Put({"pk": "T#4", "sk": "new"}, "attribute_not_exists(pk)")
    old = Put({"pk": "T#4", "sk": "old", "n": 1}, "attribute_not_exists(pk)")
    table.transact([old])
    with pytest.raises(Cancelled) as cancelled:
        table.transact([new, old, Update("T#4", "none", "SET n = :n", "n = :n", values={":n": 1})])
    fine, there, missing = cancelled.value.refusals
    assert fine is None
    assert there == Refusal("ConditionalCheckFailed", {"pk": "T#4", "sk": "old", "n": 1})
    assert missing == Refusal("ConditionalCheckFailed", None)
    assert table.get("T#4", "new") is None


def test_a_query_gives_one_page_newest_first_below_a_key(table: Table) -> None:
    for n in range(1, 6):
        table.write(Put({"pk": "T#5", "sk": f"E#{n}"}, "attribute_not_exists(pk)"))
    table.write(Put({"pk": "T#5", "sk": "F#9"}, "attribute_not_exists(pk)"))

    def keys(**page: Any) -> list[str]:
        return [item["sk"] for item in table.query("T#5", "E#", **page)]

    assert keys(limit=10) == ["E#5", "E#4", "E#3", "E#2", "E#1"]
    assert keys(limit=2) == ["E#5", "E#4"]
    assert keys(limit=2, before="E#4") == ["E#3", "E#2"]
    assert keys(limit=2, before="E#1") == []
    assert keys(limit=2, before="E#35") == ["E#3", "E#2"]


class Stubbed:
    """A table whose next answer is given beforehand."""

    def __init__(self) -> None:
        self.client = json_client("dynamodb", NOWHERE)
        self.stub = Stub(self.client)
        self.table = Table(self.client, "t")


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    store = Stubbed()
    yield store
    assert not store.stub.is_pending()


REFUSED = ["ThrottlingException", "ProvisionedThroughputExceededException", "ValidationException",
           "ResourceNotFoundException", "RequestLimitExceeded"]  # fmt: skip


@pytest.mark.parametrize("code", [*REFUSED, "InternalServerError", "ServiceUnavailable"])
@pytest.mark.parametrize(("call", "name"), [("get", "get_item"), ("query", "query")])
def test_a_read_that_fails_is_busy(stubbed: Stubbed, code: str, call: str, name: str) -> None:
    status = 400 if code in REFUSED else 500
    stubbed.stub.add_client_error(name, code, http_status_code=status)
    options = {"limit": 1} if call == "query" else {}
    with pytest.raises(Busy) as busy:
        getattr(stubbed.table, call)("a", "b", **options)
    assert type(busy.value) is Busy
    assert (busy.value.status, busy.value.headers) == (503, {"Retry-After": "1"})


def conflicts(stubbed: Stubbed, times: int) -> None:
    for _ in range(times):
        stubbed.stub.add_client_error(
            "update_item", "TransactionConflictException", http_status_code=400
        )


def test_a_write_that_conflicts_with_a_transaction_is_retried(stubbed: Stubbed) -> None:
    stubbed.table._sleep = lambda _: None
    conflicts(stubbed, CONFLICT_TRIES - 1)
    stubbed.stub.add_response("update_item", {"Attributes": {"pk": {"S": "a"}}})
    assert stubbed.table.write(UPDATE) == {"pk": "a"}


def test_a_write_that_keeps_conflicting_is_busy(stubbed: Stubbed) -> None:
    stubbed.table._sleep = lambda _: None
    conflicts(stubbed, CONFLICT_TRIES)
    with pytest.raises(Busy) as busy:
        stubbed.table.write(UPDATE)
    assert type(busy.value) is Busy


WRITES: list[tuple[str, Any]] = [
    ("put_item", PUT),
    ("update_item", UPDATE),
    ("transact_write_items", [PUT, UPDATE]),
]
writes = pytest.mark.parametrize(("name", "write"), WRITES, ids=[name for name, _ in WRITES])


def do(table: Table, write: Any) -> None:
    table.transact(write) if isinstance(write, list) else table.write(write)


@writes
@pytest.mark.parametrize("code", REFUSED)
def test_an_error_answer_below_500_is_busy(
    stubbed: Stubbed, code: str, name: str, write: Any
) -> None:
    stubbed.stub.add_client_error(name, code, http_status_code=400)
    with pytest.raises(Busy) as busy:
        do(stubbed.table, write)
    assert type(busy.value) is Busy
    assert "nothing was changed" in busy.value.message


@writes
@pytest.mark.parametrize("code", ["InternalServerError", "ServiceUnavailable", "InternalFailure"])
def test_a_5xx_answer_to_a_write_is_outcome_unknown(
    stubbed: Stubbed, code: str, name: str, write: Any
) -> None:
    stubbed.stub.add_client_error(name, code, http_status_code=500)
    with pytest.raises(OutcomeUnknown) as unknown:
        do(stubbed.table, write)
    assert unknown.value.code == "outcome_unknown"
    assert "nothing was changed" not in unknown.value.message


def test_without_a_connection_reads_are_busy_and_writes_unknown() -> None:
    table = Table(json_client("dynamodb", NOWHERE), "t")
    with pytest.raises(Busy) as busy:
        table.get("a", "b")
    assert type(busy.value) is Busy
    for _, write in WRITES:
        with pytest.raises(OutcomeUnknown):
            do(table, write)


def test_a_transaction_in_progress_is_cancelled_for_the_caller_to_retry(stubbed: Stubbed) -> None:
    stubbed.stub.add_client_error(
        "transact_write_items", "TransactionInProgressException", http_status_code=400
    )
    with pytest.raises(Cancelled) as cancelled:
        stubbed.table.transact([PUT, UPDATE])
    assert cancelled.value.refusals == (
        Refusal("TransactionConflict"),
        Refusal("TransactionConflict"),
    )


def test_reasons_of_a_cancelled_transaction_keep_their_places(stubbed: Stubbed) -> None:
    reasons = [
        {"Code": "None"},
        {"Code": "TransactionConflict", "Message": "busy"},
        {"Code": "ConditionalCheckFailed", "Item": {"pk": {"S": "a"}, "n": {"N": "7"}}},
        {"Code": "ConditionalCheckFailed"},
    ]
    stubbed.stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": reasons},
    )
    with pytest.raises(Cancelled) as cancelled:
        stubbed.table.transact([PUT] * 4)
    assert cancelled.value.refusals == (
        None,
        Refusal("TransactionConflict"),
        Refusal("ConditionalCheckFailed", {"pk": "a", "n": 7}),
        Refusal("ConditionalCheckFailed"),
    )
    found = [refusal.is_condition for refusal in cancelled.value.refusals if refusal]
    assert found == [False, True, True]


def test_a_transaction_asks_to_see_what_refuses_it(stubbed: Stubbed) -> None:
    asked = {
        "TransactItems": [
            {
                "Put": {
                    "TableName": "t",
                    "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}, "n": {"N": "1"}},
                    "ConditionExpression": "attribute_not_exists(pk)",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
        ]
    }
    stubbed.stub.add_response("transact_write_items", {}, asked)
    stubbed.table.transact([PUT])


class LeavesOver(Client):
    """Answers for one key of a batch and leaves the others over, `count` times."""

    def __init__(self, inner: Any, count: int) -> None:
        super().__init__(inner)
        self.left = count

    def batch_get_item(self, **request: Any) -> Any:
        ((name, asked),) = request["RequestItems"].items()
        if not self.left:
            return self._inner.batch_get_item(**request)
        self.left -= 1
        first, rest = asked["Keys"][:1], asked["Keys"][1:]
        answer = self._inner.batch_get_item(RequestItems={name: {"Keys": first}})
        return {**answer, "UnprocessedKeys": {name: {"Keys": rest}} if rest else {}}


def test_unprocessed_keys_of_a_batch_are_requested_again(gateway: Gateway) -> None:
    table = gateway.ledger.table
    keys = [("LEFT#over", f"{number:02}") for number in range(5)]
    for pk, sk in keys:
        table.write(Put({"pk": pk, "sk": sk}, condition=""))
    patient = Table(LeavesOver(table._client, 3), table.name, sleep=lambda _: None)  # type: ignore[arg-type]
    assert sorted((one["pk"], one["sk"]) for one in patient.get_many(keys)) == keys
    stubborn = Table(LeavesOver(table._client, 99), table.name, sleep=lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(Busy):
        stubborn.get_many([*keys, *(("LEFT#over", f"x{number}") for number in range(20))])
    assert patient.get_many([]) == []
