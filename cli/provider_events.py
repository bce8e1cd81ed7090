"""Sample events of providers at a local run, made by the stand-ins, so that the whole path is used.

The orders are those of the stand-ins' control API (`standins/`): a payment is made there, and the
stand-in's own webhook, signed as the provider's, tells the gateway.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import requests

from cli.client import path_segment
from cli.errors import CommandError
from cli.exit_codes import FAILED, UNAVAILABLE
from cli.session import TOKEN_LIFETIME_S, Session
from engine.providers import play_messages

VIDEO = "https://www.tiktok.com/@trigger/video/{}"
PACK = "p250"
PLAY_PRODUCT = f"pluct_{PACK}"
PHONE = "254708374149"
"""The test number of Daraja's sandbox."""
WAIT_S = 60.0
PAUSE_S = 0.3
LONG_JOB_S = 3600
ORDER_TIMEOUT_S = 10

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """A local run by the members of its file, and the user that things happen to."""

    session: Session
    run: Mapping[str, str]
    user: str

    def address(self, service: str) -> str:
        """Where a stand-in is. Raises `CommandError`."""
        found = self.run.get(f"{service}Url")
        if found is None:
            raise CommandError(f"This local run has no stand-in for {service}.", UNAVAILABLE)
        return found

    def order(self, service: str, name: str, body: Mapping[str, object]) -> Facts:
        """What a stand-in's control API answers. Raises `CommandError`."""
        where = f"{self.address(service)}/_control/{name}"
        try:
            answer = requests.post(where, json=dict(body), timeout=ORDER_TIMEOUT_S)
            made = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise CommandError(f"{where} gives no answer: {error}", UNAVAILABLE) from None
        if not answer.ok or not isinstance(made, dict):
            raise CommandError(f"{where}: {answer.status_code} {answer.text}", FAILED)
        return made

    def intent(self, provider: str, currency: str, **more: object) -> Facts:
        """A new purchase of a pack. Raises `CommandError`."""
        wanted = {"packId": PACK, "provider": provider, "currency": currency, **more}
        wanted["clientRequestId"] = f"trigger-{time.time_ns()}"
        headers = self.session.user_headers(self.user)
        return (
            self.session.client.post("/v1/payments/intents", wanted, headers=headers)
            .required()
            .members
        )

    def status(self, intent: Facts) -> str:
        """The state of a purchase now. Raises `CommandError`."""
        path = f"/v1/payments/{path_segment(str(intent['intentId']))}"
        headers = self.session.user_headers(self.user)
        return str(self.session.client.get(path, headers=headers).required().members["status"])

    def account(self) -> tuple[int, int]:
        """What is available and what is held; zero of a user who does not exist. Raises `CommandError`."""
        path = f"/admin/users/{path_segment(self.user)}"
        reply = self.session.client.get(path, headers=self.session.admin_headers)
        if reply.status == 404:
            return 0, 0
        found = reply.required().members
        return int(found["balance"]), int(found["heldCredits"])

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits for what the provider's message does. Raises `CommandError` when it does not happen."""
        ends_at = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > ends_at:
                text = f"The event was sent, but {what} did not follow within {WAIT_S:.0f} s."
                raise CommandError(text, FAILED)
            time.sleep(PAUSE_S)

    @contextmanager
    def moving(self, what: str) -> Iterator[None]:
        """A block after which the account is waited for to change."""
        before = self.account()
        yield
        self.until(lambda: self.account() != before, what)


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What happens at the provider, in words, and what does it: it gives the ids of what it made."""

    what: str
    happen: Callable[[Scene], Facts]


def _card_pays(scene: Scene, **changed: object) -> Facts:
    intent = scene.intent("stripe", "USD")
    session = _session(intent)
    with scene.moving("the grant"):
        paid = scene.order("stripe", "pay", {"session": session, **changed})
    return {"payment": str(paid["payment_intent"]), "intent": intent["intentId"]}


def _session_expires(scene: Scene) -> Facts:
    intent = scene.intent("stripe", "USD")
    before = scene.status(intent)
    scene.order("stripe", "end_session", {"session": _session(intent)})
    scene.until(lambda: scene.status(intent) != before, "the end of the purchase")
    return {"intent": intent["intentId"], "status": scene.status(intent)}


def _later(*, is_paid: bool) -> Callable[[Scene], Facts]:
    def happen(scene: Scene) -> Facts:
        intent = scene.intent("stripe", "USD")
        session = {"session": _session(intent)}
        before, status = scene.account(), scene.status(intent)
        scene.order("stripe", "pay", {**session, "later": True})
        scene.order("stripe", "settle", {**session, "paid": is_paid})
        if is_paid:
            scene.until(lambda: scene.account() != before, "the grant")
        else:
            scene.until(lambda: scene.status(intent) != status, "the end of the purchase")
        return {"intent": intent["intentId"], "status": scene.status(intent)}

    return happen


def _refund(scene: Scene) -> Facts:
    paid = _card_pays(scene)
    with scene.moving("what takes the credits back"):
        refund = scene.order("stripe", "refund", {"payment": paid["payment"]})
    return {**paid, "refund": refund["id"]}


def _dispute(scene: Scene) -> Facts:
    paid = _card_pays(scene)
    with scene.moving("what takes the credits back"):
        dispute = scene.order("stripe", "dispute", {"payment": paid["payment"]})
    return {**paid, "dispute": dispute["id"]}


def _dispute_is_won(scene: Scene) -> Facts:
    disputed = _dispute(scene)
    with scene.moving("what gives the credits again"):
        scene.order("stripe", "end_dispute", {"dispute": disputed["dispute"], "won": True})
    return disputed


def _prompt(answer: str) -> Callable[[Scene], Facts]:
    """A prompt on a customer's phone, who answers by themselves as told here."""

    def happen(scene: Scene) -> Facts:
        usual = scene.order("daraja", "settings", {})["answer"]
        before = scene.account()
        scene.order("daraja", "settings", {"answer": answer})
        try:
            intent = scene.intent("mpesa", "KES", phone=PHONE)
            status = scene.status(intent)
            if answer == "pays":
                scene.until(lambda: scene.account() != before, "the grant")
            else:
                scene.until(lambda: scene.status(intent) != status, "the end of the purchase")
        finally:
            scene.order("daraja", "settings", {"answer": usual})
        return {"intent": intent["intentId"], "status": scene.status(intent)}

    return happen


def _pays_at_the_paybill(scene: Scene) -> Facts:
    """Daraja reports such payments to addresses that are registered once."""
    scene.session.admin_write("/admin/payments/addresses", {"reason": "trigger"}, None)
    intent = scene.intent("mpesa", "KES")
    asked = {"reference": intent["payCode"], "amount": int(intent["amountMinor"]) // 100}
    with scene.moving("the grant"):
        receipt = scene.order("daraja", "c2b", asked)["receipt"]
    return {"intent": intent["intentId"], "receipt": receipt}


def _buys_at_google(scene: Scene, state: str = "PURCHASED") -> Facts:
    account = play_messages.account_id(scene.user)
    asked = {"product": PLAY_PRODUCT, "account": account, "test": True, "state": state}
    return {"purchaseToken": scene.order("play", "buy", asked)["token"]}


def _claim(scene: Scene, bought: Facts) -> None:
    """As the app does: Google's push names no user that the gateway can be sure of."""
    headers = scene.session.user_headers(scene.user)
    scene.session.client.post("/v1/payments/google/claim", bought, headers=headers).required()


def _purchase(scene: Scene) -> Facts:
    with scene.moving("the grant"):
        bought = _buys_at_google(scene)
        _claim(scene, bought)
    return bought


def _voided(scene: Scene) -> Facts:
    bought = _purchase(scene)
    with scene.moving("what takes the credits back"):
        scene.order("play", "void", {"token": bought["purchaseToken"]})
    return bought


def _job(phase: str) -> Callable[[Scene], Facts]:
    """A transcription that ends now; the service's webhook says so, and nobody asks for its status."""

    def happen(scene: Scene) -> Facts:
        headers = scene.session.user_headers(scene.user)
        key = f"trigger-{time.time_ns()}"
        client = scene.session.client
        vended = client.post("/v1/vend-token", {}, headers=headers, key=key).required().members
        _, held = scene.account()
        ticket = {"authorization": f"Bearer {vended['token']}"}
        body = {"url": VIDEO.format(time.time_ns())}  # One that was done before ends at once.
        with _long_jobs(scene):
            started = client.post("/ttt/transcribe", body, headers=ticket, key=key).required()
        job = str(started.members["jobId"])
        scene.order("upstream", f"jobs/{path_segment(job)}", {"phase": phase})
        scene.until(lambda: scene.account()[1] < held, "the end of the hold")
        return {"job": job}

    return happen


@contextmanager
def _long_jobs(scene: Scene) -> Iterator[None]:
    """A job that begins now does not end by itself before it is told how."""
    usual = scene.order("upstream", "settings", {})["job_seconds"]
    scene.order("upstream", "settings", {"job_seconds": LONG_JOB_S})
    try:
        yield
    finally:
        scene.order("upstream", "settings", {"job_seconds": usual})


def _spends_at_a_model(scene: Scene) -> Facts:
    """Most of a key is used; the next call of the subscriber charges it and replaces the key."""
    now = int(time.time())
    claims = {"uid": scene.user, "exp": now + TOKEN_LIFETIME_S}
    token = jwt.encode(claims, scene.run["subscriptionJwtSecret"], algorithm="HS256")
    headers = {"authorization": f"Bearer {token}"}

    def key() -> Facts:
        found: Facts = (
            scene.session.client.post("/api/key", {}, headers=headers).required().members["data"]
        )
        return found

    before = key()
    scene.order("openrouter", "spend", {"key": before["key"], "usd": "0.60"})
    after: list[Facts] = []

    def is_charged() -> bool:
        after[:] = [key()]
        return bool(after[0]["remaining_credits"] != before["remaining_credits"])

    scene.until(is_charged, "the charge")
    return {
        "remainingBefore": before["remaining_credits"],
        "remaining": after[0]["remaining_credits"],
    }


def _session(intent: Facts) -> str:
    return str(intent["checkoutUrl"]).rpartition("/")[2]


EVENTS: Mapping[str, ProviderEvent] = {
    "stripe.checkout.session.completed": ProviderEvent("A card pays for a pack", _card_pays),
    "stripe.checkout.session.expired": ProviderEvent("Nobody pays in time", _session_expires),
    "stripe.checkout.session.async_payment_succeeded": ProviderEvent(
        "A bank transfer arrives", _later(is_paid=True)
    ),
    "stripe.checkout.session.async_payment_failed": ProviderEvent(
        "A bank transfer does not arrive", _later(is_paid=False)
    ),
    "stripe.charge.refunded": ProviderEvent("A payment is refunded", _refund),
    "stripe.charge.dispute.created": ProviderEvent("A payment is disputed", _dispute),
    "stripe.charge.dispute.closed": ProviderEvent("A dispute is won", _dispute_is_won),
    "mpesa.stk.paid": ProviderEvent("A customer accepts the prompt", _prompt("pays")),
    "mpesa.stk.cancelled": ProviderEvent("A customer refuses the prompt", _prompt("cancels")),
    "mpesa.c2b.confirmation": ProviderEvent(
        "Somebody pays to the short code", _pays_at_the_paybill
    ),
    "play.purchased": ProviderEvent("A purchase at Google Play, claimed by the app", _purchase),
    "play.voided": ProviderEvent("Google takes a purchase back", _voided),
    "ttt.job.completed": ProviderEvent("A transcription ends", _job("COMPLETED")),
    "ttt.job.failed": ProviderEvent("A transcription fails", _job("FAILED")),
    "openrouter.usage": ProviderEvent("A subscriber's key is used", _spends_at_a_model),
}
"""What `pluct trigger` can make happen, by the provider and its own name of the event."""
