"""What the sample events about payments, packs, products and holds need of a run that is up.

Payments are made at the stand-ins of the providers, whose control API is in the docstrings of
`standins/stripe.py`, `standins/daraja.py` and `standins/play.py`.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests

from engine.providers import callback_paths, play_messages, stripe_signature
from local.deploy import newest_secrets
from local.services import PAYMENT_PARAMETERS

if TYPE_CHECKING:
    from tools.sam.events import Event, Run

PACK = {"packId": "p250", "provider": "stripe", "currency": "USD"}
PRODUCT = "pluct_p250"
"""What Google Play calls the pack."""

TOO_LITTLE = 100
"""Cents; less than the pack costs, so the payment waits for an operator."""

WAIT_S = 60
PAUSE_S = 0.3


def intent(run: Run, **more: Any) -> Event:
    """A new purchase of the account."""
    body = {**PACK, **more, "clientRequestId": f"buy-{uuid.uuid4()}"}
    made: Event = run.call("POST", "/v1/payments/intents", body, authorization=_bearer(run)).json()
    return made


def payment(run: Run, **changed: Any) -> str:
    """A payment by card that the gateway has heard of; `changed` as the stand-in's order `pay` takes it."""
    session = intent(run)["checkoutUrl"].rpartition("/")[2]
    paid = order(run, "stripeUrl", "pay", {"session": session, **changed})["payment_intent"]
    _until(lambda: _is_known(run, f"/admin/payments/stripe/{paid}"))
    return str(paid)


def unmatched(run: Run) -> str:
    """A payment that waits for an operator."""
    return payment(run, amount=TOO_LITTLE)


def paid_by_phone(run: Run) -> str:
    """The receipt of a payment by M-Pesa that the gateway has heard of, from a phone of the account's own."""
    digits = int(hashlib.sha256(run.account["userId"].encode()).hexdigest(), 16) % 10**8
    phone = f"2547{digits:08d}"
    intent(run, provider="mpesa", currency="KES", phone=phone)
    found: list[str] = []

    def is_heard() -> bool:
        state = requests.get(f"{run.members['darajaUrl']}/_control/state", timeout=WAIT_S).json()
        pushes = [push for push in state["pushes"] if str(push["asked"]["PhoneNumber"]) == phone]
        found[:] = [push["payment"]["receipt"] for push in pushes if push["payment"]]
        return bool(found) and _is_known(run, f"/admin/payments/mpesa/{found[0]}")

    _until(is_heard)
    return found[0]


def purchase_token(run: Run) -> str:
    """A purchase of the account at Google Play."""
    account = play_messages.account_id(run.account["userId"])
    asked = {"product": PRODUCT, "account": account, "test": True}
    return str(order(run, "playUrl", "buy", asked)["token"])


def push_token(run: Run) -> str:
    """A token as Google's pushes carry it."""
    return str(order(run, "playUrl", "token", {})["token"])


def confirmation_segment(run: Run) -> str:
    """The last segment of the address that Daraja's confirmations are sent to."""
    secret = newest_secrets(run.members["engineUrl"])["CALLBACK_SECRET"]
    path = callback_paths.path("confirmation", secret, PAYMENT_PARAMETERS["MpesaShortCode"])
    return path.rpartition("/")[2]


def stripe_header(run: Run, body: str) -> str:
    """The signature of `body`, made now."""
    now = str(int(time.time()))
    made = stripe_signature.signature(run.members["stripeWebhookSecret"], now, body.encode())
    return f"t={now},v1={made}"


def receipt(run: Run) -> str:
    """A receipt of M-Pesa that no other account has."""
    return hashlib.sha256(run.account["userId"].encode()).hexdigest()[:10].upper()


def code(run: Run) -> str:
    """A code of a pack that no other account has."""
    return f"p{hashlib.sha256(run.account['userId'].encode()).hexdigest()[:8]}"


def product(run: Run) -> str:
    """A product that is sold."""
    saved = {
        "code": code(run), "version": 0, "label": "Minutes of audio", "unit": "minute",
        "creditsPerUnit": 1, "mostUnits": 120, "scope": "ttt:transcribe", "audience": "tttranscribe",
        "lifetimeSeconds": 900, "graceSeconds": 60, "overage": "reject", "active": True,
        "reason": "sample event", "settledBy": "duration", "leastUnits": 1,
    }  # fmt: skip
    run.administer("/admin/products", saved)
    return code(run)


def backend_key(run: Run) -> str:
    """An API key that may hold credits."""
    wanted = {"description": "sample event", "scopes": ["holds:write"]}
    return str(run.administer("/admin/generate-key", wanted)["apiKey"])


def hold_name(run: Run) -> str:
    return f"stream-{run.account['userId']}"


def hold(run: Run) -> str:
    """An open hold of the back end on a credit of the account."""
    asked = {
        "userId": run.account["userId"],
        "holdId": hold_name(run),
        "product": "transcript",
        "units": 1,
        "expiresInSeconds": 600,
        "reason": "A stream",
    }
    run.call("POST", "/v1/holds", asked, x_api_key=run.backend_key)
    return hold_name(run)


def hold_subject(run: Run) -> str:
    """The open hold as operators see it."""
    hold(run)
    path = f"/admin/holds?user={run.account['userId']}&state=open"
    found = run.call("GET", path, authorization=f"Bearer {run.members['adminSecret']}").json()
    return str(found["holds"][0]["jti"])


def order(run: Run, service: str, name: str, body: Event) -> Event:
    """What the stand-in answers to an order of its control API."""
    answer = requests.post(f"{run.members[service]}/_control/{name}", json=body, timeout=WAIT_S)
    answer.raise_for_status()
    made: Event = answer.json()
    return made


def _bearer(run: Run) -> str:
    return f"Bearer {run.account['token']}"


def _is_known(run: Run, path: str) -> bool:
    headers = {"authorization": f"Bearer {run.members['adminSecret']}"}
    return requests.get(run.members["baseUrl"] + path, headers=headers, timeout=WAIT_S).ok


def _until(holds: Callable[[], bool]) -> None:
    """Waits for what the stand-in's webhook does. Raises `TimeoutError`."""
    ends_at = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > ends_at:
            raise TimeoutError("The webhook of the payment did not arrive.")
        time.sleep(PAUSE_S)
