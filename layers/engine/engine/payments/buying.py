"""A purchase from the buyer's side: the pack is chosen, the intent is recorded, the provider is called."""

from engine.payments import intents
from engine.payments.book import Book
from engine.payments.intents import Intent, Wanted
from engine.platform.config import Settings
from engine.platform.errors import ProviderNotOffered, RequestIdRequired
from engine.web.forms import IntentForm
from engine.web.request_ids import RequestKey


def begin(
    book: Book, settings: Settings, user: str, form: IntentForm, asked: RequestKey, now: int
) -> tuple[Intent, bool]:
    """The intent of this request, and whether an earlier request made it.

    Raises `RequestIdRequired`, `PackNotFound`, `ProviderNotOffered`, `KeyReused`, `Busy`.
    """
    if asked.key is None:
        raise RequestIdRequired()
    pack = book.packs.current(form.pack_id)
    if form.provider not in settings.payment_providers or form.currency not in pack.prices:
        raise ProviderNotOffered(details={"prices": dict(pack.prices)})
    wanted = Wanted(user, pack, form.provider, form.currency, asked, now)
    return intents.create(book.table, wanted)
