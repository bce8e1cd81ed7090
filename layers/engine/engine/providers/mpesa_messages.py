"""Messages of M-Pesa that a payer pastes: what they say, as a hint.

Formats: public samples of Kenya (English) and Tanzania (English, Swahili); nobody documents them. A message
is text that anyone can write, so it proves nothing: it names a receipt that a provider may have proved.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from engine.providers import money
from engine.providers.daraja_callbacks import receipt_of
from engine.providers.money import BadAmount, Money

LONGEST = 4096
Kind = Literal[
    "paybill",
    "till",
    "send",
    "received",
    "airtime",
    "withdraw",
    "reversal",
    "fuliza_notice",
    "other",
]
PAYMENTS: Final[frozenset[Kind]] = frozenset({"paybill", "till", "send"})
CURRENCIES: Final = {"ksh": "KES", "kes": "KES", "tsh": "TZS", "tzs": "TZS"}

_START = re.compile(r"\b([A-Z][A-Z0-9]{9,10})\s{1,3}(?:[Cc]onfirmed|[Ii]methibitishwa)\b")
_CODE = re.compile(r"[A-Z][A-Z0-9]{9,10}")
_AMOUNT = re.compile(r"\b(Ksh|KES|Kes|Tsh|TZS|Tzs)\.?\s?([0-9][0-9,]{0,14}(?:\.[0-9]{1,2})?)")
_DATE = re.compile(r"\b(?:[Oo]n|tarehe)\s{1,3}([0-9]{1,2})/([0-9]{1,2})/([0-9]{2,4})\b")
_ACCOUNT = re.compile(
    r"\b(?:for account|akaunti namba)\s{1,3}([A-Za-z0-9][A-Za-z0-9 ._/-]{0,39}?)\s{1,3}(?:on|tarehe)\s"
)
_REVERSED = re.compile(r"\b[Rr]eversal of transaction\s{1,3}([A-Z][A-Z0-9]{9,10})\b")
_KINDS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("reversal", _REVERSED),
    ("fuliza_notice", re.compile(r"\bFuliza M-PESA amount is\b")),
    ("received", re.compile(r"\b(?:received|[Uu]mepokea)\b")),
    ("airtime", re.compile(r"\bof airtime\b")),
    ("withdraw", re.compile(r"[Ww]ithdraw\b|\bcash to\b|Give Ksh")),
    ("paybill", _ACCOUNT),
    ("till", re.compile(r"\b(?:paid to|imelipwa kwa)\b")),
    ("send", re.compile(r"\b(?:sent to|imetumwa kwa)\b")),
)
"""In this order: a reversal names the payment that it reverses."""

_REDACTED: Final = (
    # What is left, may be spent, or is owed.
    (
        re.compile(
            r"((?:[Bb]alance|[Ss]alio)[^.0-9]{0,60}|within the day is\s{0,3}|outstanding amount is\s{0,3})"
            r"(?:Ksh|Kes|KES|Tsh|TZS)?\s?[0-9][0-9,]{0,14}(?:\.[0-9]{1,2})?"
        ),
        r"\1***",
    ),
    # The person at the other end of a transfer.
    (
        re.compile(
            r"\b((?:sent to|received [A-Z][a-z]{2}\s?[0-9,.]{1,18} from|from|imetumwa kwa)\s{1,3})"
            r"[^0-9+*\n]{2,60}?(\s{1,3}\+?[0-9*]{9,13})"
        ),
        r"\1***\2",
    ),
    # Numbers of phones.
    (re.compile(r"(?<![0-9A-Za-z])\+?(?:254|255|0)[0-9*]{6,9}([0-9]{3})(?![0-9])"), r"***\1"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}"), "***"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `account` is what was typed as account, `reverses` the receipt that a reversal names;
    `day` is the day it gives, of a notice of debt the day when that is due.
    """

    receipt: str
    kind: Kind
    amount: Money | None
    account: str | None
    day: date | None
    reverses: str | None = None

    @property
    def is_payment(self) -> bool:
        return self.kind in PAYMENTS


def read(text: str) -> list[Message]:
    """The messages in `text`, in order; none in a text over `LONGEST`. Never raises."""
    if len(text) > LONGEST:
        return []
    starts = list(_START.finditer(text))
    ends = [*(start.start() for start in starts), len(text)][1:]
    return [
        _message(start[1], text[start.end() : end])
        for start, end in zip(starts, ends, strict=True)
        if receipt_of(start[1]) is not None
    ]


def receipts(text: str) -> list[str]:
    """The receipts that `text` names, each once: of its messages, or the whole text if it is a code alone."""
    typed = text.strip().upper() if len(text) <= 40 else ""
    if _CODE.fullmatch(typed) and receipt_of(typed):
        return [typed]
    return list(dict.fromkeys(message.receipt for message in read(text)))


def redacted(text: str) -> str:
    """`text` as it may be stored: without balances, names of persons, phone numbers and e-mail addresses."""
    kept = text[:LONGEST].encode(errors="replace").decode()
    for form, instead in _REDACTED:
        kept = form.sub(instead, kept)
    return kept


def day_of(receipt: str) -> date | None:
    """The day that a receipt of Kenya names in its first three characters: year (L is 2017), month, day.

    Inferred from dated public samples and documented nowhere: a hint at forgeries, no more.
    """
    if len(receipt) != 10 or not receipt_of(receipt):
        return None
    year, month = ord(receipt[0]) - ord("L") + 2017, ord(receipt[1]) - ord("A") + 1
    place = "0123456789ABCDEFGHIJKLMNOPQRSTUV".find(receipt[2])
    return _day(place, month, year) if year >= 2017 else None


def _message(receipt: str, rest: str) -> Message:
    kind: Kind = next((kind for kind, form in _KINDS if form.search(rest)), "other")
    account, turned = _ACCOUNT.search(rest), _REVERSED.search(rest)
    return Message(
        receipt,
        kind,
        next(_amounts(rest), None),
        account[1] if account and kind == "paybill" else None,
        next(_days(rest), None),
        turned[1] if turned else None,
    )


def _amounts(rest: str) -> Iterator[Money]:
    for found in _AMOUNT.finditer(rest):
        try:
            yield money.of_major(found[2].replace(",", ""), CURRENCIES[found[1].lower()])
        except BadAmount:
            continue


def _days(rest: str) -> Iterator[date]:
    for found in _DATE.finditer(rest):
        day, month, year = (int(part) for part in found.groups())
        made = _day(day, month, year + 2000 if year < 100 else year)
        if made is not None:
            yield made


def _day(day: int, month: int, year: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
