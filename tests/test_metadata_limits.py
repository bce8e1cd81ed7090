"""Limits of `GET /meta` by address, and what its function loads at the start."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from engine.metadata import answers, lookup
from engine.metadata.client import Browser
from engine.platform import config
from local.settings import ROOT
from tests.support import deployed, template
from tests.support.gateway import Gateway, Reply
from tests.support.schema import check_answer
from tests.support.tiktok import VISIBLE, TiktokStandin, address, serving


@pytest.fixture(scope="module")
def running() -> Iterator[TiktokStandin]:
    with serving(filler_kb=20) as standin:
        yield standin


@pytest.fixture
def tiktok(running: TiktokStandin) -> TiktokStandin:
    running.reset()
    return running


def test_calls_are_limited_by_address(endpoint: str, tiktok: TiktokStandin) -> None:
    gateway = Gateway(endpoint, TIKTOK_BASE=tiktok.base, RATE_LIMIT="1")
    replies = [
        gateway.call("GET", "/meta", query={"url": "x"}, address="198.51.100.1") for _ in range(11)
    ]
    assert [reply.status for reply in replies] == [400] * 10 + [429]
    assert gateway.call("GET", "/meta", query={"url": "x"}, address="198.51.100.2").status == 400


def test_an_address_makes_us_ask_tiktok_less_often_than_it_may_call(
    endpoint: str, tiktok: TiktokStandin
) -> None:
    gateway = Gateway(endpoint, TIKTOK_BASE=tiktok.base, RATE_LIMIT="1")

    def call(post: Any, caller: str = "198.51.100.7") -> Reply:
        reply = gateway.call("GET", "/meta", query={"url": address(post)}, address=caller)
        check_answer("GET", "/meta", reply.status, reply.headers, reply.text)
        return reply

    replies = [call(post) for post in VISIBLE[:5]]
    assert [reply.status for reply in replies] == [200] * 3 + [429] * 2
    assert 1 <= int(replies[4].headers["retry-after"]) <= 60
    assert tiktok.counts["oembed"] == 3
    # A kept answer costs TikTok nothing, and a refused caller leaves no lease behind.
    assert call(VISIBLE[0]).json["cached"] is True
    assert call(VISIBLE[4], "198.51.100.8").status == 200
    assert call(VISIBLE[4]).json["cached"] is True


def test_following_short_links_counts_as_asking_tiktok(
    endpoint: str, tiktok: TiktokStandin
) -> None:
    gateway = Gateway(endpoint, TIKTOK_BASE=tiktok.base, RATE_LIMIT="1")

    def code_of(link: str) -> str:
        url = f"https://vm.tiktok.com/{link}/"
        return gateway.call("GET", "/meta", query={"url": url}, address="198.51.100.9").code

    links = ("ZTprofile", "ZTlive001", "ZTmusic01", "ZTinvite1", "ZTshop001")
    assert [code_of(link) for link in links] == ["not_a_video"] * 3 + ["rate_limited"] * 2
    assert tiktok.counts == {"short": 3}
    assert code_of("ZTprofile") == "not_a_video"


def test_one_64_network_of_ipv6_is_one_address(endpoint: str, tiktok: TiktokStandin) -> None:
    gateway = Gateway(endpoint, TIKTOK_BASE=tiktok.base, RATE_LIMIT="1")

    def status(caller: str) -> int:
        return gateway.call("GET", "/meta", query={"url": "x"}, address=caller).status

    assert [status(f"2001:db8:1:2::{n:x}") for n in range(11)] == [400] * 10 + [429]
    assert status("2001:db8:1:3::1") == 400


def test_nothing_is_loaded_at_the_start_that_a_kept_answer_does_not_need() -> None:
    program = (
        "import runpy, sys; runpy.run_path('functions/metadata/app.py', run_name='app'); "
        "print([m for m in ('bs4', 'soupsieve', 'engine.platform.outgoing') if m in sys.modules])"
    )
    names = {"PYTHONPATH": "layers/engine", "TABLE_NAME": "t", "SECRETS_PREFIX": "p"}
    environment = {**deployed.CREDENTIALS, **deployed.SETTINGS, **names}
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert loaded.stdout.strip() == "[]"


def test_all_waiting_ends_before_the_gateway_gives_up() -> None:
    calls_of_a_look_up = lookup.ATTEMPTS + len(Browser)
    assert lookup.CALL_S == 2.0
    assert lookup.CALL_S * calls_of_a_look_up <= answers.POST_S
    assert answers.POST_S + answers.LINK_S < answers.REQUEST_S <= 25


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:9", "https://evil.example", "https://tiktok.com"]
)
def test_only_a_local_run_may_ask_another_tiktok(base: str) -> None:
    environment = {
        **deployed.SETTINGS, "ENVIRONMENT": "prod", "TABLE_NAME": "t", "SECRETS_PREFIX": "p",
        "TTT_BASE": "https://ttt.example.test",
    }  # fmt: skip
    assert config.load(environment).tiktok_base == "https://www.tiktok.com"
    with pytest.raises(ValueError, match="TikTok"):
        config.load({**environment, "TIKTOK_BASE": base})


def test_the_function_that_reads_foreign_pages_can_touch_no_account() -> None:
    """Kept answers and rate windows are all that its role lets it read or write."""
    statement, _front_secret = template.functions()["metadata"].statements
    keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert keys == ["TIKTOK#*", "IP#*"]
    assert sorted(statement["Action"]) == [f"dynamodb:{x}Item" for x in ("Get", "Put", "Update")]
