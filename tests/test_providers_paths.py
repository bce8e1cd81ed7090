"""Callback paths cannot be guessed, and pay codes are read as people type them."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import callback_paths, pay_codes
from tests.support.properties import PROPERTY
from tests.support.vectors import vectors

VECTORS = vectors("mpesa/callback_url_vectors")
SECRET = VECTORS["secret_utf8"]
FIRST, SECOND = VECTORS["vectors"]


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda one: one["intent"])
def test_a_path_is_that_of_the_vector_and_leads_back_to_its_intent(vector: dict[str, str]) -> None:
    made = callback_paths.path("stk", SECRET, vector["intent"])
    assert made == f"/v1/payments/callbacks/k/{vector['intent']}.{vector['mac']}"
    segment = made.rpartition("/")[2]
    assert callback_paths.subject_of("stk", [SECRET], segment) == vector["intent"]
    assert callback_paths.subject_of("stk", ["older", SECRET], segment) == vector["intent"]


REJECTED = {
    "mac of the other intent": f"{FIRST['intent']}.{SECOND['mac']}",
    "upper case mac": f"{FIRST['intent']}.{FIRST['mac'].upper()}",
    "missing mac": FIRST["intent"],
    "mac with one digit changed": f"{FIRST['intent']}.3{FIRST['mac'][1:]}",
    "mac of more digits": f"{FIRST['intent']}.{FIRST['mac']}0",
    "long": "a" * 5000,
    "lone surrogate": f"{FIRST['intent']}\ud800.{FIRST['mac']}",
}


def test_every_refusal_of_the_vectors_is_tested() -> None:
    assert set(VECTORS["reject"]) <= set(REJECTED)


@pytest.mark.parametrize("segment", REJECTED.values(), ids=REJECTED)
def test_a_path_that_we_did_not_make_is_refused(segment: str) -> None:
    assert callback_paths.subject_of("stk", [SECRET], segment) is None


def test_a_capability_of_one_kind_opens_no_other() -> None:
    segment = callback_paths.path("confirmation", SECRET, "600638").rpartition("/")[2]
    assert callback_paths.subject_of("confirmation", [SECRET], segment) == "600638"
    for kind in callback_paths.LETTERS.keys() - {"confirmation"}:
        assert callback_paths.subject_of(kind, [SECRET], segment) is None
    assert callback_paths.subject_of("confirmation", ["another secret"], segment) is None
    assert callback_paths.subject_of("confirmation", [], segment) is None


@pytest.mark.parametrize("kind", callback_paths.LETTERS)
def test_no_path_has_a_word_that_daraja_refuses(kind: str) -> None:
    assert set(callback_paths.BANNED) == set(VECTORS["forbidden_words_in_url"])
    made = callback_paths.path(kind, SECRET, "600638").lower()
    assert not [word for word in VECTORS["forbidden_words_in_url"] if word in made]


@pytest.mark.parametrize(
    "subject", ["pin_01EXE3", "exexec", "m-pesampesa", "sqlcmdQUERY-exec", "safaricom", "exe" * 21]
)
def test_a_word_that_daraja_refuses_is_broken_in_a_path(subject: str) -> None:
    made = callback_paths.path("stk", SECRET, subject)
    assert not [word for word in VECTORS["forbidden_words_in_url"] if word in made.lower()]
    assert callback_paths.subject_of("stk", [SECRET], made.rpartition("/")[2]) == subject


@pytest.mark.parametrize("subject", ["a.b", "", "a/b", "x" * 65, "é"])
def test_a_subject_of_another_form_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="path"):
        callback_paths.path("stk", SECRET, subject)


def test_known_addresses_are_those_of_the_list() -> None:
    listed = vectors("mpesa/ip_allow_list")
    assert {*listed["current"], *listed["legacy"]} == callback_paths.ADDRESSES
    assert callback_paths.is_known_address("196.201.214.200")
    assert not callback_paths.is_known_address("196.201.214.201")


def test_a_pay_code_has_no_character_that_looks_like_another() -> None:
    codes = {pay_codes.new() for _ in range(500)}
    assert len(codes) == 500
    assert all(re.fullmatch("[2-9A-HJ-NP-Z]{8}", code) for code in codes)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PL7K2M9Q", "PL7K2M9Q"),
        (" pl7k 2m9q ", "PL7K2M9Q"),
        ("PL7K-2M9Q", "PL7K2M9Q"),
        ("PL7K2M9", None),
        ("PL7K2M9QQ", None),
        ("PL7K2M0Q", None),
        ("PL7K2M1Q", None),
        ("JOHN", None),
        ("", None),
        (None, None),
        ("PL7K2M9Q" + " " * 100, None),
        ("P\u017f7K2M9Q", None),
    ],
)
def test_a_pay_code_is_read_as_people_type_it_and_never_guessed(
    text: str | None, code: str | None
) -> None:
    assert pay_codes.typed(text) == code


@PROPERTY
@given(
    st.from_regex("[a-z_-]{1,64}", fullmatch=True) | st.text("cdeqlmsx", min_size=1, max_size=64)
)
def test_every_subject_comes_back_from_its_path(subject: str) -> None:
    made = callback_paths.path("stk", SECRET, subject)
    assert callback_paths.subject_of("stk", [SECRET], made.rpartition("/")[2]) == subject
    assert not [word for word in callback_paths.BANNED if word in made.lower()]


@PROPERTY
@given(st.text(max_size=60), st.sampled_from(sorted(callback_paths.LETTERS)))
def test_odd_texts_are_no_code_and_no_path(text: str, kind: Any) -> None:
    assert callback_paths.subject_of(kind, [SECRET], text) is None
    code = pay_codes.typed(text)
    assert code is None or pay_codes.typed(code) == code
