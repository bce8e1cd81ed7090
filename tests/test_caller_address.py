"""The address of a caller: what trusted proxies add is believed, what the caller sends is not."""

from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.platform.config import Settings, load
from engine.web import caller_address, rate_limits
from tests.support import deployed
from tests.support.properties import PROPERTY

EDGE = "130.176.1.1"
VIEWER = "203.0.113.5"
ENVIRON = {**deployed.SETTINGS, "TABLE_NAME": "t", "SECRETS_PREFIX": "/pluct/"}
HEADER = "cloudfront-viewer-address"

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
spaces = st.sampled_from(["", " ", "  ", "\t"])
rubbish = st.text(max_size=40)


def caller(
    forwarded: str | None = None, *, proxies: int = 0, viewer: str | None = None, seen: str = EDGE
) -> str:
    """The address of a call; `viewer` is CloudFront's header, which is believed where it is given."""
    headers = {} if forwarded is None else {caller_address.FORWARDED_FOR: forwarded}
    if viewer is not None:
        headers[HEADER] = viewer
    return caller_address.of(
        seen, headers, settings(proxies, believes_cloudfront=viewer is not None)
    )


@cache
def settings(proxies: int, *, believes_cloudfront: bool) -> Settings:
    name = "CloudFront-Viewer-Address" if believes_cloudfront else ""
    return load({**ENVIRON, "TRUSTED_PROXIES": str(proxies), "VIEWER_ADDRESS_HEADER": name})


def shortest(address: str) -> str:
    """The address as it is kept, IPv4 also where it stands within IPv6."""
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


@given(st.lists(addresses, max_size=5))
def test_no_header_is_believed_by_default(sent: list[str]) -> None:
    forwarded = ", ".join([*sent, EDGE])
    headers = {caller_address.FORWARDED_FOR: forwarded, HEADER: f"{VIEWER}:443"}
    assert caller_address.of(EDGE, headers, load(ENVIRON)) == EDGE


@PROPERTY
@given(
    sent=st.lists(st.one_of(addresses, rubbish), max_size=5),
    hops=st.lists(addresses, min_size=1, max_size=4),
    seen=addresses,
    space=spaces,
    appends=st.booleans(),
)
@example(sent=[], hops=[VIEWER], seen=EDGE, space=" ", appends=True)
@example(sent=["192.0.2.66"], hops=[VIEWER], seen=EDGE, space=" ", appends=True)
@example(sent=["192.0.2.66"], hops=[VIEWER], seen=EDGE, space=" ", appends=False)
def test_the_caller_is_what_the_first_trusted_proxy_saw_whatever_the_caller_sent(
    sent: list[str], hops: list[str], seen: str, space: str, appends: bool
) -> None:
    """`hops` are what each trusted proxy appended; the address that API Gateway saw is behind them."""
    if not appends and shortest(hops[-1]) == shortest(seen):
        return  # The entry could not be told from API Gateway's own.
    chain = [*sent, *hops, *([seen] if appends else [])]
    forwarded = f"{space},{space}".join(chain)
    assert caller(forwarded, proxies=len(hops), seen=seen) == shortest(hops[0])


@pytest.mark.parametrize(
    "forwarded",
    [
        None,
        "",
        EDGE,
        f", {EDGE}",
        f"unknown, {EDGE}",
        f"{VIEWER} {VIEWER}, {EDGE}",
        f"{VIEWER}:port, {EDGE}",
        f"999.1.1.1, {EDGE}",
        f"010.0.0.1, {EDGE}",
        f"[2001:db8::1, {EDGE}",
        f"[2001:db8::1]443, {EDGE}",
        f"2001:db8::1::2, {EDGE}",
        f"fe80::1%eth0, {EDGE}",
        f"{VIEWER}/24, {EDGE}",
        f"\u0662\u0660\u0663.0.113.5, {EDGE}",
        f"\x00, {EDGE}",
    ],
)
def test_a_list_that_is_too_short_or_malformed_is_passed_over(forwarded: str | None) -> None:
    assert caller(forwarded, proxies=1) == EDGE


def test_a_list_shorter_than_the_number_of_proxies_gives_nobody_elses_address() -> None:
    assert caller(f"192.0.2.66, {EDGE}", proxies=2) == EDGE
    assert caller(f"192.0.2.66, {VIEWER}, 10.0.0.9, {EDGE}", proxies=2) == VIEWER


WRITTEN = [
    ("203.0.113.5", VIEWER),
    (" 203.0.113.5 ", VIEWER),
    ("203.0.113.5:52001", VIEWER),
    ("2001:DB8:0:0::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ("::ffff:203.0.113.5", VIEWER),
    ("::FFFF:cb00:7105", VIEWER),
    ("[::ffff:203.0.113.5]:443", VIEWER),
]


@pytest.mark.parametrize(("written", "address"), WRITTEN)
def test_an_entry_may_have_brackets_a_port_or_ipv4_within_ipv6(written: str, address: str) -> None:
    assert caller(f"{written},{EDGE}", proxies=1) == address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.10:46532", "198.51.100.10"),
        ("2001:db8::1:46532", "2001:db8::1"),
        ("2001:db8::1:443", "2001:db8::1"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334:46532", "2001:db8:85a3::8a2e:370:7334"),
        ("[2001:db8::1]:46532", "2001:db8::1"),
        ("::ffff:198.51.100.10:46532", "198.51.100.10"),
        (" 198.51.100.10:46532 ", "198.51.100.10"),
        ("198.51.100.10", "198.51.100.10"),
    ],
)
def test_cloudfronts_header_has_the_address_and_a_port(written: str, address: str) -> None:
    assert caller(viewer=written) == address


@pytest.mark.parametrize(
    "written", ["", ":", ":443", "unknown:443", "198.51.100.300:1", "::::", "\ud800"]
)
def test_where_cloudfronts_header_is_malformed_the_next_source_counts(written: str) -> None:
    assert caller(viewer=written) == EDGE
    assert caller(f"{VIEWER}, {EDGE}", viewer=written, proxies=1) == VIEWER


def test_cloudfronts_header_goes_before_the_list() -> None:
    assert caller(f"192.0.2.66, {EDGE}", viewer=f"{VIEWER}:1", proxies=1) == VIEWER


@PROPERTY
@given(rubbish, rubbish, rubbish, st.integers(0, 10))
def test_no_text_whatever_raises_and_every_address_can_be_limited(
    forwarded: str, viewer: str, seen: str, proxies: int
) -> None:
    found = caller(forwarded, viewer=viewer, proxies=proxies, seen=seen)
    assert found == seen or found == shortest(found)
    assert rate_limits.of_address(found).startswith("IP#")


@PROPERTY
@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_one_network_of_ipv6_is_one_subject_also_behind_proxies(
    address: IPv6Address, interface: int
) -> None:
    neighbour = IPv6Address(int(address) >> 64 << 64 | interface)
    subjects = {
        rate_limits.of_address(caller(f"{one}, {EDGE}", proxies=1))
        for one in (address, neighbour)
        if one.ipv4_mapped is None
    }
    assert len(subjects) <= 1


@PROPERTY
@given(st.ip_addresses(v=4))
def test_ipv4_is_the_same_subject_within_ipv6(address: IPv4Address) -> None:
    assert caller(seen=f"::ffff:{address}") == caller(seen=str(address)) == str(address)
