"""Pasted messages of M-Pesa are read as hints; what may be stored names no person and no balance."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import mpesa_messages
from tests.support.properties import PROPERTY
from tests.support.vectors import vectors

FILE = vectors("mpesa/sms_vectors")
TEXTS = {vector["name"]: vector["sms"] for vector in FILE["vectors"]}
TEXTS["huge"] = "A " * 5000


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda one: one["name"])
def test_a_message_is_read_as_its_vector_says(vector: dict[str, Any]) -> None:
    found = mpesa_messages.read(TEXTS[vector["name"]])
    if vector["parsed"] is None:
        assert found == []
        return
    message = found[0]
    assert message.amount is not None and message.day is not None
    assert vector["parsed"] == {
        "receipt": message.receipt,
        "kind": message.kind,
        "amount_minor": message.amount.minor,
        "currency": message.amount.currency,
        "account": message.account,
        "date": message.day.isoformat(),
    }


def test_two_messages_give_both_receipts() -> None:
    assert mpesa_messages.receipts(TEXTS["two_messages"]) == ["UA541K7T2P", "UA541K7T8V"]


def test_a_notice_of_debt_shares_the_receipt_and_is_no_payment() -> None:
    both = f"{TEXTS['paybill']}\n{TEXTS['fuliza_notice_shares_receipt']}"
    found = mpesa_messages.read(both)
    assert [message.is_payment for message in found] == [True, False]
    assert mpesa_messages.receipts(both) == ["UA541K7T2P"]


@pytest.mark.parametrize(
    ("name", "is_payment"),
    [
        ("paybill", True),
        ("till", True),
        ("send_to_person", True),
        ("airtime_lower_case_glued", False),
        ("received_money_is_not_a_payment", False),
        ("reversal_notice", False),
        ("fuliza_notice_shares_receipt", False),
    ],
)
def test_only_money_that_was_sent_is_a_payment(name: str, is_payment: bool) -> None:
    assert mpesa_messages.read(TEXTS[name])[0].is_payment is is_payment


def test_a_withdrawal_and_an_unknown_kind_are_no_payments() -> None:
    drawn = "UA541K7T9W Confirmed.on 5/1/26 at 4:36 PMWithdraw Ksh500.00 from 123 - Agent New balance Ksh1.00"
    other = "UA541K7T9W Confirmed. Something new of Ksh500.00 on 5/1/26"
    kinds = [mpesa_messages.read(text)[0].kind for text in (drawn, other)]
    assert kinds == ["withdraw", "other"]
    assert not mpesa_messages.read(other)[0].is_payment


def test_a_reversal_names_the_payment_that_was_reversed() -> None:
    (message,) = mpesa_messages.read(TEXTS["reversal_notice"])
    assert message.reverses == "UA541K7T2P"
    assert mpesa_messages.receipts(TEXTS["reversal_notice"]) == ["UA55MKM7FT"]


@pytest.mark.parametrize("text", ["UA541K7T2P", " ua541k7t2p\n", "DAD0A4SY2ZC"])
def test_a_code_typed_alone_is_a_receipt(text: str) -> None:
    assert mpesa_messages.receipts(text) == [text.strip().upper()]
    assert mpesa_messages.read(text) == []


@pytest.mark.parametrize("text", ["", "CONFIRMING", "1234567890", "UA541K7T2", TEXTS["bank_sms"]])
def test_what_names_no_receipt_has_none(text: str) -> None:
    assert mpesa_messages.receipts(text) == []


@pytest.mark.parametrize(
    "one", FILE["receipt_date_hint"]["observed"], ids=lambda one: one["receipt"]
)
def test_a_receipt_of_kenya_hints_at_its_day(one: dict[str, str]) -> None:
    found = mpesa_messages.day_of(one["receipt"])
    assert found is not None and found.isoformat() == one["date"]


@pytest.mark.parametrize(
    "receipt", ["DAD0A4SY2ZC", "UB0123456A", "UBZ1234567", "AA541K7T2P", "", "UB\ud800"]
)
def test_other_receipts_hint_at_no_day(receipt: str) -> None:
    assert mpesa_messages.day_of(receipt) is None


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if "onfirmed" in text])
def test_what_may_be_stored_has_no_balance_person_or_phone(name: str) -> None:
    kept = mpesa_messages.redacted(TEXTS[name])
    gone = [
        "1,170.78",
        "499,750",
        "1,955.78",
        "Jane",
        "Doe",
        "0712",
        "JOHN",
        "0799",
        "1,748.00",
        "25.26",
        "295.00",
    ]
    assert not [part for part in gone if part in kept]
    assert mpesa_messages.receipts(kept) == mpesa_messages.receipts(TEXTS[name])
    assert mpesa_messages.read(kept) == mpesa_messages.read(TEXTS[name])


def test_the_swahili_balance_and_numbers_typed_by_hand_are_not_stored() -> None:
    kept = mpesa_messages.redacted(
        TEXTS["tanzania_swahili"] + " call +254712345678 or ann@mail.example"
    )
    assert "0.93" not in kept and "712345" not in kept and "ann@" not in kept
    assert "***678" in kept and "PL7K2M9Q" in kept


@PROPERTY
@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                "UA541K7T2P",
                " Confirmed",
                " Ksh",
                "1,0.00",
                " on ",
                "5/1/26",
                " for account ",
                "balance ",
            ]
        )
        | st.text(max_size=9),
        max_size=40,
    ).map("".join)
)
def test_odd_texts_raise_nothing(text: str) -> None:
    mpesa_messages.read(text)
    mpesa_messages.receipts(text)
    mpesa_messages.redacted(text).encode()


@pytest.mark.parametrize(
    "piece", ["UA541K7T2P Confirmed ", "for account a", "balance is ", "from a", " ", "a@b.", "0,"]
)
def test_the_longest_text_is_read_at_once(piece: str) -> None:
    text = (piece * 4096)[: mpesa_messages.LONGEST]
    assert len(mpesa_messages.read(text)) == text.count("UA541K7T2P Confirmed")
    assert len(mpesa_messages.redacted(text)) <= 4096
