"""Signatures of Stripe's webhooks: every vector gets the verdict that it states."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import stripe_signature
from tests.support.properties import PROPERTY
from tests.support.vectors import vectors

VECTORS = vectors("stripe/signatures")["vectors"]
NOW = 1_767_600_075
SECRET = "whsec_test_pluct_current"


def test_there_are_22_vectors() -> None:
    assert len(VECTORS) == 22


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["name"])
def test_a_vector_gets_its_verdict(vector: dict[str, Any]) -> None:
    found = stripe_signature.is_signed(
        vector["header"], vector["body"].encode(), vector["secrets"], vector["now"]
    )
    # "either" is a header with two times, which ours refuses.
    assert found is (vector["expect"] == "accept")


def test_the_example_of_the_documentation_is_computed() -> None:
    body = b'{"id":"evt_test","object":"event"}'
    assert stripe_signature.signature("whsec_test_secret", "1700000000", body) == (
        "8042376f6ca064adbe037642a718227dfd59047137eb49497a54c49eb0cfb724"
    )


@pytest.mark.parametrize("written", [f"0{NOW}", f"+{NOW}", f"{NOW}.0", f" {NOW}", f"{NOW}_0"])
def test_a_time_in_another_form_is_refused_also_with_a_right_signature(written: str) -> None:
    signed = stripe_signature.signature(SECRET, written, b"{}")
    assert not stripe_signature.is_signed(f"t={written},v1={signed}", b"{}", [SECRET], NOW)


def test_without_a_secret_nothing_is_signed() -> None:
    signed = stripe_signature.signature(SECRET, str(NOW), b"{}")
    assert not stripe_signature.is_signed(f"t={NOW},v1={signed}", b"{}", [], NOW)


@PROPERTY
@given(
    st.one_of(
        st.text(max_size=200),
        st.text(alphabet="tv10=,9fé \ud800", max_size=60),
        st.builds("t={},v1={}".format, st.integers(), st.text(max_size=80)),
    ),
    st.binary(max_size=60),
)
def test_odd_headers_are_not_signed_and_raise_nothing(header: str, body: bytes) -> None:
    assert stripe_signature.is_signed(header, body, [SECRET], NOW) is False


@PROPERTY
@given(st.binary(max_size=200), st.integers(-300, 300))
def test_what_we_sign_is_accepted_within_the_tolerance(body: bytes, off: int) -> None:
    signed = stripe_signature.signature(SECRET, str(NOW), body)
    header = f"t={NOW},v1={signed}"
    assert stripe_signature.is_signed(header, body, ["other", SECRET], NOW + off)
    assert not stripe_signature.is_signed(header, body + b" ", [SECRET], NOW)
