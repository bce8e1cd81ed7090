"""Quotes: what a video costs, without any charge, and for how long a price holds."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine.metadata.answers import Metadata
from engine.metadata.cache import Cache, Watch
from engine.platform.table import Table
from tests.support import app_client
from tests.support.direct import assert_refused
from tests.support.faults import FaultyClient
from tests.support.studio import Studio, opened
from tests.support.wallet import MINUTES, bought, fulfill, job, quote


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint, ALLOW_HEADER_IDENTITY="true") as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def test_a_quote_tells_the_price_and_charges_nothing(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=3)
    made = quote(studio.gateway, headers)
    assert made.status == 200
    assert made.json["estimated"] == {
        "durationSeconds": 0,
        "language": "unknown",
        "products": [{"code": "transcript", "label": "Transcript", "priceUnits": 1}],
        "reserveUnits": 1,
        "maxSettleUnits": 1,
        "cacheHit": False,
    }
    assert made.json["balance"] == {"availableUnits": 3, "reservedUnits": 0}
    assert made.json["priceVersion"] == "transcript@1"
    assert quote(studio.gateway, headers).json["quoteId"] == made.json["quoteId"]
    assert [entry.type for entry in studio.gateway.entries(user)] == ["user_creation", "api_add"]


def keep_metadata(studio: Studio, key: str, **members: Any) -> None:
    """As a look-up keeps them, long ago."""
    cache = Cache(studio.gateway.ledger.table, frozenset(), frozenset())
    cache.fetch(f"TIKTOK#{key}", lambda _: members, Watch(1_700_000_000, 10.0), 5.0)


def length(studio: Studio, headers: Mapping[str, str], url: str) -> int:
    made = quote(studio.gateway, headers, url=url).json
    app_client.SHAPES["quote"].read(made)
    return int(made["estimated"]["durationSeconds"])


def test_a_quote_tells_the_length_of_a_video_whose_metadata_are_kept(studio: Studio) -> None:
    """Also by a short link, and however old they are."""
    _, headers = studio.gateway.user()
    keep_metadata(studio, "7300000000000000041", duration=37)
    keep_metadata(studio, "vm.tiktok.com/ZMabc0041", id="7300000000000000041")
    assert length(studio, headers, "https://www.tiktok.com/@a/video/7300000000000000041") == 37
    assert length(studio, headers, "https://vm.tiktok.com/ZMabc0041/") == 37


def test_a_length_that_is_not_known_is_0_and_tiktok_is_not_asked(studio: Studio) -> None:
    """No look-up has kept anything, or one that did not see the length; the fixture allows no TikTok."""
    _, headers = studio.gateway.user()
    keep_metadata(studio, "7300000000000000043", duration=None)
    keep_metadata(studio, "vm.tiktok.com/ZMabc0044", id="7300000000000000044")
    assert length(studio, headers, "https://www.tiktok.com/@a/video/7300000000000000042") == 0
    assert length(studio, headers, "https://www.tiktok.com/@a/video/7300000000000000043") == 0
    assert length(studio, headers, "https://vm.tiktok.com/ZMabc0044/") == 0
    assert length(studio, headers, "https://vm.tiktok.com/ZMabc0045/") == 0


def test_a_quote_does_without_metadata_that_cannot_be_read(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = studio.gateway.user()
    keep_metadata(studio, "7300000000000000046", duration=37)
    client: Any = FaultyClient(studio.gateway.dynamodb, 0, "before", "unreachable")
    out_of_reach = Metadata(Table(client, studio.gateway.table_name), "")
    monkeypatch.setattr(studio.gateway.function("wallet"), "metadata", out_of_reach)
    assert length(studio, headers, "https://www.tiktok.com/@a/video/7300000000000000046") == 0
    assert client.made == 1


def test_a_quote_needs_no_credit(studio: Studio) -> None:
    _, headers = studio.gateway.user()
    assert quote(studio.gateway, headers).json["balance"]["availableUnits"] == 0


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"url": "https://example.com/x"}, "invalid_url"),
        ({"url": 7}, "invalid_request"),
        ({"inputType": "youtube_url"}, "invalid_request"),
        ({"requestedProducts": []}, "invalid_request"),
        ({"requestedProducts": ["summary"]}, "product_not_offered"),
        ({"requestedProducts": ["transcript", "transcript"]}, "product_not_offered"),
    ],
)
def test_a_quote_is_refused_with_a_sentence_and_never_with_404(
    studio: Studio, members: dict[str, Any], code: str
) -> None:
    _, headers = studio.gateway.user()
    reply = quote(studio.gateway, headers, **members)
    assert_refused(reply, 400)
    assert reply.code == code
    assert reply.json["details"]["message"] == reply.json["message"]


def test_the_first_answer_is_found_when_its_quote_has_passed(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    made = quote(studio.gateway, headers).json
    first = fulfill(studio.gateway, headers, made["quoteId"])
    studio.upstream.forward(60)
    job(studio, headers, first.json["jobId"])
    studio.pass_(8 * 86_400)
    headers = studio.gateway.user_headers(user)
    again = fulfill(studio.gateway, headers, made["quoteId"])
    assert (again.status, again.json["jobId"]) == (200, first.json["jobId"])
    other = fulfill(studio.gateway, headers, made["quoteId"], "another")
    assert_refused(other, 410)
    assert (other.code, studio.credits(user)) == ("quote_gone", (0, 0))


def test_a_product_by_the_minute_holds_the_most_and_gives_the_rest_back(studio: Studio) -> None:
    saved = studio.gateway.call("POST", "/admin/products", MINUTES, headers=studio.gateway.admin)
    assert saved.status == 200, saved.text
    wallet: Any = studio.gateway.function("wallet")
    wallet.products.forget()
    user, headers = studio.gateway.user(balance=20)
    done = bought(studio, headers, requestedProducts=["transcript_minutes"])
    assert (done.json["reservedUnits"], studio.credits(user)) == (10, (10, 10))
    studio.upstream.forward(60)
    ended = job(studio, headers, done.json["jobId"])
    settled = ended["settlement"]["settledUnits"]
    assert 2 <= settled < 10
    assert ended["settlement"]["refundedUnits"] == 10 - settled
    assert studio.credits(user) == (20 - settled, 0)
    wrong = {**MINUTES, "code": "other_audience", "audience": "elsewhere"}
    assert (
        studio.gateway.call("POST", "/admin/products", wrong, headers=studio.gateway.admin).status
        == 200
    )
    wallet.products.forget()
    refused = quote(studio.gateway, headers, requestedProducts=["other_audience"])
    assert refused.code == "product_not_offered"


def test_a_changed_price_ends_a_quote_only_when_its_time_is_over(studio: Studio) -> None:
    wallet: Any = studio.gateway.function("wallet")
    product = {**MINUTES, "code": "by_call", "unit": "call", "mostUnits": 1, "settledBy": "none"}
    admin = {"headers": studio.gateway.admin}
    assert studio.gateway.call("POST", "/admin/products", product, **admin).status == 200
    wallet.products.forget()
    user, headers = studio.gateway.user(balance=20)
    made = quote(studio.gateway, headers, requestedProducts=["by_call"]).json
    dearer = {**product, "version": 1, "creditsPerUnit": 5}
    assert studio.gateway.call("POST", "/admin/products", dearer, **admin).status == 200
    wallet.products.forget()
    new = quote(studio.gateway, headers, requestedProducts=["by_call"]).json
    assert new["quoteId"] != made["quoteId"] and new["estimated"]["reserveUnits"] == 5
    assert fulfill(studio.gateway, headers, made["quoteId"], "one").json["reservedUnits"] == 2
    studio.pass_(86_400 + 1)
    headers = studio.gateway.user_headers(user)
    late = fulfill(studio.gateway, headers, made["quoteId"], "two")
    assert (late.status, late.code) == (410, "quote_gone")


def test_a_quote_whose_price_still_holds_is_honoured_after_its_time(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    made = quote(studio.gateway, headers).json
    studio.pass_(2 * 86_400)
    headers = studio.gateway.user_headers(user)
    assert fulfill(studio.gateway, headers, made["quoteId"]).status == 200
