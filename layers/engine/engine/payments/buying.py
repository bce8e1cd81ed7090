"""A purchase from the buyer's side: the pack is chosen, the intent is recorded, the provider is called."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.payments import by_mpesa, by_stripe, intents
from engine.payments.book import Book
from engine.payments.clients import Clients
from engine.payments.errors import ProviderNotOffered
from engine.payments.intents import MPESA, Intent, Wanted
from engine.platform.config import Settings
from engine.platform.errors import InvalidRequest, RequestIdRequired
from engine.providers import daraja, play_messages
from engine.providers.money import KES
from engine.web.forms import IntentForm
from engine.web.request_ids import RequestKey


@dataclass(frozen=True, slots=True)
class Shop:
    """What a purchase needs: the book, the providers, the settings."""

    book: Book
    clients: Clients
    settings: Settings


@dataclass(frozen=True, slots=True)
class Order:
    """A request to buy. `public_base` is where clients and providers reach the gateway."""

    user: str
    form: IntentForm
    asked: RequestKey
    public_base: str
    now: int


def begin(shop: Shop, order: Order) -> tuple[Intent, bool]:
    """The intent of this request, and whether an earlier request made it; the provider is called once it is
    recorded.

    Raises `RequestIdRequired`, `InvalidRequest`, `PackNotFound`, `ProviderNotOffered`, `KeyReused`,
    `PaymentInProgress`, `ProviderFailed`, `Busy`.
    """
    form = order.form
    if order.asked.key is None:
        raise RequestIdRequired()
    phone = daraja.phone_of(form.phone) if form.phone is not None else None
    if form.phone is not None and phone is None:
        raise InvalidRequest("This is not a mobile number of Kenya.", details={"field": "phone"})
    pack = shop.book.packs.current(form.pack_id)
    if not _is_offered(shop.settings, form, pack.prices):
        raise ProviderNotOffered(details={"prices": dict(pack.prices)})
    wanted = Wanted(order.user, pack, form.provider, form.currency, order.asked, order.now)
    intent, replayed = intents.create(shop.book.table, wanted)
    return _called(shop, order, intent, pack.label, phone), replayed


def pay_to(settings: Settings, intent: Intent) -> Mapping[str, str] | None:
    """Where to pay by hand with the pay code, None where that is not possible."""
    if intent.provider != MPESA or not intent.pay_code:
        return None
    kind = "till" if settings.mpesa_till else "paybill"
    number = settings.mpesa_till or settings.mpesa_short_code
    return {"kind": kind, "number": number, "account": intent.pay_code} if number else None


def _is_offered(settings: Settings, form: IntentForm, prices: Mapping[str, int]) -> bool:
    """M-Pesa takes whole shillings of Kenya alone."""
    if form.provider not in settings.payment_providers or form.currency not in prices:
        return False
    return form.provider != MPESA or (form.currency == KES and prices[KES] % 100 == 0)


def _called(shop: Shop, order: Order, intent: Intent, title: str, phone: str | None) -> Intent:
    """The intent after its provider was called, if it is one to call now."""
    book, clients = shop.book, shop.clients
    match intent.provider:
        case intents.STRIPE:
            url = shop.settings.checkout_return_url or order.public_base + "/"
            return by_stripe.begin(book, clients.stripe, intent, url, title)
        case intents.MPESA if phone is not None:
            url = clients.callback_url(order.public_base, "stk", intent.id)
            return by_mpesa.begin(book, clients.daraja, intent, phone, url, order.now)
        case intents.GOOGLE:
            intents.name_account(book.table, intent.user, play_messages.account_id(intent.user))
    return intent
