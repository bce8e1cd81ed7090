"""Quotes: what the products that an app asks for cost for one video. A quote charges nothing.

`A#<user>` / `QUOTE#<id>` holds `url` (the video's address, rebuilt), `product`, `version`, `units`,
`expires_at`, `ttl`. No other module writes it. The id is made of the user, the app's request id, the video
and the price, so the same request gets the same quote, and a changed price another one.

A quote whose time is over is honoured while its price still holds, and kept for a week: the app fulfils under
the id of its request for days.

The length of the video is that of the metadata that the gateway keeps, whatever its age: it does not change.
TikTok is never asked for a quote, so TikTok cannot delay or fail one. Failure policy: where nothing is kept,
or the store does not answer within its own limits, the length is 0, which the app takes for unknown.
"""

from dataclasses import dataclass
from typing import Any

from engine.ledger.items import Account, account_pk
from engine.metadata import links
from engine.metadata.answers import Metadata
from engine.platform.errors import Busy
from engine.platform.ids import digest
from engine.platform.table import Item, Put, Table
from engine.platform.times import DAY_S, iso
from engine.wallet import pricing
from engine.wallet.pricing import Priced, Products
from engine.web.forms import QuoteForm

LASTS_S = DAY_S
KEPT_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Quote:
    """A price for a video; `expires_at` in epoch seconds."""

    id: str
    url: str
    priced: Priced
    expires_at: int

    @property
    def fingerprint(self) -> str:
        """What a fulfilment under one request id must be about each time: the video and the product. The
        price is not part of it, because the app asks for a new quote under the same id.
        """
        return digest("fulfill", self.url, self.priced.product.code)


def make(
    table: Table, products: Products, user: str, asked: QuoteForm, key: str, now: int
) -> Quote:
    """A quote for a video under the request id `key`.

    Raises `InvalidUrl`, `ProductNotOffered`, `OutcomeUnknown`, `Busy`.
    """
    post = links.parse(asked.url)
    priced = pricing.current(products, asked.requested_products)
    name = "q_" + digest(user, key, post.url, priced.product.name, str(priced.units))
    quote = Quote(name, post.url, priced, now + LASTS_S)
    item: Item = {
        "pk": account_pk(user),
        "sk": _sk(name),
        "url": quote.url,
        "product": priced.product.code,
        "version": priced.product.version,
        "units": priced.units,
        "expires_at": quote.expires_at,
        "ttl": now + KEPT_S,
    }
    table.write(Put(item, condition=""))
    return quote


def find(table: Table, products: Products, user: str, quote_id: str, now: int) -> Quote | None:
    """The user's quote; None if there is none, or if its time is over and its product has changed.

    Raises `Busy`.
    """
    item = table.get(account_pk(user), _sk(quote_id))
    if item is None or item["ttl"] < now:
        return None
    priced = pricing.quoted(products, item["product"], item["version"], item["units"])
    if priced is None:
        return None
    if item["expires_at"] < now and not pricing.is_current(products, priced):
        return None
    return Quote(quote_id, item["url"], priced, item["expires_at"])


def duration_s(metadata: Metadata, url: str) -> int:
    """How long the video is, in whole seconds; 0 if that is not known here."""
    try:
        return int(metadata.known(url).get("duration") or 0)
    except Busy:
        return 0


def members(
    quote: Quote, account: Account, *, is_at_hand: bool, duration_s: int, request_id: str
) -> dict[str, Any]:
    """The answer; `is_at_hand` says that the text can be read without a further charge."""
    price = 0 if is_at_hand else quote.priced.price
    sold = quote.priced.product
    product = {"code": sold.code, "label": sold.label, "priceUnits": price}
    return {
        "ok": True,
        "quoteId": quote.id,
        "priceVersion": sold.name,
        "expiresAt": iso(quote.expires_at),
        "estimated": {
            "durationSeconds": duration_s,
            "language": "unknown",
            "products": [product],
            "reserveUnits": price,
            "maxSettleUnits": price,
            "cacheHit": is_at_hand,
        },
        "balance": {"availableUnits": account.available, "reservedUnits": account.held},
        "requestId": request_id,
    }


def _sk(quote_id: str) -> str:
    return f"QUOTE#{quote_id}"
